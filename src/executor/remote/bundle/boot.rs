//! The boot of an instance on this machine, as a remote machine does it: fetches the first programs of a bundle, and runs one of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Bundle, ENGINE, PROGRAMS};
use crate::remote::{FailedClass, Meter, Remote, RemoteError, TransferError};
use crate::store::Store;

/// Puts the programs that the instance needs at first into its directory, each checked by its digest. Returns the engine's file.
pub(in crate::executor::remote) fn boot(
    remote: &Remote,
    directory: &Path,
    bundle: &Bundle,
) -> Result<PathBuf, TransferError> {
    let programs = directory.join(PROGRAMS);
    fs::create_dir_all(&programs).map_err(|error| RemoteError::io(&programs, &error))?;
    // The instance's own store, so that the instance does not fetch these programs again.
    let store = Store::open(&directory.join("store"))?;
    let artifacts: Vec<_> = bundle.first.values().cloned().collect();
    let refused = remote.fetch(&store, &artifacts, &Meter::default(), &mut |_| ())?;
    if let Some(refused) = refused.into_values().next() {
        return Err(RemoteError::new(FailedClass::Broken, format!("a program cannot come: {refused}")).into());
    }
    for (name, artifact) in &bundle.first {
        let path = programs.join(name);
        // A client that died in the middle may have begun this.
        let _ = fs::remove_file(&path);
        fs::hard_link(store.object(artifact), &path).map_err(|error| RemoteError::io(&path, &error))?;
    }
    Ok(programs.join(ENGINE))
}

/// Runs a program that was written a moment ago to its end.
pub(in crate::executor::remote) fn run_new(command: &mut Command) -> io::Result<Output> {
    loop {
        match command.output() {
            // Another thread forked while the file was written, and its child has not let go of it yet.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            output => return output,
        }
    }
}
