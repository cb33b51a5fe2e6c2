//! Snapshots of resolved plans: derived, and so never missed when they are gone.

use std::fs;
use std::path::PathBuf;

use contract::Digest;

use super::error::At;
use super::{Store, StoreError};

impl Store {
    /// The snapshot that was kept under `name`.
    pub fn plan(&self, name: &Digest) -> Option<Vec<u8>> {
        // Absent or unreadable is the same to whoever asks: the plan is made anew.
        fs::read(self.plan_path(name)).ok()
    }

    /// Keeps a snapshot under `name`.
    pub fn save_plan(&self, name: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.plan_path(name);
        let parent = path.parent().unwrap_or(&path);
        let temporary = self.fresh()?;
        fs::create_dir_all(parent).at(parent)?;
        fs::write(&temporary, bytes).at(&temporary)?;
        fs::rename(&temporary, &path).at(&path)
    }

    fn plan_path(&self, name: &Digest) -> PathBuf {
        self.root().join("plans").join(name.to_string())
    }
}
