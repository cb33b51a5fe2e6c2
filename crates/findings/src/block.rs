//! Lines of one scan in a file, held or only known by their place, and read as values.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use contract::StageError;
use contract::stage::At;
use serde::de::DeserializeOwned;

/// Bytes of one scan that are held; of more, only their place is.
pub(crate) const HELD_BYTES: usize = 16 << 20;

/// Lines that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// None of a block without lines.
    pub path: Option<Arc<Path>>,
    pub first_line: u64,
    /// Where it begins in the file.
    pub offset: u64,
    pub length: u64,
    /// How many they are.
    pub lines: usize,
    /// All of them, or none where they are too many.
    pub bytes: Vec<u8>,
}

impl Block {
    /// The values of the lines.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<Vec<T>, StageError> {
        let Some(path) = self.path.as_deref() else { return Ok(Vec::new()) };
        if self.bytes.is_empty() {
            return self.parse_file(path);
        }
        // Of the whole block at once: that is the fast way, and leaves it out where strings are read.
        let text = std::str::from_utf8(&self.bytes).map_err(|error| {
            let before = self.bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            line_error(path, self.first_line + before as u64, &error)
        })?;
        let parse = |(offset, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| line_error(path, self.first_line + offset as u64, &error))
        };
        let mut all = Vec::with_capacity(self.lines);
        for line in text.lines().enumerate() {
            all.push(parse(line)?);
        }
        Ok(all)
    }

    fn parse_file<T: DeserializeOwned>(&self, path: &Path) -> Result<Vec<T>, StageError> {
        let mut file = File::open(path).at(path)?;
        file.seek(SeekFrom::Start(self.offset)).at(path)?;
        let mut reader = BufReader::with_capacity(1 << 18, file.take(self.length));
        let (mut all, mut line) = (Vec::with_capacity(self.lines), Vec::new());
        for number in self.first_line.. {
            line.clear();
            if reader.read_until(b'\n', &mut line).at(path)? == 0 {
                break;
            }
            all.push(serde_json::from_slice(&line).map_err(|error| line_error(path, number, &error))?);
        }
        Ok(all)
    }
}

/// What is wrong with one line.
pub(crate) fn line_error(path: &Path, number: u64, error: &dyn std::error::Error) -> StageError {
    StageError::invalid_input(format!("{}:{number}: {error}", path.display()))
        .help("the file must be as the stage `correlate` writes it")
}
