//! The stage as the worker runs it, on directories of reports.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use contract::{Context, Digest, Job, JobInput, Kind, Limits, StageError, Type};
use ingest::Ingest;
use scan::{Report, Scans};
use serde_json::{Value, json};

struct Bench {
    directory: tempfile::TempDir,
    events: Events,
}

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<u8>>>);

impl Write for Events {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { directory: tempfile::tempdir().unwrap(), events: Events::default() };
        fs::create_dir(bench.reports()).unwrap();
        bench
    }

    fn reports(&self) -> PathBuf {
        self.directory.path().join("reports")
    }

    fn scans(&self) -> PathBuf {
        self.directory.path().join("scans")
    }

    fn report(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut document = real();
        change(&mut document);
        let path = self.reports().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, document.to_string()).unwrap();
    }

    fn run(&self, on_bad: &str) -> Result<(), StageError> {
        let input = JobInput { label: None, path: self.reports(), artifact: Type::Dir, digest: Digest::of(b"") };
        let job = Job {
            kind: "ingest".into(),
            version: 1,
            params: json!({"on_bad": on_bad}),
            inputs: BTreeMap::from([("reports".into(), vec![input])]),
            outputs: BTreeMap::from([("scans".into(), self.scans())]),
            scratch: self.directory.path().join("scratch"),
            checkpoints: self.directory.path().join("checkpoints"),
            limits: Limits { threads: 2, memory: 0 },
            trace: "test".into(),
        };
        let params = job.params.clone();
        (Kind::of::<Ingest>().run)(&params, &Context::new(job, Box::new(self.events.clone())))
    }

    fn log(&self) -> String {
        String::from_utf8(self.events.0.lock().unwrap().clone()).unwrap()
    }
}

fn real_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data/reports/debian12_scanner_v6.json")
}

fn real() -> Value {
    serde_json::from_slice(&fs::read(real_path()).unwrap()).unwrap()
}

fn started(document: &mut Value, host: &str, at: &str) {
    document["meta"]["hostname"] = json!(host);
    document["summary"]["started_at"] = json!(at);
}

#[test]
fn the_real_report_keeps_every_finding_and_the_log_says_what_changed() {
    let bench = Bench::new();
    fs::copy(real_path(), bench.reports().join("scan.json")).unwrap();
    fs::write(bench.reports().join("NOTICE"), "words").unwrap();
    bench.run("fail").unwrap();
    let scans = Scans::open(&bench.scans()).unwrap();
    assert_eq!(scans.len(), 1);
    let written = scans.iter().next().unwrap().read().unwrap();
    assert_eq!(written, Report::read(&real_path()).unwrap());
    let log = bench.log();
    assert!(log.contains("scan.json: 118 scores read from strings, 118 risk scores filled in, 1 compliance"), "{log}");
    assert!(log.contains(r#"{"metric":{"name":"findings","value":118.0}}"#), "{log}");
    assert!(log.contains("left aside, not *.json: NOTICE"), "{log}");
}

#[test]
fn the_output_is_the_golden_one() {
    let bench = Bench::new();
    fs::copy(real_path(), bench.reports().join("scan.json")).unwrap();
    bench.run("fail").unwrap();
    let bytes = fs::read(bench.scans().join("host-a/0000.json")).unwrap();
    // When this moves, the same report gives other bytes: raise the card's version.
    assert_eq!(Digest::of(&bytes).short(), "28ec5a4921");
}

#[test]
fn reports_of_one_host_become_its_history_by_start() {
    let bench = Bench::new();
    bench.report("z.json", |d| started(d, "a", "2026-01-01T00:00:00Z"));
    bench.report("sub/y.json", |d| started(d, "a", "2026-01-03T00:00:00Z"));
    bench.report("b.json", |d| started(d, "a", "2026-01-02T00:00:00Z"));
    bench.report("c.json", |d| started(d, "b", "2026-01-02T00:00:00Z"));
    bench.run("fail").unwrap();
    let scans = Scans::open(&bench.scans()).unwrap();
    let seen: Vec<_> = scans
        .iter()
        .map(|file| (file.host.clone(), file.scan, file.read().unwrap().started_at().unwrap()[8..10].to_owned()))
        .collect();
    let expected = [("a", 0, "01"), ("a", 1, "02"), ("a", 2, "03"), ("b", 0, "02")];
    assert_eq!(seen, expected.map(|(host, scan, day)| (host.to_owned(), scan, day.to_owned())));
}

#[test]
fn bad_files_are_all_named_with_path_and_pointer() {
    let bench = Bench::new();
    bench.report("good.json", |_| ());
    bench.report("severity.json", |d| d["results"][0]["findings"][3]["severity"] = json!("grave"));
    bench.report("host.json", |d| d["meta"]["hostname"] = json!("../up"));
    fs::write(bench.reports().join("cut.json"), "{\"meta\":").unwrap();
    let error = bench.run("fail").unwrap_err();
    for expected in [
        "3 of the reports",
        "severity.json: at /results/0/findings/3/severity",
        "host.json: at /meta/hostname",
        "cut.json: at",
    ] {
        assert!(error.message.contains(expected), "{}", error.message);
    }
    assert!(error.help.unwrap().contains("on_bad: skip"));
}

#[test]
fn skipping_counts_and_lists_them() {
    let bench = Bench::new();
    bench.report("good.json", |_| ());
    fs::write(bench.reports().join("cut.json"), "[]").unwrap();
    bench.run("skip").unwrap();
    assert_eq!(Scans::open(&bench.scans()).unwrap().len(), 1);
    let log = bench.log();
    assert!(log.contains("cut.json: at") && log.contains(r#""name":"skipped","value":1.0"#), "{log}");
}

#[test]
fn a_directory_without_a_readable_report_is_an_error() {
    let bench = Bench::new();
    assert!(bench.run("skip").unwrap_err().message.contains("no *.json"));
    fs::write(bench.reports().join("cut.json"), "[]").unwrap();
    assert!(bench.run("skip").unwrap_err().message.contains("cut.json"));
}

#[test]
fn a_stage_s_own_output_can_be_ingested_again_unchanged() {
    let first = Bench::new();
    first.report("r.json", |_| ());
    first.run("fail").unwrap();
    let second = Bench::new();
    fs::create_dir(second.reports().join("host-a")).unwrap();
    fs::copy(first.scans().join("host-a/0000.json"), second.reports().join("host-a/0000.json")).unwrap();
    second.run("fail").unwrap();
    let read = |bench: &Bench| fs::read(bench.scans().join("host-a/0000.json")).unwrap();
    assert_eq!(read(&first), read(&second));
    assert!(second.log().contains("nothing changed"));
}
