//! Tags of a finding: exposure (which the risk formula reads), what the knowledge tables say, and signs worth a technique.

use std::collections::BTreeSet;

use findings::Profile;
use findings::place::temporary;
use findings::risk::{NAME_PATTERN, PROCESS_NOVEL};

use crate::facts::{Change, Facts};
use crate::knowledge::{KNOWLEDGE, Knowledge};

const NOT_INSTALLED: [&str; 4] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/home/"];

/// The tags of one finding, sorted.
pub fn of(profile: Profile, facts: &Facts<'_>, sightings: u32) -> BTreeSet<String> {
    let mut tags = BTreeSet::new();
    let mut add = |tag: &str| {
        tags.insert(tag.to_owned());
    };
    add(&format!("scanner:{}", facts.scanner));
    add(if sightings == 0 { "baseline:new" } else { "baseline:existing" });
    let finding = facts.finding;
    if finding.get("state") == Some("LISTEN") {
        add("listening");
    }
    if suid(profile, facts) {
        add("suid");
    }
    if network_port(profile, facts) {
        add("network_port");
    }
    let module = match profile {
        Profile::Agent => finding.get("module"),
        Profile::Intended => facts.terms.module,
    };
    for tag in module.and_then(|name| KNOWLEDGE.module(name)).into_iter().flat_map(|module| &module.tags) {
        add(tag);
    }
    for tag in known_tags(&KNOWLEDGE, facts) {
        add(tag);
    }
    for sign in signs(facts) {
        add(sign);
    }
    tags
}

fn suid(profile: Profile, facts: &Facts<'_>) -> bool {
    facts.finding.flag("suid") || (profile == Profile::Intended && facts.scanner == "suid_sgid")
}

/// The agent looks for `port`; the scanner writes `lport`.
fn network_port(profile: Profile, facts: &Facts<'_>) -> bool {
    facts.finding.get("port").is_some() || (profile == Profile::Intended && facts.finding.get("lport").is_some())
}

fn known_tags<'k>(knowledge: &'k Knowledge, facts: &Facts<'_>) -> impl Iterator<Item = &'k String> {
    let network = facts.scanner == "network";
    let port = facts.terms.port.filter(|_| network && facts.finding.get("state") == Some("LISTEN"));
    let address = facts.finding.get("rip").filter(|_| network);
    let of_port = port.and_then(|port| knowledge.port(port)).map(|port| &port.tags);
    let of_address = address.and_then(|address| knowledge.organisation(address)).map(|network| &network.tags);
    of_port.into_iter().flatten().chain(of_address.into_iter().flatten())
}

fn signs<'a>(facts: &Facts<'a>) -> Vec<&'static str> {
    let finding = facts.finding;
    let mut signs = Vec::new();
    let mut sign = |holds: bool, tag: &'static str| {
        if holds {
            signs.push(tag);
        }
    };
    match facts.scanner {
        "ioc" => {
            let (deleted, writable) = (finding.flag("deleted_executable"), finding.flag("world_writable_executable"));
            let environment = finding.flag("environment_issue");
            sign(deleted, "deleted_executable");
            sign(writable || facts.terms.executable.is_some_and(temporary), "temporary_executable");
            sign(environment, "environment_injection");
            sign(!(deleted || writable || environment), NAME_PATTERN);
        }
        "processes" => {
            let novel = |path: &str| NOT_INSTALLED.iter().any(|directory| path.starts_with(directory));
            sign(facts.terms.executable.is_some_and(novel), PROCESS_NOVEL);
        }
        "network" => {
            sign(finding.flag("wildcard_listen"), "wildcard_listen");
            sign(facts.terms.executable.is_some_and(temporary), "temporary_executable");
        }
        "suid_sgid" => sign(!finding.flag("expected"), "suid_unexpected"),
        "world_writable" => sign(finding.get("rule").is_none(), "world_writable"),
        "modules" => sign(finding.severity >= scan::Severity::High, "module_anomaly"),
        "mac" => sign(finding.severity >= scan::Severity::Medium, "mac_disabled"),
        "kernel_params" => sign(finding.get("status") == Some("mismatch"), "param_mismatch"),
        _ => {}
    }
    sign(facts.change == Some(Change::Appeared), "appeared");
    signs
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::{Finding, Severity};

    fn tags(profile: Profile, scanner: &str, finding: &Finding) -> BTreeSet<String> {
        of(profile, &Facts { change: Some(Change::First), ..Facts::alone(scanner, finding) }, 0)
    }

    #[test]
    fn the_agent_misses_the_names_that_the_scanner_uses() {
        let suid = Finding::new("/usr/bin/chage", "SUID/SGID binary", Severity::Medium, "");
        assert!(!tags(Profile::Agent, "suid_sgid", &suid).contains("suid"));
        assert!(tags(Profile::Intended, "suid_sgid", &suid).contains("suid"));
        let module = Finding::new("xt_MASQUERADE", "Module xt_MASQUERADE", Severity::Info, "");
        assert!(!tags(Profile::Agent, "modules", &module).contains("nat"));
        assert!(tags(Profile::Intended, "modules", &module).contains("nat"));
        // The agent's own fixtures do carry the key, and there both agree.
        let named = module.with("module", "xt_MASQUERADE");
        assert!(tags(Profile::Agent, "modules", &named).contains("routing"));
    }

    #[test]
    fn only_a_name_match_is_a_name_pattern() {
        let named = Finding::new("/usr/bin/bot:7", "Process IOC Detected", Severity::Low, "").with("pid", "7");
        assert!(tags(Profile::Intended, "ioc", &named).contains(NAME_PATTERN));
        let deleted = named.with("deleted_executable", "true");
        let tags = tags(Profile::Intended, "ioc", &deleted);
        assert!(tags.contains("deleted_executable") && !tags.contains(NAME_PATTERN));
    }
}
