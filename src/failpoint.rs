//! Named points at which the engine can be made to die as by `kill -9`, so that tests reach the moments that matter.
//!
//! `PIPE_FAILPOINT=before-record` kills at the first arrival there, `before-record:3` at the third. Always compiled: the tested
//! binary is the one that ships, and an unset variable costs one look a process.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

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
}

impl Failpoint {
    fn name(self) -> &'static str {
        match self {
            Failpoint::BeforeSpawn => "before-spawn",
            Failpoint::AfterBlobs => "after-blobs",
            Failpoint::BeforeRecord => "before-record",
            Failpoint::DuringPublish => "during-publish",
            Failpoint::AfterIntent => "after-intent",
        }
    }
}

/// Dies here if that was asked for.
pub fn reach(point: Failpoint) {
    static ASKED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("PIPE_FAILPOINT").ok());
    static ARRIVALS: AtomicU32 = AtomicU32::new(0);
    let Some(asked) = &*ASKED else { return };
    let (name, number) = asked.split_once(':').unwrap_or((asked, "1"));
    if name == point.name() && number.parse() == Ok(ARRIVALS.fetch_add(1, Ordering::Relaxed) + 1) {
        // No destructor and no signal handler runs, as when somebody else sends it.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
