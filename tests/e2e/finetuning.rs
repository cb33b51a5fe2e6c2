//! A model that an earlier training made is the base of the next one.
//!
//! Trainings are killed at random steps: 4 as it stands, more with `PIPE_KILLS=20`; `PIPE_KILL_SEED` picks other steps.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::loopback_kills::{draw, is_over, variable};
use crate::project::{Project, eventually, signal, worker};

/// A model of fresh weights, and adapters beside it that are merged and quantized. `params` are those of the adapters' training.
fn pipeline(params: &str) -> String {
    format!(
        "pipeline: t
stages:
  scans: {{uses: produce, with: {{hosts: 6}}}}
  joined: {{uses: correlate, in: {{scans: scans.scans}}}}
  verified:
    uses: verify
    in: {{scans: scans.scans, findings: joined.findings, correlations: joined.correlations}}
  dataset:
    uses: transform
    in: {{findings: joined.findings, correlations: joined.correlations, verification: verified.verification}}
  tokens: {{uses: tokenize, in: {{dataset: dataset.dataset}}, with: {{vocab_size: 512}}}}
  first:
    uses: train
    in: {{tokens: tokens}}
    with: {{model: micro, max_steps: 10, eval_examples: 8, threads: 1}}
  tuned:
    uses: train
    in: {{tokens: tokens, base: first.model}}
    with: {{{params}, eval_every: 1000, eval_examples: 8, threads: 1}}
  quantized:
    uses: quantize
    in: {{model: tuned.model, tokens: tokens}}
    with: {{group_size: 32, threads: 1}}
"
    )
}

fn project(params: &str) -> Project {
    worker("pipe-data");
    worker("pipe-torch");
    Project::with_pipeline(&pipeline(params))
}

#[test]
fn adapters_are_trained_stopped_merged_and_quantized() {
    let stopped = project("lora: {r: 4}, max_steps: 60, checkpoint_every: 5");
    let mut child =
        stopped.command(&["run", "p.yaml", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // The first training is shorter than its distance of checkpoints.
    eventually("a checkpoint is announced", || stopped.events().contains("stage_checkpoint"));
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report = stopped.run_json(&[], 0);
    assert_eq!(report["stages"]["first"]["outcome"], "hit");
    assert!(stopped.pipe(&["logs", "tuned"]).stdout.contains("resumed after step"));

    let whole = project("lora: {r: 4}, max_steps: 60, checkpoint_every: 5").run_json(&[], 0);
    let model = |report: &Value| report["stages"]["tuned"]["outputs"]["model"]["digest"].clone();
    assert_eq!(model(&report), model(&whole));

    for file in ["config.json", "model.safetensors", "tokenizer.json", "README.md", "adapter/adapter_model.safetensors"]
    {
        assert!(stopped.path("out/t/tuned/model").join(file).is_file(), "{file}");
    }
    let peft: Value = serde_json::from_str(&stopped.read("out/t/tuned/model/adapter/adapter_config.json")).unwrap();
    assert_eq!((&peft["r"], &peft["lora_dropout"]), (&4.into(), &0.05.into()));
    let metrics = &report["stages"]["tuned"]["metrics"];
    assert!(metrics["merge_difference"].as_f64().unwrap() < 1e-3, "{metrics}");
    assert!(
        metrics["trained_parameters"].as_f64().unwrap() < metrics["parameters"].as_f64().unwrap() / 4.0,
        "{metrics}"
    );
}

/// Optimizer steps of a training that is killed, and how often one is before it is let through.
const STEPS: u64 = 60;
const KILLS_IN_A_ROW: u64 = 5;

#[test]
fn a_training_of_adapters_that_is_killed_gives_the_same_bytes() {
    let (kills, mut seed) = (variable("PIPE_KILLS", 4), variable("PIPE_KILL_SEED", 1));
    for optimizer in ["adamw", "lion"] {
        let params = format!(
            "lora: {{r: 4, dropout: 0.1}}, optimizer: {{{optimizer}: {{lr: 1.0e-3}}}}, max_steps: {STEPS}, checkpoint_every: 3, keep: best"
        );
        let prepared = project(&params);
        prepared.run_json(&["first"], 0);
        let straight = copy(&prepared);
        straight.run_json(&["tuned"], 0);
        let expected = made(&straight);
        let mut left = kills.div_ceil(2);
        while left > 0 {
            let killed = copy(&prepared);
            let mut steps = Vec::new();
            while (steps.len() as u64) < left.min(KILLS_IN_A_ROW) {
                let Some(step) = kill_at_random(&killed, &mut seed) else { break };
                steps.push(step);
            }
            let told = format!(
                "{optimizer} killed after {steps:?}: PIPE_KILLS={kills} PIPE_KILL_SEED={}",
                variable("PIPE_KILL_SEED", 1)
            );
            assert!(!steps.is_empty(), "{told}");
            killed.run_json(&["tuned"], 0);
            for ((file, ours), (_, theirs)) in made(&killed).iter().zip(&expected) {
                assert!(ours == theirs, "{file}, {told}");
            }
            left -= steps.len() as u64;
        }
    }
}

/// The same project, with all that was made in it.
fn copy(project: &Project) -> Project {
    let copy = Project::new();
    let from = format!("{}/.", project.root().display());
    assert!(Command::new("cp").args(["-a", &from]).arg(copy.root()).status().unwrap().success());
    copy
}

/// Begins or resumes the training and kills it when it has done some more steps. Returns the last step that was heard of; nothing if it
/// ended before.
fn kill_at_random(project: &Project, seed: &mut u64) -> Option<u64> {
    // Read over and over, so nothing is parsed; losses of the other training were told before.
    let losses = || project.events().matches("\"name\":\"loss\"").count();
    let left = STEPS - steps(project).into_iter().max().unwrap_or(0);
    let target = losses() + 1 + (draw(seed) % (left / 2).max(1)) as usize;
    let mut child =
        project.command(&["run", "p.yaml", "tuned"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the step comes", || is_over(&child) || losses() >= target);
    signal(&child, "-KILL");
    let killed = child.wait().unwrap().signal() == Some(9);
    killed.then(|| steps(project).into_iter().max()).flatten()
}

/// The steps of the training whose loss was told in any run.
fn steps(project: &Project) -> Vec<u64> {
    let losses = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        let metric = &event["event"]["stage_metric"];
        (metric["stage"] == "tuned" && metric["name"] == "loss").then(|| metric["step"].as_u64()).flatten()
    };
    project.events().lines().filter_map(losses).collect()
}

/// What a training leaves, by file.
fn made(project: &Project) -> Vec<(&'static str, Vec<u8>)> {
    let read = |file: &'static str| {
        let path = Path::new("out/t/tuned").join(file);
        (file, std::fs::read(project.root().join(path)).unwrap())
    };
    ["model/model.safetensors", "model/adapter/adapter_model.safetensors", "history.json"].map(read).into()
}

#[test]
fn what_does_not_go_together_is_said_with_its_remedy() {
    let said = |params: &str| {
        let project = project(params);
        let ran = project.pipe(&["run", "p.yaml"]);
        assert_eq!(ran.status, 1, "{}", ran.stderr);
        ran.stderr + &ran.stdout
    };
    let both = said("model: tiny, max_steps: 1");
    assert!(both.contains("both `model` and the input `base` say how large the model is"), "{both}");
    assert!(both.contains("leave `model` out"), "{both}");
    let apart = said("lora: {merge: false}, max_steps: 1");
    assert!(apart.contains("there are adapters without their base: merge them"), "{apart}");
}
