//! A training that is moved and interrupted gives the model of one that was not.

use serde_json::Value;

use crate::loopback::{SHORT, documents, end, instance, objects, open_gate, project_on, send, start};
use crate::project::{Project, eventually, worker};

/// Optimizer steps of a training. A step of the model takes some milliseconds, and a signal less.
const STEPS: u64 = 1200;

/// A training of the smallest model from nothing, with more stages at its end. `of_tokens` and the stages are YAML.
pub(crate) fn pipeline(of_tokens: &str, more: &str) -> String {
    format!(
        "pipeline: t
stages:
  scans: {{uses: produce, with: {{hosts: 4, scans_per_host: 1}}}}
  correlations: {{uses: correlate, in: {{scans: scans.scans}}}}
  verified: {{uses: verify, in: {{scans: scans.scans, findings: correlations.findings, correlations: correlations.correlations, truth: scans.truth}}}}
  dataset:
    uses: transform
    in: {{findings: correlations.findings, correlations: correlations.correlations, verification: verified.verification, truth: scans.truth}}
    with: {{tasks: [finding]}}
  tokens: {{uses: tokenize, in: {{dataset: dataset.dataset}}, with: {{vocab_size: 512}}, {of_tokens}}}
  model:
    uses: train
    in: {{tokens: tokens}}
    with: {{model: micro, max_steps: {STEPS}, batch_size: 2, micro_batch_size: 2, threads: 1, eval_every: 1000, eval_examples: 2, checkpoint_every: 10}}
    backend: gpu
{more}"
    )
}

/// A project whose training set is made, with the weights of a training that ran here without interruption.
fn prepared(more: &str) -> (Project, Vec<u8>) {
    worker("pipe-data");
    worker("pipe-torch");
    let project = project_on(SHORT);
    project.write("p.yaml", &pipeline("backend: local", more));
    project.run_json(&["model", "--backend", "gpu=local", "--store", "apart"], 0);
    let weights = weights(&project);
    std::fs::remove_dir_all(project.path("out")).unwrap();
    project.run_json(&["tokens"], 0);
    (project, weights)
}

fn weights(project: &Project) -> Vec<u8> {
    std::fs::read(project.path("out/t/model/model/model.safetensors")).unwrap()
}

/// The optimizer steps that the attempts reported so far, in the order of their pieces.
fn steps(project: &Project, attempt: u64) -> Vec<u64> {
    let prefix = format!("{attempt:06}-");
    let pieces = objects(project).into_iter().filter(|path| path.parent().unwrap().ends_with("events"));
    let pieces = pieces.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix));
    let lines: String = pieces.map(|piece| std::fs::read_to_string(piece).unwrap()).collect();
    of_events(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["metric"].clone()))
}

fn of_events(metrics: impl Iterator<Item = Value>) -> Vec<u64> {
    metrics.filter(|metric| metric["name"] == "loss").map(|metric| metric["step"].as_u64().unwrap()).collect()
}

/// Waits until an attempt sent a checkpoint.
fn until_checkpoint(project: &Project, attempt: u64) {
    let is_there = || documents(project, "checkpoints").iter().any(|checkpoint| checkpoint["epoch"] == attempt);
    eventually("a checkpoint is sent", is_there);
}

fn all() -> Vec<u64> {
    (1..=STEPS).collect()
}

#[test]
fn a_training_that_is_interrupted_twice_elsewhere_gives_the_same_model() {
    let (project, expected) = prepared("");
    let client = start(&project, &["model"]);
    until_checkpoint(&project, 1);
    send("-TERM", &instance(&project, 1));
    until_checkpoint(&project, 2);
    send("-KILL", &instance(&project, 2));
    let report = end(client, 0);
    assert_eq!(report["stages"]["model"]["outcome"], "ran", "{report}");
    assert_eq!(weights(&project), expected);

    let [first, second, third] = [1, 2, 3].map(|attempt| steps(&project, attempt));
    assert_eq!([&first[..], &second[..]].concat(), all()[..first.len() + second.len()], "no step twice after a notice");
    // What the second one did last may be lost with it, and what it said of that.
    assert!(third[0] > first.len() as u64 + 1, "{third:?} does not go on from the second attempt");
    assert_eq!(third, (third[0]..=STEPS).collect::<Vec<_>>());
}

#[test]
fn a_training_that_began_elsewhere_ends_here_with_the_same_model() {
    let (project, expected) = prepared("");
    let gate = project.beside("gate");
    let fails = format!(
        "  fails: {{uses: command, run: \"until test -e {}; do sleep 0.02; done; exit 1\", out: {{x: out/x}}}}\n",
        gate.display()
    );
    project.write("p.yaml", &pipeline("backend: local", &fails));
    let client = start(&project, &["model", "fails", "--fail-fast"]);
    until_checkpoint(&project, 1);
    // The failure of another stage stops it, with a checkpoint.
    open_gate(&project);
    let report = end(client, 1);
    assert_eq!(report["stages"]["model"]["outcome"], "interrupted", "{report}");
    let elsewhere = steps(&project, 1);
    assert!((1..STEPS).contains(&(elsewhere.len() as u64)), "{elsewhere:?}");
    let before = project.events();
    let run = project.pipe(&["run", "p.yaml", "model", "--backend", "gpu=local"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(weights(&project), expected);
    let events = project.events();
    let new = events.lines().filter(|line| !before.contains(line));
    let here = of_events(new.map(|line| serde_json::from_str::<Value>(line).unwrap()["event"]["stage_metric"].clone()));
    assert_eq!([elsewhere, here].concat(), all(), "{} {:?}", run.stderr, objects(&project));
    assert_eq!(documents(&project, "intent").len(), 1);
}
