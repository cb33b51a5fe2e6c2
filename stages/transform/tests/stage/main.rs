//! The stage as a worker runs it, over the real report and simulated hosts: documents validate, examples agree, splits hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use contract::Digest;
use scan::{Finding, ScannerResult, Severity};
use serde_json::{Value, json};
use transform::TransformParams;
use transform::tasks::answers;
use transform::tasks::finding::FindingAnswer;
use transform::tasks::task::Task;
use transform::tasks::triage::TriageAnswer;

use workplace::{Workplace, content};

mod describing;
mod foreign_text;
mod parquet;
mod redacting;
mod refined;
mod workplace;

/// Manifest, training split, data card and all documents that the card's version gives for [`Workplace::simulated`].
const GOLDEN: [&str; 4] = [
    "a7f318870b27a06066f76350f4e4b79048d94e25f70101683a7b79728b5c3ffe",
    "3e133ed9f6729bca6f4dae9d5ef7de8e87cfdc424be8a91a888b14ee45981a38",
    "8e4848c5b9a845150419cdd32024780e2492b02e96df48fc89ff6760e518845e",
    "a2eeffd848e005cf64c2550b447ca8c61ef977fef2ce10b064492ee44b81e5c9",
];

#[test]
fn every_document_validates_and_ids_are_unique_in_it() {
    let workplace = Workplace::with_real();
    workplace.correlate();
    workplace.transform(2).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../../../../schemas/ground_truth_schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let documents = workplace.documents();
    assert_eq!(documents.len(), 25);
    for (path, document) in &documents {
        let errors: Vec<String> =
            validator.iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        let findings = document["enriched_findings"].as_array().unwrap();
        let ids: BTreeSet<&str> = findings.iter().map(|f| f["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), findings.len());
        let named = document["correlations"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|c| c["related_finding_ids"].as_array().unwrap());
        assert!(named.into_iter().all(|id| ids.contains(id.as_str().unwrap())), "a correlation names no finding");
    }
    let attacked = &documents.iter().find(|(path, _)| path.ends_with("host-00/0001.json")).unwrap().1;
    assert!(attacked["enriched_findings"].as_array().unwrap().iter().any(|f| f["id"] == "/usr/bin/passwd#2"));
    assert!(!attacked["multi_host_correlation"].as_array().unwrap().is_empty());
    assert_eq!(attacked["raw_reference"], json!({"host": "host-00", "scan": 1}));
    assert!(attacked["actions"][0]["priority"] == "critical" || attacked["actions"][0]["priority"] == "high");
}

#[test]
fn the_real_report_gives_compact_examples_without_labels_in_the_prompt() {
    let workplace = Workplace::with_real();
    workplace.correlate();
    workplace.transform(1).unwrap();
    let all: Vec<Value> = ["train", "validation", "test"].iter().flat_map(|split| workplace.lines(split)).collect();
    assert!(all.iter().any(|line| line["host"] == "host-a"));
    let mut sizes = Vec::new();
    for line in all.iter().filter(|line| line["task"] == "finding") {
        let answer: FindingAnswer = serde_json::from_str(content(line, 2)).unwrap();
        assert!(!answer.rationale.is_empty());
        let prompt = content(line, 1);
        for word in ["severity", "risk", "score"] {
            assert!(!prompt.contains(word), "{prompt}");
        }
        sizes.push((0..3).map(|place| content(line, place).len()).sum::<usize>());
    }
    sizes.sort_unstable();
    assert!(sizes[sizes.len() / 2] <= 300, "median {}", sizes[sizes.len() / 2]);
    assert!(sizes[sizes.len() - 1] <= 600, "longest {}", sizes[sizes.len() - 1]);
    // A byte-level BPE gives at most a token a byte, and Llama 3's chat form adds fewer than 48 tokens to three messages.
    let bytes = |line: &Value| (0..3).map(|place| content(line, place).len()).sum::<usize>();
    let longest = |task: &str| all.iter().filter(|line| line["task"] == task).map(bytes).max().unwrap();
    assert!(longest("finding") <= 512 - 48, "{}", longest("finding"));
    assert!(longest("summary") <= 4096 - 48, "{}", longest("summary"));
    let triage: Vec<&Value> = all.iter().filter(|line| line["task"] == "triage").collect();
    assert!(!triage.is_empty());
    for line in triage {
        let answer: TriageAnswer = serde_json::from_str(content(line, 2)).unwrap();
        assert!(!answer.top_findings.is_empty());
        let size: usize = (0..3).map(|place| content(line, place).len()).sum();
        assert!(size <= 2200, "{size}");
    }
}

#[test]
fn a_finding_is_rated_by_what_it_is_on_its_host_and_by_what_it_is_joined_with() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    workplace.transform(1).unwrap();
    let (mut servers, mut joined) = (0, 0);
    for line in ["train", "validation", "test"].iter().flat_map(|split| workplace.lines(split)) {
        if line["task"] != "finding" {
            continue;
        }
        let (prompt, answer) = (content(&line, 1), serde_json::from_str::<FindingAnswer>(content(&line, 2)).unwrap());
        if prompt.starts_with("processes: /usr/sbin/nginx") {
            let role = prompt.lines().nth(1).unwrap().split(' ').next().unwrap();
            let context = if role == "web" { "usual on a web server" } else { "usual on a web server, not here" };
            assert!(answer.rationale.contains(context), "{prompt}\n{}", answer.rationale);
            servers += 1;
        }
        let document = workplace.document(&line);
        let total = |finding: &Value| {
            finding["risk_total"] == answer.risk && finding["severity"].as_str() == Some(answer.severity.name())
        };
        assert!(document["enriched_findings"].as_array().unwrap().iter().any(total), "{prompt}");
        joined += usize::from(prompt.contains("\njoined: "));
    }
    assert!(servers > 0 && joined > 5, "{servers} {joined}");
}

/// A byte-level BPE gives at most a token a byte, so these bounds hold for every such tokenizer.
#[test]
fn examples_stay_short_however_long_the_texts_of_a_report_are() {
    let mut longest: BTreeMap<String, usize> = BTreeMap::new();
    for workplace in [Workplace::long_winded(), Workplace::flagged()] {
        workplace.correlate();
        workplace.transform(2).unwrap();
        for line in ["train", "test"].iter().flat_map(|split| workplace.lines(split)) {
            let size = (0..3).map(|place| content(&line, place).len()).sum::<usize>();
            let longest = longest.entry(line["task"].as_str().unwrap().to_owned()).or_default();
            *longest = size.max(*longest);
        }
    }
    assert_eq!(longest.len(), Task::ALL.len(), "{longest:?}");
    assert!(longest["finding"] <= 512 - 48, "{longest:?}");
    assert!(longest.values().all(|bytes| *bytes <= 4096 - 48), "{longest:?}");
    assert!(longest["actions"] > 2000 && longest["correlation"] > 2000, "{longest:?}");
}

#[test]
fn every_answer_validates_and_every_task_is_there() {
    let workplace = Workplace::with_real();
    workplace.correlate();
    workplace.transform(2).unwrap();
    let schemas: BTreeMap<&str, Value> =
        Task::ALL.map(|task| (task.name(), answers::schema(task).to_value())).into_iter().collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in ["train", "validation", "test"].iter().flat_map(|split| workplace.lines(split)) {
        let task = line["task"].as_str().unwrap();
        let answer: Value = serde_json::from_str(content(&line, 2)).unwrap();
        let validator = jsonschema::validator_for(&schemas[task]).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&answer).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{task}: {answer}: {errors:?}");
        // Names of an answer are names of its prompt's list.
        let prompt = content(&line, 1);
        for item in answer.as_array().into_iter().flatten() {
            for name in ["related_finding_ids", "finding_ids"].iter().flat_map(|key| item[key].as_array()).flatten() {
                let start = format!("{} ", name.as_str().unwrap());
                assert!(prompt.lines().any(|line| line.starts_with(&start)), "{name} in {prompt}");
            }
        }
        *counts.entry(task.to_owned()).or_default() += 1;
    }
    assert_eq!(counts.len(), Task::ALL.len(), "{counts:?}");
}

#[test]
fn a_correlation_is_asked_for_where_all_its_findings_are_listed() {
    let workplace = Workplace::crowded();
    workplace.correlate();
    workplace.transform(2).unwrap();
    let text = std::fs::read_to_string(workplace.path("correlations")).unwrap();
    let correlations: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(correlations.iter().any(|correlation| correlation["member_count"].as_u64() > Some(24)));
    let lines = workplace.lines("train");
    let (mut large, mut joined_prompts) = (0, 0);
    for line in lines.iter().filter(|line| line["task"] == "correlation") {
        let (prompt, host) = (content(line, 1), &line["host"]);
        let listed = prompt.lines().filter(|line| line.starts_with('f')).count();
        assert!(listed <= 24, "{prompt}");
        large += usize::from(prompt.contains("... and "));
        let answer: Value = serde_json::from_str(content(line, 2)).unwrap();
        joined_prompts += usize::from(!answer.as_array().unwrap().is_empty());
        for joined in answer.as_array().unwrap() {
            let names = joined["related_finding_ids"].as_array().unwrap().len();
            let like = correlations.iter().filter(|c| c["title"] == joined["title"] && c["host"] == *host);
            let sizes: BTreeSet<u64> = like.map(|c| c["member_count"].as_u64().unwrap()).collect();
            assert!(sizes.contains(&(names as u64)), "{names} of {sizes:?}: {joined} in {prompt}");
        }
    }
    assert!(large > 0 && joined_prompts > 0, "no large cluster was listed in part");
}

#[test]
fn splits_share_no_host_and_no_prompt() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    workplace.transform(2).unwrap();
    let mut hosts: BTreeMap<String, &str> = BTreeMap::new();
    let mut prompts: BTreeMap<String, &str> = BTreeMap::new();
    for split in ["train", "validation", "test"] {
        let lines = workplace.lines(split);
        assert!(!lines.is_empty(), "{split} is empty");
        for line in &lines {
            let host = line["host"].as_str().unwrap().to_owned();
            assert_eq!(*hosts.entry(host).or_insert(split), split);
            let prompt = format!("{} {}", line["task"], content(line, 1));
            assert!(prompts.insert(prompt, split).is_none(), "a prompt is there twice");
        }
    }
    let train: BTreeSet<String> = workplace.lines("train").iter().map(Value::to_string).collect();
    let calibration = workplace.lines("calibration");
    assert!(!calibration.is_empty() && calibration.iter().all(|line| train.contains(&line.to_string())));
}

#[test]
fn the_same_bytes_at_any_thread_count_and_the_golden_digests() {
    let digests = |threads: u32| {
        let workplace = Workplace::simulated();
        workplace.correlate();
        workplace.transform(threads).unwrap();
        let read = |path: PathBuf| std::fs::read(path).unwrap();
        let documents = workplace.documents().into_iter().flat_map(|(path, _)| read(path)).collect();
        let files = ["manifest.json", "train.jsonl", "README.md"];
        let [manifest, train, card] = files.map(|name| read(workplace.path("dataset").join(name)));
        [manifest, train, card, documents].map(|bytes| Digest::of(&bytes).to_string())
    };
    let one = digests(1);
    for threads in [2, 8] {
        assert_eq!(one, digests(threads), "{threads} threads");
    }
    assert_eq!(one, GOLDEN, "output moved: raise the card's version");
}

#[test]
fn hosts_of_one_attack_chain_share_a_split_where_truth_is_wired() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    let line =
        |host: &str, chain: Value| json!({"host": host, "scan": 0, "chain_id": chain, "role": "chain"}).to_string();
    let chained = ["host-01", "host-02", "host-05", "host-07"];
    let lines: Vec<String> =
        chained.iter().map(|host| line(host, json!("c"))).chain([line("host-04", Value::Null)]).collect();
    std::fs::write(workplace.path("truth"), lines.join("\n") + "\n").unwrap();
    let fractions = transform::selection::split::Fractions { validation: 0.4, test: 0.4 };
    let mut splits = BTreeSet::new();
    for seed in 0..6 {
        workplace.transform_with(TransformParams { seed, fractions, ..TransformParams::default() }, 2).unwrap();
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(workplace.path("dataset/manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["ties"]["chains"], 1);
        let has =
            |split: &str, host: &&str| manifest["splits"][split]["hosts"].as_array().unwrap().contains(&json!(host));
        let split = ["train", "validation", "test"].into_iter().find(|split| has(split, &chained[0])).unwrap();
        assert!(chained.iter().all(|host| has(split, host)), "{}", manifest["splits"]);
        splits.insert(split);
    }
    assert!(splits.len() > 1, "the chain was always in {splits:?}");
    std::fs::write(workplace.path("truth"), format!("{}\n{{\"host\":1}}\n", lines[0])).unwrap();
    let error = workplace.transform(1).unwrap_err();
    assert!(error.message.contains("truth:2: "), "{}", error.message);
}

#[test]
fn a_prompt_with_two_answers_is_left_out_counted_and_named() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    let path = workplace.path("findings");
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|l| l.contains("\"host-05\",\"scan\":1") && l.contains("/usr/bin/passwd")).unwrap();
    let mut changed = line.to_owned();
    for key in ["risk_score", "risk_total"] {
        let risk = line.split(&format!("\"{key}\":")).nth(1).unwrap().split(',').next().unwrap();
        changed = changed.replace(&format!("\"{key}\":{risk},"), &format!("\"{key}\":99,"));
    }
    std::fs::write(&path, text.replace(line, &changed)).unwrap();
    workplace.transform(2).unwrap();
    let warning = workplace.warnings().join("\n");
    assert!(warning.contains("left out: they have two answers") && warning.contains("host-05"), "{warning}");
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(workplace.path("dataset/manifest.json")).unwrap()).unwrap();
    assert!(manifest["contradictory"].as_u64().unwrap() > 0, "{manifest}");
    let named: Vec<Value> = warning.lines().filter_map(|line| serde_json::from_str(line.trim()).ok()).collect();
    assert!(named.len() > 1, "{warning}");
    for line in ["train", "validation", "test"].iter().flat_map(|split| workplace.lines(split)) {
        assert!(named.iter().all(|left_out| content(left_out, 1) != content(&line, 1)), "{line}");
    }
}

/// A unit without its setting, and a scanner that nobody knows.
#[test]
fn findings_of_unknown_form_cost_their_own_examples_and_no_dataset() {
    let unknown = |number: u32, severity: Severity| {
        let mut report = workplace::report(&format!("host-{number:02}"), number, false);
        let unit = Finding::new(format!("u{number}"), "Unit", Severity::Low, format!("description {number}"));
        let other = Finding::new("x", "A new thing", severity, "seen");
        report.results.push(ScannerResult::new("systemd_units", vec![unit]));
        report.results.push(ScannerResult::new("novel_scanner", vec![other]));
        report
    };
    let workplace =
        Workplace::of(vec![unknown(0, Severity::Low), unknown(1, Severity::High), unknown(2, Severity::Low)]);
    workplace.correlate();
    workplace.transform(2).unwrap();
    let lines: Vec<Value> = ["train", "validation", "test"].iter().flat_map(|split| workplace.lines(split)).collect();
    let prompts = |scanner: &str| {
        lines.iter().filter(|line| line["task"] == "finding" && content(line, 1).starts_with(scanner)).count()
    };
    assert!(!lines.is_empty());
    assert!(prompts("systemd_units: Unit: description") > 1 && prompts("novel_scanner") == 0, "{lines:?}");
}

#[test]
fn only_the_tasks_asked_for_are_written_and_none_is_an_error() {
    let workplace = Workplace::simulated();
    workplace.correlate();
    let with = |tasks| workplace.transform_with(TransformParams { tasks, ..TransformParams::default() }, 2);
    assert!(with(Vec::new()).unwrap_err().message.contains("`tasks` names no task"));
    with(vec![Task::Triage]).unwrap();
    let lines = workplace.lines("train");
    assert!(!lines.is_empty() && lines.iter().all(|line| line["task"] == "triage"));
}

#[test]
fn no_prompt_or_answer_names_a_process_by_number_and_no_refined_rule_a_host_by_address() {
    let workplace = Workplace::traced();
    workplace.correlate();
    workplace.transform(1).unwrap();
    let lines = workplace.lines("train");
    assert!(lines.iter().any(|line| content(line, 1).contains("Process execution detected: bash: New process")));
    for line in &lines {
        for text in [content(line, 1), content(line, 2)] {
            assert!(!["31337", "31336", "4000"].iter().any(|pid| text.contains(pid)), "{text}");
        }
    }
    let refined: Vec<&str> =
        lines.iter().filter(|line| line["task"] == "refine").map(|line| content(line, 2)).collect();
    assert!(!refined.is_empty());
    for rules in refined {
        assert!(!["10.9.8.7", "203.0.113.9", "51111", "0a1b2c3d4e5f"].iter().any(|own| rules.contains(own)), "{rules}");
    }
}

#[test]
fn an_empty_split_is_warned_of_where_it_was_asked_for() {
    let workplace = Workplace::traced();
    workplace.correlate();
    let empty = |validation: f64, test: f64| {
        let fractions = transform::selection::split::Fractions { validation, test };
        workplace.transform_with(TransformParams { fractions, ..TransformParams::default() }, 1).unwrap();
        workplace.warnings()
    };
    assert_eq!(empty(0.0, 0.0), Vec::<String>::new());
    assert_eq!(empty(0.0, 0.2), ["split `test` is empty: 1 hosts are too few, or tied too widely"]);
}
