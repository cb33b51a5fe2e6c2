//! A process of this machine as an instance: to try remote execution of a stage without any cloud.
//!
//! A file describes each instance. The process holds the lock of that file for as long as it lives, as its standard input, so that other
//! processes can tell whether it lives.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use contract::backend::{Ended, Instance, State};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::bundle::{Machine, boot, run_new};
use super::launcher::{Launch, Launcher, command};
use super::lease::unix_seconds;
use crate::action::ActionKey;
use crate::remote::{FailedClass, RemoteError, TransferError};
use crate::store::remove_tree;

/// The directories of instances lie in one of this name. No object's name begins with a dot.
pub(crate) const INSTANCES: &str = ".instances";

/// The extension of an instance's file.
const NOTE: &str = "json";

/// Whether `directory` lies where instances have theirs.
pub fn is_of_instance(directory: &Path) -> bool {
    directory.parent().is_some_and(|parent| parent.ends_with(INSTANCES))
}

/// Processes of this machine as instances.
pub(super) struct Loopback {
    /// Where they have their directories.
    instances: PathBuf,
}

/// The content of an instance's file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    action: ActionKey,
    attempt: u32,
    token: String,
    /// Unix seconds.
    launched: u64,
    /// The process, once it was started.
    process: Option<i32>,
}

impl Loopback {
    pub(super) fn new(instances: PathBuf) -> Loopback {
        Loopback { instances }
    }

    fn directory(&self, key: &ActionKey, attempt: u32) -> PathBuf {
        self.instances.join(format!("{}-{attempt}", key.short()))
    }

    /// Starts the instance. It has a session of its own and outlives this process.
    fn start(&self, launch: &Launch<'_>) -> Result<Instance, TransferError> {
        let directory = self.directory(&launch.key, launch.attempt);
        let path = directory.with_extension(NOTE);
        for earlier in 1..launch.attempt {
            // Its instance is dead, or its lease is lost. Best effort: the next launch tries again.
            let earlier = self.directory(&launch.key, earlier);
            let _ = remove_tree(&earlier);
            let _ = fs::remove_file(earlier.with_extension(NOTE));
        }
        let failed = |error: io::Error| self.failed(&error);
        fs::create_dir_all(&self.instances).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let mut note = Note {
            action: launch.key,
            attempt: launch.attempt,
            token: launch.token.to_owned(),
            launched: unix_seconds(),
            process: None,
        };
        match file.try_lock() {
            Ok(()) => {}
            // It lives, or another client is about to start it.
            Err(TryLockError::WouldBlock) => return Ok(instance(&path, &note, true)),
            Err(TryLockError::Error(error)) => return Err(failed(error).into()),
        }
        let former = read(&mut file);
        if let Some(former) = former.filter(|former| former.token == note.token && former.process.is_some()) {
            return Ok(instance(&path, &former, false));
        }
        write(&mut file, &note).map_err(failed)?;
        fs::create_dir_all(&directory).map_err(failed)?;
        let engine = boot(launch.remote, &directory, launch.bundle)?;
        note.process = Some(self.detach(launch, &engine, &directory, &file).map_err(failed)?);
        write(&mut file, &note).map_err(failed)?;
        Ok(instance(&path, &note, true))
    }

    /// Starts a process with a session of its own, which holds the lock of `file`. Returns its number.
    fn detach(&self, launch: &Launch<'_>, engine: &Path, directory: &Path, file: &File) -> io::Result<i32> {
        let said = File::create(directory.join("stderr"))?;
        let (objects, project) = (launch.remote.place().to_wire(), launch.project.to_string_lossy());
        let mut starter = Command::new(engine);
        starter.args(command(launch, &objects, &directory.to_string_lossy(), &project));
        starter.arg("--detach").process_group(0);
        starter.stdin(file.try_clone()?).stdout(Stdio::piped()).stderr(said);
        // It starts the instance, says which process that is, and ends.
        let output = run_new(&mut starter)?;
        let process = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
        process
            .filter(|_| output.status.success())
            .ok_or_else(|| io::Error::other(format!("the instance did not start: {}", output.status)))
    }

    /// The files of all instances.
    fn notes(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.instances) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.filter(|path| path.as_ref().map_or(true, |path| path.extension().is_some_and(|it| it == NOTE))).collect()
    }

    /// Every instance of which something is known.
    fn all(&self) -> io::Result<Vec<Instance>> {
        self.notes()?.iter().filter_map(|path| known(path).transpose()).collect()
    }

    fn failed(&self, error: &io::Error) -> RemoteError {
        RemoteError::new(FailedClass::Broken, format!("{}: {error}", self.instances.display()))
    }
}

impl Launcher for Loopback {
    fn launch(&self, launch: &Launch<'_>, _: &mut dyn FnMut(&str)) -> Result<Instance, TransferError> {
        self.start(launch)
    }

    fn machine(&self) -> Option<Machine> {
        Some(Machine::own())
    }

    fn look(&self, key: &ActionKey, attempt: u32) -> Result<Option<Instance>, RemoteError> {
        known(&self.directory(key, attempt).with_extension(NOTE)).map_err(|error| self.failed(&error))
    }

    fn cancel(&self, id: &str) -> Result<(), RemoteError> {
        let Ok(mut file) = File::open(self.instances.join(id).with_extension(NOTE)) else { return Ok(()) };
        // As long as it lives no other process has its number.
        if let Some(Note { process: Some(process), .. }) = read(&mut file)
            && lives(&file)
            && let Some(process) = Pid::from_raw(process)
        {
            // It may have ended this moment.
            let _ = kill_process(process, Signal::TERM);
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<Instance>, RemoteError> {
        let mut all = self.all().map_err(|error| self.failed(&error))?;
        all.retain(|instance| instance.state != State::Ended);
        Ok(all)
    }

    fn logs(&self, id: &str) -> Result<String, RemoteError> {
        // It goes with the directory.
        Ok(fs::read_to_string(self.instances.join(id).join("stderr")).unwrap_or_default())
    }

    fn reap(&self) -> Result<Vec<Instance>, RemoteError> {
        for path in self.notes().map_err(|error| self.failed(&error))? {
            // Those too that were never started: their clients died before that.
            if File::open(&path).is_ok_and(|file| !lives(&file)) && remove_tree(&path.with_extension("")).is_ok() {
                // The next call tries again if this fails.
                let _ = fs::remove_file(&path);
            }
        }
        // Each ends itself when its lifetime is over.
        Ok(Vec::new())
    }
}

/// The instance that the file at `path` describes; `None` where nothing was launched.
fn known(path: &Path) -> io::Result<Option<Instance>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let alive = lives(&file);
    // One that was never started, as its client died before that, is launched again by the next one.
    let note = read(&mut file).filter(|note| alive || note.process.is_some());
    Ok(note.map(|note| instance(path, &note, alive)))
}

fn instance(path: &Path, note: &Note, alive: bool) -> Instance {
    let (state, why) = if alive { (State::Running, "its process lives") } else { (State::Ended, "its process ended") };
    Instance {
        id: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        action: note.action.to_string(),
        attempt: note.attempt,
        state,
        end: (!alive).then_some(Ended::Finished),
        why: why.to_owned(),
        what: "a process of this machine".to_owned(),
        launched: Some(note.launched),
        ended: None,
        expires: None,
        price: Some(0.0),
        cost: Some(0.0),
    }
}

/// Whether a process holds the lock.
fn lives(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            // Given back at once, because a launch may be about to take it; closing the file would give it back too.
            let _ = file.unlock();
            false
        }
        Err(_) => true,
    }
}

fn read(file: &mut File) -> Option<Note> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text)).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(file: &mut File, note: &Note) -> io::Result<()> {
    let text = serde_json::to_vec(note).map_err(io::Error::other)?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&text)
}
