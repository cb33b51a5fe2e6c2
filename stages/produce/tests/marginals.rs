//! Simulated reports against the reference profile: every finding as the scanners write it, severities in their bands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use contract::{Context, Job, Kind, Limits, Stage};
use produce::{Produce, ProduceParams};
use scan::profile::{Profile, SeverityCounts};
use scan::{Report, Scans};

const HOSTS: u32 = 400;

/// The reports of a few hundred hosts, two scans each.
fn reports(attack_rate: f64) -> Vec<(String, Report)> {
    reports_of(ProduceParams::default().seed, attack_rate)
}

fn reports_of(seed: u64, attack_rate: f64) -> Vec<(String, Report)> {
    let directory = tempfile::tempdir().unwrap();
    let params = ProduceParams { seed, hosts: HOSTS, attack_rate, ..ProduceParams::default() };
    let params = serde_json::to_value(params).unwrap();
    let job = Job {
        kind: "produce".into(),
        version: Produce::card().version,
        params: params.clone(),
        inputs: BTreeMap::new(),
        outputs: ["scans", "truth"].map(|port| (port.to_owned(), directory.path().join(port))).into(),
        scratch: directory.path().join("scratch"),
        checkpoints: directory.path().join("checkpoints"),
        limits: Limits { threads: 2, memory: 0 },
        trace: "test".into(),
    };
    (Kind::of::<Produce>().run)(&params, &Context::new(job, Box::new(std::io::sink()))).unwrap();
    let scans = Scans::open(&directory.path().join("scans")).unwrap();
    scans.iter().map(|file| (file.host.clone(), file.read().unwrap())).collect()
}

fn is_on(report: &Report, switch: &str) -> bool {
    report.meta["effective_config"][switch] == "true"
}

fn add(counts: &mut SeverityCounts, report: &Report) {
    report.findings().for_each(|(_, finding)| *counts.entry(finding.severity).or_default() += 1);
}

#[test]
fn every_finding_is_one_that_the_scanner_writes() {
    let mut keys = BTreeMap::<String, BTreeSet<String>>::new();
    for (host, report) in reports(0.6) {
        for (scanner, finding) in report.findings() {
            let departures = Profile::reference().departures(scanner, finding);
            assert_eq!(departures, [], "{host} {scanner} {}", finding.id);
            keys.entry(scanner.to_owned()).or_default().extend(finding.metadata.keys().cloned());
        }
    }
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data/reports/debian12_scanner_v6.json");
    for (scanner, finding) in Report::read(&real).unwrap().findings() {
        let ours = keys.get(scanner).unwrap_or_else(|| panic!("{scanner} reports nothing"));
        let missing: Vec<_> = finding.metadata.keys().filter(|key| !ours.contains(*key)).collect();
        assert_eq!(missing, Vec::<&String>::new(), "{scanner}");
    }
}

#[test]
fn severities_of_each_scanner_and_of_all_lie_in_their_bands() {
    let profile = Profile::reference();
    let mut all = SeverityCounts::new();
    let mut scanners = BTreeMap::<String, SeverityCounts>::new();
    for (_, report) in reports(ProduceParams::default().attack_rate) {
        add(&mut all, &report);
        for (scanner, finding) in report.findings() {
            *scanners.entry(scanner.to_owned()).or_default().entry(finding.severity).or_default() += 1;
        }
    }
    for (scanner, reference) in profile.scanners() {
        let counts = scanners.get(scanner).unwrap_or_else(|| panic!("{scanner} reports nothing"));
        assert_eq!(reference.bands.outside(counts), [], "{scanner}: {counts:?}");
    }
    assert_eq!(profile.host("all").unwrap().bands.outside(&all), [], "{all:?}");
}

#[test]
fn healthy_desktops_have_the_severities_of_the_real_one() {
    let desktops = reports(0.0).into_iter().filter(|(host, _)| host.starts_with("ws-"));
    let mut counts = SeverityCounts::new();
    let mut sizes = Vec::new();
    let plain = |report: &Report| ["hardening", "integrity", "compliance"].iter().all(|switch| !is_on(report, switch));
    for (_, report) in desktops.filter(|(_, report)| plain(report)) {
        add(&mut counts, &report);
        sizes.push(report.findings().count());
    }
    sizes.sort_unstable();
    let bands = &Profile::reference().host("healthy_desktop").unwrap().bands;
    assert_eq!(bands.outside(&counts), [], "{counts:?}");
    // The real one has 234.
    let (median, largest) = (sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    assert!(median > 80 && largest > 180, "{median} in the middle, {largest} at most");
}

#[test]
fn the_eight_producers_dominate_and_few_hosts_are_scanned_to_the_last_unit() {
    let eight = ["processes", "network", "kernel_params", "modules", "world_writable", "suid_sgid", "ioc", "mac"];
    let (mut named, mut others, mut large) = (0, 0, 0);
    // One host in two hundred has all units; among those of this seed there is one.
    for (_, report) in reports_of(7, 0.4) {
        for (scanner, _) in report.findings() {
            *if eight.contains(&scanner) { &mut named } else { &mut others } += 1;
        }
        large += usize::from(report.of_scanner("systemd_units").count() > 2500);
    }
    assert!(named > 2 * others, "{named} findings of the eight, {others} of others");
    assert!((1..=20).contains(&large), "{large} reports of {} with all units", 2 * HOSTS);
}

#[test]
fn results_are_registered_as_the_scanner_does_and_the_configuration_says_what_ran() {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data/reports/debian12_scanner_v6.json");
    let real = Report::read(&real).unwrap();
    let timed = |report: &Report| -> Vec<String> {
        let timings = report.meta["timings"].as_array().unwrap().iter();
        timings.map(|timing| timing["scanner"].as_str().unwrap().to_owned()).collect()
    };
    let names = |report: &Report| report.results.iter().map(|r| r.scanner.clone()).collect::<Vec<_>>();
    let (mut full, mut plain) = (0, 0);
    for (host, report) in reports(0.4) {
        assert_eq!(report.meta.keys().collect::<Vec<_>>(), real.meta.keys().collect::<Vec<_>>(), "{host}");
        let config = report.meta["effective_config"].as_object().unwrap();
        assert!(config.keys().eq(real.meta["effective_config"].as_object().unwrap().keys()), "{host}");
        assert_eq!(timed(&report), names(&report), "{host}");
        let command = report.meta_text("cmdline").unwrap().to_owned();
        let flags = [
            ("hardening", "--hardening"),
            ("integrity", "--integrity "),
            ("integrity_pkg_verify", "--integrity-pkg-verify"),
            ("compliance", "--compliance"),
            ("fs_hygiene", "--fs-hygiene"),
            ("modules_summary_only", "--modules-summary"),
            ("modules_anomalies_only", "--modules-anomalies-only"),
            ("process_inventory", "--process-inventory"),
        ];
        for (switch, flag) in flags {
            assert_eq!(is_on(&report, switch), command.contains(flag), "{host} {flag} {command}");
        }
        assert_eq!(is_on(&report, "integrity"), report.of_scanner("integrity").count() > 0, "{host}");
        assert_eq!(is_on(&report, "compliance"), report.summary_extension.contains_key("compliance_summary"), "{host}");
        assert_eq!(is_on(&report, "hardening"), report.of_scanner("kernel_hardening").count() > 0, "{host}");
        // With everything on, results stand as in the real report, whose timings list them as they ran.
        if is_on(&report, "hardening") && is_on(&report, "compliance") {
            assert_eq!(names(&report), timed(&real), "{host}");
            let lengths = |r: &Report| {
                let pci = r.results.iter().filter(|result| result.scanner == "pci_compliance");
                pci.map(|result| result.findings.len()).collect::<Vec<_>>()
            };
            assert_eq!(lengths(&report), lengths(&real), "{host}");
            full += 1;
        }
        plain += usize::from(!is_on(&report, "hardening"));
    }
    assert!(full > 10 && plain > 400, "{full} with everything, {plain} without hardening checks");
}

/// Of fifteen real reports all have findings of `ebpf_exec_trace`: two at rest, tens to hundreds on a busy host.
#[test]
fn nearly_every_scan_watches_executions_and_busy_hosts_show_many() {
    let all = reports(0.4);
    let executions = |report: &Report| report.of_scanner("ebpf_exec_trace").filter(|f| f.get("comm").is_some()).count();
    let watched: Vec<&Report> =
        all.iter().map(|(_, r)| r).filter(|r| r.of_scanner("ebpf_exec_trace").count() > 0).collect();
    assert!(watched.len() * 100 >= all.len() * 95, "{} of {}", watched.len(), all.len());
    let mut counts: Vec<usize> = watched.iter().map(|report| executions(report)).collect();
    counts.sort_unstable();
    let busy = counts.iter().filter(|count| **count >= 15).count();
    assert!(counts[counts.len() / 2] <= 10 && counts[counts.len() - 1] > 150, "{counts:?}");
    assert!((counts.len() / 10..counts.len() / 3).contains(&busy), "{busy} busy scans of {}", counts.len());
    for report in watched {
        let pid = |key: &str, f: &scan::Finding| f.get(key).and_then(|pid| pid.parse::<u32>().ok());
        let pids: Vec<u32> = report.of_scanner("ebpf_exec_trace").filter_map(|f| pid("pid", f)).collect();
        assert!(pids.is_sorted_by(|a, b| a < b), "the kernel counts on: {pids:?}");
        let inventory: BTreeSet<&str> = report.of_scanner("processes").map(|f| f.id.as_str()).collect();
        assert!(pids.iter().all(|pid| !inventory.contains(pid.to_string().as_str())), "they came after the inventory");
    }
}

#[test]
fn hosts_warn_of_kernel_threads_and_durations_add_up() {
    for (host, report) in reports(0.4) {
        let threads = report.collection_warnings.iter().filter(|warning| match warning {
            scan::Warning::Code { code, .. } => code == "proc_unreadable_cmdline",
            scan::Warning::Message { .. } => false,
        });
        let threads = threads.count();
        assert!(threads == 0 || threads >= 50, "{host}: {threads}");
        let timings = report.meta["timings"].as_array().unwrap();
        let elapsed: u64 = timings.iter().map(|timing| timing["elapsed_ms"].as_u64().unwrap()).sum();
        let duration = report.summary["duration_ms"].as_u64().unwrap();
        assert!((elapsed..elapsed + 20).contains(&duration), "{host}: {duration} of {elapsed}");
    }
}
