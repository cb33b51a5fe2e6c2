//! The artifact type `scans` on disk.

use std::fs;
use std::path::Path;

use scan::{Report, ScannerResult, Scans};

fn report(host: &str) -> Report {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data/reports/debian12_scanner_v6.json");
    let mut report = Report::read(&path).unwrap();
    report.meta.insert("hostname".into(), host.into());
    report
}

#[test]
fn reports_come_back_by_host_and_scan() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Scans::create(directory.path()).unwrap();
    for (host, scan) in [("web-10", 0), ("db-1", 1), ("db-1", 0), ("web-10", 10_000), ("web-10", 9_999)] {
        writer.write(host, scan, &report(host)).unwrap();
    }
    let scans = Scans::open(directory.path()).unwrap();
    let order: Vec<_> = scans.iter().map(|file| (file.host.as_str(), file.scan)).collect();
    assert_eq!(order, [("db-1", 0), ("db-1", 1), ("web-10", 0), ("web-10", 9_999), ("web-10", 10_000)]);
    assert_eq!(scans.hosts().map(<[_]>::len).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(scans.iter().next().unwrap().read().unwrap(), report("db-1"));
    assert!(directory.path().join("db-1/0001.json").is_file());
}

#[test]
fn a_hostname_cannot_climb_out() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Scans::create(&directory.path().join("scans")).unwrap();
    for host in ["..", "../x", "a/b", "", ".hidden", "a b"] {
        assert!(writer.write(host, 0, &report(host)).unwrap_err().message.contains("cannot name"), "{host}");
    }
}

#[test]
fn a_stray_file_and_a_report_in_the_wrong_place_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Scans::create(directory.path()).unwrap();
    writer.write("a", 0, &report("b")).unwrap();
    let scans = Scans::open(directory.path()).unwrap();
    assert!(scans.iter().next().unwrap().read().unwrap_err().message.contains("host `b`"));
    fs::write(directory.path().join("a/notes.txt"), "").unwrap();
    assert!(Scans::open(directory.path()).err().unwrap().message.contains("notes.txt: not part"));
}

#[test]
fn some_scanners_can_be_read_alone() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Scans::create(directory.path()).unwrap();
    let path = writer.write("a", 0, &report("a")).unwrap();
    let scans = Scans::open(directory.path()).unwrap();
    let file = scans.iter().next().unwrap();
    let wanted = |scanner: &str| ["network", "ioc"].contains(&scanner);
    let results = report("a").results.into_iter().filter(|result| wanted(&result.scanner));
    let full = results.map(|result| ScannerResult::new(result.scanner, result.findings)).collect::<Vec<_>>();
    assert!(full.iter().any(|result| !result.findings.is_empty()));
    let of = |text: &str| {
        fs::write(&path, text).unwrap();
        file.read_results(&wanted)
    };
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(of(&text).unwrap(), full);
    // As the scanner writes them: scores as strings, and the name after the findings.
    let scanner_form = text.replace("\"base_severity_score\":30", "\"base_severity_score\":\"30\"");
    assert_eq!(of(&scanner_form).unwrap(), full);
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for result in value["results"].as_array_mut().unwrap() {
        let name = result.as_object_mut().unwrap().remove("scanner").unwrap();
        let findings = result.as_object_mut().unwrap().remove("findings").unwrap();
        *result = serde_json::json!({"findings": findings, "scanner": name});
    }
    assert_eq!(of(&value.to_string()).unwrap(), full);
    let damaged = text.replace("\"severity\":\"low\"", "\"severity\":\"grave\"");
    let error = of(&damaged).unwrap_err();
    assert!(error.message.contains("0000.json: at /results/"), "{}", error.message);
}
