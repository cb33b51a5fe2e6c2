//! `auditd`: which system calls the audit rules cover; most hosts have no rules.

use scan::Finding;
use scan::rules::auditd::{COVERAGE, NO_EXECVE, NO_RULES, covered};

use crate::emit::Output;
use crate::host::Host;
use crate::stream::Purpose;
use crate::world::World;

/// Share of hosts, per mille, with audit rules, and share of what those cover.
const RULES: u32 = 300;
const COVERED: u32 = 650;

pub(super) fn emit(host: &Host, _world: &World) -> Output {
    let mut output = Output::hardening("auditd", host);
    if !host.mode.hardening {
        return output;
    }
    let mut draw = host.streams(Purpose::Audit).at(0);
    if host.container || !draw.chance(RULES) {
        let description = "Could not read auditd rules files";
        output.push(Finding::new("auditd:rules:missing", "No auditd rules detected", NO_RULES, description), None);
        return output;
    }
    let mut execve = false;
    for coverage in &COVERAGE {
        let is = draw.chance(COVERED);
        execve |= is && coverage.id == "execve";
        let description = if is { coverage.good.to_owned() } else { format!("{} missing", coverage.title) };
        let id = format!("auditd:{}", coverage.id);
        output.push(Finding::new(id, coverage.title, covered(is), description), None);
    }
    if !execve {
        let description = "Audit rules lack -S execve; process execution coverage incomplete";
        output.push(Finding::new("auditd:execve:absent", "Execve auditing missing", NO_EXECVE, description), None);
    }
    output
}
