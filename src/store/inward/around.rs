//! Copies a directory in which another process writes, without the files that come and go meanwhile.

use std::collections::BTreeMap;
use std::path::Path;

use contract::types::Form;
use rustix::fs::FileType;

use crate::store::error::StoreErrorKind;
use crate::store::files::walk::present;
use crate::store::records::model::Artifact;
use crate::store::{Store, StoreError};

impl Store {
    /// The directory at `path` as [`Store::ingest`] makes it. Where it does not hold still for that: its files without those that
    /// change or vanish while they are read. That is an error for a file at or below `whole`, which the writer said is complete.
    pub fn ingest_around(&self, path: &Path, whole: &Path) -> Result<Artifact, StoreError> {
        match self.ingest(path, Form::Dir) {
            Err(error) if comes_and_goes(&error) => self.ingest_still(path, whole),
            result => result,
        }
    }

    fn ingest_still(&self, path: &Path, whole: &Path) -> Result<Artifact, StoreError> {
        let mut files = BTreeMap::new();
        for found in present(path)?.iter().filter(|found| found.file_type == FileType::RegularFile) {
            let file = path.join(found.path());
            match self.ingest(&file, Form::File) {
                Ok(artifact) => drop(files.insert(found.path().to_owned(), artifact)),
                Err(error) if comes_and_goes(&error) && !file.starts_with(whole) => {}
                Err(error) => return Err(error),
            }
        }
        if !files.keys().any(|file| path.join(file).starts_with(whole)) {
            return Err(StoreError::new(whole, StoreErrorKind::NotFound));
        }
        self.compose(&files)
    }
}

fn comes_and_goes(error: &StoreError) -> bool {
    matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::Changing)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Writes as a trainer does: each file under another name, then renamed, and the one before the last removed.
    fn writes(directory: &Path, number: usize) {
        fs::write(directory.join("new"), format!("checkpoint {number}").repeat(1000)).unwrap();
        fs::rename(directory.join("new"), directory.join(format!("step-{number}"))).unwrap();
        if number >= 2 {
            fs::remove_file(directory.join(format!("step-{}", number - 2))).unwrap();
        }
    }

    #[test]
    fn what_is_complete_is_taken_while_the_rest_comes_and_goes() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("store")).unwrap();
        let directory = place.path().join("checkpoints");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("kept"), "complete").unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0.. {
                    writes(&directory, number);
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
            for _ in 0..20 {
                let artifact = store.ingest_still(&directory, &directory.join("kept")).unwrap();
                assert_eq!(fs::read_to_string(store.object(&artifact).join("kept")).unwrap(), "complete");
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn without_what_is_said_to_be_complete_nothing_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("store")).unwrap();
        let directory = place.path().join("checkpoints");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("old"), "complete").unwrap();
        let error = store.ingest_still(&directory, &directory.join("gone")).unwrap_err();
        assert!(matches!(error.kind, StoreErrorKind::NotFound), "{error}");
        assert_eq!(error.path, directory.join("gone"));
    }
}
