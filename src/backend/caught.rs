//! Whether a process has a handler for a signal: one that has none would be ended by it.

use std::fs;

use rustix::process::{Pid, Signal};

/// Whether `process` catches `signal` now.
pub(super) fn catches(process: Pid, signal: Signal) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())) else { return false };
    let line = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    caught >> (signal.as_raw() - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_seen() {
        let own = rustix::process::getpid();
        assert!(!catches(own, Signal::USR2));
        signal_hook::flag::register(signal_hook::consts::SIGUSR2, std::sync::Arc::default()).unwrap();
        assert!(catches(own, Signal::USR2));
    }
}
