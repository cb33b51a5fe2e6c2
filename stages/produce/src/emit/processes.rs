//! `processes`: the inventory, by pid.

use scan::{Finding, Severity};

use crate::emit::Output;
use crate::host::Host;
use crate::world::{Process, World};

/// Processes by pid, as /proc lists them.
pub(super) fn by_pid(world: &World) -> Vec<&Process> {
    let mut all: Vec<&Process> = world.processes.iter().collect();
    all.sort_unstable_by_key(|process| process.pid);
    all
}

pub(super) fn emit(_host: &Host, world: &World) -> Output {
    let mut output = Output::new("processes");
    for process in by_pid(world) {
        let pid = process.pid.to_string();
        let title = format!("Process {pid}");
        let uid = process.uid.to_string();
        let mut finding = Finding::new(pid, title, Severity::Info, &process.argv0).with("gid", &uid).with("uid", uid);
        if let Some(container) = &process.container {
            finding = finding.with("container_id", container);
        }
        output.push(finding, process.mark);
    }
    output
}
