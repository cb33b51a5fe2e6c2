//! Makes room where a program will write by itself: a published link there is the store's own object, and must not be written to.
//! Takes away published outputs that are not wanted there any more.

use std::fs;
use std::path::{Path, PathBuf};

use super::swap::{remove, set_aside};
use crate::store::error::At;
use crate::store::files::stamp::Stamp;
use crate::store::{Store, StoreError};

impl Store {
    /// Leaves nothing at `destination`. A file that we published there is removed; anything else is moved into the directory
    /// `displaced`, and its new place is returned.
    pub fn vacate(&self, destination: &Path, displaced: &Path) -> Result<Option<PathBuf>, StoreError> {
        let Some(there) = Stamp::of(destination).at(destination)? else { return Ok(None) };
        if self.ours_at(destination, &there)?.is_some() {
            remove(destination).at(destination)?;
            return Ok(None);
        }
        self.clear_way(displaced);
        set_aside(destination, &displaced.join(destination.file_name().unwrap_or_default())).map(Some)
    }

    /// Removes the output that we published at `destination` and nobody touched since, and the directories above it that are then empty,
    /// below the directory `top`. Returns whether it is gone.
    pub fn unpublish(&self, destination: &Path, top: &Path) -> Result<bool, StoreError> {
        if self.published_here(destination)?.is_none() {
            return Ok(Stamp::of(destination).at(destination)?.is_none());
        }
        remove(destination).at(destination)?;
        let above = destination.ancestors().skip(1).take_while(|above| *above != top && above.starts_with(top));
        for directory in above {
            // One that is not empty stays, and so does all above it.
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
        Ok(true)
    }

    /// Removes the output that a stage of this very run left at `destination`.
    pub fn discard(&self, destination: &Path) -> Result<(), StoreError> {
        remove(destination).at(destination)
    }
}
