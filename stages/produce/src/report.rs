//! The report around the findings: what the scanner says of host, tool and times.

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

/// How long executions are watched.
const TRACE_MS: u32 = 3000;

/// The report of a scan.
pub(crate) fn report(host: &Host, scan: u32, outputs: Vec<Output>) -> Report {
    let mut moment = host.moments[scan as usize];
    let traced = if host.mode.trace { TRACE_MS } else { 0 };
    let mut draw = host.streams(Purpose::Report).at(u64::from(scan));
    let timings = timings(&outputs, moment, traced, &mut draw);
    moment.duration_ms += traced;
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
        summary: summary(moment, findings, slowest),
        results,
        collection_warnings: warnings(host),
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

fn timings(outputs: &[Output], moment: Moment, traced: u32, draw: &mut Stream) -> Vec<(&'static str, u32)> {
    let most = moment.duration_ms / outputs.len().max(1) as u32;
    let timing = |output: &Output| {
        let watched = if output.scanner == "ebpf_exec_trace" { traced } else { 0 };
        let own = (output.scanner, watched + draw.below(most));
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
        (!mode.trace, " --disable ebpf_exec_trace"),
    ];
    let on: String = flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).collect();
    format!("sys-scan --pretty{on} --timings --output scan.json")
}

fn summary(moment: Moment, findings: usize, slowest: (&str, u32)) -> Map<String, Value> {
    let duration = moment.duration_ms;
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

/// Threads of the kernel have no command line; the scanner says so of each. The first few stand for all.
fn warnings(host: &Host) -> Vec<Warning> {
    if host.container {
        return Vec::new();
    }
    let warning = |pid: u32| Warning::Code {
        scanner: "processes".to_owned(),
        code: "proc_unreadable_cmdline".to_owned(),
        detail: Some(format!("/proc/{pid}/cmdline")),
    };
    (2..5).map(warning).collect()
}
