//! `ioc`: processes with a sign of compromise, by pid.

use scan::Finding;
use scan::rules::ioc::{Process, Traits, severity};

use crate::emit::{Output, Results, processes::by_pid};
use crate::host::Host;
use crate::world::World;

/// How much of `argv[0]` a finding holds.
const COMMAND: usize = 127;

pub(super) fn emit(_host: &Host, world: &World) -> Output {
    let mut output = Output { results: Results::EmptyAfter, ..Output::new("ioc") };
    for process in by_pid(world) {
        let exe = process.link();
        let argv =
            if process.args.is_empty() { process.argv0.clone() } else { format!("{} {}", process.argv0, process.args) };
        let traits = Traits::of(Process { exe: &exe, argv: &argv, preload: process.preload });
        if !traits.any() {
            continue;
        }
        let id = format!("{exe}:{}", process.pid);
        let description = format!("{}: {exe}", traits.description());
        let command: String = process.argv0.chars().take(COMMAND).collect();
        let mut finding = Finding::new(id, "Process IOC Detected", severity(traits), description)
            .with("command", command)
            .with("pid", process.pid.to_string());
        let flags = [
            (traits.pattern, "pattern_match"),
            (traits.deleted, "deleted_executable"),
            (traits.writable, "world_writable_executable"),
            (traits.environment, "environment_issue"),
        ];
        for (_, key) in flags.into_iter().filter(|(set, _)| *set) {
            finding = finding.with(key, "true");
        }
        output.push(finding, process.mark);
    }
    output
}
