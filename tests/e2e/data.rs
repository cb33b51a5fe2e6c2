//! `pipelines/data.yaml`: simulated scans, real ones, and both, to documents and training text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::project::{Project, checkout, expected, outcomes, worker};

const SMALL: [&str; 2] = ["-S", "hosts=6"];

fn text() -> String {
    std::fs::read_to_string(checkout().join("pipelines/data.yaml")).unwrap()
}

fn project(pipeline: &str) -> Project {
    worker("pipe-data");
    let project = Project::with_pipeline(pipeline);
    let report = "pipelines/data/reports/debian12_scanner_v6.json";
    project.write(report, &std::fs::read_to_string(checkout().join(report)).unwrap());
    project
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn schema(name: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&json(&checkout().join("schemas").join(name))).unwrap()
}

fn violations(schema: &jsonschema::Validator, value: &Value) -> Vec<String> {
    schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Every `<host>/<NNNN>.json` of a directory.
fn documents(directory: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut all: Vec<PathBuf> = entries(directory).iter().flat_map(|host| entries(host)).collect();
    all.sort();
    all
}

/// The digest of every output of a run, by stage and port.
fn digests(report: &Value) -> Vec<(String, Value)> {
    let stages = report["stages"].as_object().unwrap();
    let ports = |(stage, entry): (&String, &Value)| {
        let outputs = entry["outputs"].as_object().unwrap().clone();
        let stage = stage.clone();
        outputs.into_iter().map(move |(port, output)| (format!("{stage}.{port}"), output["digest"].clone()))
    };
    stages.iter().flat_map(ports).collect()
}

#[test]
fn another_seed_makes_other_scans_and_leaves_the_real_ones() {
    let project = project(&text());
    let first = project.run_json(&SMALL, 0);
    assert_eq!(json(&project.path("out/data/verified/verification.json"))["overall_status"], "passed");
    assert!(real_document(&project, "out/data/dataset/documents").is_file());
    assert_eq!(json(&project.path("out/data/gate/verification.json"))["overall_status"], "passed");
    assert!(outcomes(&project.run_json(&SMALL, 0)).iter().all(|(_, outcome)| outcome == "hit"));
    let other = project.run_json(&["-S", "hosts=6", "-S", "seed=43"], 0);
    for ((port, before), (_, after)) in digests(&first).iter().zip(digests(&other)) {
        let same = *before == after;
        assert_eq!(same, port == "real.scans", "{port}");
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let threads = |n: u32| text().replace("\n    uses:", &format!("\n    resources: {{cpus: {n}}}\n    uses:"));
    let project = project(&threads(1));
    let one = project.run_json(&SMALL, 0);
    project.write("p.yaml", &threads(8));
    // Resources are not part of a key, so only a refresh runs it again.
    let stages = ["scans", "real", "correlations", "verified", "dataset", "gate"];
    let refresh: Vec<&str> = stages.iter().flat_map(|stage| ["--refresh", stage]).collect();
    let many = project.run_json(&[&SMALL[..], &refresh[..]].concat(), 0);
    assert!(outcomes(&many).iter().all(|(_, outcome)| outcome == "ran"), "{many}");
    assert_eq!(digests(&one), digests(&many));
}

/// The document of the real host, which has a pseudonym.
fn real_document(project: &Project, documents: &str) -> PathBuf {
    let hosts = std::fs::read_dir(project.path(documents)).unwrap().map(|entry| entry.unwrap());
    let mut real = hosts.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with("host-")));
    let directory = real.next().expect("a host under a pseudonym");
    assert!(real.next().is_none() && directory.file_name() != "host-a");
    directory.path().join("0000.json")
}

#[test]
fn real_reports_alone_go_the_whole_way() {
    let pipeline = r#"pipeline: real
stages:
  scans: {uses: ingest, in: {reports: {path: pipelines/data/reports}}}
  correlations: {uses: correlate, in: {scans: scans}}
  verified:
    uses: verify
    in: {scans: scans, findings: correlations.findings, correlations: correlations.correlations}
  dataset:
    uses: transform
    in: {findings: correlations.findings, correlations: correlations.correlations, verification: verified.verification}
"#;
    let project = project(pipeline);
    let stages = ["scans", "correlations", "verified", "dataset"];
    assert_eq!(project.outcomes(&[]), expected(&stages.map(|stage| (stage, "ran"))));
    let document = json(&real_document(&project, "out/real/dataset/documents"));
    assert_eq!(document["enriched_findings"].as_array().unwrap().len(), 118);
}

/// Faults that spoil a training set, with the gate's message.
const SPOILED: [(&str, &str, &str); 2] = [
    ("head -1 train.jsonl >> test.jsonl", "split_leakage", "test.jsonl:"),
    (
        r#"head -1 train.jsonl | sed 's/"assistant","content":"/&{}/' >> train.jsonl"#,
        "label_conflicts",
        "has another answer",
    ),
];

#[test]
fn a_spoiled_training_set_stops_at_the_gate() {
    let with_spoiler = |spoil: &str, on_failed: &str| {
        let mut pipeline = text().replace("dataset: dataset.dataset}", "dataset: spoiled}");
        assert_ne!(pipeline, text());
        pipeline.push_str(&format!(
            r#"    with: {{on_failed: {on_failed}}}
  spoiled:
    uses: command
    run: |
      cp -r ${{in.dataset}} ${{out.dataset}} && chmod -R u+w ${{out.dataset}} && cd ${{out.dataset}} && {spoil}
    in: {{dataset: dataset.dataset}}
    out: {{dataset: {{path: out/spoiled, type: dataset}}}}
  lesson:
    uses: command
    run: cat ${{in.dataset}}/train.jsonl > ${{out.learned}}
    in: {{dataset: spoiled}}
    out: {{learned: out/learned}}
    when: "${{stages.gate.metrics.failed_checks == 0}}"
"#
        ));
        pipeline
    };
    let project = project("");
    for (spoil, check, told) in SPOILED {
        project.write("p.yaml", &with_spoiler(spoil, "stop"));
        let report = project.run_json(&SMALL, 1);
        let ended = outcomes(&report);
        assert_eq!((ended["gate"].as_str(), ended["lesson"].as_str()), ("failed", "blocked"), "{check}");
        let message = report["stages"]["gate"]["failure"]["message"].as_str().unwrap();
        assert!(message.contains(check) && message.contains(told), "{message}");

        project.write("p.yaml", &with_spoiler(spoil, "report"));
        let report = project.run_json(&SMALL, 0);
        assert_eq!(report["stages"]["lesson"]["outcome"], "skipped", "{check}: {report}");
        assert_eq!(json(&project.path("out/data/gate/verification.json"))["overall_status"], "failed");
    }
    project.write("p.yaml", &with_spoiler("true", "stop"));
    let ended = outcomes(&project.run_json(&SMALL, 0));
    assert_eq!(ended["lesson"], "ran");
}

/// A gate that failed keeps no output, so everything must be in its log.
#[test]
fn the_example_of_the_earlier_pipeline_is_refused_with_every_violation_in_the_log() {
    let project = project("pipeline: old\nstages:\n  gate: {uses: verify, in: {documents: {path: documents}}}\n");
    let example = "stages/verify/tests/fixtures/synthetic_ground_truth_example.json";
    project.write("documents/old/0000.json", &std::fs::read_to_string(checkout().join(example)).unwrap());
    let report = project.run_json(&[], 1);
    let message = report["stages"]["gate"]["failure"]["message"].as_str().unwrap();
    assert!(message.contains("84 wrong") && message.contains("and 79 more"), "{message}");
    let log = project.pipe(&["logs", "gate"]).stdout;
    let told = log.lines().filter(|line| line.contains("documents/old/0000 /")).count();
    assert_eq!(told, 84, "{log}");
}

/// A report that no table was filled from, with every unit twice: the whole way, and compared with simulated hosts.
#[test]
fn a_report_that_fed_no_table_is_compared_and_its_repetitions_are_tolerated() {
    let project = project(&text());
    let report = std::fs::read_to_string(checkout().join("stages/verify/held_out/debian12_container.json")).unwrap();
    project.write("held_out/debian12_container.json", &report);
    let args = ["-S", "hosts=20", "-S", "reports=held_out"];
    assert!(project.outcomes(&args).iter().all(|(_, outcome)| outcome == "ran"));
    let check = |gate: &str, name: &str| {
        let report = json(&project.path(&format!("out/data/{gate}/verification.json")));
        assert_eq!(report["overall_status"], "warning", "{gate}");
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap().clone()
    };
    for gate in ["verified", "gate"] {
        let duplicates = check(gate, "duplicates");
        assert_eq!((&duplicates["status"], &duplicates["figure"]), (&"warning".into(), &0.0.into()), "{gate}");
        assert_eq!(duplicates["tolerated_count"], 223, "{gate}");
    }
    let realism = check("verified", "realism");
    let measured: Vec<&Value> =
        realism["measures"].as_array().unwrap().iter().filter(|measure| measure["value"].is_number()).collect();
    let [units] = measured[..] else { panic!("{realism}") };
    assert_eq!((&units["part"], &units["items"]), (&"systemd_units".into(), &448.into()));
    let figure = |key: &str| units[key].as_f64().unwrap();
    assert!(figure("low") < figure("value") && figure("value") < figure("high"), "{units}");
}

#[test]
fn stages_can_use_the_jobserver_of_their_launch() {
    let project = project(&text());
    project.run_json(&SMALL, 0);
    for stage in ["real", "scans", "correlations", "verified", "dataset", "gate"] {
        let log = project.pipe(&["logs", stage]).stdout;
        assert!(log.contains(" threads worked at once"), "{stage}: {log}");
        assert!(!log.contains("jobserver"), "{stage}: {log}");
    }
}

/// Enough hosts for the scanners that run on few of them. The validator here is no code of ours.
#[test]
fn documents_and_answers_of_every_scanner_are_valid() {
    let project = project(&text());
    project.run_json(&["-S", "hosts=80"], 0);
    let ground_truth = schema("ground_truth_schema.json");
    let mut scanners: BTreeSet<String> = BTreeSet::new();
    let mut findings = 0;
    for path in documents(&project.path("out/data/dataset/documents")) {
        let document = json(&path);
        let violations = violations(&ground_truth, &document);
        assert!(violations.is_empty(), "{}: {violations:?}", path.display());
        for finding in document["enriched_findings"].as_array().unwrap() {
            scanners.insert(finding["scanner"].as_str().unwrap().to_owned());
            findings += 1;
        }
    }
    let profiles = std::fs::read_dir(checkout().join("crates/scan/profile")).unwrap();
    let profiles =
        profiles.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    let mut known: BTreeSet<String> =
        profiles.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    known.remove("hosts");
    assert_eq!(scanners, known, "a scanner is missing: it takes more hosts to see it");
    let enriched = std::fs::read_to_string(project.path("out/data/correlations/findings.jsonl")).unwrap();
    assert_eq!(findings, enriched.lines().count());

    let mut tasks: BTreeMap<String, jsonschema::Validator> = BTreeMap::new();
    for split in ["train", "validation", "test"] {
        let text = std::fs::read_to_string(project.path(&format!("out/data/dataset/dataset/{split}.jsonl"))).unwrap();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let task = line["task"].as_str().unwrap().to_owned();
            let schema = tasks.entry(task).or_insert_with_key(|task| schema(&format!("answers/{task}.json")));
            let answer: Value = serde_json::from_str(line["messages"][2]["content"].as_str().unwrap()).unwrap();
            let violations = violations(schema, &answer);
            assert!(violations.is_empty(), "{line}: {violations:?}");
        }
    }
    assert_eq!(tasks.len(), 6, "a task has no example");

    // Bytes, of which a byte-level BPE makes at most as many tokens; Llama 3's chat form adds fewer than 48.
    let manifest = json(&project.path("out/data/dataset/dataset/manifest.json"));
    for (task, tokens) in [("finding", 512), ("summary", 4096)] {
        for (split, figures) in manifest["splits"].as_object().unwrap() {
            let longest = figures["lines"]["longest"][task].as_u64().unwrap();
            assert!(longest <= tokens - 48, "{split}: a `{task}` example has {longest} bytes");
        }
    }
}
