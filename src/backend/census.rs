//! Finds processes by a mark in their environment: the ones that left their process group.
//!
//! A mark is inherited by every descendant that does not clear its environment on purpose; leaving the group, the session
//! or the parent does not shed it.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// An entry `NAME=value` of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark(Vec<u8>);

impl Mark {
    pub(super) fn new(name: &str, value: &str) -> Mark {
        Mark(format!("{name}={value}").into_bytes())
    }

    /// Kills each of `processes` that carries the mark and returns those. A process that is dying but not gone still
    /// carries it; a zombie does not.
    pub(super) fn kill(&self, processes: Vec<Pid>) -> Vec<Pid> {
        let mut carriers = processes;
        carriers.retain(|pid| self.is_carried_by(*pid));
        for pid in &carriers {
            // It may have ended by itself since, which is as good.
            let _ = kill_process(*pid, Signal::KILL);
        }
        carriers
    }

    /// False also for a process of another user, whose environment cannot be read: it could not be killed either.
    fn is_carried_by(&self, pid: Pid) -> bool {
        let path = format!("/proc/{}/environ", pid.as_raw_nonzero());
        fs::read(path).is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == self.0))
    }
}

/// Every process of the machine that this one can see.
pub(super) fn everyone() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| pid(entry.ok()?.file_name().to_str()?)).collect()
}

/// The children of this process, of all its threads. Empty where the kernel does not list them.
pub(super) fn own_children() -> Vec<Pid> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = threads.filter_map(|thread| children_of(&thread.ok()?.path()));
    lists.flatten().collect()
}

fn children_of(thread: &Path) -> Option<Vec<Pid>> {
    let list = fs::read_to_string(thread.join("children")).ok()?;
    Some(list.split_ascii_whitespace().filter_map(pid).collect())
}

fn pid(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}
