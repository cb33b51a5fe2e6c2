//! The stage as the worker runs it, on directories of reports.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use contract::{Context, Digest, Job, JobInput, Kind, Limits, Stage, StageError, Type};
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
        self.run_with(json!({"on_bad": on_bad, "unnamed": "refuse"}))
    }

    fn run_with(&self, params: Value) -> Result<(), StageError> {
        let input = JobInput { label: None, path: self.reports(), artifact: Type::DIR, digest: Digest::of(b"") };
        let job = Job {
            kind: "ingest".into(),
            version: Ingest::card().version,
            params,
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
    let mut expected = Report::read(&real_path()).unwrap();
    expected.mark_ingested();
    assert_eq!(written, expected);
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
    assert_eq!(Digest::of(&bytes).short(), "1e075d16e4");
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

/// A list of the values of an object in their order is no object.
#[test]
fn a_list_in_place_of_an_object_is_refused_where_it_stands() {
    let bench = Bench::new();
    let report = real();
    let keys = ["meta", "summary", "results", "collection_warnings", "scanner_errors", "summary_extension"];
    let mut whole: Vec<Value> = keys.iter().map(|key| report[key].clone()).collect();
    whole.extend([report["compliance_summary"].clone(), json!([])]);
    fs::write(bench.reports().join("whole.json"), json!(whole).to_string()).unwrap();
    bench.report("result.json", |d| d["results"][1] = json!(["ioc", 0, [], null, null, null]));
    bench.report("warning.json", |d| d["collection_warnings"] = json!([["ioc", "late", null, null]]));
    bench.report("scanner.json", |d| d["scanner_errors"] = json!([["ioc", "gone"]]));
    let message = bench.run("fail").unwrap_err().message;
    for expected in [
        "4 of the reports",
        "whole.json: at the document: invalid type: sequence, expected an object",
        "result.json: at /results/1: invalid type: sequence, expected an object",
        "warning.json: at /collection_warnings/0: invalid type: sequence, expected an object",
        "scanner.json: at /scanner_errors/0: invalid type: sequence, expected an object",
    ] {
        assert!(message.contains(expected), "{message}");
    }
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
    assert!(bench.run("skip").unwrap_err().message.contains("no *.json: it is empty"));
    fs::write(bench.reports().join("scan.sarif"), "{}").unwrap();
    fs::write(bench.reports().join(".scan.json"), "{}").unwrap();
    bench.report("a/b/deep.json", |_| ());
    let message = bench.run("skip").unwrap_err().message;
    let seen = "1 other files (scan.sarif), 1 hidden files, which are skipped (.scan.json), 1 directories that lie too deep (a/b)";
    assert!(message.contains(seen), "{message}");
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

#[test]
fn history_goes_by_the_moment_and_not_by_how_it_is_written() {
    let bench = Bench::new();
    bench.report("a.json", |d| started(d, "h", "2026-01-01T12:00:00Z"));
    bench.report("b.json", |d| started(d, "h", "2026-01-01T12:30:00+02:00"));
    bench.report("c.json", |d| started(d, "h", "2026-01-01T11:00:00.5Z"));
    bench.report("d.json", |d| started(d, "h", "some day"));
    bench.run("fail").unwrap();
    let scans = Scans::open(&bench.scans()).unwrap();
    let order: Vec<_> = scans.iter().map(|file| file.read().unwrap().started_at().unwrap().to_owned()).collect();
    assert_eq!(order, ["some day", "2026-01-01T12:30:00+02:00", "2026-01-01T11:00:00.5Z", "2026-01-01T12:00:00Z"]);
    let log = bench.log();
    assert!(log.contains("host h: of 4 reports 1 without a readable /summary/started_at come first"), "{log}");
}

#[test]
fn many_doubtful_reports_of_a_host_are_one_warning() {
    let bench = Bench::new();
    for n in 0..6 {
        bench.report(&format!("{n}.json"), |_| ());
    }
    bench.run("fail").unwrap();
    let log = bench.log();
    assert_eq!(log.matches("in the order of their names").count(), 1, "{log}");
    assert!(log.contains("of 6 reports 5 start when the one before does (0.json and 1.json"), "{log}");
}

#[test]
fn thousands_of_findings_and_a_scanner_listed_twice_are_kept_with_raw_ids() {
    let bench = Bench::new();
    bench.report("r.json", |d| {
        let finding = d["results"][0]["findings"][0].clone();
        let many = |n: usize| vec![finding.clone(); n];
        d["results"] = json!([
            {"scanner": "processes", "finding_count": 3000, "findings": many(3000)},
            {"scanner": "processes", "findings": many(5)},
        ]);
    });
    bench.run("fail").unwrap();
    let report = Scans::open(&bench.scans()).unwrap().iter().next().unwrap().read().unwrap();
    assert_eq!(report.results.iter().map(|result| result.findings.len()).collect::<Vec<_>>(), [3000, 5]);
    let id = &report.results[0].findings[0].id;
    assert!(report.findings().all(|(scanner, finding)| scanner == "processes" && finding.id == *id));
    let log = bench.log();
    for metric in [r#""name":"findings","value":3005.0"#, r#""name":"risk_filled","value":3005.0"#] {
        assert!(log.contains(metric), "{log}");
    }
}

#[test]
fn a_report_of_the_agent_with_integers_is_read() {
    let bench = Bench::new();
    let text = r#"{"meta":{"hostname":"h1","tool_version":"0.1","json_schema_version":"2"},"summary":{},"results":[
        {"scanner":"network","finding_count":1,"findings":[{"id":"n1","title":"TCP 22 listening","severity":"info",
         "risk_score":10,"metadata":{"state":"LISTEN","port":22}}]}],
        "collection_warnings":[],"scanner_errors":[],"summary_extension":{"total_risk_score":10}}"#;
    fs::write(bench.reports().join("sample.json"), text).unwrap();
    bench.run("fail").unwrap();
    let bytes = fs::read(bench.scans().join("h1/0000.json")).unwrap();
    assert!(String::from_utf8(bytes).unwrap().contains(r#""metadata":{"port":"22","state":"LISTEN"}"#));
}

#[test]
fn every_skipped_file_is_in_the_log_and_what_lies_too_deep_is_named() {
    let bench = Bench::new();
    bench.report("good.json", |_| ());
    bench.report("a/b/deep.json", |_| ());
    for n in 0..30 {
        fs::write(bench.reports().join(format!("bad{n:02}.json")), "{}").unwrap();
    }
    bench.run("skip").unwrap();
    let log = bench.log();
    assert!((0..30).all(|n| log.contains(&format!("bad{n:02}.json: at the document"))), "{log}");
    assert!(log.contains("and 10 more") && log.contains("one directory down: a/b"), "{log}");
}

#[test]
fn memory_does_not_grow_with_the_number_of_reports() {
    let peak_kib = || -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let bench = Bench::new();
    let mut document = real();
    let finding = document["results"][0]["findings"][0].clone();
    document["results"] = json!([{"scanner": "processes", "finding_count": 1500, "findings": vec![finding; 1500]}]);
    let text = document.to_string();
    drop(document);
    let copies = |from: usize, to: usize| {
        (from..to).for_each(|n| fs::write(bench.reports().join(format!("{n:02}.json")), &text).unwrap());
    };
    copies(0, 4);
    bench.run("fail").unwrap();
    let few = peak_kib();
    fs::remove_dir_all(bench.scans()).unwrap();
    copies(4, 40);
    bench.run("fail").unwrap();
    let grown = peak_kib() - few;
    let held = 36 * text.len() as u64 / 1024;
    assert!(grown < held / 2, "{grown} KiB more for 36 more reports, whose text alone is {held} KiB");
}

/// The ids of the findings of the only scan.
fn ids(bench: &Bench) -> Vec<String> {
    let report = Scans::open(&bench.scans()).unwrap().iter().next().unwrap().read().unwrap();
    report.findings().map(|(_, finding)| finding.id.clone()).collect()
}

/// A report whose first findings have these ids, as bytes.
fn with_ids(ids: &[&[u8]]) -> Vec<u8> {
    let mut document = real();
    let finding = document["results"][0]["findings"][0].clone();
    let named = |number: usize| {
        let mut finding = finding.clone();
        finding["id"] = json!(format!("ID-{number}-"));
        finding
    };
    let findings: Vec<Value> = (0..ids.len()).map(named).collect();
    document["results"] = json!([{"scanner": "suid_sgid", "finding_count": ids.len(), "findings": findings}]);
    let mut bytes = document.to_string().into_bytes();
    for (number, id) in ids.iter().enumerate() {
        let mark = format!("ID-{number}-").into_bytes();
        let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap();
        bytes.splice(at..at + mark.len(), id.iter().copied());
    }
    bytes
}

#[test]
fn names_that_are_no_text_cost_no_host_and_stay_apart() {
    let bench = Bench::new();
    let raw: [&[u8]; 5] =
        [b"/usr/bin/\xff\xfe", b"/usr/bin/\xfe\xff", b"/usr/bin/\\ud800", b"/usr/bin/\xd8", b"/usr/bin/ok"];
    fs::write(bench.reports().join("odd.json"), with_ids(&raw)).unwrap();
    bench.run("fail").unwrap();
    let expected = ["\u{fffd}ff\u{fffd}fe", "\u{fffd}fe\u{fffd}ff", "\u{fffd}ud800", "\u{fffd}d8", "ok"];
    assert_eq!(ids(&bench), expected.map(|name| format!("/usr/bin/{name}")));
    let log = bench.log();
    assert!(log.contains(r#""name":"texts_mended","value":4.0"#), "{log}");
    let warning = "odd.json: 4 strings hold bytes that are no UTF-8 or lone surrogates, each kept as U+FFFD and its digits (at \
                   /results/0/findings/0/id, /results/0/findings/1/id, /results/0/findings/2/id, ...)";
    assert!(log.contains(warning), "{log}");
}

#[test]
fn other_encodings_of_json_are_read() {
    let text = real().to_string();
    let units = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(unit).collect()
    };
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend_from_slice(text.as_bytes());
    let plain = Bench::new();
    fs::write(plain.reports().join("r.json"), &text).unwrap();
    plain.run("fail").unwrap();
    for bytes in [marked, units(u16::to_le_bytes), units(u16::to_be_bytes)] {
        let bench = Bench::new();
        fs::write(bench.reports().join("r.json"), bytes).unwrap();
        bench.run("fail").unwrap();
        let read = |bench: &Bench| fs::read(bench.scans().join("host-a/0000.json")).unwrap();
        assert_eq!(read(&bench), read(&plain));
        assert!(bench.log().contains(r#""name":"reencoded","value":1.0"#));
    }
}

#[test]
fn what_is_no_report_is_named_for_what_it_is() {
    let bench = Bench::new();
    let files: [(&str, &[u8], &str); 8] = [
        ("a.json", b"\x1f\x8b\x08\0", "a.json: at the document: this is gzip"),
        ("b.json", br#"{"version": "2.1.0", "runs": [{"results": []}]}"#, "b.json: at the document: this is SARIF"),
        ("c.json", b"{\"a\": 1}\n{\"b\": 2}\n", "c.json: at the document: this is NDJSON"),
        ("d.json", b"<!doctype html>\n<html></html>", "d.json: at the document: this is an HTML page"),
        (
            "e.json",
            br#"{"enriched_findings": [], "summaries": {}}"#,
            "e.json: at the document: this is the agent's output",
        ),
        ("f.json", b"", "f.json: at the document: this is empty"),
        ("g.json", b"\xff\xfe{\0\"", "g.json: at the document: it is UTF-16 that ends within a character"),
        ("h.json", b"{\"meta\": \xff", "h.json: at the document: expected value"),
    ];
    for (name, bytes, _) in files {
        fs::write(bench.reports().join(name), bytes).unwrap();
    }
    let message = bench.run("fail").unwrap_err().message;
    for (_, _, expected) in files {
        assert!(message.contains(expected), "{expected} in {message}");
    }
}

#[test]
fn a_key_that_meta_has_twice_is_an_error() {
    let bench = Bench::new();
    for (name, from, to) in [
        ("name.json", "\"hostname\":", "\"hostname\":\"other\",\"hostname\":"),
        ("deep.json", "\"hostname\":", "\"extra\":{\"x\":1,\"x\":2},\"hostname\":"),
    ] {
        fs::write(bench.reports().join(name), real().to_string().replacen(from, to, 1)).unwrap();
    }
    let message = bench.run("fail").unwrap_err().message;
    assert!(message.contains("name.json: at /meta: key `hostname` appears twice"), "{message}");
    assert!(message.contains("deep.json: at /meta/extra: key `x` appears twice"), "{message}");
}

#[test]
fn reports_without_a_host_are_named_as_the_params_say() {
    let unnamed = |bench: &Bench, name: &str| {
        bench.report(name, |d| drop(d["meta"].as_object_mut().unwrap().remove("hostname")));
    };
    let hosts = |bench: &Bench| -> Vec<String> {
        Scans::open(&bench.scans())
            .unwrap()
            .hosts()
            .map(|scans| scans[0].read().unwrap().hostname().to_owned())
            .collect()
    };
    let refused = Bench::new();
    unnamed(&refused, "web-1.json");
    let message = refused.run("fail").unwrap_err().message;
    assert!(message.contains("web-1.json: at /meta/hostname: a string is required here (param `unnamed`"), "{message}");
    for (params, expected) in [
        (json!("file"), ["host-a", "web-1"]),
        (json!("directory"), ["db-2", "host-a"]),
        (json!({"host": "gate-3"}), ["gate-3", "host-a"]),
    ] {
        let bench = Bench::new();
        unnamed(&bench, "db-2/web-1.json");
        bench.report("own.json", |_| ());
        bench.run_with(json!({"on_bad": "fail", "unnamed": params})).unwrap();
        assert_eq!(hosts(&bench), expected, "{params}");
        assert!(bench.log().contains(r#""name":"hosts_named","value":1.0"#));
    }
    let loose = Bench::new();
    unnamed(&loose, "web-1.json");
    let error = loose.run_with(json!({"on_bad": "fail", "unnamed": "directory"})).unwrap_err();
    assert!(error.message.contains("/meta/hostname"), "a file that lies in no directory has no name by it");
}

#[test]
fn keys_of_a_result_without_a_place_are_left_out_and_counted() {
    let bench = Bench::new();
    bench.report("r.json", |d| d["results"][0]["rating"] = json!({"a": [1]}));
    bench.run("fail").unwrap();
    assert!(bench.log().contains("key `rating` left out 1 times"), "{}", bench.log());
}

#[test]
fn hidden_files_are_skipped_and_told() {
    let bench = Bench::new();
    bench.report("r.json", |_| ());
    fs::write(bench.reports().join("._r.json"), "\0\x05").unwrap();
    bench.report(".git/x.json", |d| d["meta"]["hostname"] = json!("other"));
    bench.run("fail").unwrap();
    assert_eq!(Scans::open(&bench.scans()).unwrap().len(), 1);
    assert!(bench.log().contains("skipped, hidden: ._r.json .git"), "{}", bench.log());
}

#[test]
fn links_that_lead_nowhere_are_bad_reports_and_names_stay_in_one_line() {
    let bench = Bench::new();
    bench.report("a.json", |_| {});
    std::os::unix::fs::symlink("gone.json", bench.reports().join("b.json")).unwrap();
    std::os::unix::fs::symlink("c\nc.json", bench.reports().join("c\nc.json")).unwrap();
    let error = bench.run("fail").unwrap_err();
    assert!(error.message.contains("\n  b.json: a link that leads to no file"), "{}", error.message);
    assert!(error.message.contains("\n  c\\nc.json: a link that leads to no file"), "{}", error.message);
    assert!(!error.message.contains(bench.directory.path().to_str().unwrap()), "{}", error.message);
    bench.run("skip").unwrap();
    assert!(bench.scans().join("host-a/0000.json").exists());
}

#[test]
fn a_report_with_an_empty_name_is_helped_to_one() {
    let bench = Bench::new();
    bench.report("a.json", |document| document["meta"]["hostname"] = json!(""));
    let error = bench.run("fail").unwrap_err();
    assert!(error.message.contains("param `unnamed` names such hosts"), "{}", error.message);
}

#[test]
fn forms_that_are_no_report_are_named() {
    let check = |bytes: &[u8], named: &str| {
        let bench = Bench::new();
        fs::write(bench.reports().join("a.json"), bytes).unwrap();
        let error = bench.run("fail").unwrap_err();
        assert!(error.message.contains(named), "{named}: {}", error.message);
    };
    let wide = |unit: fn(u32) -> [u8; 4], mark: bool| -> Vec<u8> {
        let mark = mark.then_some('\u{feff}');
        mark.into_iter().chain("{\"meta\": {}}".chars()).flat_map(|c| unit(u32::from(c))).collect()
    };
    for mark in [false, true] {
        check(&wide(u32::to_le_bytes, mark), "this is UTF-32");
        check(&wide(u32::to_be_bytes, mark), "this is UTF-32");
    }
    check(b"{\"type\": \"meta\", \"hostname\": \"a\"}", "this is NDJSON");
    check(b"{\"type\": \"finding\", \"id\": \"a\"}\n", "this is NDJSON");
}
