//! The order to a backend: one launch and its control.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The variable that names the run. The guardian ends every process that carries it.
pub const RUN_ID: &str = "PIPE_RUN_ID";

/// The variable that names the runs around the run, the innermost first, by their ids. Only there where a stage called `pipe`.
pub(super) const OUTER_RUNS: &str = "PIPE_OUTER_RUNS";

/// The runs of whose stages this process is a part, the innermost first.
pub fn runs_around() -> Vec<String> {
    let of = |name| std::env::var(name).unwrap_or_default();
    let runs = format!("{} {}", of(RUN_ID), of(OUTER_RUNS));
    runs.split_whitespace().map(str::to_owned).collect()
}

/// The variable that tells the programs of this process which runs they are inside of, where there are any.
pub fn outer_runs() -> Option<(&'static str, String)> {
    let runs = runs_around();
    (!runs.is_empty()).then(|| (OUTER_RUNS, runs.join(" ")))
}

/// The variable that names run and stage: the text of [`Trace`].
pub const STAGE_ID: &str = "PIPE_STAGE_ID";

/// One start of one stage.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program to start.
    pub program: Program,
    /// How it says that it is done.
    pub protocol: Protocol,
    /// Whose launch it is; unique among the launches that run at one time.
    pub trace: Trace,
    /// Receives stdout, stderr and log events. Its directory exists; a file that is there is replaced.
    pub log: PathBuf,
    /// How long it may take to end after [`Cancel::Stop`].
    pub grace: Duration,
    /// How long it may run, pauses not counted; `None` = as long as it likes.
    pub timeout: Option<Duration>,
    /// Values that must not appear in the log or in events.
    pub secrets: Vec<String>,
    /// Paths in its private directory, with those by which the user knows the same things: events name these.
    pub known: Vec<(PathBuf, PathBuf)>,
    /// Values that it reads from a descriptor: by the variable that says which, as `/dev/fd/N`.
    pub secret_files: Vec<(OsString, Vec<u8>)>,
    /// Jobs that it may run at once, by its jobserver; at least 1.
    pub jobs: u32,
    /// Whether the project is out of its sight, its own directory aside.
    pub sight: Sight,
}

/// The part of the project that a program may open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// Everything: a worker, which is told where its inputs lie, or a command at the project root.
    #[default]
    Open,
    /// Its own directory and its tools, where the kernel can see to that.
    Private(Private),
}

/// The part of the project that a private program may open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Private {
    /// Where it works: to read and to write.
    pub directory: PathBuf,
    /// Directories to read, and to run programs from.
    pub tools: Vec<PathBuf>,
}

/// A program with everything it sees.
#[derive(Clone, Debug)]
pub struct Program {
    /// Program and arguments. A program without a slash is looked for on the PATH of `environment`, one with a slash
    /// from `cwd`.
    pub argv: Vec<OsString>,
    /// Where it starts; exists.
    pub cwd: PathBuf,
    /// Its whole environment; nothing is inherited. A backend adds `PIPE_EVENTS_FD`, [`RUN_ID`],
    /// [`STAGE_ID`] and, where there are runs around, [`OUTER_RUNS`].
    pub environment: Vec<(OsString, OsString)>,
}

/// How a program says that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A worker: it has failed unless it says `finished` and exits with 0. Exit status 75 means interrupted.
    Worker,
    /// A user's own command: exit status 0 is success. Events are welcome, none is needed.
    Plain,
}

/// Names a stage of a run, in logs and in the environment of its processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The run.
    pub run: String,
    /// The stage.
    pub stage: String,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.stage)
    }
}

/// The requests to a running launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Whether it should end early.
    pub cancel: Cancel,
    /// Whether it should stand still; its time-out stands still with it.
    pub paused: bool,
    /// Whether the run is to end at once, so that nobody waits until the leftovers of a killed launch are stored.
    pub abandoned: bool,
    /// Whether it should start no more jobs: free tokens of its jobserver are withdrawn.
    pub throttled: bool,
    /// Whether the user only leaves: stages elsewhere go on there.
    pub leaving: bool,
    /// How often it was asked for a checkpoint while it goes on.
    pub checkpoints: u32,
}

/// Whether a launch should end early. Only ever raised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cancel {
    /// Go on.
    #[default]
    No,
    /// SIGTERM: take a checkpoint and leave, or be killed after the grace.
    Stop,
    /// SIGKILL, now.
    Kill,
}
