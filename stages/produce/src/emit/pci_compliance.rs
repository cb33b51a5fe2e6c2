//! `pci_compliance`: four controls that look at files. Operational findings: their score is 0.

use scan::Finding;
use scan::rules::pci_compliance::{CONTROLS, SCORE, STANDARD};

use crate::emit::{Output, Results};
use crate::host::Host;
use crate::stream::Purpose;
use crate::world::World;

/// Share of hosts, per mille, where someone opened /etc/passwd or /etc/shadow further than packages do.
const OPENED: u32 = 60;

pub(super) fn emit(host: &Host, _world: &World) -> Output {
    let mut output = Output { results: Results::EmptyBefore, ..Output::new("pci_compliance") };
    let runs = |name: &str| host.running.iter().any(|r| r.container.is_none() && r.service.name == name);
    let opened = host.streams(Purpose::Package).at(1).chance(OPENED);
    for control in &CONTROLS {
        let passed = match control.id {
            "7.1" => !opened,
            "10.2" => runs("rsyslogd"),
            "2.2.4" => runs("sshd") || runs("sshd_alternate"),
            // /etc/ssl comes with the base system.
            _ => true,
        };
        let id = format!("{STANDARD}:{}", control.id);
        let title = format!("{STANDARD} control {}", control.id);
        let finding = Finding::new(id, title, control.severity, control.requirement)
            .with("control_id", control.id)
            .with("passed", if passed { "true" } else { "false" })
            .with("requirement", control.requirement)
            .with("standard", STANDARD);
        output.push(Finding { base_severity_score: SCORE, risk_score: SCORE, ..finding }, None);
    }
    output
}
