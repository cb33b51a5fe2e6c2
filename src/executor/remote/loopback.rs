//! A process of this machine as an instance: to try out what a stage does elsewhere, without any cloud.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Timing;
use crate::action::ActionKey;
use crate::remote::{Place, Scheme};
use crate::store::remove_tree;

/// The hidden verb under which `pipe` is an instance.
const VERB: &str = "worker";

/// Instances have their directories here, below the state. No object's name begins with a dot.
const INSTANCES: &str = ".instances";

/// Whether `directory` lies where instances have theirs.
pub fn is_of_instance(directory: &Path) -> bool {
    directory.parent().is_some_and(|parent| parent.ends_with(INSTANCES))
}

/// A place of this type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loopback {
    /// The directory that serves as object store. Absolute.
    pub state: PathBuf,
    /// How many stages run there at once.
    pub at_once: usize,
    /// How leases and instances end.
    pub timing: Timing,
}

impl Loopback {
    /// Where its objects are.
    pub fn place(&self) -> Place {
        Place {
            url: self.state.to_string_lossy().into_owned(),
            scheme: Scheme::Directory(self.state.clone()),
            endpoint: None,
            region: None,
            profile: None,
            path_style: None,
            checksums: None,
        }
    }

    /// Removes what dead instances left. Nothing runs there any more.
    pub(super) fn sweep(&self) {
        // What stays is tried again by the next one.
        let _ = remove_tree(&self.state.join(INSTANCES));
    }

    /// Starts an instance for an attempt. It has a session of its own and outlives this process. `project` is closed to what it runs,
    /// as it is to what runs here.
    pub(super) fn launch(&self, key: &ActionKey, attempt: u32, project: &Path) -> io::Result<()> {
        let instances = self.state.join(INSTANCES);
        let directory = |attempt: u32| instances.join(format!("{}-{attempt}", key.short()));
        for earlier in 1..attempt {
            // Its instance is dead, or its lease is lost; what stays is removed the next time.
            let _ = remove_tree(&directory(earlier));
        }
        let directory = directory(attempt);
        fs::create_dir_all(&directory)?;
        let said = File::create(directory.join("stderr"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(VERB).arg("--detach");
        command.arg("--state").arg(&self.state).arg("--directory").arg(&directory).arg("--project").arg(project);
        command.args(["--action", &key.to_string(), "--attempt", &attempt.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).process_group(0);
        // It starts the instance and ends.
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("the instance did not start: {status}"))) }
    }
}
