//! One file of a training set.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use contract::stage::At;
use contract::{Context, StageError};

use super::checks::Checks;
use super::line::Line;
use super::manifest::FilePart;
use crate::check::Outcome;

/// A file that holds the same examples in another form is the one of which the manifest has the digest.
pub(super) fn same_bytes(directory: &Path, part: &FilePart, context: &Context) -> Result<Outcome, StageError> {
    let path = directory.join(&part.file);
    context.check_cancelled()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(&path).at(&path)?).at(&path)?;
    let digest = hasher.finalize().to_hex();
    let mut outcome = Outcome::of(1);
    if *digest != *part.blake3 {
        outcome.tell(&part.file, "", format!("its digest is {digest}, but the manifest says {}", part.blake3));
    }
    Ok(outcome)
}

/// One file of a dataset.
pub(super) struct FilePass<'p> {
    pub split: &'p str,
    pub part: &'p FilePart,
    /// Whether it is the split's own file, and not drawn from it.
    pub own: bool,
}

impl FilePass<'_> {
    /// Checks every line, and the digest of the file.
    pub(super) fn run(&self, directory: &Path, checks: &mut Checks<'_>, context: &Context) -> Result<u64, StageError> {
        let path = directory.join(&self.part.file);
        let mut lines = BufReader::with_capacity(1 << 18, File::open(&path).at(&path)?);
        let mut hasher = blake3::Hasher::new();
        let mut text = String::new();
        let mut number = 0;
        loop {
            text.clear();
            if lines.read_line(&mut text).at(&path)? == 0 {
                break;
            }
            hasher.update(text.as_bytes());
            number += 1;
            if number % 1024 == 0 {
                context.check_cancelled()?;
                context.progress(u64::from(number), None, "examples");
            }
            let line: Line<'_> = serde_json::from_str(&text).map_err(|error| self.error(&path, number, &error))?;
            let place = || format!("{}:{number}", self.part.file);
            checks.line(self, number, &line, place);
        }
        let digest = hasher.finalize().to_hex();
        checks.integrity.items += 1;
        if *digest != *self.part.blake3 || u64::from(number) != self.part.examples {
            let message = format!(
                "{number} lines with digest {digest}, but the manifest says {} and {}",
                self.part.examples, self.part.blake3
            );
            checks.integrity.tell(&self.part.file, "", message);
        }
        Ok(u64::from(number))
    }

    fn error(&self, path: &Path, number: u32, error: &serde_json::Error) -> StageError {
        StageError::invalid_input(format!("{}:{number}: {error}", path.display()))
            .help("the dataset must be as the stage `transform` writes it")
    }
}
