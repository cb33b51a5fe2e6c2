//! A training that machines of AWS begin, lose and end gives the model of one that was never disturbed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::read_link;
use std::path::Path;
use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::runs::{Project, eventually, report, skipped};

/// Optimizer steps, each of some milliseconds.
const STEPS: u64 = 600;

/// `EVERY` is how often a checkpoint is due.
const PIPELINE: &str = "pipeline: t
stages:
  fails: {uses: command, run: \"until test -e DIRgate; do sleep 0.02; done; exit 1\", out: {x: out/x}}
  scans: {uses: produce, with: {hosts: 4, scans_per_host: 1}}
  correlations: {uses: correlate, in: {scans: scans.scans}}
  verified: {uses: verify, in: {scans: scans.scans, findings: correlations.findings, correlations: correlations.correlations, truth: scans.truth}}
  dataset:
    uses: transform
    in: {findings: correlations.findings, correlations: correlations.correlations, verification: verified.verification, truth: scans.truth}
    with: {tasks: [finding]}
  tokens: {uses: tokenize, in: {dataset: dataset.dataset}, with: {vocab_size: 512}}
  model:
    uses: train
    in: {tokens: tokens}
    with: {model: micro, max_steps: 600, batch_size: 2, micro_batch_size: 2, threads: 1, eval_every: 1000, eval_examples: 2, checkpoint_every: EVERY}
    backend: gpu
";

/// A project whose training set is made, with the weights of a training that ran here without interruption.
struct Training {
    project: Project,
    expected: Vec<u8>,
    /// The process of each attempt so far.
    processes: RefCell<BTreeMap<u64, String>>,
}

impl Training {
    fn new(backend: &str, checkpoint_every: u64) -> Option<Training> {
        let project = Project::new(backend, &PIPELINE.replace("EVERY", &checkpoint_every.to_string()))?;
        for worker in ["pipe-data", "pipe-torch"] {
            if !project.beside(worker).exists() {
                return skipped(worker);
            }
        }
        project.run(&["model", "--backend", "gpu=local", "--store", "apart"], 0);
        let training = Training { project, expected: Vec::new(), processes: RefCell::default() };
        let expected = training.weights();
        std::fs::remove_dir_all(training.project.path("out")).unwrap();
        training.project.run(&["tokens"], 0);
        Some(Training { expected, ..training })
    }

    fn start(&self, words: &[&str]) -> Child {
        self.project.start_with(&[&["model"], words].concat())
    }

    fn weights(&self) -> Vec<u8> {
        std::fs::read(self.project.path("out/t/model/model/model.safetensors")).unwrap()
    }

    /// What lies below `actions/<key>/` in a directory of this name, of this attempt, in order.
    fn pieces(&self, name: &str, attempt: u64) -> Vec<Vec<u8>> {
        let wanted = format!("/{name}/{attempt:06}-");
        let objects = self.project.server.objects_where(|key| key.contains("/actions/") && key.contains(&wanted));
        objects.into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// The optimizer steps that an attempt reported so far.
    fn steps(&self, attempt: u64) -> Vec<u64> {
        let text = String::from_utf8(self.pieces("events", attempt).concat()).unwrap();
        let metrics = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["metric"].clone());
        metrics.filter(|metric| metric["name"] == "loss").map(|metric| metric["step"].as_u64().unwrap()).collect()
    }

    /// Lets the process of an attempt work in slices until this is so, and leaves it standing still, so that what follows meets it in
    /// the middle.
    fn slice(&self, attempt: u64, what: &str, is_so: impl Fn() -> bool) {
        let held = Held { process: self.process(attempt) };
        eventually(what, || {
            held.send("-CONT");
            let is_so = is_so();
            held.send("-STOP");
            is_so
        });
    }

    fn process(&self, attempt: u64) -> String {
        let mut known = self.processes.borrow_mut();
        eventually("the attempt has a process", || {
            let all = workers(&self.project.server.disks());
            // That of an earlier attempt may still be about to end.
            let new = all.into_iter().find(|process| !known.values().any(|earlier| earlier == process));
            known.contains_key(&attempt) || new.is_some_and(|new| known.insert(attempt, new).is_none())
        });
        known[&attempt].clone()
    }

    /// The instance or job of an attempt whose process lives.
    fn machine(&self, attempt: u64) -> String {
        let exe = read_link(format!("/proc/{}/exe", self.process(attempt))).unwrap();
        let is_there = |id: &String| exe.iter().any(|part| part == id.as_str());
        self.project.launched().into_iter().find(is_there).unwrap()
    }

    /// Waits until an attempt trains.
    fn trains(&self, attempt: u64) {
        self.slice(attempt, "the attempt trains", || !self.steps(attempt).is_empty())
    }

    /// Waits until an attempt sent a checkpoint.
    fn has_checkpoint(&self, attempt: u64) {
        self.slice(attempt, "a checkpoint is sent", || !self.pieces("checkpoints", attempt).is_empty())
    }

    /// Lets EC2 say of the instance of this attempt, which is its first one, that it is at risk, until the checkpoint that this asks for
    /// is there. The attempt goes on. Returns the instance.
    fn at_risk(&self, attempt: u64) -> String {
        self.trains(attempt);
        assert!(self.pieces("checkpoints", attempt).is_empty(), "nobody asked for one");
        let instance = self.machine(attempt);
        self.project.server.control("rebalance", &json!({"id": instance}));
        let heard = || self.project.console(&instance).contains("may take the instance back soon");
        eventually("the machine hears that it is at risk", heard);
        self.has_checkpoint(attempt);
        instance
    }

    /// The steps of the first two attempts follow each other, and the third one goes on from a checkpoint of the second one.
    fn repeats_nothing_after_a_notice(&self) {
        let [first, second, third] = [1, 2, 3].map(|attempt| self.steps(attempt));
        let both = [&first[..], &second[..]].concat();
        assert_eq!(both, (1..=both.len() as u64).collect::<Vec<_>>(), "a step twice after a notice");
        assert!(!first.is_empty() && !second.is_empty());
        assert!(third[0] > first.len() as u64 + 1, "{} is before the checkpoint of the second attempt", third[0]);
        assert_eq!(third, (third[0]..=STEPS).collect::<Vec<_>>());
    }

    fn ends_as_expected(&self, client: Child) {
        let report = report(&client.wait_with_output().unwrap(), 0);
        assert_eq!(report["stages"]["model"]["outcome"], "ran", "{report}");
        assert_eq!(self.weights(), self.expected);
        self.project.all_ends();
    }
}

/// A training that stands still.
struct Held {
    process: String,
}

impl Held {
    fn send(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process]).status().unwrap().success());
    }
}

/// The processes of trainings on machines whose disks are there.
fn workers(disks: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let trains = processes.filter(|process| {
        read_link(process.path().join("exe")).is_ok_and(|exe| exe.starts_with(disks) && exe.ends_with("pipe-torch"))
    });
    trains.map(|process| process.file_name().into_string().unwrap()).collect()
}

#[test]
fn a_training_on_spot_that_is_interrupted_twice_gives_the_same_model() {
    // None is due: those that are taken were asked for.
    let Some(training) = Training::new("spot", 2 * STEPS) else { return };
    let Training { project, .. } = &training;
    let client = training.start(&[]);
    let first = training.at_risk(1);
    // The word that it is to leave wakes it.
    project.server.control("interrupt", &json!({"id": first}));
    let second = training.at_risk(2);
    project.server.control("kill", &json!({"id": second}));
    training.ends_as_expected(client);
    training.repeats_nothing_after_a_notice();
    assert_eq!(project.launched().len(), 3);
}

#[test]
fn a_training_job_that_is_interrupted_twice_gives_the_same_model() {
    let Some(training) = Training::new("sm", 10) else { return };
    let Training { project, .. } = &training;
    let client = training.start(&[]);
    training.trains(1);
    project.server.control("sm_interrupt", &json!({"job": training.machine(1)}));
    training.has_checkpoint(2);
    project.server.control("sm_interrupt", &json!({"job": training.machine(2), "abrupt": true}));
    training.ends_as_expected(client);
    training.repeats_nothing_after_a_notice();
}

#[test]
fn a_training_that_a_job_began_ends_here_with_the_same_model() {
    let Some(training) = Training::new("sm", 2 * STEPS) else { return };
    let Training { project, .. } = &training;
    let client = training.start(&["fails", "--fail-fast"]);
    training.trains(1);
    // The failure of another stage stops it, with a checkpoint.
    project.open_gate();
    report(&client.wait_with_output().unwrap(), 1);
    let there = training.steps(1);
    assert_eq!(there, (1..=there.len() as u64).collect::<Vec<_>>());
    project.run(&["model", "--backend", "gpu=local"], 0);
    assert_eq!(training.weights(), training.expected);
    let log = project.command(&["logs", "model"]).output().unwrap();
    let log = String::from_utf8_lossy(&log.stdout);
    assert!(log.contains(&format!("resumed after step {} ", there.len())), "{log}");
    assert_eq!(project.launched().len(), 1);
    project.all_ends();
}
