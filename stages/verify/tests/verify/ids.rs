//! Ids that hold a `#` of their own, beside those that are numbered because they come again.

use scan::{Finding, ScannerResult, Severity};
use serde_json::Value;

use crate::workplace::{AFTER, BEFORE, Workplace, text};

fn suid(id: &str) -> Finding {
    Finding::new(id, "SUID/SGID binary", Severity::Medium, "Binary has SUID or SGID bit set")
}

#[test]
fn an_id_with_a_number_sign_of_its_own_is_no_repetition_and_is_read_whole() {
    let workplace = Workplace::new();
    workplace.edit_report("beta/0001.json", |report| {
        let exe = "/tmp/#1/a";
        let title = "Process IOC Detected";
        let ioc = Finding::new(format!("{exe}:55"), title, Severity::High, format!("Process running from {exe}"));
        let ioc = ioc.with("pid", "55").with("command", exe).with("world_writable_executable", "true");
        // One pid in two containers, of which the second becomes `8#2`.
        let mut again = report.of_scanner("processes").find(|finding| finding.id == "8").unwrap().clone();
        again.metadata.insert("container_id".to_owned(), "0123456789ab".to_owned());
        for (scanner, finding) in [
            ("suid_sgid", suid("/usr/bin/a#2")),
            ("suid_sgid", suid("/usr/bin/a#3")),
            ("suid_sgid", suid("/usr/bin/b")),
            ("suid_sgid", suid("/usr/bin/b#3")),
            ("ioc", ioc),
            ("processes", again),
        ] {
            report.results.iter_mut().find(|result| result.scanner == scanner).unwrap().findings.push(finding);
        }
    });
    workplace.transform();
    for inputs in [&BEFORE[..3], &AFTER] {
        let (result, report) = workplace.verify(inputs);
        result.unwrap();
        assert!(report.checks.iter().all(|check| check.violations.is_empty()), "{}", verify::summary::text(&report));
    }
}

#[test]
fn an_id_that_reads_like_the_repetition_of_another_is_one_of_its_own() {
    let workplace = Workplace::new();
    workplace.edit_report("beta/0001.json", |report| {
        let programs = ["/usr/bin/a", "/usr/bin/a#2", "/usr/bin/a#2#1"].map(suid);
        let file = |id| Finding::new(id, "World-writable file", Severity::High, "File is world-writable");
        let files = ["/usr/bin/a", "/usr/bin/a#2"].map(file);
        let found = report.results.iter_mut().find(|result| result.scanner == "suid_sgid").unwrap();
        found.findings.extend(programs);
        report.results.push(ScannerResult::new("world_writable", files.to_vec()));
    });
    workplace.transform();
    let document: Value = serde_json::from_str(&text(&workplace.path("documents/beta/0001.json"))).unwrap();
    let findings = document["enriched_findings"].as_array().unwrap();
    let mut ids: Vec<_> =
        findings.iter().map(|f| (f["scanner"].as_str().unwrap(), f["id"].as_str().unwrap())).collect();
    ids.retain(|(_, id)| id.starts_with("/usr/bin/a"));
    ids.sort_unstable();
    let expected = [
        ("suid_sgid", "/usr/bin/a"),
        ("suid_sgid", "/usr/bin/a#2#1"),
        ("suid_sgid", "/usr/bin/a#2#1#1"),
        ("world_writable", "/usr/bin/a#2"),
        ("world_writable", "/usr/bin/a#2#2"),
    ];
    assert_eq!(ids, expected);
    // What is said of repetitions counts the two of the second scanner, and not what is numbered besides.
    assert!(document["summaries"].to_string().contains("2 findings repeat an id"), "{}", document["summaries"]);
    for inputs in [&BEFORE[..3], &AFTER] {
        let (result, report) = workplace.verify(inputs);
        result.unwrap();
        assert!(report.checks.iter().all(|check| check.violations.is_empty()), "{}", verify::summary::text(&report));
    }
}
