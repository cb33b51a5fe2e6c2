//! A stage's log file: head and tail are kept when it is huge, so that a stage that prints without end fills no disk.
//!
//! The file can be read at any time. It grows to head + 2 tails, then the older tail is cut out, and so every byte is
//! written at most twice.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use contract::Level;

/// The parts of a long log that are kept, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) head: u64,
    pub(super) tail: u64,
}

/// 48 MiB while the stage runs, 32 MiB and one line afterwards.
pub(super) const KEEP: Keep = Keep { head: 16 << 20, tail: 16 << 20 };

/// A log that is being written.
pub(super) struct Log {
    file: File,
    keep: Keep,
    /// Length of the file.
    length: u64,
    /// Bytes cut out after the head.
    cut: u64,
    /// Where the tail begins once something has been cut: after the head and the line that says so.
    tail_start: u64,
    at_line_start: bool,
    /// The first error; later text is dropped, for a full disk must not stop the stage.
    error: Option<io::Error>,
}

impl Log {
    /// Creates or replaces the file.
    pub(super) fn create(path: &Path, keep: Keep) -> io::Result<Log> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Log { file, keep, length: 0, cut: 0, tail_start: 0, at_line_start: true, error: None })
    }

    /// Appends output of the stage.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.try_append(bytes).err();
        }
    }

    /// Appends a message that the worker sent as an event, on a line of its own.
    pub(super) fn message(&mut self, level: Level, text: &str) {
        let break_first = if self.at_line_start { "" } else { "\n" };
        let prefix = match level {
            Level::Info => "",
            Level::Warning => "warning: ",
            Level::Error => "error: ",
        };
        self.append(format!("{break_first}{prefix}{text}\n").as_bytes());
    }

    /// Completes the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None if self.cut > 0 => self.cut_to_tail(),
            None => Ok(()),
        }
    }

    fn try_append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        self.at_line_start = bytes.last().map_or(self.at_line_start, |last| *last == b'\n');
        if self.length > self.keep.head + 2 * self.keep.tail { self.cut_to_tail() } else { Ok(()) }
    }

    /// Leaves the head, a line about the gap, and the last bytes.
    fn cut_to_tail(&mut self) -> io::Result<()> {
        let from = self.length - self.keep.tail.min(self.length);
        let mut tail = Vec::with_capacity(self.keep.tail as usize);
        self.file.seek(SeekFrom::Start(from))?;
        self.file.read_to_end(&mut tail)?;
        self.cut += from - if self.cut == 0 { self.keep.head } else { self.tail_start };
        let note = format!("\n[... {} bytes left out ...]\n", self.cut);
        self.file.seek(SeekFrom::Start(self.keep.head))?;
        self.file.write_all(note.as_bytes())?;
        self.file.write_all(&tail)?;
        self.tail_start = self.keep.head + note.len() as u64;
        self.length = self.tail_start + tail.len() as u64;
        self.file.set_len(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(chunks: &[&[u8]], keep: Keep) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = Log::create(&path, keep).unwrap();
        for chunk in chunks {
            log.append(chunk);
            // Head, two tails, the note and one chunk.
            assert!(std::fs::metadata(&path).unwrap().len() <= keep.head + 2 * keep.tail + 60);
        }
        log.finish().unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_log_that_fits_is_kept_whole() {
        assert_eq!(written(&[b"one\n", b"two\n"], Keep { head: 4, tail: 4 }), "one\ntwo\n");
        assert_eq!(written(&[], KEEP), "");
    }

    #[test]
    fn of_a_long_log_head_and_tail_are_kept_and_the_rest_is_counted() {
        let lines: Vec<String> = (0..1000).map(|n| format!("{n:03}\n")).collect();
        let chunks: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let text = written(&chunks, Keep { head: 8, tail: 12 });
        assert_eq!(text, "000\n001\n\n[... 3980 bytes left out ...]\n997\n998\n999\n");
    }

    #[test]
    fn messages_stand_on_lines_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = Log::create(&path, KEEP).unwrap();
        log.append(b"half a line");
        log.message(Level::Warning, "no GPU");
        log.message(Level::Info, "on we go");
        log.append(b"rest\n");
        log.finish().unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "half a line\nwarning: no GPU\non we go\nrest\n");
    }
}
