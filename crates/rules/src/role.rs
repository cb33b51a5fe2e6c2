//! The host's role, and whether it is a container, from what one scan shows.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use findings::place::base_name;
use findings::terms::Terms;
use serde::Deserialize;

use crate::facts::Facts;
use crate::knowledge::table;

/// A role with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRole {
    /// The name: `web`.
    pub role: &'static str,
    /// The signals it was inferred from.
    pub rationale: String,
}

static ROLES: LazyLock<Vec<RoleSignals>> = LazyLock::new(|| table!("roles"));

const FALLBACK: &str = "workstation";
/// Signals named in a rationale; the rest would only repeat the point.
const NAMED_SIGNALS: usize = 4;
const INIT_PROGRAMS: [&str; 5] = ["systemd", "init", "runit", "openrc-init", "launchd"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleSignals {
    role: String,
    #[serde(default)]
    listens: BTreeSet<String>,
    #[serde(default)]
    runs: BTreeSet<String>,
    #[serde(default)]
    module: BTreeSet<String>,
    #[serde(default)]
    sysctl: BTreeSet<String>,
    #[serde(default)]
    unit: BTreeSet<String>,
}

/// A role as people say it.
pub fn in_words(role: &str) -> &str {
    match role {
        "web" => "web server",
        "database" => "database server",
        "dev_workstation" => "developer's workstation",
        "lightweight_router" => "router",
        "bastion" => "bastion host",
        "container_host" => "container host",
        other => other,
    }
}

/// The signs of one scan, each once.
#[derive(Default)]
struct Signals<'a> {
    listens: BTreeSet<&'a str>,
    runs: BTreeSet<&'a str>,
    module: BTreeSet<&'a str>,
    sysctl: BTreeSet<String>,
    unit: BTreeSet<&'a str>,
}

/// Infers the role of the host that a scan's findings are of. A container shows the modules of the host that it runs on, so
/// there they say nothing.
pub fn infer(findings: &[Facts<'_>], container: Option<bool>) -> HostRole {
    let mut signals = Signals::of(findings);
    if container == Some(true) {
        signals.module.clear();
    }
    let mut best: Option<(&'static RoleSignals, Vec<String>)> = None;
    for role in ROLES.iter() {
        let shown = role.shown(&signals);
        if shown.len() > best.as_ref().map_or(0, |(_, shown)| shown.len()) {
            best = Some((role, shown));
        }
    }
    match best {
        Some((role, mut shown)) => {
            shown.truncate(NAMED_SIGNALS);
            HostRole { role: &role.role, rationale: shown.join(", ") }
        }
        None => HostRole { role: FALLBACK, rationale: "no signal of another role".to_owned() },
    }
}

/// The roles for which something of a host speaks: the program of a process, a port that takes connections from outside, a module or a unit.
pub fn spoken_for(terms: &Terms<'_>) -> Vec<&'static str> {
    let program = terms.executable.map(base_name).filter(|_| terms.port.is_none());
    let holds = |role: &&RoleSignals| {
        let of = |signals: &BTreeSet<String>, name: Option<&str>| name.is_some_and(|name| signals.contains(name));
        of(&role.runs, program)
            || of(&role.listens, terms.port)
            || of(&role.module, terms.module)
            || of(&role.unit, terms.unit)
    };
    ROLES.iter().filter(holds).map(|role| role.role.as_str()).collect()
}

/// Whether the host is a container: process 1 is then the application and no init program. Unknown without process 1.
pub fn container(findings: &[Facts<'_>]) -> Option<bool> {
    let first = findings.iter().find(|f| f.scanner == "processes" && f.terms.pid == Some("1"))?;
    let program = first.terms.executable?.split_whitespace().next()?;
    Some(!INIT_PROGRAMS.contains(&base_name(program)))
}

impl<'a> Signals<'a> {
    fn of(findings: &[Facts<'a>]) -> Signals<'a> {
        let mut signals = Signals::default();
        for facts in findings {
            let terms = &facts.terms;
            match facts.scanner {
                "network" if outside_listener(facts) => signals.listens.extend(terms.port),
                "processes" => signals.runs.extend(terms.executable.map(base_name)),
                "modules" => signals.module.extend(terms.module),
                "systemd_units" => signals.unit.extend(terms.unit),
                "kernel_params" => {
                    let pair = terms.parameter.zip(terms.value);
                    signals.sysctl.extend(pair.map(|(name, value)| format!("{name}={value}")));
                }
                _ => {}
            }
        }
        signals
    }
}

impl RoleSignals {
    fn shown(&self, signals: &Signals<'_>) -> Vec<String> {
        let mut shown = Vec::new();
        let both = |own: &BTreeSet<String>, seen: &BTreeSet<&str>| -> Vec<String> {
            own.iter().filter(|name| seen.contains(name.as_str())).cloned().collect()
        };
        shown.extend(both(&self.runs, &signals.runs).into_iter().map(|name| format!("runs {name}")));
        shown.extend(both(&self.listens, &signals.listens).into_iter().map(|port| format!("listens on {port}")));
        shown.extend(both(&self.module, &signals.module).into_iter().map(|name| format!("module {name}")));
        shown.extend(both(&self.unit, &signals.unit).into_iter().map(|name| format!("unit {name}")));
        shown.extend(self.sysctl.iter().filter(|pair| signals.sysctl.contains(*pair)).cloned());
        shown
    }
}

fn outside_listener(facts: &Facts<'_>) -> bool {
    let local = facts.finding.get("lip").unwrap_or_default();
    facts.finding.get("state") == Some("LISTEN") && !local.starts_with("127.") && local != "::1"
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::{Finding, Severity};

    fn facts<'a>(findings: &'a [(&'a str, Finding)]) -> Vec<Facts<'a>> {
        findings.iter().map(|(scanner, finding)| Facts::alone(scanner, finding)).collect()
    }

    fn process(pid: &str, executable: &str) -> (&'static str, Finding) {
        ("processes", Finding::new(pid, format!("Process {pid}"), Severity::Info, executable))
    }

    #[test]
    fn the_role_with_most_signals_wins_and_says_why() {
        let socket = Finding::new("tcp:5432:9", "tcp LISTEN 5432", Severity::Low, "TCP socket")
            .with("state", "LISTEN")
            .with("lip", "0.0.0.0")
            .with("lport", "5432");
        let host =
            [process("1", "/sbin/init"), process("9", "/usr/lib/postgresql/15/bin/postgres"), ("network", socket)];
        let role = infer(&facts(&host), Some(false));
        assert_eq!((role.role, role.rationale.as_str()), ("database", "runs postgres, listens on 5432"));
        assert_eq!(infer(&[], None).role, "workstation");
        assert!(ROLES.iter().all(|role| !in_words(&role.role).contains('_')));
    }

    #[test]
    fn process_one_tells_a_container() {
        assert_eq!(container(&facts(&[process("1", "/usr/sbin/sshd")])), Some(true));
        assert_eq!(container(&facts(&[process("1", "/usr/lib/systemd/systemd --system")])), Some(false));
        assert_eq!(container(&facts(&[process("2", "/usr/sbin/sshd")])), None);
    }
}
