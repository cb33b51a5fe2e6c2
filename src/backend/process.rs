//! A child process and its group: start, signals, end, usage.
//!
//! The child leads a process group of its own; stdin is /dev/null, stdout and stderr are one pipe, events another, tokens a third. Only
//! this file starts processes, one at a time: the events pipe is inheritable while its own child starts, and a process
//! started meanwhile would keep it open.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::{FailureClass, Usage};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpgid, kill_process, kill_process_group, waitid, waitpgid,
    waitpid,
};
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{self, SignalKind};
use wait4::Wait4;

use super::caught::catches;
use super::census::{self, Mark};
use super::confine::Confiner;
use super::error::BackendError;
use super::exit::Exit;
use super::launch::{Launch, Private, RUN_ID, STAGE_ID, Sight, outer_runs};
use super::memory::{OwnMark, Peak};
use super::outcome::Refusal;
use super::program;
use super::sealed::sealed;
use super::tokens::{Tokens, jobserver};

/// How long the end of a process tree may take after SIGKILL before it is left to the guardian.
const BURIAL_STEPS: u32 = 1000;
const BURIAL_STEP: Duration = Duration::from_millis(1);

/// A running child. Dropping it kills its group.
pub(super) struct Process {
    child: Child,
    group: Pid,
    /// Tells that some child of ours has ended.
    ends: unix::Signal,
    started: Instant,
    mark: Mark,
    peak: Peak,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    /// Its id is ours until it is reaped, also when it has ended.
    Held,
    Reaped,
}

/// The streams that a child writes to.
pub(super) struct Streams {
    /// stdout and stderr.
    pub(super) output: Receiver,
    /// Event lines.
    pub(super) events: Receiver,
    /// Our side of its jobserver.
    pub(super) tokens: Tokens,
}

/// Why there is no process.
pub(super) enum NotStarted {
    /// The stage's fault: a value for the run.
    Refused(Refusal),
    /// The backend's.
    Broken(BackendError),
}

/// Runs `start` while no other process of this program is being started.
pub(super) fn alone<T>(start: impl FnOnce() -> T) -> T {
    static STARTING: Mutex<()> = Mutex::new(());
    let _held = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    start()
}

/// Starts `launch`. Must be called within a tokio runtime.
pub(super) fn start(
    launch: &Launch,
    confined: Option<&Confiner>,
    own_mark: &OwnMark,
) -> Result<(Process, Streams), NotStarted> {
    let directory = &launch.program.cwd;
    let is_directory =
        fs::metadata(directory).and_then(|it| if it.is_dir() { Ok(()) } else { Err(Errno::NOTDIR.into()) });
    is_directory.map_err(|source| NotStarted::Broken(BackendError::Directory { path: directory.clone(), source }))?;
    let file = program::find(&launch.program).map_err(NotStarted::Refused)?;
    let confined = match &launch.sight {
        Sight::Private(own) => confined.map(|confiner| (confiner, own)),
        Sight::Open => None,
    };
    launch_file(launch, &file, confined, own_mark).map_err(|source| not_started(&file, source))
}

fn launch_file(
    launch: &Launch,
    file: &Path,
    confined: Option<(&Confiner, &Private)>,
    own_mark: &OwnMark,
) -> io::Result<(Process, Streams)> {
    let (output, output_end) = pipe_with(PipeFlags::CLOEXEC)?;
    let (events, events_end) = pipe_with(PipeFlags::CLOEXEC)?;
    let (tokens, ends_of_tokens) = jobserver(launch.jobs)?;
    let streams =
        Streams { output: Receiver::from_owned_fd(output)?, events: Receiver::from_owned_fd(events)?, tokens };

    // Before the start: an end that comes at once must not be missed.
    let ends = unix::signal(SignalKind::child())?;

    // An absolute path and no hook of ours between fork and exec: std then uses posix_spawn, which does not copy page tables.
    let mut command = Command::new(file);
    command.arg0(&launch.program.argv[0]).args(&launch.program.argv[1..]);
    command.current_dir(&launch.program.cwd).process_group(0);
    command.env_clear().envs(launch.program.environment.iter().map(|(name, value)| (name, value)));
    let stage = launch.trace.to_string();
    command.env(contract::event::EVENTS_FD, events_end.as_raw_fd().to_string());
    command.env("MAKEFLAGS", ends_of_tokens.make_flags());
    command.env(RUN_ID, &launch.trace.run).env(STAGE_ID, &stage).envs(outer_runs());
    let mut secrets = Vec::new();
    for (variable, value) in &launch.secret_files {
        let secret = sealed(value)?;
        command.env(variable, format!("/dev/fd/{}", secret.as_raw_fd()));
        secrets.push(secret);
    }
    command.stdin(Stdio::null()).stdout(output_end.try_clone()?).stderr(output_end);
    let started = Instant::now();
    let child = alone(|| {
        for end in secrets.iter().chain([&events_end]) {
            fcntl_setfd(end, FdFlags::empty())?;
        }
        ends_of_tokens.inherit()?;
        own_mark.lower();
        // The command owns the child's ends of the output pipe: while it lives, that pipe has no end.
        let child = match confined {
            Some((confiner, own)) => confiner.spawn(command, own),
            None => command.spawn(),
        };
        drop((events_end, ends_of_tokens, secrets));
        child
    })?;

    let group = Pid::from_child(&child);
    let mark = Mark::new(STAGE_ID, &stage);
    let peak = Peak::new(group);
    Ok((Process { child, group, ends, started, mark, peak, state: State::Held }, streams))
}

fn not_started(file: &Path, source: io::Error) -> NotStarted {
    let refused = |class, message: String, help: &str| NotStarted::Refused(Refusal::new(class, message).help(help));
    match Errno::from_io_error(&source) {
        Some(Errno::NOENT) => refused(
            FailureClass::NotBuilt,
            format!("cannot start {}: the interpreter that its first line names is missing", file.display()),
            "install the interpreter, or mend the first line",
        ),
        Some(Errno::NOEXEC) => refused(
            FailureClass::NotBuilt,
            format!("cannot start {}: not a program of this machine", file.display()),
            "a script needs a first line such as `#!/bin/sh`",
        ),
        Some(Errno::ACCESS) => refused(
            FailureClass::NotBuilt,
            format!("cannot start {}: permission denied", file.display()),
            "make the file and its interpreter executable; a file system mounted `noexec` runs nothing",
        ),
        Some(Errno::TOOBIG) => refused(
            FailureClass::InvalidInput,
            format!("cannot start {}: the arguments and the environment are too long", file.display()),
            "pass long lists in a file",
        ),
        // The system was not asked: a word of the program cannot be handed to it.
        None if source.kind() == io::ErrorKind::InvalidInput => refused(
            FailureClass::InvalidInput,
            format!("cannot start {}: an argument or a variable holds a NUL character", file.display()),
            "no program can be given one: look at the stage's `secrets`, `env` and `run`",
        ),
        _ => NotStarted::Broken(BackendError::Start { program: file.to_owned(), source }),
    }
}

impl Process {
    /// Its id, which is also the id of its group.
    pub(super) fn group(&self) -> Pid {
        self.group
    }

    /// The id of the child.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How long to wait before the next look at its memory.
    pub(super) fn until_look(&self) -> Duration {
        self.peak.wait()
    }

    /// Looks at its memory.
    pub(super) fn look(&mut self) {
        if self.state == State::Held {
            self.peak.look();
        }
    }

    /// Returns when the child has ended. It is then still a zombie, so that its id belongs to nobody else.
    pub(super) async fn ended(&mut self) -> Result<(), BackendError> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(self.group), look) {
                Ok(Some(_)) => return Ok(()),
                Ok(None) | Err(Errno::INTR) => {}
                Err(error) => return Err(self.lost(error.into())),
            }
            self.ends.recv().await;
            self.reap_orphans();
        }
    }

    /// Takes the members of the group that have ended and whose parents are gone, so that a long stage which makes many of
    /// them does not fill the process table. The child itself stays: its usage is asked for in [`Process::reap`].
    fn reap_orphans(&self) {
        let orphans = census::own_children().into_iter().filter(|pid| *pid != self.group);
        for orphan in orphans.filter(|pid| getpgid(Some(*pid)) == Ok(self.group)) {
            // Still alive, most likely.
            let _ = waitpid(Some(orphan), WaitOptions::NOHANG);
        }
    }

    /// Asks the whole group to end. A process that stands still, stopped by us, by itself or by somebody else, wakes up to hear it.
    pub(super) fn ask_to_leave(&self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    /// Asks the child for a checkpoint, if it is one that knows the question.
    pub(super) fn ask_for_checkpoint(&self) {
        if self.state == State::Held && catches(self.group, Signal::USR1) {
            // It may have ended this moment.
            let _ = kill_process(self.group, Signal::USR1);
        }
    }

    /// Sends `signal` to the whole group.
    pub(super) fn signal(&self, signal: Signal) {
        if self.state == State::Held {
            // Refused only for a group that runs as another user, which is then out of our reach.
            let _ = kill_process_group(self.group, signal);
        }
    }

    /// Kills the rest of the group and takes the status and the usage of the child, which has ended.
    pub(super) fn reap(&mut self) -> Result<(Exit, Usage), BackendError> {
        self.signal(Signal::KILL);
        let seconds = self.started.elapsed().as_secs_f64();
        let ended = self.child.try_wait4().map_err(|source| self.lost(source))?;
        let ended = ended.ok_or_else(|| self.lost(io::ErrorKind::WouldBlock.into()))?;
        self.state = State::Reaped;
        let cpu_seconds = (ended.rusage.utime + ended.rusage.stime).as_secs_f64();
        Ok((ended.status.into(), Usage { seconds, cpu_seconds, peak_memory: self.peak.of(ended.rusage.maxrss) }))
    }

    /// Waits until the killed members of the group are gone, and ends those that left the group: nothing may write to the
    /// stage's outputs after this. All of them have become children of this process (see [`super::Local::new`]), or
    /// descendants of one that is found first.
    pub(super) async fn bury(&self) {
        let mut dying = Vec::new();
        for _ in 0..BURIAL_STEPS {
            // In this order: the orphans of a member of the group become ours only when the member is gone.
            if self.group_is_gone() && self.end_strays(&mut dying) {
                return;
            }
            tokio::time::sleep(BURIAL_STEP).await;
        }
    }

    fn group_is_gone(&self) -> bool {
        loop {
            match waitpgid(self.group, WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return false,
                // No child of ours is in the group any more.
                Err(_) => return true,
            }
        }
    }

    /// Whether no stray is left; `dying` are the ones that were killed before and may have left children in their turn.
    fn end_strays(&self, dying: &mut Vec<Pid>) -> bool {
        let strays = self.mark.kill(census::own_children());
        dying.extend(strays.iter().filter(|stray| !dying.contains(stray)).copied().collect::<Vec<_>>());
        dying.retain(|stray| matches!(waitpid(Some(*stray), WaitOptions::NOHANG), Ok(None)));
        strays.is_empty() && dying.is_empty()
    }

    fn lost(&self, source: io::Error) -> BackendError {
        BackendError::Watch { process: self.child.id(), source }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.state == State::Held {
            self.signal(Signal::KILL);
            // Prompt after SIGKILL; without it the child would stay a zombie until the engine ends.
            let _ = self.child.wait();
        }
    }
}
