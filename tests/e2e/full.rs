//! `pipelines/full.yaml` end to end at small sizes, and what came out of it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::project::{Project, checkout, expected, outcomes, worker};

const STAGES: [&str; 14] = [
    "scans",
    "correlations",
    "verified",
    "dataset",
    "gate",
    "real",
    "real_correlations",
    "real_verified",
    "real_dataset",
    "tokens",
    "model",
    "quantized",
    "evaluation",
    "analyst",
];

/// The sizes that the reference checks use too.
fn small() -> Vec<&'static str> {
    include_str!("../reference/small.params").lines().flat_map(|line| ["-S", line]).collect()
}

fn project() -> Project {
    worker("pipe-data");
    worker("pipe-torch");
    let project = Project::new();
    let source = checkout().join("pipelines");
    project.write("pipe.yaml", &std::fs::read_to_string(checkout().join("pipe.yaml")).unwrap());
    project.write("p.yaml", &std::fs::read_to_string(source.join("full.yaml")).unwrap());
    let report = "data/reports/debian12_scanner_v6.json";
    let text = std::fs::read_to_string(source.join(report)).unwrap();
    project.write(&format!("pipelines/{report}"), &text);
    project
}

fn all(outcome: &str) -> Vec<(&'static str, &str)> {
    STAGES.iter().map(|stage| (*stage, outcome)).collect()
}

/// One test, since every part of it needs the same run.
#[test]
fn the_whole_way_runs_once_and_again_only_where_something_changed() {
    let project = project();
    let first = project.run_json(&small(), 0);
    assert_eq!(outcomes(&first), expected(&all("ran")));
    documents_are_valid(&project);
    dataset_is_in_chat_form_and_split_by_host(&project);
    model_is_a_hugging_face_directory(&project);
    quantized_containers_are_there(&project);
    evaluation_measures_both_models(&project, &first);
    analyst_says_for_which_prompts_it_was_made(&project);

    assert_eq!(project.outcomes(&small()), expected(&all("hit")));

    let commented = format!("# nothing but a comment\n{}", project.read("p.yaml"));
    project.write("p.yaml", &commented);
    assert_eq!(project.outcomes(&small()), expected(&all("hit")));

    let mut slower = small();
    slower.extend(["-S", "lr=1e-4"]);
    let ran: Vec<_> = project.outcomes(&slower).into_iter().filter(|(_, outcome)| outcome == "ran").collect();
    let ran: Vec<_> = ran.iter().map(|(stage, _)| stage.as_str()).collect();
    assert_eq!(ran, ["analyst", "evaluation", "model", "quantized"]);
    let why = project.pipe(&[&["why", "model"], &small()[..]].concat());
    assert!(why.stdout.contains("up to date"), "{}", why.stdout);

    std::fs::remove_dir_all(project.path("out/full/quantized/gptq")).unwrap();
    let back = project.outcomes(&small());
    for (stage, outcome) in &back {
        let changed_by_lr = ["model", "quantized", "evaluation", "analyst"].contains(&stage.as_str());
        assert_eq!(outcome, if changed_by_lr { "restored" } else { "hit" }, "{stage}");
    }
    quantized_containers_are_there(&project);
}

fn documents_are_valid(project: &Project) {
    let schema = std::fs::read_to_string(checkout().join("schemas/ground_truth_schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let mut documents = 0;
    for document in files_below(&project.path("out/full/dataset/documents")) {
        let value: Value = serde_json::from_slice(&std::fs::read(&document).unwrap()).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", document.display());
        documents += 1;
    }
    // Six simulated hosts with two scans each. The real one is not among them.
    assert_eq!(documents, 12);
}

fn dataset_is_in_chat_form_and_split_by_host(project: &Project) {
    let mut hosts_of = Vec::new();
    for split in ["train", "validation", "test"] {
        let text = project.read(&format!("out/full/dataset/dataset/{split}.jsonl"));
        let mut hosts = BTreeSet::new();
        for line in text.lines() {
            let example: Value = serde_json::from_str(line).unwrap();
            let roles: Vec<_> =
                example["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
            assert_eq!(roles, ["system", "user", "assistant"]);
            let answer = example["messages"][2]["content"].as_str().unwrap();
            assert!(serde_json::from_str::<Value>(answer).unwrap().is_object(), "{answer}");
            hosts.insert(example["host"].as_str().unwrap().to_owned());
        }
        assert!(!hosts.is_empty(), "{split} is empty");
        hosts_of.push(hosts);
    }
    assert!(hosts_of[0].is_disjoint(&hosts_of[1]) && hosts_of[0].is_disjoint(&hosts_of[2]));
    assert!(hosts_of[1].is_disjoint(&hosts_of[2]));
}

fn model_is_a_hugging_face_directory(project: &Project) {
    let model = project.path("out/full/model/model");
    let config: Value = serde_json::from_slice(&std::fs::read(model.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"][0], "LlamaForCausalLM");
    for file in ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json"] {
        assert!(model.join(file).is_file(), "{file}");
    }
    let history: Value = serde_json::from_str(&project.read("out/full/model/history.json")).unwrap();
    assert!(history.to_string().contains("loss"), "{history}");
}

fn quantized_containers_are_there(project: &Project) {
    let gguf = std::fs::read(project.path("out/full/quantized/model.gguf")).unwrap();
    assert_eq!(&gguf[..8], b"GGUF\x03\0\0\0");
    let config = project.read("out/full/quantized/gptq/config.json");
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["quantization_config"]["quant_method"], "gptq");
    assert_eq!(config["quantization_config"]["bits"], 4);
}

fn evaluation_measures_both_models(project: &Project, report: &Value) {
    let metrics: Value = serde_json::from_str(&project.read("out/full/evaluation/metrics.json")).unwrap();
    let perplexity = |model: &str| metrics[model]["likelihood"]["answers"]["perplexity"]["value"].as_f64().unwrap();
    let (original, quantized) = (perplexity("original"), perplexity("quantized"));
    assert!((quantized / original - 1.0).abs() < 0.2, "{original} against {quantized}");
    assert!(metrics["drift"]["answers"]["kl_mean"].as_f64().unwrap() >= 0.0);
    for baseline in ["majority", "title", "nearest", "table"] {
        let risk = &metrics["baselines"][baseline]["tasks"]["finding"]["figures"]["risk_mae"]["value"];
        assert!(risk.is_number(), "{baseline}: {risk}");
    }
    assert_eq!(metrics["reports"]["standing"], "known_to_the_simulator");
    let scanners = metrics["reports"]["scanners"].as_object().unwrap();
    assert!(scanners.values().all(|of| of["severity_accuracy"]["quantized"]["value"].is_number()), "{scanners:?}");
    assert_eq!(scanners.len(), 2, "two questions, each of another scanner");
    let schema = std::fs::read_to_string(checkout().join("schemas/evaluation.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<_> = validator.iter_errors(&metrics).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let card = project.read("out/full/evaluation/model_card");
    assert!(card.starts_with("---\nlicense: ") && card.contains("known to the simulator"), "{card}");
    let html = project.read("out/full/evaluation/report.html");
    assert!(html.starts_with("<!doctype html>") && html.contains("<svg") && !html.contains("<script"));
    let recorded = &report["stages"]["evaluation"]["metrics"];
    assert_eq!(recorded["quantized_perplexity"].as_f64().unwrap(), quantized);
}

fn analyst_says_for_which_prompts_it_was_made(project: &Project) {
    let settings: Value = serde_json::from_str(&project.read("out/full/analyst/gptq/analyst.json")).unwrap();
    assert_eq!((&settings["version"], &settings["context"]), (&1.into(), &512.into()));
    let of = &settings["tasks"]["finding"];
    // Trained for an epoch on six hosts, it knows nothing.
    assert!(of["limit"].as_u64().unwrap() > 0 && of["gate"].is_null(), "{of}");
    assert!(of["system"].as_str().unwrap().ends_with(" as JSON."), "{of}");
    let gguf = std::fs::read(project.path("out/full/analyst/model.gguf")).unwrap();
    assert!(gguf.windows(12).any(|bytes| bytes == b"pipe.analyst"));
}

#[test]
fn a_failed_verification_stops_the_pipeline_there() {
    worker("pipe-data");
    let project = Project::with_pipeline(
        r#"pipeline: data
stages:
  scans: {uses: produce, with: {hosts: 2, scans_per_host: 1}}
  correlations: {uses: correlate, in: {scans: scans.scans}}
  spoiled:
    uses: command
    run: "sed '1,5s/\"risk_score\":[0-9]*/\"risk_score\":99/' ${in.findings} > ${out.findings}"
    in: {findings: correlations.findings}
    out: {findings: {path: out/spoiled.jsonl, type: findings}}
  verified:
    uses: verify
    in: {scans: scans.scans, findings: spoiled, correlations: correlations.correlations}
  dataset:
    uses: transform
    in: {findings: spoiled, correlations: correlations.correlations, verification: verified.verification}
"#,
    );
    let report = project.run_json(&[], 1);
    let ended = outcomes(&report);
    assert_eq!(ended["verified"], "failed");
    assert_eq!(ended["dataset"], "blocked");
    let message = report["stages"]["verified"]["failure"]["message"].as_str().unwrap();
    assert!(message.contains("scores"), "{message}");
    // What it wrote shows why. It is no result.
    let help = report["stages"]["verified"]["failure"]["help"].as_str().unwrap();
    let (_, place) = help.rsplit_once("what it wrote lies in ").expect(help);
    let left: Value = serde_json::from_str(&project.read(&format!("{place}/verification.json"))).unwrap();
    assert_eq!(left["overall_status"], "failed");
    assert!(place.ends_with("/left/verified") && !project.path("out/data/verified").exists(), "{place}");
}

fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    files
}
