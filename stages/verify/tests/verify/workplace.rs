//! A directory with everything that `verify` reads, made by the stages before it from four small scans.

use std::path::{Path, PathBuf};

use contract::{Context, Digest, Job, JobInput, Kind, Limits, Stage, StageError, Type};
use correlate::{Correlate, CorrelateParams};
use scan::{Finding, Report, ScannerResult, Scans, Severity};
use serde_json::{Value, json};
use transform::{Transform, TransformParams};
use verify::{Status, VerificationReport, Verify, VerifyParams};

/// The gate before `transform`.
pub(crate) const BEFORE: [(&str, Type); 4] = [
    ("scans", Type::SCANS),
    ("findings", Type::FINDINGS),
    ("correlations", Type::CORRELATIONS),
    ("truth", Type::TRUTH),
];

/// The gate after it.
pub(crate) const AFTER: [(&str, Type); 2] = [("documents", Type::DOCUMENTS), ("dataset", Type::DATASET)];

/// The same with the truth that `transform` had.
pub(crate) const AFTER_WITH_TRUTH: [(&str, Type); 3] = [AFTER[0], AFTER[1], BEFORE[3]];

/// A report of a host that may be attacked.
pub(crate) fn report(host: &str, pid: &str, attacked: bool) -> Report {
    let process = |pid: &str, exe: &str| {
        Finding::new(pid, format!("Process {pid}"), Severity::Info, exe).with("gid", "0").with("uid", "0")
    };
    let mac =
        Finding::new("mac_none", "No MAC enforcement", Severity::High, "Neither SELinux nor AppArmor appears active");
    let suid = Finding::new("/usr/bin/passwd", "SUID/SGID binary", Severity::Low, "Binary has SUID or SGID bit set");
    // Programs that differ by a number only: nearly the same prompt.
    let worker = format!("/opt/app-{}/worker", host.len());
    let mut findings = vec![
        ("processes", process("1", "/sbin/init")),
        ("processes", process("8", &worker)),
        ("mac", mac),
        ("suid_sgid", suid.with("expected", "true")),
    ];
    if attacked {
        let ioc = Finding::new(
            format!("/tmp/.x/a:{pid}"),
            "Process IOC Detected",
            Severity::High,
            "Process with world-writable executable: /tmp/.x/a",
        );
        let ioc = ioc.with("pid", pid).with("command", "/tmp/.x/a").with("world_writable_executable", "true");
        findings.push(("ioc", ioc));
        findings.push(("processes", process(pid, "/tmp/.x/a")));
    }
    let meta = [("hostname", host), ("tool_version", "6.0.0"), ("json_schema_version", "2")];
    let day = if attacked { 2 } else { 1 };
    let summary =
        json!({"started_at": format!("2026-01-0{day}T12:00:00Z"), "finished_at": format!("2026-01-0{day}T12:00:09Z")});
    let results = findings.into_iter().map(|(scanner, finding)| ScannerResult::new(scanner, vec![finding])).collect();
    let mut report = Report {
        meta: meta.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect(),
        summary: summary.as_object().unwrap().clone(),
        results,
        collection_warnings: Vec::new(),
        scanner_errors: Vec::new(),
        summary_extension: serde_json::Map::new(),
    };
    report.recount();
    report
}

/// The directory.
pub(crate) struct Workplace {
    directory: tempfile::TempDir,
    /// Params of `verify`.
    pub params: VerifyParams,
}

impl Workplace {
    /// Four hosts with two scans each, two of them attacked by the second, correlated and transformed, with a truth to which
    /// all of it is harmless.
    pub(crate) fn new() -> Workplace {
        let workplace = Workplace::empty();
        let writer = Scans::create(&workplace.path("scans")).unwrap();
        for (host, pid) in [("alpha", Some("40")), ("beta", Some("77")), ("third-host", None), ("fourth-host", None)] {
            writer.write(host, 0, &report(host, "9", false)).unwrap();
            writer.write(host, 1, &report(host, pid.unwrap_or("9"), pid.is_some())).unwrap();
        }
        workplace.correlate();
        workplace.tell_truth(|_| false);
        workplace.transform();
        workplace
    }

    /// Nothing yet.
    pub(crate) fn empty() -> Workplace {
        Workplace { directory: tempfile::tempdir().unwrap(), params: VerifyParams::default() }
    }

    /// Correlates the scans.
    pub(crate) fn correlate(&self) {
        self.correlate_with(&CorrelateParams::default());
    }

    /// Correlates them with these params.
    pub(crate) fn correlate_with(&self, params: &CorrelateParams) {
        let params = serde_json::to_value(params).unwrap();
        self.run::<Correlate>(params, &[("scans", Type::SCANS)], &["findings", "correlations"], 2).unwrap();
    }

    /// Transforms what was correlated.
    pub(crate) fn transform(&self) {
        self.transform_with(&TransformParams::default());
    }

    /// Transforms it with these params.
    pub(crate) fn transform_with(&self, params: &TransformParams) {
        std::fs::write(self.path("verification"), r#"{"overall_status":"passed","checks":[]}"#).unwrap();
        let inputs =
            [("findings", Type::FINDINGS), ("correlations", Type::CORRELATIONS), ("verification", Type::METRICS)];
        self.run::<Transform>(serde_json::to_value(params).unwrap(), &inputs, &["documents", "dataset"], 2).unwrap();
    }

    /// Writes the truth about the findings: `of_chain` says which are of a chain.
    pub(crate) fn tell_truth(&self, of_chain: impl Fn(&Value) -> bool) {
        let mut truth = String::new();
        for line in std::fs::read_to_string(self.path("findings")).unwrap().lines() {
            let finding: Value = serde_json::from_str(line).unwrap();
            let role = if of_chain(&finding) { "chain" } else { "benign" };
            truth.push_str(&format!(
                "{{\"host\":{},\"scan\":{},\"scanner\":{},\"id\":{},\"chain_id\":null,\"template\":null,\"technique\":null,\
                 \"role\":\"{role}\",\"visible\":true}}\n",
                finding["host"], finding["scan"], finding["scanner"], finding["id"]
            ));
        }
        std::fs::write(self.path("truth"), truth).unwrap();
    }

    /// Says in the truth that an attack chain reached these hosts.
    pub(crate) fn tell_chain(&self, hosts: &[String]) {
        let reached = |line: &Value| hosts.iter().any(|host| line["host"] == **host);
        self.edit_lines("truth", reached, |line| line["chain_id"] = "chain-1".into());
    }

    /// The hosts of a split.
    pub(crate) fn hosts(&self, split: &str) -> Vec<String> {
        let manifest = std::fs::read(self.path("dataset/manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        serde_json::from_value(manifest["splits"][split]["hosts"].clone()).unwrap()
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a stage.
    pub(crate) fn run<S: Stage>(
        &self,
        params: Value,
        inputs: &[(&str, Type)],
        outputs: &[&str],
        threads: u32,
    ) -> Result<(), StageError> {
        let input = |(name, artifact): &(&str, Type)| {
            let input = JobInput { label: None, path: self.path(name), artifact: *artifact, digest: Digest::of(b"") };
            ((*name).to_owned(), vec![input])
        };
        let kind = Kind::of::<S>();
        let card = (kind.card)();
        let scratch = self.path("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        let job = Job {
            kind: card.kind,
            version: card.version,
            params,
            inputs: inputs.iter().map(input).collect(),
            outputs: outputs.iter().map(|name| ((*name).to_owned(), self.path(name))).collect(),
            scratch: scratch.clone(),
            checkpoints: scratch,
            limits: Limits { threads, memory: 0 },
            trace: "test".into(),
        };
        (kind.run)(&job.params, &Context::new(job.clone(), Box::new(std::io::sink())))
    }

    /// Runs `verify` on these inputs.
    pub(crate) fn try_verify(&self, inputs: &[(&str, Type)], threads: u32) -> Result<(), StageError> {
        let params = serde_json::to_value(&self.params).unwrap();
        // The report of `verify` has the name of an input of `transform`.
        std::fs::remove_file(self.path("verification")).ok();
        self.run::<Verify>(params, inputs, &["verification", "summary"], threads)
    }

    /// Runs `verify` and gives what it reported.
    pub(crate) fn verify(&self, inputs: &[(&str, Type)]) -> (Result<(), StageError>, VerificationReport) {
        let result = self.try_verify(inputs, 2);
        let report = std::fs::read(self.path("verification"));
        let report = report.unwrap_or_else(|_| panic!("no report: {}", result.as_ref().unwrap_err().message));
        (result, serde_json::from_slice(&report).unwrap())
    }

    /// Exactly the check `failed` failed, nothing else is wrong, and the error names it.
    pub(crate) fn expect_only(&self, inputs: &[(&str, Type)], failed: &str) -> VerificationReport {
        let (result, report) = self.verify(inputs);
        let wrong: Vec<&str> = report
            .checks
            .iter()
            .filter(|check| check.status == Status::Failed || check.violation_count > 0)
            .map(|check| check.name.name())
            .collect();
        assert_eq!(wrong, [failed], "{}", verify::summary::text(&report));
        let error = result.unwrap_err();
        assert!(error.message.contains(failed), "{}", error.message);
        report
    }

    /// Changes the lines of `findings` or `correlations` that `chosen` picks.
    pub(crate) fn edit_lines(&self, artifact: &str, chosen: impl Fn(&Value) -> bool, change: impl Fn(&mut Value)) {
        let path = self.path(artifact);
        let mut edited = 0;
        let mut text = String::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let mut value: Value = serde_json::from_str(line).unwrap();
            if chosen(&value) {
                change(&mut value);
                edited += 1;
            }
            text.push_str(&format!("{value}\n"));
        }
        assert!(edited > 0, "nothing to edit");
        std::fs::write(&path, text).unwrap();
    }

    /// Changes a JSON file.
    pub(crate) fn edit_file(&self, name: &str, change: impl Fn(&mut Value)) {
        let path = self.path(name);
        let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        std::fs::write(&path, value.to_string()).unwrap();
    }

    /// Changes a document and brings its digests into line.
    pub(crate) fn edit_document(&self, name: &str, change: impl Fn(&mut Value)) {
        self.edit_file(name, |document| {
            change(document);
            for part in ["enriched_findings", "correlations"] {
                document["integrity"][part] = Digest::of(document[part].to_string().as_bytes()).to_string().into();
            }
        });
    }

    /// Changes the text of a file of the dataset, and its digest and count in the manifest.
    pub(crate) fn edit_split(&self, split: &str, change: impl Fn(&str) -> String) {
        let path = self.path(&format!("dataset/{split}.jsonl"));
        let text = change(&std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, &text).unwrap();
        self.edit_file("dataset/manifest.json", |manifest| {
            let part = match split {
                "calibration" => &mut manifest["calibration"],
                _ => &mut manifest["splits"][split]["lines"],
            };
            part["blake3"] = Digest::of(text.as_bytes()).to_string().into();
            part["examples"] = text.lines().count().into();
        });
    }

    /// Adds examples of a host of a split: task, prompt and answer of each, by its place; their scans are numbered from 100.
    pub(crate) fn add_lines(&self, split: &str, line: impl Fn(u32) -> (&'static str, String, String), count: u32) {
        let host = self.hosts(split).swap_remove(0);
        let line = |place: u32| {
            let (task, prompt, answer) = line(place);
            let message = |role: &str, content: &str| json!({"role": role, "content": content});
            let messages = [message("system", "s"), message("user", &prompt), message("assistant", &answer)];
            json!({"messages": messages, "task": task, "host": host, "scan": 100 + place}).to_string() + "\n"
        };
        self.edit_split(split, |all| format!("{all}{}", (0..count).map(line).collect::<String>()));
    }

    /// Rewrites a report of the scans, and correlates again.
    pub(crate) fn edit_report(&self, name: &str, change: impl Fn(&mut Report)) {
        let path = self.path("scans").join(name);
        let mut report = Report::read(&path).unwrap();
        change(&mut report);
        report.recount();
        report.write(&path).unwrap();
        self.correlate();
        self.tell_truth(|_| false);
    }
}

/// The text of a file in the workplace.
pub(crate) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
