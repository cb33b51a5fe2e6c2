//! `containers`: the containers that run on the host, each with one of its processes.

use std::fmt::Write;

use scan::{Finding, Severity};

use crate::emit::{Output, Results, processes::by_pid};
use crate::host::Host;
use crate::stream::Purpose;
use crate::world::World;

pub(super) fn emit(host: &Host, world: &World) -> Output {
    let mut output = Output { results: Results::EmptyAfter, ..Output::new("containers") };
    // The scanner keeps them in a hash table: their order says nothing.
    let mut containers: Vec<(&str, u32)> = Vec::new();
    for process in by_pid(world) {
        if let Some(id) = &process.container
            && containers.iter().all(|(seen, _)| seen != id)
        {
            containers.push((id, process.pid));
        }
    }
    containers.sort_unstable();
    for (id, pid) in &containers {
        let finding = Finding::new(
            format!("container:{id}"),
            format!("Container detected {id}"),
            Severity::Info,
            "Container runtime context",
        );
        let cgroup = format!("0::/system.slice/docker-{}.scope", full(host, id));
        output.push(finding.with("cgroup", cgroup).with("pid", pid.to_string()).with("runtime", "docker"), None);
    }
    if containers.is_empty() {
        let description = "No container cgroup signatures found";
        output.push(Finding::new("container:none", "No containers detected", Severity::Info, description), None);
    }
    output
}

/// The 64 digits that a container's id is the beginning of.
fn full(host: &Host, id: &str) -> String {
    let place = u64::from_str_radix(id, 16).unwrap_or(0);
    let mut draw = host.streams(Purpose::Container).at(u64::MAX ^ place);
    let mut full = id.to_owned();
    while full.len() < 64 {
        write!(full, "{:04x}", draw.below(1 << 16)).expect("a string is written to");
    }
    full
}
