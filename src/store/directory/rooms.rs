//! Directories beside the objects: where stages work, runs leave their logs, checkpoints wait, and displaced files go.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::layout::component;
use crate::action::ActionKey;
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::files::removal::{move_away, remove_tree};
use crate::store::files::stamp::in_words;
use crate::store::records::kept;
use crate::store::{Store, StoreError};

/// The file in a run's directory that holds the path of its workspace.
const WORKSPACE: &str = "workspace";

/// Its checksum beside it, so that others read the path and nothing else.
const CHECK: &str = "workspace.check";

fn note_name(run: &str) -> String {
    format!("runs/{run}/{WORKSPACE}")
}

impl Store {
    /// An empty private directory for one stage, on the store's filesystem so that outputs move by rename. It ends with the
    /// store's process: that of a killed one is removed by the next.
    pub fn work_dir(&self, stage: &str) -> Result<PathBuf, StoreError> {
        let work = self.work()?;
        let path = work.named(&component(stage));
        if remove_tree(&path).is_err() {
            // An earlier attempt left files that cannot be removed, and said so. They go, or are named again, with the process.
            move_away(&path, &work.fresh()).at(&path)?;
        }
        fs::create_dir_all(&path).at(&path)?;
        Ok(path)
    }

    /// Moves the private directory of a stage to where it stays after the run: `work/kept/<run>/<stage>`. Nothing of ours reads it
    /// again; the user who asked for it removes it.
    pub fn keep_work(&self, directory: &Path, run: &str, stage: &str) -> Result<PathBuf, StoreError> {
        let parent = self.layout.work().join("kept").join(component(run));
        self.make_dir(&parent)?;
        let kept = parent.join(component(stage));
        move_away(directory, &kept).at(directory)?;
        Ok(kept)
    }

    /// Where the private directories of every process lie; made when it is not there.
    pub fn work_rooms(&self) -> Result<PathBuf, StoreError> {
        self.claim()?;
        let path = self.layout.work();
        self.make_dir(&path)?;
        Ok(path)
    }

    /// Where every run has its directory.
    pub fn runs_dir(&self) -> PathBuf {
        self.root().join("runs")
    }

    /// The directory where a run leaves its report and logs. Its first writer makes it.
    pub fn run_dir(&self, run: &str) -> PathBuf {
        self.layout.run(run)
    }

    /// Notes that `run` works in the workspace at `root`: after damage, its published files are looked for there, and the last results
    /// of its pipelines are not collected while that directory exists.
    pub fn note_workspace(&self, run: &str, root: &Path) -> Result<(), StoreError> {
        self.claim()?;
        let directory = self.run_dir(run);
        let root = root.as_os_str().as_bytes();
        let noted = self.make_dir(&directory).and_then(|()| {
            // The checksum first: a note that a kill cut short does not have it.
            for (name, bytes) in [(CHECK, &kept::seal(&note_name(run), root)[root.len() + 1..]), (WORKSPACE, root)] {
                let path = directory.join(name);
                fs::write(&path, bytes).at(&path)?;
            }
            Ok(())
        });
        noted.map_err(|error| self.unwritable(error))
    }

    /// The workspace of `run`; `None` when it was not noted, and why when the note is damaged.
    pub fn workspace_of(&self, run: &str) -> Result<Option<PathBuf>, String> {
        let read = |name| match open::read(&self.run_dir(run).join(name)) {
            Ok(Opened::File(bytes)) => Ok(Some(bytes)),
            Ok(Opened::Nothing) => Ok(None),
            Ok(Opened::Other(kind)) => Err(format!("{} lies there", in_words(kind))),
            Err(error) => Err(error.to_string()),
        };
        let Some(note) = read(WORKSPACE)? else { return Ok(None) };
        // Older versions wrote none.
        if let Some(check) = read(CHECK)?
            && kept::seal(&note_name(run), &note)[note.len() + 1..] != check
        {
            return Err("its checksum differs".to_owned());
        }
        Ok(Some(PathBuf::from(OsString::from_vec(note))))
    }

    /// Removes the files of a run: events, logs, report.
    pub fn remove_run(&self, run: &str) -> Result<(), StoreError> {
        // Two runs that end at the same time tidy up the same directories.
        self.claim().and_then(|()| remove_tree(&self.run_dir(run)))
    }

    /// Where a run moves files of the user's that stand where outputs go. Made when needed.
    pub fn displaced_dir(&self, run: &str) -> PathBuf {
        self.layout.displaced(run)
    }

    /// Where attempts at the action `key` leave checkpoints for the next one.
    pub fn checkpoint_dir(&self, key: &ActionKey) -> Result<PathBuf, StoreError> {
        self.claim()?;
        let path = self.layout.checkpoints(key);
        self.make_dir(&path)?;
        Ok(path)
    }

    /// Removes the checkpoints of the action `key`, which has a record now.
    pub fn drop_checkpoints(&self, key: &ActionKey) -> Result<(), StoreError> {
        remove_tree(&self.layout.checkpoints(key))
    }
}
