//! The gate as a worker runs it: good input passes, each kind of damage trips one check and no other, and a failure stops.

use std::path::{Path, PathBuf};

use contract::{Context, Digest, Job, JobInput, Kind, Limits, StageError, Type};
use correlate::Correlate;
use scan::{Finding, Report, ScannerResult, Scans, Severity};
use serde_json::{Value, json};
use verify::{Status, VerificationReport, Verify};

/// The digest of the report that version 1 gives for [`Workplace::new`].
const GOLDEN: &str = "c10f14bc51eb7aeae3737239f7c136d49c31f0f1475fcecdbcd9ee120250fa38";

fn report(host: &str, pid: &str, attacked: bool) -> Report {
    let mut findings = vec![
        ("processes", Finding::new("1", "Process 1", Severity::Info, "/sbin/init").with("uid", "0")),
        ("mac", Finding::new("mac_none", "No MAC enforcement", Severity::High, "Neither is active")),
        (
            "suid_sgid",
            Finding::new("/usr/bin/passwd", "SUID/SGID binary", Severity::Low, "bit").with("expected", "true"),
        ),
    ];
    if attacked {
        let ioc =
            Finding::new(format!("/tmp/.x/a:{pid}"), "Process IOC Detected", Severity::High, "Process executable")
                .with("pid", pid)
                .with("command", "/tmp/.x/a")
                .with("world_writable_executable", "true");
        findings.push(("ioc", ioc));
        findings.push(("processes", Finding::new(pid, format!("Process {pid}"), Severity::Info, "/tmp/.x/a")));
    }
    let meta = [("hostname", host), ("tool_version", "6.0.0"), ("json_schema_version", "2")];
    let results = findings.into_iter().map(|(scanner, finding)| ScannerResult::new(scanner, vec![finding])).collect();
    let mut report = Report {
        meta: meta.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect(),
        summary: serde_json::Map::new(),
        results,
        collection_warnings: Vec::new(),
        scanner_errors: Vec::new(),
        summary_extension: serde_json::Map::new(),
    };
    report.recount();
    report
}

struct Workplace {
    directory: tempfile::TempDir,
}

impl Workplace {
    /// Two hosts with two scans each, correlated.
    fn new() -> Workplace {
        let workplace = Workplace { directory: tempfile::tempdir().unwrap() };
        let writer = Scans::create(&workplace.path("scans")).unwrap();
        for (host, pid) in [("alpha", "40"), ("beta", "77")] {
            writer.write(host, 0, &report(host, "9", false)).unwrap();
            writer.write(host, 1, &report(host, pid, true)).unwrap();
        }
        let kind = Kind::of::<Correlate>();
        let inputs = [("scans", Type::Scans)];
        let job = workplace.job("correlate", json!({"profile": "intended"}), &inputs, &["findings", "correlations"]);
        (kind.run)(&job.params, &Context::new(job.clone(), Box::new(std::io::sink()))).unwrap();
        workplace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn job(&self, kind: &str, params: Value, inputs: &[(&str, Type)], outputs: &[&str]) -> Job {
        let input = |(name, artifact): &(&str, Type)| {
            let input = JobInput { label: None, path: self.path(name), artifact: *artifact, digest: Digest::of(b"") };
            ((*name).to_owned(), vec![input])
        };
        Job {
            kind: kind.into(),
            version: 1,
            params,
            inputs: inputs.iter().map(input).collect(),
            outputs: outputs.iter().map(|name| ((*name).to_owned(), self.path(name))).collect(),
            scratch: self.directory.path().to_owned(),
            checkpoints: self.directory.path().to_owned(),
            limits: Limits { threads: 2, memory: 0 },
            trace: "test".into(),
        }
    }

    fn verify(&self, on_failed: &str) -> (Result<(), StageError>, VerificationReport) {
        let kind = Kind::of::<Verify>();
        let mut params = serde_json::to_value(verify::VerifyParams::default()).unwrap();
        params["on_failed"] = on_failed.into();
        let mut inputs =
            vec![("scans", Type::Scans), ("findings", Type::Findings), ("correlations", Type::Correlations)];
        if self.path("truth").exists() {
            inputs.push(("truth", Type::Truth));
        }
        let job = self.job("verify", params, &inputs, &["verification", "summary"]);
        let result = (kind.run)(&job.params, &Context::new(job.clone(), Box::new(std::io::sink())));
        let report = std::fs::read(self.path("verification")).unwrap();
        (result, serde_json::from_slice(&report).unwrap())
    }

    /// Changes the lines of an artifact that `chosen` picks.
    fn edit(&self, artifact: &str, chosen: impl Fn(&Value) -> bool, change: impl Fn(&mut Value)) {
        let path = self.path(artifact);
        let mut edited = 0;
        let mut text = String::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let mut value: Value = serde_json::from_str(line).unwrap();
            if chosen(&value) {
                change(&mut value);
                edited += 1;
            }
            text.push_str(&format!("{{\"host\":{},\"scan\":{},", value["host"], value["scan"]));
            let map = value.as_object_mut().unwrap();
            map.remove("host");
            map.remove("scan");
            text.push_str(&value.to_string()[1..]);
            text.push('\n');
        }
        assert!(edited > 0, "nothing to edit");
        std::fs::write(&path, text).unwrap();
    }

    /// Exactly the named checks failed.
    fn expect_only(&self, failed: &[&str]) -> VerificationReport {
        let (result, report) = self.verify("stop");
        let names: Vec<&str> = report
            .checks
            .iter()
            .filter(|check| check.status != Status::Passed)
            .map(|check| check.name.name())
            .collect();
        assert_eq!(names, failed, "{}", report.text());
        let error = result.unwrap_err();
        assert!(error.message.contains(failed[0]), "{}", error.message);
        report
    }
}

fn suid(value: &Value) -> bool {
    value["host"] == "beta" && value["scan"] == 1 && value["scanner"] == "suid_sgid"
}

#[test]
fn good_input_passes_and_says_what_was_looked_at() {
    let workplace = Workplace::new();
    let (result, report) = workplace.verify("stop");
    result.unwrap();
    assert_eq!((report.overall_status, report.scans, report.findings), (Status::Passed, 4, 16));
    let unused: Vec<_> = report.checks.iter().filter(|check| check.items == 0).map(|check| check.name.name()).collect();
    assert_eq!(unused, ["truth"], "{}", report.text());
    let summary = std::fs::read_to_string(workplace.path("summary")).unwrap();
    assert!(summary.starts_with("verification: passed\n4 scans, 16 findings"), "{summary}");
    let bytes = std::fs::read(workplace.path("verification")).unwrap();
    assert_eq!(Digest::of(&bytes).to_string(), GOLDEN, "output moved: raise the card's version");
}

#[test]
fn schema_a_report_that_is_not_in_the_valid_form() {
    let workplace = Workplace::new();
    let path = workplace.path("scans").join("beta/0001.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"base_severity_score\":70", "\"base_severity_score\":\"70\"", 1)).unwrap();
    let report = workplace.expect_only(&["schema"]);
    assert!(report.checks[0].violations[0].message.contains("1 scores read from strings"));
    std::fs::write(&path, "{}").unwrap();
    assert!(workplace.expect_only(&["schema"]).checks[0].violations[0].message.contains("0001.json"));
}

#[test]
fn coverage_a_finding_that_was_dropped() {
    let workplace = Workplace::new();
    let path = workplace.path("findings");
    let text = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !(line.contains("\"beta\",\"scan\":1") && line.contains("/usr/bin/passwd")))
        .collect();
    std::fs::write(&path, kept.join("\n") + "\n").unwrap();
    let report = workplace.expect_only(&["coverage"]);
    assert_eq!(report.checks[1].violations[0].place, "beta/0001 suid_sgid /usr/bin/passwd");
}

#[test]
fn duplicates_the_same_finding_twice() {
    let workplace = Workplace::new();
    let mut doubled = report("gamma", "9", false);
    let again = doubled.results[2].clone();
    doubled.results.push(again);
    doubled.recount();
    let writer = Scans::create(&workplace.path("scans")).unwrap();
    writer.write("gamma", 0, &doubled).unwrap();
    let inputs = [("scans", Type::Scans)];
    let job = workplace.job("correlate", json!({"profile": "intended"}), &inputs, &["findings", "correlations"]);
    (Kind::of::<Correlate>().run)(&job.params, &Context::new(job.clone(), Box::new(std::io::sink()))).unwrap();
    let report = workplace.expect_only(&["duplicates"]);
    assert_eq!(report.checks[2].violations[0].place, "gamma/0000 suid_sgid /usr/bin/passwd#2");
}

#[test]
fn references_a_member_that_is_no_finding() {
    let workplace = Workplace::new();
    let chosen = |value: &Value| value["host"] == "beta" && value["rule"] == "flagged-process-in-inventory";
    workplace.edit("correlations", chosen, |value| {
        value["related_finding_ids"].as_array_mut().unwrap().push("/nowhere".into());
    });
    let report = workplace.expect_only(&["references"]);
    assert_eq!(report.checks[3].violations[0].pointer, "/related_finding_ids/2");
}

#[test]
fn scores_a_risk_that_does_not_follow() {
    let workplace = Workplace::new();
    workplace.edit("findings", suid, |value| value["probability_actionable"] = 0.25.into());
    let report = workplace.expect_only(&["scores"]);
    assert_eq!(report.checks[4].violations[0].pointer, "/probability_actionable");
}

#[test]
fn severity_rules_a_severity_that_the_scanner_would_not_give() {
    let workplace = Workplace::new();
    let writer = Scans::create(&workplace.path("scans")).unwrap();
    let mut raised = report("gamma", "9", false);
    raised.results[2].findings[0] =
        Finding::new("/usr/bin/passwd", "SUID/SGID binary", Severity::Critical, "bit").with("expected", "false");
    raised.recount();
    writer.write("gamma", 0, &raised).unwrap();
    let inputs = [("scans", Type::Scans)];
    let job = workplace.job("correlate", json!({"profile": "intended"}), &inputs, &["findings", "correlations"]);
    (Kind::of::<Correlate>().run)(&job.params, &Context::new(job.clone(), Box::new(std::io::sink()))).unwrap();
    let report = workplace.expect_only(&["severity_rules"]);
    assert!(report.checks[5].violations[0].message.contains("critical, the scanner gives low"));
}

#[test]
fn formats_a_pid_that_is_none() {
    let workplace = Workplace::new();
    let writer = Scans::create(&workplace.path("scans")).unwrap();
    let mut odd = report("gamma", "9", false);
    odd.results[0].findings[0].metadata.insert("uid".into(), "root".into());
    writer.write("gamma", 0, &odd).unwrap();
    let inputs = [("scans", Type::Scans)];
    let job = workplace.job("correlate", json!({"profile": "intended"}), &inputs, &["findings", "correlations"]);
    (Kind::of::<Correlate>().run)(&job.params, &Context::new(job.clone(), Box::new(std::io::sink()))).unwrap();
    let report = workplace.expect_only(&["formats"]);
    assert_eq!(report.checks[6].violations[0].pointer, "/metadata/uid");
}

#[test]
fn history_more_sightings_than_scans() {
    let workplace = Workplace::new();
    workplace.edit("findings", suid, |value| value["baseline_status"] = "unknown".into());
    workplace.expect_only(&["history"]);
}

#[test]
fn label_conflicts_one_prompt_with_two_answers() {
    let workplace = Workplace::new();
    // A score that hangs on a tag which no prompt shows, and agrees with itself.
    workplace.edit("findings", suid, |value| {
        value["tags"].as_array_mut().unwrap().push("nat".into());
        let tags: std::collections::BTreeSet<String> = serde_json::from_value(value["tags"].clone()).unwrap();
        let raw = Finding::new("", "", Severity::Low, "");
        let risk = correlate::host::assess(correlate::Profile::Intended, "suid_sgid", &raw, &tags, 1);
        value["risk_score"] = risk.score.into();
        value["risk_total"] = risk.score.into();
        value["risk_subscores"] = serde_json::to_value(correlate::host::subscores(&risk)).unwrap();
        value["probability_actionable"] = risk.probability.into();
    });
    let report = workplace.expect_only(&["label_conflicts"]);
    assert!(report.checks[8].violations[0].message.contains("alpha/0001"));
}

#[test]
fn truth_that_is_about_other_findings() {
    let workplace = Workplace::new();
    let mut truth = String::new();
    for line in std::fs::read_to_string(workplace.path("findings")).unwrap().lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        let [host, scan, scanner, id] = ["host", "scan", "scanner", "id"].map(|key| finding[key].clone());
        let line = json!({"host": host, "scan": scan, "scanner": scanner, "id": id, "chain_id": null, "template": null,
            "technique": null, "role": "benign", "visible": true});
        truth.push_str(&format!("{line}\n"));
    }
    std::fs::write(workplace.path("truth"), &truth).unwrap();
    let (result, report) = workplace.verify("stop");
    result.unwrap();
    assert_eq!(report.checks[9].items, 16);
    std::fs::write(workplace.path("truth"), truth.replacen("/usr/bin/passwd", "/usr/bin/sudo", 1)).unwrap();
    workplace.expect_only(&["truth"]);
}

#[test]
fn a_failure_stops_unless_told_to_report() {
    let workplace = Workplace::new();
    workplace.edit("findings", suid, |value| value["risk_total"] = 99.into());
    let (stopped, _) = workplace.verify("stop");
    assert!(stopped.unwrap_err().message.contains("/risk_total"));
    let (reported, report) = workplace.verify("report");
    reported.unwrap();
    assert_eq!(report.overall_status, Status::Failed);
}

#[test]
fn a_scan_whose_findings_are_all_missing_is_noticed() {
    let workplace = Workplace::new();
    let keep = |path: &Path, host: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        let kept: String = text
            .lines()
            .filter(|l| !l.starts_with(&format!("{{\"host\":\"{host}\"")))
            .map(|l| format!("{l}\n"))
            .collect();
        std::fs::write(path, kept).unwrap();
    };
    keep(&workplace.path("findings"), "beta");
    keep(&workplace.path("correlations"), "beta");
    let report = workplace.expect_only(&["coverage"]);
    assert_eq!(report.checks[1].violation_count, 8);
}
