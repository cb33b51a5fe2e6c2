//! What a scan could have shown: which scanners ran, in which mode, from which severity on, and with whose rights.
//!
//! A thing is new only where an earlier scan looked for it in the same way. A scan without hardening lists `kernel_hardening` with no
//! findings, so the first scan with hardening would otherwise make everything it finds new since yesterday.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::report::Report;
use crate::severity::Severity;

/// The switches of `meta.effective_config` on which the findings of a scanner depend. Scanners that are not listed depend on none.
const SWITCHES: [(&str, &[&str]); 12] = [
    ("processes", &["process_inventory", "process_hash"]),
    ("modules", &["modules_summary_only", "modules_anomalies_only", "modules_hash"]),
    ("world_writable", &["fs_hygiene", "fs_world_writable_limit"]),
    ("ioc", &["ioc_env_trust"]),
    ("ebpf_exec_trace", &["ioc_exec_trace", "ioc_exec_trace_seconds"]),
    ("containers", &["containers"]),
    ("mounts", &["hardening"]),
    ("kernel_hardening", &["hardening"]),
    ("systemd_units", &["hardening"]),
    ("auditd", &["hardening"]),
    ("integrity", &["integrity", "integrity_pkg_verify", "integrity_pkg_rehash", "integrity_pkg_rehash_limit"]),
    ("pci_compliance", &["compliance"]),
];

/// The scanners that a scan ran, and how. The default knows nothing of a scan and compares with every other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// None where the report does not list scanners that found nothing.
    ran: Option<BTreeSet<String>>,
    failed: BTreeSet<String>,
    switches: BTreeMap<String, String>,
    /// The severity below which findings are left out of the report.
    from: Option<Severity>,
    /// The lowest severity that each scanner shows.
    lowest: BTreeMap<String, Severity>,
    /// The effective user. One who is not root sees no program of others' sockets and processes, and fewer files.
    euid: Option<String>,
}

impl Coverage {
    /// What `report` could show.
    pub fn of(report: &Report) -> Coverage {
        let timings = report.meta.get("timings").and_then(Value::as_array).into_iter().flatten();
        let timed = timings.filter_map(|timing| timing.get("scanner")?.as_str().map(str::to_owned));
        let timed: BTreeSet<String> = timed.collect();
        // Some writers leave scanners without findings out; then their absence says nothing.
        let lists_all = !timed.is_empty() || report.results.iter().any(|result| result.findings.is_empty());
        let listed = report.results.iter().map(|result| result.scanner.clone());
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let config = report.meta.get("effective_config").and_then(Value::as_object).into_iter().flatten();
        let matter = |key: &str| SWITCHES.iter().any(|(_, switches)| switches.contains(&key));
        let setting = |key: &str| Some(text(report.meta.get("effective_config")?.get(key)?));
        let user = |key: &str| Some(text(report.meta.get(key)?)).filter(|user| !user.is_empty());
        let mut lowest: BTreeMap<String, Severity> = BTreeMap::new();
        for result in &report.results {
            if let Some(severity) = result.findings.iter().map(|finding| finding.severity).min() {
                lowest.entry(result.scanner.clone()).and_modify(|low| *low = severity.min(*low)).or_insert(severity);
            }
        }
        Coverage {
            ran: lists_all.then(|| timed.into_iter().chain(listed).collect()),
            failed: report.scanner_errors.iter().map(|error| error.scanner.clone()).collect(),
            switches: config.filter(|(key, _)| matter(key)).map(|(key, value)| (key.clone(), text(value))).collect(),
            from: setting("min_severity").and_then(|name| Severity::of_name(&name)),
            lowest,
            euid: user("euid").or_else(|| user("uid")),
        }
    }

    /// Whether this scan would have shown what a `later` one shows of `scanner`: it ran, did not fail, in the same mode, with the same
    /// rights, and its report leaves out no severity that the later one shows.
    pub fn compares(&self, later: &Coverage, scanner: &str) -> bool {
        let ran = self.ran.as_ref().is_none_or(|ran| ran.contains(scanner)) && !self.failed.contains(scanner);
        let switches = SWITCHES.iter().find(|(name, _)| *name == scanner).map_or(&[][..], |(_, switches)| switches);
        // A switch that only one of them tells may have been set in both.
        let alike = |switch: &&str| match (self.switches.get(*switch), later.switches.get(*switch)) {
            (Some(earlier), Some(later)) => earlier == later,
            _ => true,
        };
        let shown = match (self.from, later.lowest.get(scanner)) {
            (Some(from), Some(lowest)) => from <= *lowest,
            _ => true,
        };
        let rights = self.euid.as_ref().zip(later.euid.as_ref()).is_none_or(|(own, other)| own == other);
        ran && shown && rights && switches.iter().all(alike)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn coverage(config: Value, results: &[(&str, usize)], errors: &[&str]) -> Coverage {
        let finding = json!({"id": "x", "title": "t", "severity": "info", "metadata": {}});
        let results: Vec<Value> = results
            .iter()
            .map(|(scanner, count)| json!({"scanner": scanner, "findings": vec![finding.clone(); *count]}))
            .collect();
        let errors: Vec<Value> = errors.iter().map(|name| json!({"scanner": name, "message": "m"})).collect();
        let report = json!({
            "meta": {"hostname": "h", "tool_version": "1", "json_schema_version": "2", "effective_config": config},
            "summary": {}, "results": results, "collection_warnings": [], "scanner_errors": errors,
            "summary_extension": {},
        });
        Coverage::of(&Report::parse(report.to_string().as_bytes()).unwrap().0)
    }

    #[test]
    fn a_scan_compares_where_its_scanner_ran_in_the_same_mode() {
        let plain =
            coverage(json!({"hardening": "false", "pretty": "true"}), &[("ioc", 1), ("kernel_hardening", 0)], &[]);
        let hard =
            coverage(json!({"hardening": "true", "pretty": "false"}), &[("ioc", 1), ("kernel_hardening", 3)], &[]);
        assert!(plain.compares(&hard, "ioc") && !plain.compares(&hard, "kernel_hardening"));
        assert!(hard.compares(&hard, "kernel_hardening"));
        assert!(!plain.compares(&hard, "suid_sgid"), "it did not run");
        let failed = coverage(json!({}), &[("ioc", 1)], &["ioc"]);
        assert!(!failed.compares(&hard, "ioc") && plain.compares(&failed, "ioc"));
    }

    #[test]
    fn a_report_that_leaves_severities_out_makes_none_of_them_new() {
        let cut = coverage(json!({"min_severity": "medium"}), &[("ioc", 0), ("network", 0)], &[]);
        let whole = coverage(json!({"min_severity": "info"}), &[("ioc", 2), ("network", 0)], &[]);
        assert!(!cut.compares(&whole, "ioc") && cut.compares(&whole, "network"));
        assert!(whole.compares(&cut, "ioc") && whole.compares(&whole, "ioc"));
        let other = coverage(json!({"min_severity": ""}), &[("ioc", 2)], &[]);
        assert!(other.compares(&whole, "ioc"));
    }

    #[test]
    fn scans_of_two_users_are_not_compared() {
        let of = |euid: Option<&str>| Coverage { euid: euid.map(str::to_owned), ..Coverage::default() };
        let (root, user, unknown) = (of(Some("0")), of(Some("1000")), of(None));
        assert!(!user.compares(&root, "network") && !root.compares(&user, "network"));
        assert!(user.compares(&user, "network") && unknown.compares(&root, "network") && root.compares(&unknown, "x"));
    }

    #[test]
    fn what_a_report_does_not_tell_keeps_nothing_apart() {
        let short = coverage(json!({}), &[("network", 1)], &[]);
        let full = coverage(json!({"hardening": "true"}), &[("network", 1), ("ioc", 0)], &[]);
        assert!(short.compares(&full, "ioc") && short.compares(&full, "kernel_hardening"));
        assert!(Coverage::default().compares(&full, "x") && full.compares(&Coverage::default(), "network"));
    }
}
