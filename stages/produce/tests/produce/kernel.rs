//! Kernel parameters and firmware: one state behind two scanners, and nothing that only an attack sets.

use std::collections::{BTreeMap, BTreeSet};

use scan::truth::Role;
use serde_json::json;

use crate::run::Run;

/// The findings of a host's scan about kernel parameters, by the path: what `kernel_params` and `kernel_hardening` say.
type Said = BTreeMap<String, [Option<String>; 2]>;

#[test]
fn both_scanners_read_the_same_value_and_the_truth_marks_it_in_both() {
    let run = Run::new(json!({"hosts": 600, "attack_rate": 1.0, "noise": {"missed": 0.3}}), 2);
    let mut both = 0;
    for (host, scan, report) in run.reports() {
        let mut said = Said::new();
        for finding in report.of_scanner("kernel_params") {
            said.entry(finding.id.clone()).or_default()[0] = finding.get("current").map(str::to_owned);
        }
        for finding in report.of_scanner("kernel_hardening").filter(|finding| finding.get("path").is_some()) {
            said.entry(finding.get("path").unwrap().to_owned()).or_default()[1] =
                finding.get("value").map(str::to_owned);
        }
        for (path, values) in said {
            if let [Some(one), Some(other)] = values {
                assert_eq!(one, other, "{host} {scan} {path}");
                both += 1;
            }
        }
    }
    assert!(both > 100, "{both} parameters that both read");
    let truth = run.truth();
    let marks = |scanner: &str, id: &str| -> BTreeSet<(&str, u32, bool)> {
        let lines = truth.iter();
        let of_chains = lines.filter(|line| line.role == Role::Chain && line.scanner == scanner && line.id == id);
        of_chains.map(|line| (line.host.as_str(), line.scan, line.visible)).collect()
    };
    let short = marks("kernel_hardening", "kernel:sysctl:kptr_restrict");
    let long = marks("kernel_params", "/proc/sys/kernel/kptr_restrict");
    assert!(short.iter().any(|(_, _, visible)| *visible) && short.iter().any(|(_, _, visible)| !visible), "{short:?}");
    assert!(short.is_subset(&long), "{short:?} {long:?}");
}

#[test]
fn attacks_touch_whatever_there_is_to_weaken_and_give_values_that_harmless_hosts_have_too() {
    // Of each only a few hosts have it, so there must be many; nothing else of them is looked at.
    let off = json!({"processes": 0, "network": 0, "modules": 0, "suid": 0, "world_writable": 0, "ioc": 0});
    let noise = json!({"missed": 0.0, "lookalikes": 3.0});
    let params = json!({"hosts": 900, "scans_per_host": 1, "attack_rate": 1.0, "noise": noise, "counts": off});
    let run = Run::new(params, 2);
    let mut values = BTreeMap::<(String, u32, String), Option<String>>::new();
    for (host, scan, report) in run.reports() {
        for finding in report.of_scanner("kernel_hardening") {
            values.insert((host.clone(), scan, finding.id.clone()), finding.get("value").map(str::to_owned));
        }
    }
    let mut by_role = BTreeMap::<Role, BTreeSet<(String, Option<String>)>>::new();
    for line in run.truth().into_iter().filter(|line| line.scanner == "kernel_hardening" && line.visible) {
        let value = values[&(line.host, line.scan, line.id.clone())].clone();
        by_role.entry(line.role).or_default().insert((line.id, value));
    }
    let touched: BTreeSet<&str> = by_role[&Role::Chain].iter().map(|(id, _)| id.as_str()).collect();
    let parameters = ["accept_redirects", "accept_source_route", "dmesg_restrict", "kexec_disabled", "kptr_restrict"];
    let parameters = parameters.into_iter().chain(["rp_filter", "sysrq", "tcp_syncookies"]);
    let mut all: BTreeSet<String> = parameters.map(|id| format!("kernel:sysctl:{id}")).collect();
    all.extend(["kernel:lockdown:disabled", "kernel:tpm:absent"].map(str::to_owned));
    assert_eq!(touched, all.iter().map(String::as_str).collect());
    let alone: Vec<_> = by_role[&Role::Chain].difference(&by_role[&Role::Lookalike]).collect();
    assert!(alone.is_empty(), "only attacks set {alone:?}");
}

#[test]
fn no_module_unit_or_program_is_there_twice() {
    let run = Run::new(json!({"hosts": 300, "attack_rate": 1.0, "noise": {"lookalikes": 3.0}}), 2);
    for (host, scan, report) in run.reports() {
        for scanner in ["modules", "systemd_units", "suid_sgid"] {
            let mut ids = BTreeSet::new();
            for finding in report.of_scanner(scanner) {
                assert!(ids.insert(&finding.id), "{host}, scan {scan}: {scanner} lists {} twice", finding.id);
            }
        }
    }
}
