//! The only places that write to standard output and standard error on behalf of a verb.
//!
//! A reader that closed its end early (`| head`) is no error. Any other reason why standard output takes no more is: it is noted here, and
//! `main` ends with it.

use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use crate::report::clean;
use crate::report::style::Color;

/// Why standard output took no more, from then on.
static CLOSED: OnceLock<io::Error> = OnceLock::new();

/// Writes text to standard output. Control characters that stages, files or users put into it do not act on a terminal.
pub(super) fn text(text: &str) {
    bytes(clean::screen(text).as_bytes());
}

/// Writes the output of programs to standard output, byte by byte.
pub(super) fn bytes(bytes: &[u8]) {
    if closed() {
        return;
    }
    let mut stdout = io::stdout();
    note(stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

/// Notes the result of writing to standard output by other ways than these.
pub(super) fn note(written: io::Result<()>) {
    if let Err(error) = written {
        // The first reason is the true one.
        let _ = CLOSED.set(error);
    }
}

/// Whether standard output takes no more.
pub(super) fn closed() -> bool {
    CLOSED.get().is_some()
}

/// Why standard output took no more, where that is an error.
pub(super) fn trouble() -> Option<&'static io::Error> {
    // The reader went away; there is nobody left to tell.
    CLOSED.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// Writes one JSON document and a line end to standard output.
pub(super) fn document(value: &impl serde::Serialize) {
    let mut line = serde_json::to_string_pretty(value).expect("reports are plain data");
    line.push('\n');
    bytes(clean::json(&line).as_bytes());
}

/// Writes text to standard error, as [`text`] does.
pub(super) fn errors(text: &str) {
    // As above.
    let _ = io::stderr().write_all(clean::screen(text).as_bytes());
}

/// Warnings that are shown; JSON has all of them.
const WARNINGS: usize = 10;

/// Writes a line for each of the first warnings to standard error.
pub(super) fn warnings<T: std::fmt::Display>(all: &[T]) {
    let color = Color::of_stderr();
    for warning in all.iter().take(WARNINGS) {
        errors(&format!("{} {}\n", color.warning("warning:"), clean::cell(&warning.to_string())));
    }
    if all.len() > WARNINGS {
        errors(&format!("{} {} more like these; --json names each\n", color.warning("warning:"), all.len() - WARNINGS));
    }
}
