//! Hosts in memory, and the stages over them as a worker runs them.

use std::path::{Path, PathBuf};

use contract::{Context, Digest, Job, JobInput, Kind, Limits, StageError, Type};
use correlate::Correlate;
use scan::{Finding, Report, ScannerResult, Scans, Severity};
use serde_json::{Value, json};
use transform::{Transform, TransformParams};

pub(crate) fn report(host: &str, number: u32, attacked: bool) -> Report {
    let pid = (4000 + number).to_string();
    let socket = |port: &str, pid: &str, exe: &str| {
        Finding::new(format!("tcp:{port}:{pid}{port}"), format!("tcp LISTEN {port}"), Severity::Low, "TCP socket")
            .with("protocol", "tcp")
            .with("state", "LISTEN")
            .with("lip", "0.0.0.0")
            .with("lport", port)
            .with("pid", pid)
            .with("exe", exe)
            .with("wildcard_listen", "true")
    };
    let mut findings = vec![
        ("processes", Finding::new("1", "Process 1", Severity::Info, "/sbin/init").with("uid", "0")),
        ("processes", Finding::new("80", "Process 80", Severity::Info, "/usr/sbin/nginx").with("uid", "0")),
        ("network", socket("8080", "80", "/usr/sbin/nginx")),
        ("mac", Finding::new("mac_none", "No MAC enforcement", Severity::High, "Neither is active")),
        (
            "suid_sgid",
            Finding::new("/usr/bin/passwd", "SUID/SGID binary", Severity::Low, "bit").with("expected", "true"),
        ),
        ("suid_sgid", Finding::new(format!("/usr/bin/tool{number}"), "SUID/SGID binary", Severity::Medium, "bit")),
        ("modules", Finding::new("xt_MASQUERADE", "Module xt_MASQUERADE", Severity::Info, "Loaded kernel module")),
    ];
    if attacked {
        let ioc =
            Finding::new(format!("/tmp/.x/a:{pid}"), "Process IOC Detected", Severity::High, "Process executable")
                .with("pid", &pid)
                .with("world_writable_executable", "true");
        findings.push(("ioc", ioc));
        findings.push(("processes", Finding::new(&pid, format!("Process {pid}"), Severity::Info, "/tmp/.x/a")));
        findings.push(("network", socket("4444", &pid, "/tmp/.x/a")));
        let writable = Finding::new("/usr/bin/passwd", "World-writable file", Severity::High, "File is world writable");
        findings.push(("world_writable", writable));
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

fn real() -> Report {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data/reports/debian12_scanner_v6.json");
    Report::read(&path).unwrap()
}

/// A process that a tracer saw start, and what an attacked host's connections show of its address.
fn traced(host: &str) -> Report {
    let mut report = report(host, 0, true);
    let title = "Process execution detected: bash (PID: 31337)";
    let exec = Finding::new(
        "proc.exec.detected",
        title,
        Severity::Info,
        "New process execution detected via /proc monitoring",
    )
    .with("comm", "bash")
    .with("pid", "31337")
    .with("ppid", "31336");
    let outside = Finding::new("tcp:51111:99", "tcp ESTABLISHED 51111", Severity::Info, "TCP socket")
        .with("container_id", "0a1b2c3d4e5f")
        .with("exe", "/tmp/.x/a")
        .with("lip", "10.9.8.7")
        .with("lport", "51111")
        .with("pid", "4000")
        .with("protocol", "tcp")
        .with("rip", "203.0.113.9")
        .with("rport", "443")
        .with("state", "ESTABLISHED");
    report.results.push(ScannerResult::new("ebpf_exec_trace", vec![exec]));
    report.results.push(ScannerResult::new("network", vec![outside]));
    report.recount();
    report
}

/// Makes paths and prose of a finding long, and leaves numbers and words that decide something.
fn lengthen(finding: &mut Finding) {
    let prose = |text: &mut String| {
        if text.contains(' ') {
            text.push_str(&" größer <&\"\\> \t".repeat(400));
        }
    };
    let path = |text: &mut String| {
        if let Some(slash) = text.find('/') {
            text.insert_str(slash, &"/日本-\u{1}\"".repeat(300));
        } else {
            prose(text);
        }
    };
    path(&mut finding.id);
    prose(&mut finding.title);
    prose(&mut finding.description);
    finding.metadata.values_mut().for_each(path);
}

pub(crate) struct Workplace {
    directory: tempfile::TempDir,
}

impl Workplace {
    /// Twelve hosts with two scans each.
    pub(crate) fn simulated() -> Workplace {
        let workplace = Workplace { directory: tempfile::tempdir().unwrap() };
        let writer = Scans::create(&workplace.path("scans")).unwrap();
        for number in 0..12 {
            let host = format!("host-{number:02}");
            writer.write(&host, 0, &report(&host, number, false)).unwrap();
            writer.write(&host, 1, &report(&host, number, number % 3 == 0)).unwrap();
        }
        workplace
    }

    /// The same, and the real report.
    pub(crate) fn with_real() -> Workplace {
        let workplace = Workplace::simulated();
        let report = real();
        Scans::create(&workplace.path("scans")).unwrap().write(report.hostname(), 0, &report).unwrap();
        workplace
    }

    /// One attacked host and the real report, every text in them a hundred times as long as scanners write it.
    pub(crate) fn long_winded() -> Workplace {
        let long = Workplace { directory: tempfile::tempdir().unwrap() };
        let writer = Scans::create(&long.path("scans")).unwrap();
        for mut report in [report("host-00", 0, true), real()] {
            report.results.iter_mut().flat_map(|result| &mut result.findings).for_each(lengthen);
            report.recount();
            writer.write(report.hostname(), 0, &report).unwrap();
        }
        long
    }

    /// A host with processes and connections of which prompts may not say everything.
    pub(crate) fn traced() -> Workplace {
        let workplace = Workplace { directory: tempfile::tempdir().unwrap() };
        Scans::create(&workplace.path("scans")).unwrap().write("host-00", 0, &traced("host-00")).unwrap();
        workplace
    }

    /// A host whose clusters are larger than what a prompt lists: fifteen flagged programs with their processes and listeners, and a
    /// directory of PATH that anyone may write, from which more processes run than a correlation names.
    pub(crate) fn crowded() -> Workplace {
        let workplace = Workplace { directory: tempfile::tempdir().unwrap() };
        let writer = Scans::create(&workplace.path("scans")).unwrap();
        for number in 0..3 {
            let mut crowded = report(&format!("host-{number:02}"), number, true);
            for program in 0..15 {
                let (pid, path) = (7000 + program, format!("/tmp/.x/run-{program:02}"));
                let ioc =
                    Finding::new(format!("{path}:{pid}"), "Process IOC Detected", Severity::High, "Process executable")
                        .with("pid", pid.to_string())
                        .with("world_writable_executable", "true");
                let process =
                    Finding::new(pid.to_string(), format!("Process {pid}"), Severity::Info, &path).with("uid", "33");
                crowded.results.push(ScannerResult::new("ioc", vec![ioc]));
                crowded.results.push(ScannerResult::new("processes", vec![process]));
            }
            let directory = Finding::new("/usr/local/bin", "World-writable PATH directory", Severity::High, "PATH")
                .with("rule", "path_dir_world_writable");
            crowded.results.push(ScannerResult::new("world_writable", vec![directory]));
            for pid in 8000..8030 {
                let program = format!("/usr/local/bin/job-{pid}");
                let process =
                    Finding::new(pid.to_string(), format!("Process {pid}"), Severity::Info, program).with("uid", "0");
                crowded.results.push(ScannerResult::new("processes", vec![process]));
            }
            crowded.recount();
            writer.write(crowded.hostname(), 0, &crowded).unwrap();
        }
        workplace
    }

    /// Two hosts, one with fifty flagged processes of long names.
    pub(crate) fn flagged() -> Workplace {
        let mut flagged = report("host-00", 0, true);
        for number in 0..50 {
            let (pid, path) = (7000 + number, format!("/tmp/.{}/{:060}", number % 3, number));
            let ioc =
                Finding::new(format!("{path}:{pid}"), "Process IOC Detected", Severity::High, "Process executable")
                    .with("pid", pid.to_string())
                    .with("world_writable_executable", "true");
            let process =
                Finding::new(pid.to_string(), format!("Process {pid}"), Severity::Info, &path).with("uid", "33");
            flagged.results.push(ScannerResult::new("ioc", vec![ioc]));
            flagged.results.push(ScannerResult::new("processes", vec![process]));
        }
        Workplace::of(vec![flagged, report("host-01", 1, true)])
    }

    /// Hosts with one scan each.
    pub(crate) fn of(reports: Vec<Report>) -> Workplace {
        let workplace = Workplace { directory: tempfile::tempdir().unwrap() };
        let writer = Scans::create(&workplace.path("scans")).unwrap();
        for mut report in reports {
            report.recount();
            writer.write(report.hostname(), 0, &report).unwrap();
        }
        workplace
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn correlate(&self) {
        let inputs = [("scans", Type::SCANS)];
        let job = self.job(
            "correlate",
            json!({"profile": "intended", "suspect_at": 40}),
            &inputs,
            &["findings", "correlations"],
            2,
        );
        (Kind::of::<Correlate>().run)(&job.params, &Context::new(job.clone(), Box::new(std::io::sink()))).unwrap();
    }

    fn job(&self, kind: &str, params: Value, inputs: &[(&str, Type)], outputs: &[&str], threads: u32) -> Job {
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
            limits: Limits { threads, memory: 0 },
            trace: "test".into(),
        }
    }

    pub(crate) fn transform(&self, threads: u32) -> Result<(), StageError> {
        self.transform_with(TransformParams { seed: 42, ..TransformParams::default() }, threads)
    }

    pub(crate) fn transform_with(&self, params: TransformParams, threads: u32) -> Result<(), StageError> {
        let verification = self.path("verification");
        if !verification.exists() {
            std::fs::write(verification, r#"{"overall_status":"passed","checks":[]}"#).unwrap();
        }
        let params = serde_json::to_value(params).unwrap();
        let inputs =
            [("findings", Type::FINDINGS), ("correlations", Type::CORRELATIONS), ("verification", Type::METRICS)];
        let optional = [("tokenizer", Type::FILE), ("truth", Type::TRUTH)];
        let optional = optional.into_iter().filter(|(name, _)| self.path(name).exists());
        let inputs: Vec<(&str, Type)> = inputs.into_iter().chain(optional).collect();
        let job = self.job("transform", params, &inputs, &["documents", "dataset"], threads);
        let events = std::fs::File::create(self.path("events")).unwrap();
        (Kind::of::<Transform>().run)(&job.params, &Context::new(job.clone(), Box::new(events)))
    }

    /// The warnings of the last run of `transform`.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("events")).unwrap();
        let logs = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["log"].clone());
        let warnings = logs.filter(|log| log["level"].as_str().is_some_and(|level| level.starts_with("warn")));
        warnings.map(|log| log["message"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn lines(&self, split: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("dataset").join(format!("{split}.jsonl"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The document of the scan that a line is of.
    pub(crate) fn document(&self, line: &Value) -> Value {
        let scan = format!("{:04}.json", line["scan"].as_u64().unwrap());
        let path = self.path("documents").join(line["host"].as_str().unwrap()).join(scan);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    pub(crate) fn documents(&self) -> Vec<(PathBuf, Value)> {
        let mut documents = Vec::new();
        for host in std::fs::read_dir(self.path("documents")).unwrap() {
            for file in std::fs::read_dir(host.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                documents.push((path, value));
            }
        }
        documents.sort_by(|a, b| a.0.cmp(&b.0));
        documents
    }
}

pub(crate) fn content(line: &Value, place: usize) -> &str {
    line["messages"][place]["content"].as_str().unwrap()
}
