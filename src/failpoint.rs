//! Named points at which the engine can be made to die as by `kill -9`, so that tests reach the moments that matter.
//!
//! `PIPE_FAILPOINT=before-record` kills at the first arrival there, `before-record:3` at the third; `before-intent:/PATH` waits there until
//! the file is there, having said so by a file beside it. `PIPE_UNGUARDED=fence` leaves a [`Guard`] out, so that a test sees what
//! that is good for. Always compiled: the tested binary is the one that ships, and an unset variable costs one look a process.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where the engine can die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failpoint {
    /// A stage's private directory is ready, its program not started.
    BeforeSpawn,
    /// All outputs of a stage are in the store, its record is not.
    AfterBlobs,
    /// The record is written under a temporary name.
    BeforeRecord,
    /// The record is there and something of its outputs is about to be put into the workspace.
    DuringPublish,
    /// It is written that an instance is about to be launched, and it is not.
    AfterIntent,
    /// An instance is to be launched, and that is not written yet.
    BeforeIntent,
    /// An instance was launched, and nobody follows it yet.
    AfterLaunch,
}

impl Failpoint {
    fn name(self) -> &'static str {
        match self {
            Failpoint::BeforeSpawn => "before-spawn",
            Failpoint::AfterBlobs => "after-blobs",
            Failpoint::BeforeRecord => "before-record",
            Failpoint::DuringPublish => "during-publish",
            Failpoint::AfterIntent => "after-intent",
            Failpoint::BeforeIntent => "before-intent",
            Failpoint::AfterLaunch => "after-launch",
        }
    }
}

/// Dies here if that was asked for.
pub fn reach(point: Failpoint) {
    static ASKED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("PIPE_FAILPOINT").ok());
    static ARRIVALS: AtomicU32 = AtomicU32::new(0);
    let Some(asked) = &*ASKED else { return };
    let (name, number) = asked.split_once(':').unwrap_or((asked, "1"));
    if name != point.name() {
        return;
    }
    if number.starts_with('/') {
        return hold(Path::new(number));
    }
    if number.parse() == Ok(ARRIVALS.fetch_add(1, Ordering::Relaxed) + 1) {
        // No destructor and no signal handler runs, as when somebody else sends it.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Waits until there is something at `gate`.
fn hold(gate: &Path) {
    // A test that does not see the file waits for nothing.
    let _ = std::fs::write(gate.with_extension(std::process::id().to_string()), "");
    while !gate.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What sees to it that a remote stage has one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// An intent is written only where none is there.
    IntentCondition,
    /// An instance that lost its lease writes nothing.
    Fence,
}

/// Whether this guard is left out.
pub fn leaves_out(guard: Guard) -> bool {
    static LEFT_OUT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("PIPE_UNGUARDED").ok());
    let name = match guard {
        Guard::IntentCondition => "intent-condition",
        Guard::Fence => "fence",
    };
    LEFT_OUT.as_deref() == Some(name)
}
