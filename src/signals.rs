//! Signals before any verb begins: which of them the starting program wants ignored, and the effect of a file that grows beyond a
//! limit.
//!
//! Nothing here is handed on to the programs of stages: handlers end with `exec`, and only signals ignored from the start stay so.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGQUIT, SIGXFSZ};

/// The signals that were ignored when this program began, as a set of bits.
static IGNORED: OnceLock<u64> = OnceLock::new();

/// To be called first, before anything listens for a signal.
pub fn begin() {
    if !is_unwanted(SIGXFSZ) {
        // `ulimit -f` would end the program in the middle of a write. With a handler, which need do nothing, the write fails as it
        // does on a full disk. Where it cannot be installed, the limit ends the program as before.
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    }
}

/// Whether the program that started this one wants `signal` ignored, as `nohup` and `trap '' INT` do. A shell without job control lets
/// all that it starts with `&` ignore INT and QUIT, to spare them the Ctrl-C of others; a SIGINT sent to such a program is meant for it.
pub fn is_unwanted(signal: i32) -> bool {
    is_ignored(signal) && !(signal == SIGINT && is_ignored(SIGQUIT))
}

fn is_ignored(signal: i32) -> bool {
    let ignored = IGNORED.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        ignored_in(&status)
    });
    ignored & (1 << (signal - 1)) != 0
}

/// The signals that a `/proc/PID/status` calls ignored; none where it does not say.
fn ignored_in(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Prints a signal by its name on Linux.
#[derive(Clone, Copy, Debug)]
pub struct SignalName(pub i32);

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 31] = [
            "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
            "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
            "WINCH", "IO", "PWR", "SYS",
        ];
        match usize::try_from(self.0 - 1).ok().and_then(|at| NAMES.get(at)) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        assert_eq!(ignored_in("Name:\tx\nSigBlk:\t00000000000000ff\nSigIgn:\t0000000000001001\n"), 0x1001);
        assert_eq!(ignored_in("no such line"), 0);
    }
}
