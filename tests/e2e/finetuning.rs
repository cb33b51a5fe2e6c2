//! A model that an earlier training made is the base of the next one.

use serde_json::Value;

use crate::project::{Project, eventually, signal, worker};
use std::process::Stdio;

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
