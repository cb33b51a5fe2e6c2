//! The stage as a worker runs it: the real report and two small hosts, the same bytes at any thread count, golden digests.

use std::path::{Path, PathBuf};

use contract::{Context, Digest, Job, JobInput, Kind, Limits, Stage, Type};
use correlate::Correlate;
use findings::EnrichedFinding;
use scan::{Finding, Report, ScannerResult, Scans, Severity};

/// The digests for [`fixture`]. Where they move, raise the card's version.
const GOLDEN: [&str; 2] = [
    "9e4b8990b0ab308e330230440a3aeae0e37f03251056228dd2aefcde1c41b374",
    "3d5ef93dd604b0a11d21e6d1a8445b86377b2b8d0c2f5746f4b7b42d5e964e24",
];

fn report(host: &str, findings: Vec<(&str, Finding)>) -> Report {
    let mut meta = serde_json::Map::new();
    for (key, value) in [("hostname", host), ("tool_version", "6.0.0"), ("json_schema_version", "2")] {
        meta.insert(key.to_owned(), value.into());
    }
    let results = findings.into_iter().map(|(scanner, finding)| ScannerResult::new(scanner, vec![finding])).collect();
    let mut report = Report {
        meta,
        summary: serde_json::Map::new(),
        results,
        collection_warnings: Vec::new(),
        scanner_errors: Vec::new(),
        summary_extension: serde_json::Map::new(),
    };
    report.recount();
    report
}

fn attacked(host: &str, pid: &str, attacked: bool) -> Report {
    let mut findings = vec![
        ("processes", Finding::new("1", "Process 1", Severity::Info, "/sbin/init")),
        ("mac", Finding::new("mac_none", "No MAC enforcement", Severity::High, "none")),
        ("suid_sgid", Finding::new("/usr/bin/passwd", "SUID/SGID binary", Severity::Low, "").with("expected", "true")),
    ];
    if attacked {
        let ioc = Finding::new(format!("/tmp/.x/a:{pid}"), "Process IOC Detected", Severity::High, "")
            .with("pid", pid)
            .with("world_writable_executable", "true");
        findings.push(("ioc", ioc));
        findings.push(("processes", Finding::new(pid, format!("Process {pid}"), Severity::Info, "/tmp/.x/a")));
    }
    report(host, findings)
}

fn fixture(directory: &Path) -> PathBuf {
    let scans = directory.join("scans");
    let writer = Scans::create(&scans).unwrap();
    for (host, pid) in [("alpha", "40"), ("beta", "77")] {
        writer.write(host, 0, &attacked(host, "9", false)).unwrap();
        writer.write(host, 1, &attacked(host, pid, true)).unwrap();
    }
    scans
}

fn run(directory: &Path, scans: &Path, threads: u32) -> Result<[Vec<u8>; 2], contract::StageError> {
    let kind = Kind::of::<Correlate>();
    let input = JobInput { label: None, path: scans.to_owned(), artifact: Type::SCANS, digest: Digest::of(b"") };
    let outputs =
        ["findings", "correlations"].map(|port| (port.to_owned(), directory.join(format!("{port}-{threads}"))));
    let job = Job {
        kind: "correlate".into(),
        version: Correlate::card().version,
        params: serde_json::json!({"profile": "intended", "suspect_at": 40}),
        inputs: [("scans".to_owned(), vec![input])].into(),
        outputs: outputs.clone().into(),
        scratch: directory.to_owned(),
        checkpoints: directory.to_owned(),
        limits: Limits { threads, memory: 0 },
        trace: "test".into(),
    };
    let context = Context::new(job.clone(), Box::new(std::io::sink()));
    (kind.run)(&job.params, &context)?;
    Ok(outputs.map(|(_, path)| std::fs::read(path).unwrap()))
}

#[test]
fn the_same_bytes_at_any_thread_count_and_the_golden_digests() {
    let directory = tempfile::tempdir().unwrap();
    let scans = fixture(directory.path());
    let one = run(directory.path(), &scans, 1).unwrap();
    assert_eq!(one, run(directory.path(), &scans, 4).unwrap());
    assert_eq!(one.map(|bytes| Digest::of(&bytes).to_string()), GOLDEN, "output moved: raise the card's version");
}

#[test]
fn findings_carry_history_links_and_risk() {
    let directory = tempfile::tempdir().unwrap();
    let [findings, correlations] = run(directory.path(), &fixture(directory.path()), 2).unwrap();
    let findings: Vec<EnrichedFinding> =
        String::from_utf8(findings).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |host: &str, scan: u32, scanner: &str| {
        findings.iter().find(|f| f.host == host && f.scan == scan && f.scanner == scanner).unwrap()
    };
    assert_eq!((of("alpha", 1, "mac").sightings, of("alpha", 0, "mac").sightings), (1, 0));
    let ioc = of("beta", 1, "ioc");
    assert!(ioc.tags.contains(&"appeared".to_owned()));
    // impact 4 * 2 = 8 and anomaly 2: 44 of 63.
    assert_eq!((ioc.risk_score, ioc.risk_total, ioc.graph_degree), (70, 100, 8));
    // What no clean host shows of one program is 50 by itself.
    assert_eq!((ioc.cluster_suspicion, ioc.suspected), (Some(100), true));
    let process = findings.iter().find(|f| f.host == "beta" && f.id == "77").unwrap();
    assert_eq!(process.cluster_id, ioc.cluster_id);
    assert_eq!(ioc.container, Some(false));
    let correlations = String::from_utf8(correlations).unwrap();
    let shared = correlations.lines().filter(|line| line.contains("flagged-executable-on-several-hosts")).count();
    assert_eq!(shared, 2);
    assert!(correlations.contains(r#""hosts":["alpha","beta"]"#));
}

#[test]
fn a_damaged_report_fails_the_stage_and_names_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let scans = fixture(directory.path());
    std::fs::write(scans.join("beta/0001.json"), "{\"meta\":{}}").unwrap();
    let error = run(directory.path(), &scans, 2).unwrap_err();
    assert!(error.message.contains("0001.json"), "{}", error.message);
}

/// The same host without hardening and then with it: a scan that looks further makes nothing new.
#[test]
fn a_scan_in_another_mode_makes_nothing_new() {
    let directory = tempfile::tempdir().unwrap();
    let scans = directory.path().join("scans");
    let writer = Scans::create(&scans).unwrap();
    let ioc = || {
        Finding::new("/tmp/.cache-x:77", "Process IOC Detected", Severity::High, "")
            .with("pid", "77")
            .with("world_writable_executable", "true")
    };
    let weak = |name: &str| {
        Finding::new(format!("kernel:sysctl:{name}"), name, Severity::Low, "Kernel sysctl value")
            .with("path", format!("/proc/sys/kernel/{name}"))
            .with("value", "0")
            .with("expected", "1")
    };
    let suid = || Finding::new("/usr/local/bin/x", "SUID/SGID binary", Severity::High, "");
    let scan = |number: u32, hardening: bool, suid_ran: bool, names: &[&str]| {
        let mut findings = vec![("ioc", ioc())];
        findings.extend(names.iter().map(|name| ("kernel_hardening", weak(name))));
        findings.extend((suid_ran && number > 0).then(|| ("suid_sgid", suid())));
        let mut report = report("host-m", findings);
        // A scanner that is off is listed without findings.
        report.results.extend((!hardening).then(|| ScannerResult::new("kernel_hardening", Vec::new())));
        report.results.push(ScannerResult::new("mounts", Vec::new()));
        let config = serde_json::json!({"hardening": hardening.to_string()});
        report.meta.insert("effective_config".to_owned(), config);
        writer.write("host-m", number, &report).unwrap();
    };
    scan(0, false, false, &[]);
    scan(1, true, true, &["kptr_restrict"]);
    scan(2, true, true, &["kptr_restrict", "dmesg_restrict"]);
    let [findings, correlations] = run(directory.path(), &scans, 2).unwrap();
    let findings: Vec<EnrichedFinding> =
        String::from_utf8(findings).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let history = |scan: u32, id: &str| {
        let found = findings.iter().find(|f| f.scan == scan && f.id.ends_with(id)).unwrap();
        (found.earlier_scans, found.sightings, found.tags.contains(&"appeared".to_owned()))
    };
    assert_eq!(history(1, "kptr_restrict"), (0, 0, false), "it was not looked for before");
    assert_eq!(history(1, "/usr/local/bin/x"), (0, 0, false), "its scanner did not run before");
    assert_eq!(history(1, ":77"), (1, 1, false));
    assert_eq!(history(2, "kptr_restrict"), (1, 1, false));
    assert_eq!(history(2, "dmesg_restrict"), (1, 0, true), "scans in one mode compare");
    let correlations = String::from_utf8(correlations).unwrap();
    let newly = correlations.lines().filter(|line| line.contains("\"scan\":1,"));
    let newly: Vec<&str> = newly.filter(|line| line.contains("ewly") || line.contains("appeared")).collect();
    assert!(newly.is_empty(), "{newly:?}");
}
