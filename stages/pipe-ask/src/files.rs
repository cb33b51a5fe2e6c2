//! Files that the command line names. What is wrong with them is said in words, with what to do.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use analyst::Source;
use contract::StageError;

use crate::interrupt;

/// Standard input or standard output in place of a file.
pub(crate) const STREAM: &str = "-";

/// Reads a file, or standard input.
pub(crate) fn read(path: &Path, help: &str) -> Result<Source, StageError> {
    let is_stream = path == Path::new(STREAM);
    let name = if is_stream { "standard input".to_owned() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let read = if is_stream { io::stdin().read_to_end(&mut bytes) } else { read_to(path, &mut bytes) };
    match read {
        Ok(_) => Ok(Source { name, host: None, bytes }),
        Err(error) => {
            let why = match error.kind() {
                ErrorKind::NotFound => "there is no such file".to_owned(),
                ErrorKind::IsADirectory => "this is a directory".to_owned(),
                ErrorKind::PermissionDenied => "it may not be read".to_owned(),
                _ => error.to_string(),
            };
            Err(StageError::invalid_input(format!("{name}: {why}")).help(help))
        }
    }
}

fn read_to(path: &Path, bytes: &mut Vec<u8>) -> io::Result<usize> {
    fs::File::open(path)?.read_to_end(bytes)
}

/// Writes a file as a whole or not at all. A pipe or a device is written to as it is.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StageError> {
    let is_special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let written = if is_special { fs::write(path, bytes) } else { interrupt::write_whole(path, bytes) };
    written.map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &io::Error) -> StageError {
    let name = path.display();
    let wrong = |why: String| StageError::invalid_input(format!("{name}: {why}"));
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            let help = "free some space, or name a file elsewhere; nothing was written";
            StageError::resources(format!("{name}: there is no space left")).help(help)
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            let directory = path.parent().unwrap_or(path).display();
            wrong(format!("there is no directory {directory}")).help("make it first, or name a file elsewhere")
        }
        ErrorKind::IsADirectory => wrong("this is a directory".to_owned()).help("name a file"),
        ErrorKind::PermissionDenied => {
            wrong("it may not be written".to_owned()).help("name a file in a directory of your own")
        }
        // The error itself may name a file that nobody asked for.
        kind => wrong(kind.to_string()).help("name a file elsewhere"),
    }
}
