//! The artifact type `scans` on disk.

use std::fs;
use std::path::Path;

use scan::{Report, Scans};

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
