//! Directories beside the objects: where stages work, runs leave their logs, checkpoints wait, and displaced files go.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use contract::Digest;

use super::error::At;
use super::layout::component;
use super::removal::{move_away, remove_tree};
use super::{Store, StoreError};

/// The file in a run's directory that holds the path of its workspace.
const WORKSPACE: &str = "workspace";

impl Store {
    /// An empty private directory for one stage, on the store's filesystem so that outputs move by rename. It ends with the
    /// store's process: what a killed one leaves is removed by the next.
    pub fn work_dir(&self, stage: &str) -> Result<PathBuf, StoreError> {
        let work = self.work()?;
        let path = work.named(&component(stage));
        if remove_tree(&path).is_err() {
            // An earlier attempt left what cannot be removed, and said so. It goes, or is named again, with the process.
            move_away(&path, &work.fresh()).at(&path)?;
        }
        fs::create_dir_all(&path).at(&path)?;
        Ok(path)
    }

    /// Moves the private directory of a stage to where it stays after the run: `work/kept/<run>/<stage>`. Nothing of ours reads it
    /// again; whoever asked for it removes it.
    pub fn keep_work(&self, directory: &Path, run: &str, stage: &str) -> Result<PathBuf, StoreError> {
        let parent = self.layout.work().join("kept").join(component(run));
        fs::create_dir_all(&parent).at(&parent)?;
        let kept = parent.join(component(stage));
        move_away(directory, &kept).at(directory)?;
        Ok(kept)
    }

    /// Where the private directories of every process lie; made when it is not there.
    pub fn work_rooms(&self) -> Result<PathBuf, StoreError> {
        self.claim()?;
        let path = self.layout.work();
        fs::create_dir_all(&path).at(&path)?;
        Ok(path)
    }

    /// Where every run has its directory.
    pub fn runs_dir(&self) -> PathBuf {
        self.root().join("runs")
    }

    /// Where a run leaves its report and logs. Made by whoever writes there.
    pub fn run_dir(&self, run: &str) -> PathBuf {
        self.layout.run(run)
    }

    /// Notes that `run` works in the workspace at `root`: what it published there is looked for when something is damaged, and
    /// what its pipelines came to last is not collected while that directory exists.
    pub fn note_workspace(&self, run: &str, root: &Path) -> Result<(), StoreError> {
        self.claim()?;
        let directory = self.run_dir(run);
        let path = directory.join(WORKSPACE);
        let noted = fs::create_dir_all(&directory).at(&directory);
        noted.and_then(|()| fs::write(&path, root.as_os_str().as_bytes()).at(&path)).map_err(|e| self.unwritable(e))
    }

    /// The workspace of `run`; `None` when it was not noted.
    pub fn workspace_of(&self, run: &str) -> Option<PathBuf> {
        // Only missing or unreadable when the run directory is no longer whole; then nothing is known.
        let bytes = fs::read(self.run_dir(run).join(WORKSPACE)).ok()?;
        Some(PathBuf::from(OsString::from_vec(bytes)))
    }

    /// Removes what a run left: events, logs, report.
    pub fn remove_run(&self, run: &str) -> Result<(), StoreError> {
        // Two runs that end at the same time tidy up the same directories.
        self.claim().and_then(|()| remove_tree(&self.run_dir(run)))
    }

    /// Where a run moves files of the user's that stand where outputs go. Made when needed.
    pub fn displaced_dir(&self, run: &str) -> PathBuf {
        self.layout.displaced(run)
    }

    /// Where attempts at the action `key` leave checkpoints for the next one.
    pub fn checkpoint_dir(&self, key: &Digest) -> Result<PathBuf, StoreError> {
        self.claim()?;
        let path = self.layout.checkpoints(key);
        fs::create_dir_all(&path).at(&path)?;
        Ok(path)
    }

    /// Removes the checkpoints of the action `key`, which has a record now.
    pub fn drop_checkpoints(&self, key: &Digest) -> Result<(), StoreError> {
        remove_tree(&self.layout.checkpoints(key))
    }
}
