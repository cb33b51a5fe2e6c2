//! What is written, to standard output, standard error and files. Text of reports acts on no terminal on the way.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

use analyst::Enriched;
use analyst::exchange::Head;
use contract::StageError;
use contract::clean::{acts, is_plain};
use contract::stage::At;

use crate::arguments::Arguments;
use crate::{files, page};

/// Writes the enriched report: to the file that is named, and to standard output as a page for people, or as JSON for programs.
pub(crate) fn enriched(enriched: &Enriched<'_>, arguments: &Arguments) -> Result<(), StageError> {
    let mut document = Vec::new();
    enriched.write(&mut document).at(Path::new("the enriched report"))?;
    document.push(b'\n');
    let document = harmless(document)?;
    if let Some(path) = &arguments.out {
        files::write(path, &document)?;
    }
    let terminal = io::stdout().is_terminal();
    match () {
        () if arguments.json || (!terminal && arguments.out.is_none()) => print(&document),
        () if terminal => print(page::of(enriched, width(io::stdout()).clamp(40, 160)).as_bytes()),
        () => Ok(()),
    }
}

/// Writes questions as lines of JSON, the head first.
pub(crate) fn prompts(head: &Head, lines: Vec<u8>, path: &Path) -> Result<(), StageError> {
    let mut all = head.line();
    all.extend(lines);
    let all = harmless(all)?;
    if path == Path::new(files::STREAM) { print(&all) } else { files::write(path, &all) }
}

/// Writes to standard error.
pub(crate) fn errors(text: &str) {
    // Nobody is left to be told.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn print(bytes: &[u8]) -> Result<(), StageError> {
    let mut out = io::stdout().lock();
    printed(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Whether standard output took what was written.
pub(crate) fn printed(written: io::Result<()>) -> Result<(), StageError> {
    match written {
        // A reader that has seen enough is no fault.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| StageError::resources(format!("cannot write to standard output: {error}"))),
    }
}

/// Columns of the terminal on this stream; 80 where it does not say.
pub(crate) fn width(stream: impl AsFd) -> usize {
    let columns = rustix::termios::tcgetwinsize(stream).map_or(0, |size| size.ws_col);
    if columns == 0 { 80 } else { usize::from(columns) }
}

/// JSON whose strings show what would act on a terminal as `\u202e`. It reads as the same values.
fn harmless(json: Vec<u8>) -> Result<Vec<u8>, StageError> {
    let text = String::from_utf8(json).map_err(|error| StageError::bug(format!("JSON that is no text: {error}")))?;
    if is_plain(&text) || !text.contains(acts) {
        return Ok(text.into_bytes());
    }
    let mut clean = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if acts(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(clean, "\\u{unit:04x}");
            }
        } else {
            clean.push(c);
        }
    }
    Ok(clean.into_bytes())
}
