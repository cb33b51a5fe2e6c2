//! Ids that hold a `#` of their own, beside those that are numbered because they come again.

use scan::{Finding, Severity};

use crate::workplace::{AFTER, BEFORE, Workplace};

#[test]
fn an_id_with_a_number_sign_of_its_own_is_no_repetition_and_is_read_whole() {
    let workplace = Workplace::new();
    workplace.edit_report("beta/0001.json", |report| {
        let suid = |id| Finding::new(id, "SUID/SGID binary", Severity::Medium, "Binary has SUID or SGID bit set");
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
