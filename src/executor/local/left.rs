//! The outputs that a worker had written before it said that it failed. A stage that refuses its own result writes it first, since it
//! shows why: a verification report, an evaluation below what is required.
//!
//! They are kept beside the log of the run, under `left/<stage>`, for people: no record names them, so no stage gets them and the next
//! run executes the stage again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::place::Site;
use crate::action::ActionWork;
use crate::executor::{Order, Programs};

/// Moves the outputs, which would lie at `paths`, to where they stay. `None` unless a worker of this run wrote all of them, and as files:
/// what is missing or a directory may be half written.
pub(super) fn keep(site: &Site, order: &Order, paths: &[PathBuf]) -> io::Result<Option<PathBuf>> {
    // The directory of a run beyond this machine goes with its instance.
    let here = site.programs == Programs::Beside && matches!(order.action.work, ActionWork::Card { .. });
    let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| found.is_file());
    if !here || paths.is_empty() || !paths.iter().all(is_file) {
        return Ok(None);
    }
    let trace = &order.trace;
    let directory = site.store.run_dir(&trace.run).join("left").join(&trace.stage);
    fs::create_dir_all(&directory)?;
    for (output, path) in order.outputs.iter().zip(paths) {
        let name = output.destination.file_name().unwrap_or(output.port.as_str().as_ref());
        // Both lie in the store's directory; an earlier attempt's file is replaced.
        fs::rename(path, directory.join(name))?;
    }
    Ok(Some(directory))
}

/// The advice of a failure, with the place of what was written.
pub(super) fn told(help: Option<String>, root: &Path, kept: &Path) -> String {
    let place = kept.strip_prefix(root).unwrap_or(kept);
    let written = format!("what it wrote lies in {}", place.display());
    help.map_or(written.clone(), |help| format!("{help}; {written}"))
}
