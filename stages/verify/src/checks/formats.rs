//! Values have the forms and ranges that the scanner writes: ports, addresses, pids, states, paths.

use std::net::IpAddr;

use correlate::EnrichedFinding;

use crate::check::{Outcome, ScanView};

const PROTOCOLS: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];
const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

/// Checks one scan.
pub fn check(view: &ScanView<'_>) -> Outcome {
    let mut outcome = Outcome { items: view.findings.len() as u64, ..Outcome::default() };
    for finding in view.findings {
        for (pointer, message) in problems(finding) {
            outcome.violations.push(view.violation(finding, &pointer, message));
        }
    }
    outcome
}

fn problems(finding: &EnrichedFinding) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let mut check = |pointer: &str, value: Option<&str>, form: &str, holds: fn(&str) -> bool| {
        if let Some(value) = value.filter(|value| !holds(value)) {
            problems.push((pointer.to_owned(), format!("{value:?} is not {form}")));
        }
    };
    let get = |key: &str| finding.metadata.get(key).map(String::as_str);
    let id = Some(finding.id.as_str());
    match finding.scanner.as_str() {
        "processes" => {
            check("/id", id, "a pid", number);
            check("/metadata/uid", get("uid"), "a user id", number);
        }
        "network" => {
            check("/metadata/protocol", get("protocol"), "a protocol", |p| PROTOCOLS.contains(&p));
            check("/metadata/state", get("state"), "a TCP state", |s| STATES.contains(&s));
            check("/metadata/lport", get("lport"), "a port", |p| p.parse::<u16>().is_ok());
            check("/metadata/rport", get("rport"), "a port", |p| p.parse::<u16>().is_ok());
            check("/metadata/lip", get("lip"), "an address", address);
            check("/metadata/rip", get("rip"), "an address", address);
            check("/metadata/inode", get("inode"), "an inode", number);
            check("/metadata/pid", get("pid"), "a pid", number);
        }
        "ioc" => {
            check("/metadata/pid", get("pid"), "a pid", number);
            check("/id", id, "EXECUTABLE:PID", |id| id.rsplit_once(':').is_some_and(|(_, pid)| number(pid)));
        }
        "kernel_params" => check("/id", id, "a path under /proc/sys/", |id| id.starts_with("/proc/sys/")),
        "suid_sgid" | "world_writable" => check("/id", id, "an absolute path", |id| id.starts_with('/')),
        _ => {}
    }
    problems
}

fn number(text: &str) -> bool {
    text.parse::<u64>().is_ok()
}

fn address(text: &str) -> bool {
    text.is_empty() || text.parse::<IpAddr>().is_ok()
}
