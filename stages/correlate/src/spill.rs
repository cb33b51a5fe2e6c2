//! Lines that wait for their turn: hosts are computed side by side and written in order. A host with very many findings waits in a file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use contract::StageError;
use contract::stage::At;

/// Bytes that are held in memory before they go into the file.
const HELD: usize = 2 << 20;

/// Lines of one host.
pub struct Spill {
    held: Vec<u8>,
    path: PathBuf,
    file: Option<File>,
}

impl Spill {
    /// No lines; `path` is where they wait when they become many.
    pub fn new(path: PathBuf) -> Spill {
        Spill { held: Vec::new(), path, file: None }
    }

    /// Adds a line.
    pub fn push(&mut self, line: &impl serde::Serialize) -> Result<(), StageError> {
        serde_json::to_writer(&mut self.held, line).expect("a record is plain data");
        self.held.push(b'\n');
        if self.held.len() < HELD {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::create_new(&self.path).at(&self.path)?),
        };
        file.write_all(&self.held).at(&self.path)?;
        self.held.clear();
        Ok(())
    }

    /// Writes all lines to the file at `path`, and removes what waited.
    pub fn write_to(&self, mut out: impl Write, path: &Path) -> Result<(), StageError> {
        if self.file.is_some() {
            let mut waiting = File::open(&self.path).at(&self.path)?;
            std::io::copy(&mut waiting, &mut out).at(path)?;
            std::fs::remove_file(&self.path).at(&self.path)?;
        }
        out.write_all(&self.held).at(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_order_whether_they_waited_in_a_file_or_not() {
        let directory = tempfile::tempdir().unwrap();
        for count in [1, 30] {
            let line = |number: usize| format!("{number:02}{}", "x".repeat(1 << 20));
            let path = directory.path().join("waiting");
            let mut spill = Spill::new(path.clone());
            (0..count).for_each(|number| spill.push(&line(number)).unwrap());
            assert_eq!(path.exists(), count == 30);
            let mut all = Vec::new();
            spill.write_to(&mut all, &path).unwrap();
            let expected: String = (0..count).map(|number| format!("\"{}\"\n", line(number))).collect();
            assert!(all == expected.as_bytes() && !path.exists());
        }
    }
}
