//! Rows at the bottom of a terminal that are drawn over again and again, with text above them that stays.
//!
//! There is one terminal, so there is one [`Rows`] a program. All that is written to standard error during a run goes through it.
//! Each row keeps clear of the last column, where terminals disagree on the next position.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::report::{clean, style};

static ROWS: Mutex<Rows> = Mutex::new(Rows { widths: Vec::new() });

/// The rows on the screen now.
struct Rows {
    /// The width of each row.
    widths: Vec<usize>,
}

/// The size of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub rows: usize,
    pub columns: usize,
}

impl Size {
    /// Of the terminal on standard error, as it is now.
    pub(super) fn now() -> Size {
        let (rows, columns) = console::Term::stderr().size_checked().unwrap_or((24, 80));
        Size { rows: usize::from(rows), columns: usize::from(columns) }
    }
}

/// The columns of the terminal on standard error, where it is one.
pub fn columns() -> Option<usize> {
    style::can_move(&std::io::stderr()).then(|| Size::now().columns)
}

/// Prints `above` for good and draws `rows` below it, instead of those before. Both may be empty.
pub(super) fn draw(above: &str, rows: &[String], size: Size) {
    let most = size.columns.saturating_sub(1);
    let rows: Vec<String> =
        rows.iter().map(|row| console::truncate_str(&clean::screen(row), most, "…").into_owned()).collect();
    let mut drawn = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = drawn.erased(size);
    if !above.is_empty() {
        let _ = writeln!(text, "{}", clean::screen(above).trim_end_matches('\n'));
    }
    text.push_str(&rows.join("\n"));
    drawn.widths = rows.iter().map(|row| console::measure_text_width(row)).collect();
    // One write, so that nothing is seen half drawn. The terminal may be gone; the run goes on.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Prints `text` as it is on standard error, where rows may be drawn: they make way.
pub fn say(text: &str) {
    draw(text, &[], Size::now());
}

impl Rows {
    /// The text that erases the rows and leaves the cursor where the first began. A terminal that became narrower has folded them.
    fn erased(&self, size: Size) -> String {
        let columns = size.columns.max(1);
        let lines: usize = self.widths.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        if lines == 0 {
            return String::new();
        }
        format!("\r\u{1b}[2K{}", "\u{1b}[1A\u{1b}[2K".repeat(lines - 1))
    }
}
