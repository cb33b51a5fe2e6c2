//! The report around the findings: what the scanner says of host, tool and times.

use std::collections::BTreeMap;

use draws::Stream;
use scan::rules::pci_compliance::STANDARD;
use scan::{Report, ScannerResult, Warning};
use serde_json::{Map, Value, json};

use crate::clock::{Moment, iso};
use crate::emit::{Output, Results};
use crate::host::{Host, ModuleMode};
use crate::stream::Purpose;

/// Switches of the scanner that are off in every report, and those that are on.
const OFF: [&str; 10] = [
    "canonical",
    "compact",
    "integrity_pkg_rehash",
    "ioc_env_trust",
    "ioc_exec_trace",
    "modules_hash",
    "ndjson",
    "parallel",
    "sarif",
    "seccomp",
];
const ON: [&str; 4] = ["containers", "pretty", "process_inventory", "rules_enable"];

/// The scanner's build.
const PROVENANCE: [(&str, &str); 7] = [
    ("build_type", "Release"),
    ("compiler_id", "GNU"),
    ("compiler_version", "12.2.0"),
    ("cxx_flags", ""),
    ("cxx_standard", "20"),
    ("git_commit", "bddcab9"),
    ("slsa_level", "0"),
];

/// What a scan takes beside its scanners, in milliseconds.
const BESIDE: [u32; 2] = [2, 14];
/// How many threads of the kernel a host has, and the share of their pids, per mille, that have a gap before them.
const KERNEL_THREADS: [u32; 2] = [50, 115];
const GAPS: u32 = 350;
/// Share of hosts, per mille, whose kernel has no IPv6.
const WITHOUT_IPV6: u32 = 60;

/// The report of a scan.
pub(crate) fn report(host: &Host, scan: u32, outputs: Vec<Output>) -> Report {
    let moment = host.moments[scan as usize];
    let mut draw = host.streams(Purpose::Report).at(u64::from(scan));
    let timings = timings(host, &outputs, &mut draw);
    let duration = timings.iter().map(|(_, elapsed)| elapsed).sum::<u32>() + draw.between(BESIDE);
    let warnings = warnings(host, &outputs);
    let slowest = timings.iter().max_by_key(|(_, elapsed)| *elapsed).copied().unwrap_or(("", 0));
    let compliance = outputs.iter().find(|output| output.scanner == "pci_compliance").map(compliance);
    let findings: usize = outputs.iter().map(|output| output.found.len()).sum();
    let mut results = Vec::with_capacity(outputs.len() + 3);
    for output in outputs {
        let findings = output.found.into_iter().map(|found| found.finding).collect();
        let empty = || ScannerResult::new(output.scanner, Vec::new());
        results.extend((output.results == Results::EmptyBefore).then(empty));
        results.push(ScannerResult::new(output.scanner, findings));
        results.extend((output.results == Results::EmptyAfter).then(empty));
    }
    let mut report = Report {
        meta: meta(host, &timings),
        summary: summary(moment, duration, findings, slowest),
        results,
        collection_warnings: warnings,
        scanner_errors: Vec::new(),
        summary_extension: compliance.into_iter().map(|summary| ("compliance_summary".to_owned(), summary)).collect(),
    };
    report.recount();
    report
}

/// How many controls passed. The scanner writes this beside the summary; its place in the valid form is within.
fn compliance(output: &Output) -> Value {
    let total = output.found.len();
    let passed = output.found.iter().filter(|found| found.finding.flag("passed")).count();
    let score = passed as f64 / total.max(1) as f64;
    let counts = json!({
        "total_controls": total,
        "passed": passed,
        "failed": total - passed,
        "not_applicable": 0,
        "score": score,
    });
    json!({ STANDARD: counts })
}

/// How long a scanner takes, in milliseconds.
fn takes(scanner: &str, host: &Host) -> [u32; 2] {
    match scanner {
        "processes" => [2, 40],
        "network" => [1, 90],
        "modules" if host.module_mode != ModuleMode::List && !host.container => [15, 380],
        "world_writable" if host.mode.fs_hygiene => [9, 60],
        "suid_sgid" => [4, 45],
        "ioc" => [2, 24],
        "mac" => [0, 6],
        "containers" => [0, 9],
        "systemd_units" if host.mode.hardening => [40, 160],
        // Another program verifies the packages.
        "integrity" if host.mode.verify => [3_000, 48_000],
        "yara" if host.mode.yara != [0, 0] => [3, 420],
        // It watches for three seconds, and ends its last look at /proc.
        "ebpf_exec_trace" => [3_001, 3_098],
        _ => [0, 0],
    }
}

fn timings(host: &Host, outputs: &[Output], draw: &mut Stream) -> Vec<(&'static str, u32)> {
    let timing = |output: &Output| {
        let own = (output.scanner, draw.between(takes(output.scanner, host)));
        [Some(own), (output.results != Results::Once).then_some((output.scanner, 0))]
    };
    outputs.iter().flat_map(timing).flatten().collect()
}

fn meta(host: &Host, timings: &[(&'static str, u32)]) -> Map<String, Value> {
    let mut config: Map<String, Value> = Map::new();
    OFF.iter().for_each(|key| drop(config.insert((*key).to_owned(), json!("false"))));
    ON.iter().for_each(|key| drop(config.insert((*key).to_owned(), json!("true"))));
    let word = |is: bool| json!(is.to_string());
    let is = |mode| word(host.module_mode == mode);
    let others = [
        ("fs_hygiene", word(host.mode.fs_hygiene)),
        ("hardening", word(host.mode.hardening)),
        ("compliance", word(host.mode.compliance)),
        ("integrity", word(host.mode.integrity)),
        ("integrity_pkg_verify", word(host.mode.verify)),
        ("modules_summary_only", is(ModuleMode::Summary)),
        ("modules_anomalies_only", is(ModuleMode::Anomalies)),
        ("seccomp_strict", json!("false")),
        ("fs_world_writable_limit", json!(0)),
        ("integrity_pkg_rehash_limit", json!(50)),
        ("ioc_exec_trace_seconds", json!(0)),
        ("parallel_max_threads", json!(0)),
    ];
    others.into_iter().for_each(|(key, value)| drop(config.insert(key.to_owned(), value)));
    let timings: Vec<Value> =
        timings.iter().map(|(scanner, elapsed)| json!({"scanner": scanner, "elapsed_ms": elapsed})).collect();
    let entries = [
        ("$schema", json!("https://github.com/J-mazz/sys-scan/schema/v2.json")),
        ("arch", json!("x86_64")),
        ("cmdline", json!(command(host))),
        ("effective_config", Value::Object(config)),
        ("egid", json!("0")),
        ("euid", json!("0")),
        ("gid", json!("0")),
        ("hostname", json!(host.name)),
        ("json_schema_version", json!("2")),
        ("kernel", json!(host.kernel)),
        ("os_id", json!(host.distribution.id)),
        ("os_pretty", json!(host.distribution.pretty)),
        ("os_version", json!(host.distribution.version)),
        ("provenance", json!(BTreeMap::from(PROVENANCE))),
        ("timings", json!(timings)),
        ("tool_version", json!("6.0.0")),
        ("uid", json!("0")),
        ("user", json!("root")),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The command that has these switches on.
fn command(host: &Host) -> String {
    let mode = host.mode;
    let flags = [
        (true, " --process-inventory --containers --rules-enable"),
        (host.module_mode == ModuleMode::Summary, " --modules-summary"),
        (host.module_mode == ModuleMode::Anomalies, " --modules-anomalies-only"),
        (mode.fs_hygiene, " --fs-hygiene"),
        (mode.hardening, " --hardening"),
        (mode.integrity, " --integrity"),
        (mode.verify, " --integrity-pkg-verify"),
        (mode.compliance, " --compliance"),
        (mode.yara != [0, 0], " --rules-dir /etc/sys-scan/rules"),
        (mode.untraced, " --disable ebpf_exec_trace"),
    ];
    let on: String = flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).collect();
    format!("sys-scan --pretty{on} --timings --output scan.json")
}

fn summary(moment: Moment, duration: u32, findings: usize, slowest: (&str, u32)) -> Map<String, Value> {
    // Hundredths in integers: the quotient is the same on every machine, and prints with at most two decimals.
    let hundredths = findings as u64 * 100_000 / u64::from(duration);
    let entries = [
        ("duration_ms", json!(duration)),
        ("findings_per_second", json!(hundredths as f64 / 100.0)),
        ("started_at", json!(iso(moment.started_at))),
        ("finished_at", json!(iso(moment.started_at + u64::from(duration) / 1000))),
        ("slowest_scanner", json!({"name": slowest.0, "elapsed_ms": slowest.1.to_string()})),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What the scanner could not read. Threads of the kernel have no command line, and it says so of each; a container shows none of them.
fn warnings(host: &Host, outputs: &[Output]) -> Vec<Warning> {
    let warning = |scanner: &str, code: &str, detail: String| Warning::Code {
        scanner: scanner.to_owned(),
        code: code.to_owned(),
        detail: Some(detail),
    };
    // They stay over all scans.
    let mut draw = host.streams(Purpose::Report).at(u64::MAX);
    let mut all = Vec::new();
    if !host.container && outputs.iter().any(|output| output.scanner == "processes") {
        let mut pid = 1;
        for _ in 0..draw.between(KERNEL_THREADS) {
            pid += 1 + u32::from(draw.chance(GAPS));
            all.push(warning("processes", "proc_unreadable_cmdline", format!("/proc/{pid}/cmdline")));
        }
    }
    let network = outputs.iter().find(|output| output.scanner == "network");
    let shows = |protocol: &str| {
        let mut found = network.iter().flat_map(|output| &output.found);
        found.any(|found| found.finding.get("protocol") == Some(protocol))
    };
    if network.is_some() && draw.chance(WITHOUT_IPV6) && !shows("tcp6") && !shows("udp6") {
        for protocol in ["tcp6", "udp6"] {
            all.push(warning(protocol, "net_file_unreadable", format!("/proc/net/{protocol}")));
        }
    }
    all
}
