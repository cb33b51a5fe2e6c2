//! Makes room where a program will write by itself: a published link there is the store's own object, and must not be written to.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::At;
use super::stamp::Stamp;
use super::swap::{remove, set_aside};
use super::{Store, StoreError, hash, seal};

impl Store {
    /// Leaves nothing at `destination`. What we published there is removed; anything else is moved into the directory
    /// `displaced`, and where it went is returned.
    pub fn vacate(&self, destination: &Path, displaced: &Path) -> Result<Option<PathBuf>, StoreError> {
        let Some(there) = Stamp::of(destination).at(destination)? else { return Ok(None) };
        if self.is_ours(destination, &there)? {
            remove(destination).at(destination)?;
            return Ok(None);
        }
        self.clear_way(displaced);
        set_aside(destination, &displaced.join(destination.file_name().unwrap_or_default())).map(Some)
    }

    fn is_ours(&self, path: &Path, there: &Stamp) -> Result<bool, StoreError> {
        if there.is_dir() {
            let Some(known) = self.memo().tree(there) else { return Ok(false) };
            return self.is_published_tree(path, there, &known);
        }
        if !there.is_file() {
            return Ok(false);
        }
        if self.memo().ours(there).is_some() {
            return Ok(true);
        }
        // Read-only and sealed over its own content: we made it, whatever the memo has forgotten.
        if there.mode & 0o222 != 0 {
            return Ok(false);
        }
        let digest = hash::by_reading(&File::open(path).at(path)?).at(path)?;
        Ok(seal::holds(there, &digest))
    }
}
