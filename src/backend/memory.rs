//! The peak memory of a child, told apart from that of this process.
//!
//! A child shares this process's memory until it has become its own program, and the kernel counts it: `ru_maxrss` of the
//! smallest program begins at the highest that this process has had. So before each start that mark is lowered to the present use of
//! this process, and a peak that is not above it says nothing. Then the child's own mark counts, which is looked at while the child runs.

use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

use rustix::process::Pid;

/// The time from the look at the start of a child to the next. Each further one waits twice as long as the one before, so that the last
/// look at a child is at one that has run for half of its time.
const FIRST_LOOK: Duration = Duration::from_millis(4);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Our own mark, which can be lowered.
#[derive(Debug)]
pub(super) struct OwnMark(Option<File>);

impl OwnMark {
    /// To be made while this process may be debugged: afterwards the file cannot be opened.
    pub(super) fn new() -> OwnMark {
        // Without it the mark stays where it is, and more peaks say nothing.
        OwnMark(fs::OpenOptions::new().write(true).open("/proc/self/clear_refs").ok())
    }

    /// Lowers the mark to the present use of this process.
    pub(super) fn lower(&self) {
        if let Some(mut file) = self.0.as_ref() {
            // `5` means the mark and nothing else.
            let _ = file.write_all(b"5");
        }
    }
}

/// The peak memory that was seen of a child.
#[derive(Debug)]
pub(super) struct Peak {
    child: Pid,
    /// Up to here a figure may be ours.
    ours: u64,
    seen: u64,
    wait: Duration,
}

impl Peak {
    /// Of a child that has just been started.
    pub(super) fn new(child: Pid) -> Peak {
        let mut peak = Peak { child, ours: 0, seen: 0, wait: FIRST_LOOK };
        // First, since it may end at once.
        peak.look();
        let ours = mark("self").unwrap_or(0);
        // The kernel's counters are inexact by some pages for each core.
        peak.ours = ours + ours / 8 + (1 << 20);
        peak
    }

    /// How long to wait for the next look.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// Looks at the child, which has not been reaped.
    pub(super) fn look(&mut self) {
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        let now = mark(&self.child.as_raw_nonzero().to_string());
        self.seen = self.seen.max(now.unwrap_or(0));
    }

    /// Its peak, given the kernel's figure at its end, in bytes.
    pub(super) fn of(&self, counted: u64) -> u64 {
        if counted > self.ours || self.seen == 0 { counted } else { self.seen.min(counted) }
    }
}

/// The most memory that a process has had, in bytes. `None` of one that has ended.
fn mark(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_below_our_own_mark_is_the_childs_own_mark() {
        let child = rustix::process::getpid();
        let peak = |ours, seen| Peak { child, ours, seen, wait: FIRST_LOOK };
        assert_eq!(peak(900 << 20, 2 << 20).of(900 << 20), 2 << 20);
        assert_eq!(peak(20 << 20, 2 << 20).of(300 << 20), 300 << 20, "above it, what the kernel counted");
        assert_eq!(peak(20 << 20, 0).of(20 << 20), 20 << 20, "never seen: no more is known");
    }

    #[test]
    fn our_own_mark_is_lowered_to_what_we_have() {
        let own = OwnMark::new();
        let touched = vec![1_u8; 64 << 20];
        assert!(mark("self").unwrap() >= 64 << 20, "{touched:?}", touched = touched.len());
        drop(touched);
        own.lower();
        assert!(mark("self").unwrap() < 64 << 20);
    }
}
