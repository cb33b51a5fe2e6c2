//! Colours, only on a terminal and only where NO_COLOR is unset.

use std::io::IsTerminal;

use super::clean;
use crate::engine::{RunOutcome, StageOutcome};

const BOLD: u8 = 1;
const DIM: u8 = 2;
const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const CYAN: u8 = 36;

/// Whether a stream may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// A person looks at it.
    On,
    /// A file, a pipe, or `NO_COLOR`.
    Off,
}

/// Whether lines of a stream can be drawn over: it is a terminal that moves its cursor, coloured or not.
pub fn can_move(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

impl Color {
    /// For standard error.
    pub fn of_stderr() -> Color {
        Color::of(std::io::stderr().is_terminal())
    }

    /// For standard output.
    pub fn of_stdout() -> Color {
        Color::of(std::io::stdout().is_terminal())
    }

    fn of(terminal: bool) -> Color {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if terminal && !plain && !is_dumb() { Color::On } else { Color::Off }
    }

    /// `text` between the codes of `style`; [`clean::screen`] turns them into codes of the terminal.
    fn paint(self, style: &[u8], text: &str) -> String {
        if self == Color::Off || style.is_empty() {
            return text.to_owned();
        }
        let mark = clean::mark();
        let codes: String = style.iter().map(|code| format!("{mark}[{code}m")).collect();
        format!("{codes}{text}{mark}[0m")
    }

    /// The word for an outcome, padded to one width.
    pub fn outcome(self, outcome: StageOutcome) -> String {
        let (word, style): (_, &[u8]) = match outcome {
            StageOutcome::Ran => ("ran", &[GREEN, BOLD]),
            StageOutcome::Hit => ("hit", &[DIM]),
            StageOutcome::Restored => ("restored", &[CYAN]),
            StageOutcome::Skipped => ("skipped", &[DIM]),
            StageOutcome::Blocked => ("blocked", &[YELLOW]),
            StageOutcome::Failed => ("failed", &[RED, BOLD]),
            StageOutcome::Interrupted => ("interrupted", &[YELLOW, BOLD]),
        };
        self.paint(style, &format!("{word:>11}"))
    }

    /// The word for the outcome of a run, padded to `width`.
    pub fn run_outcome(self, outcome: RunOutcome, width: usize) -> String {
        let (word, style): (_, &[u8]) = match outcome {
            RunOutcome::Succeeded => ("succeeded", &[]),
            RunOutcome::Failed => ("failed", &[RED, BOLD]),
            RunOutcome::Interrupted => ("interrupted", &[YELLOW]),
            RunOutcome::Broken => ("broken", &[RED, BOLD]),
        };
        self.paint(style, &format!("{word:<width$}"))
    }

    /// An error's first word.
    pub fn error(self, text: &str) -> String {
        self.paint(&[RED, BOLD], text)
    }

    /// Something to notice.
    pub fn warning(self, text: &str) -> String {
        self.paint(&[YELLOW], text)
    }

    /// Moving parts: spinners and bars.
    pub fn spinner(self, text: &str) -> String {
        self.paint(&[GREEN], text)
    }

    /// A name in a sentence.
    pub fn name(self, text: &str) -> String {
        self.paint(&[BOLD], text)
    }

    /// Text of less importance.
    pub fn dim(self, text: &str) -> String {
        self.paint(&[DIM], text)
    }
}
