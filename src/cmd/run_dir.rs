//! Where a run leaves events and report: in the store, unless that cannot be written. Then in a directory that is the user's own,
//! so that nobody else has put anything, or a link to anything, in its place.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::output;
use crate::store::Store;

/// The directory of `run`, which works in the workspace `root`. Hits are served also from a read-only store, and what else is wrong
/// with it the run will meet and tell.
pub(super) fn choose(store: &Store, run: &str, root: &Path) -> PathBuf {
    let Err(error) = store.note_workspace(run, root) else { return store.run_dir(run) };
    match make(run, std::env::var_os("XDG_STATE_HOME"), &std::env::temp_dir()) {
        Ok(directory) => {
            let shown = directory.display();
            output::errors(&format!("note: {error}\n  events and report of this run are kept in {shown}\n"));
            directory
        }
        Err(none) => {
            output::errors(&format!("note: {error}\n  events and report of this run are not kept: {none}\n"));
            store.run_dir(run)
        }
    }
}

/// A new directory that only its owner may enter: among the user's own state, or among temporary files.
fn make(run: &str, state: Option<OsString>, temporary: &Path) -> io::Result<PathBuf> {
    // A relative path counts as none, by the convention of that variable.
    if let Some(state) = state.map(PathBuf::from).filter(|state| state.is_absolute()) {
        let runs = state.join("pipe/runs");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&runs);
        if let Ok(directory) = made.and_then(|()| make_new(runs.join(run))) {
            return Ok(directory);
        }
    }
    for attempt in 0..100 {
        match make_new(temporary.join(format!("pipe-{run}-{attempt}"))) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => return result.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", temporary.display()))),
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, format!("{}: every name is taken", temporary.display())))
}

/// Fails where anything has the name already, a link included.
fn make_new(directory: PathBuf) -> io::Result<PathBuf> {
    DirBuilder::new().mode(0o700).create(&directory).map(|()| directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_is_new_and_closed_to_others_wherever_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let (state, temporary) = (directory.path().join("state"), directory.path().join("tmp"));
        std::fs::create_dir(&temporary).unwrap();
        let make = |state: Option<&Path>| make("r", state.map(|it| it.as_os_str().to_owned()), &temporary);
        let closed = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777 == 0o700;
        let first = make(Some(&state)).unwrap();
        assert!(first == state.join("pipe/runs/r") && closed(&first) && closed(&state.join("pipe")));
        // Somebody has been there before: a link to where they want the report.
        std::os::unix::fs::symlink(&state, temporary.join("pipe-r-0")).unwrap();
        for none in [Some(Path::new("relative")), Some(state.as_path()), None] {
            let other = make(none).unwrap();
            assert!(other.starts_with(&temporary) && closed(&other), "{}", other.display());
        }
        assert_eq!(std::fs::read_dir(state).unwrap().count(), 1);
    }
}
