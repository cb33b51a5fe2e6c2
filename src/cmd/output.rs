//! The only places that write to standard output and standard error on behalf of a verb.
//!
//! A reader that closed its end early (`| head`) is no error.

use std::io::Write;

/// Writes text to standard output.
pub fn text(text: &str) {
    // The reader went away; there is nobody left to tell.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Writes one JSON document and a line end to standard output.
pub fn document(value: &impl serde::Serialize) {
    let mut line = serde_json::to_string_pretty(value).expect("reports are plain data");
    line.push('\n');
    text(&line);
}

/// Writes text to standard error.
pub fn errors(text: &str) {
    // As above.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
