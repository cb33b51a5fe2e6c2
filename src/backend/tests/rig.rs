//! The fixture of the tests: a backend with a real guardian, launches of shell scripts, and FIFOs to wait on.
//!
//! Guardian and engine are this test binary itself, started with the name of an ignored test.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use contract::Event;
use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;

use crate::backend::{
    BackendError, Control, Guardian, Launch, Local, Outcome, Program, Protocol, Sight, Trace, guardian,
};

/// A test that takes longer has hung.
pub(super) const GUARD: Duration = Duration::from_secs(120);

pub(super) struct Rig {
    pub(super) local: Local,
    directory: tempfile::TempDir,
}

/// The result of a launch.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    pub(super) events: Vec<Event>,
    pub(super) log: String,
}

impl Rig {
    pub(super) fn new() -> Rig {
        let directory = tempfile::tempdir().unwrap();
        let run = run_of(directory.path());
        Rig { local: Local::new(Guardian::start(&this_test("rig::guardian_process"), &run).unwrap(), None), directory }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        path
    }

    /// A shell script, run in the rig's directory. `say EVENT` sends an event.
    pub(super) fn script(&self, protocol: Protocol, script: &str) -> Launch {
        script_in(self.directory.path(), protocol, script)
    }

    pub(super) fn launch(&self, argv: &[&str]) -> Launch {
        launch_in(self.directory.path(), Protocol::Plain, argv)
    }

    pub(super) fn run(&self, launch: Launch) -> Ran {
        self.run_with(launch, |_, _| {})
    }

    pub(super) fn worker(&self, script: &str) -> Ran {
        self.run(self.script(Protocol::Worker, script))
    }

    pub(super) fn plain(&self, script: &str) -> Ran {
        self.run(self.script(Protocol::Plain, script))
    }

    /// Runs `launch`; `react` sees each event as it comes and may cancel.
    pub(super) fn run_with(&self, launch: Launch, react: impl FnMut(&Event, &watch::Sender<Control>)) -> Ran {
        let log = launch.log.clone();
        let (outcome, events) = block_on(supervise(&self.local, launch, react));
        Ran { outcome: outcome.unwrap(), events, log: std::fs::read_to_string(log).unwrap_or_default() }
    }
}

pub(super) async fn supervise(
    local: &Local,
    launch: Launch,
    mut react: impl FnMut(&Event, &watch::Sender<Control>),
) -> (Result<Outcome, BackendError>, Vec<Event>) {
    let (sender, mut receiver) = unbounded_channel();
    let (control, controlled) = watch::channel(Control::default());
    let listen = async {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            react(&event, &control);
            events.push(event);
        }
        events
    };
    tokio::join!(local.run(launch, sender, controlled), listen)
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(GUARD, future).await.expect("hangs") })
}

pub(super) fn script_in(directory: &Path, protocol: Protocol, script: &str) -> Launch {
    let script = format!("say() {{ echo \"$1\" >/dev/fd/$PIPE_EVENTS_FD; }}\n{script}");
    launch_in(directory, protocol, &["sh", "-c", &script])
}

fn launch_in(directory: &Path, protocol: Protocol, argv: &[&str]) -> Launch {
    let argv: Vec<OsString> = argv.iter().map(Into::into).collect();
    let environment = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
    Launch {
        program: Program { argv, cwd: directory.to_owned(), environment },
        protocol,
        trace: Trace { run: run_of(directory), stage: "stage".into() },
        log: directory.join("log"),
        grace: Duration::from_millis(50),
        timeout: None,
        secrets: Vec::new(),
        known: Vec::new(),
        jobs: 1,
        secret_files: Vec::new(),
        sight: Sight::Open,
    }
}

/// Unique among the tests that run now: the directory's random name.
fn run_of(directory: &Path) -> String {
    directory.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Lines that are written to a FIFO, and its end: the end comes when no process holds it open any more.
pub(super) struct Lines(mpsc::Receiver<String>);

impl Lines {
    pub(super) fn of(fifo: PathBuf) -> Lines {
        let (sender, receiver) = mpsc::channel();
        // Opening waits for the first writer, hence the thread; it ends with the FIFO or with the test process.
        std::thread::spawn(move || {
            for line in BufReader::new(File::open(fifo).unwrap()).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Lines(receiver)
    }

    pub(super) fn next(&self) -> Option<String> {
        match self.0.recv_timeout(GUARD) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("a process that should be gone still holds the FIFO"),
        }
    }
}

/// The command that runs the ignored test `name` of this directory.
pub(super) fn this_test(name: &str) -> Vec<OsString> {
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{}::{name}", module.strip_suffix("::rig").unwrap());
    let exe = std::env::current_exe().unwrap().into_os_string();
    [exe, name.into()].into_iter().chain(["--exact", "--ignored", "--nocapture"].map(OsString::from)).collect()
}

#[test]
#[ignore = "not a test: the guardian process that other tests start"]
fn guardian_process() {
    guardian::main();
}
