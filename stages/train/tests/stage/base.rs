//! Training that begins with a model.

use std::path::Path;

use contract::FailureClass;
use formats::safetensors_file::SafetensorsFile;
use formats::{Config, Linear};
use llama::{AdapterShape, Llama, Placement};
use serde_json::Value;
use tch::{Kind, Tensor, no_grad};
use tempfile::TempDir;
use train::TrainParams;
use train::lora::{LoraParams, Target};
use train::params::{AdamWParams, Keep, LionParams, OptimizerParams};
use train::preset::ModelSize;

use crate::harness::{Attempt, attempt, history, outputs, params, run, tokens};

/// A model that knows nothing, of the synthetic task's vocabulary.
fn base() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let config = ModelSize::Micro.config(64, 40).unwrap();
    Llama::init(&config, 9, Placement::CPU).save(directory.path()).unwrap();
    directory
}

fn adamw(lr: f64) -> OptimizerParams {
    OptimizerParams::AdamW(AdamWParams { lr, ..AdamWParams::default() })
}

fn lora(params: LoraParams) -> TrainParams {
    TrainParams {
        model: None,
        lora: Some(params),
        optimizer: adamw(1e-2),
        max_steps: Some(10),
        ..crate::harness::params()
    }
}

fn tune(tokens: &Path, base: &Path, home: &Path, params: TrainParams) -> Attempt {
    let attempt = attempt(tokens, Some(base), home, params, None);
    if let Err(error) = &attempt.result {
        panic!("{error} {:?}", error.help);
    }
    attempt
}

fn refused(base: Option<&Path>, params: TrainParams) -> String {
    let (tokens, home) = (tokens(), tempfile::tempdir().unwrap());
    let error = attempt(tokens.path(), base, home.path(), params, None).result.unwrap_err();
    assert_eq!(error.class, FailureClass::InvalidInput);
    assert!(error.help.is_some());
    error.message
}

fn tensor(file: &Path, name: &str) -> Tensor {
    let file = SafetensorsFile::open(file).unwrap();
    let shape: Vec<i64> = file.info(name).unwrap_or_else(|| panic!("{name}")).shape.iter().map(|n| *n as i64).collect();
    Tensor::from_data_size(&file.read(name).unwrap().1, &shape, Kind::Float)
}

#[test]
fn adapters_learn_the_task_and_are_merged_onto_the_base() {
    let (tokens, base, home) = (tokens(), base(), tempfile::tempdir().unwrap());
    let params = TrainParams { max_steps: None, ..lora(LoraParams::default()) };
    let told = tune(tokens.path(), base.path(), home.path(), params);
    assert_eq!(told.warnings, Vec::<String>::new());
    let history = history(home.path());
    let last = history["history"]["evaluations"][3]["loss"].as_f64().unwrap();
    let first = history["history"]["steps"][0]["loss"].as_f64().unwrap();
    // The embedding, which is the head too, is frozen and knows nothing.
    assert!(last < first - 0.3, "from {first} to {last}");

    let model = home.path().join("model");
    let config = Config::load(&model).unwrap();
    assert_eq!(config.max_position_embeddings, 40, "the base's, not that of the tokens");
    let (merged, before) = (model.join("model.safetensors"), base.path().join("model.safetensors"));
    let adapters = model.join("adapter/adapter_model.safetensors");
    for (name, _) in config.tensors() {
        let mut expected = tensor(&before, &name);
        if let Some(module) = name.strip_suffix("_proj.weight") {
            let part = |matrix| tensor(&adapters, &format!("base_model.model.{module}_proj.lora_{matrix}.weight"));
            let (a, b) = (part("A").to_kind(Kind::Double), part("B").to_kind(Kind::Double));
            assert_eq!((a.size()[0], b.size()[1]), (16, 16));
            assert!(b.abs().max().double_value(&[]) > 0.0, "{name} learned nothing");
            expected = (expected.to_kind(Kind::Double) + b.matmul(&a) * 2.0).to_kind(Kind::Float);
            let difference = (tensor(&merged, &name) - expected).abs().max().double_value(&[]);
            assert!(difference < 1e-6, "{name}: {difference}");
        } else {
            assert_eq!(tensor(&merged, &name), expected, "{name} is frozen");
        }
    }
    let figures = &history["base"];
    // Rank times inputs and outputs of q, k, v, o, gate, up and down, in two layers.
    let of_layer = 16 * (128 + 96 + 96 + 128 + 192 + 192 + 192);
    assert_eq!(figures["adapters"]["parameters"], 2 * of_layer);
    let difference = figures["adapters"]["merge_difference"].as_f64().unwrap();
    assert!(difference < 1e-4, "{difference}");
    assert_eq!(figures["quantized"], false);
    let card = std::fs::read_to_string(model.join("README.md")).unwrap();
    assert!(
        card.contains("LoRA of rank 16, alpha 32, dropout 0.05") && card.contains("Tensors of the base: 20 F32."),
        "{card}"
    );

    let peft: Value =
        serde_json::from_slice(&std::fs::read(model.join("adapter/adapter_config.json")).unwrap()).unwrap();
    let modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    assert_eq!(peft["target_modules"], serde_json::json!(modules));
}

#[test]
fn adapters_resume_to_the_same_bytes_wherever_they_were_stopped() {
    let (tokens, base, straight) = (tokens(), base(), tempfile::tempdir().unwrap());
    let params = TrainParams { keep: Keep::Best, eval_every: 2, checkpoint_every: 3, ..lora(LoraParams::default()) };
    tune(tokens.path(), base.path(), straight.path(), params.clone());
    for stop in [1, 4, 6, 9] {
        let broken = tempfile::tempdir().unwrap();
        let first = attempt(tokens.path(), Some(base.path()), broken.path(), params.clone(), Some(stop));
        assert_eq!(first.result.unwrap_err().class, FailureClass::Interrupted);
        let held =
            SafetensorsFile::open(&broken.path().join(format!("checkpoints/step-{stop:09}.safetensors"))).unwrap();
        let numbers = held.info("weights").unwrap().shape[0] as u64;
        assert_eq!(history(straight.path())["base"]["adapters"]["parameters"], numbers, "adapters only");
        let rest = tune(tokens.path(), base.path(), broken.path(), params.clone());
        assert_eq!(rest.steps, (stop + 1..=10).collect::<Vec<_>>());
        assert!(outputs(straight.path()) == outputs(broken.path()), "stopped after {stop}");
    }
}

#[test]
fn dropout_changes_what_is_learned_and_none_of_it_what_is_measured() {
    let (tokens, base) = (tokens(), base());
    let losses = |dropout: f64| {
        let home = tempfile::tempdir().unwrap();
        let params = LoraParams { dropout, ..LoraParams::default() };
        tune(tokens.path(), base.path(), home.path(), lora(params));
        let history = history(home.path());
        let of = |step: usize| history["history"]["steps"][step]["loss"].as_f64().unwrap();
        (of(0), of(9))
    };
    let (without, with) = (losses(0.0), losses(0.3));
    assert_eq!(without.0, with.0, "B is zero at the first step");
    assert_ne!(without.1, with.1);
}

#[test]
fn without_merge_there_are_only_adapters() {
    let (tokens, base, home) = (tokens(), base(), tempfile::tempdir().unwrap());
    let targets = vec![Target::Q, Target::Down];
    let params = LoraParams { r: 4, targets, merge: false, ..LoraParams::default() };
    tune(tokens.path(), base.path(), home.path(), lora(params));
    let model = home.path().join("model");
    assert!(!model.join("model.safetensors").exists());
    let file = SafetensorsFile::open(&model.join("adapter/adapter_model.safetensors")).unwrap();
    assert_eq!(file.names().len(), 2 * 2 * 2, "two layers, two targets, two matrices");
    let error = Llama::load(&model, Placement::CPU).unwrap_err().to_string();
    assert!(error.contains("adapters without their base"), "{error}");
}

#[test]
fn all_weights_of_a_base_can_be_trained() {
    let (tokens, base, home) = (tokens(), base(), tempfile::tempdir().unwrap());
    let fresh = params();
    let params = TrainParams { model: None, max_steps: Some(20), ..fresh.clone() };
    let told = tune(tokens.path(), base.path(), home.path(), params.clone());
    assert!(
        told.warnings[0].starts_with("Lion's learning rate of 2e-3 is hot for full fine-tuning"),
        "{:?}",
        told.warnings
    );
    assert_eq!(history(home.path())["base"]["adapters"], Value::Null);
    // What a first training gave goes on in a second one.
    let onward = tempfile::tempdir().unwrap();
    let mild = LionParams { lr: 1e-5, ..LionParams::default() };
    let params = TrainParams { optimizer: OptimizerParams::Lion(mild), max_steps: Some(1), ..params };
    let told = tune(tokens.path(), &home.path().join("model"), onward.path(), params);
    assert_eq!(told.warnings, Vec::<String>::new());
    let loss = |home: &Path, step: usize| history(home)["history"]["steps"][step]["loss"].as_f64().unwrap();
    assert!(loss(onward.path(), 0) < loss(home.path(), 0) - 0.5);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let base = base();
    assert!(refused(None, lora(LoraParams::default())).contains("`lora` adapts a model that has learned something"));
    let both = TrainParams { model: Some(ModelSize::Micro), ..lora(LoraParams::default()) };
    assert!(refused(Some(base.path()), both).contains("both `model` and the input `base`"));
    let narrow = |vocabulary, positions| {
        let directory = tempfile::tempdir().unwrap();
        let config = ModelSize::Micro.config(vocabulary, positions).unwrap();
        Llama::init(&config, 1, Placement::CPU).save(directory.path()).unwrap();
        refused(Some(directory.path()), lora(LoraParams::default()))
    };
    assert_eq!(narrow(63, 40), "`tokens` has a vocabulary of 64, `base` has rows for 63");
    assert_eq!(narrow(64, 12), "`tokens` has an example of 15 tokens, `base` sees 12 positions");
}

#[test]
fn ids_that_mean_other_texts_in_the_base_are_said() {
    let (tokens, base, home) = (tokens(), base(), tempfile::tempdir().unwrap());
    let write = |directory: &Path, text: &str| std::fs::write(directory.join("tokenizer.json"), text).unwrap();
    write(tokens.path(), r#"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2}, "merges": []}}"#);
    write(base.path(), r#"{"model": {"type": "BPE", "vocab": {"b": 0, "a": 1, "c": 2}, "merges": []}}"#);
    let told = tune(tokens.path(), base.path(), home.path(), lora(LoraParams::default()));
    assert!(told.warnings[0].starts_with("2 of 3 tokens of `tokens` have another id in `base`"), "{:?}", told.warnings);
}

#[test]
fn the_model_stops_at_the_tokens_that_its_generation_config_names() {
    let (tokens, base, home) = (tokens(), base(), tempfile::tempdir().unwrap());
    std::fs::write(tokens.path().join("generation_config.json"), r#"{"eos_token_id": [3, 9], "pad_token_id": 5}"#)
        .unwrap();
    tune(tokens.path(), base.path(), home.path(), lora(LoraParams::default()));
    let config = Config::load(&home.path().join("model")).unwrap();
    assert_eq!((config.eos_token_ids, config.pad_token_id, config.bos_token_id), (vec![3, 9], Some(5), Some(0)));
}

/// The weights that are kept are those that a training of so many steps ends with.
#[test]
fn the_best_weights_are_kept_and_patience_ends() {
    let (tokens, base, home) = (tokens(), base(), tempfile::tempdir().unwrap());
    // So fast that it is at its best soon and wanders about afterwards.
    let fast = TrainParams {
        optimizer: adamw(0.2),
        schedule: train::schedule::Schedule::Constant,
        max_steps: Some(60),
        eval_every: 2,
        keep: Keep::Best,
        patience: Some(3),
        ..lora(LoraParams::default())
    };
    tune(tokens.path(), base.path(), home.path(), fast.clone());
    let ended = history(home.path());
    let kept = ended["kept_step"].as_u64().unwrap();
    assert_eq!(ended["ended_early"], true);
    assert_eq!(ended["total_steps"], kept + 6, "three measurements after the best one");
    let evaluations = ended["history"]["evaluations"].as_array().unwrap();
    let losses: Vec<f64> = evaluations.iter().map(|point| point["loss"].as_f64().unwrap()).collect();
    let best = evaluations.iter().find(|point| point["step"] == kept).unwrap()["loss"].as_f64().unwrap();
    assert!(losses.iter().all(|loss| *loss >= best), "{losses:?}");

    let short = tempfile::tempdir().unwrap();
    let until = TrainParams { max_steps: Some(kept as u32), keep: Keep::Last, patience: None, ..fast };
    tune(tokens.path(), base.path(), short.path(), until);
    assert!(outputs(home.path()).0 == outputs(short.path()).0, "the weights after step {kept}");
}

#[test]
fn without_a_validation_split_nothing_is_best() {
    let tokens = tokens();
    tokens::EncodedSplit::new().save(tokens.path(), dataset::Split::Validation).unwrap();
    let home = tempfile::tempdir().unwrap();
    let params = TrainParams { keep: Keep::Best, ..params() };
    let error = attempt(tokens.path(), None, home.path(), params, None).result.unwrap_err();
    assert_eq!(error.message, "`keep: best` needs a validation loss, and the validation split has no targets");
    run(tokens.path(), home.path(), TrainParams { max_steps: Some(1), ..crate::harness::params() });
}

/// In a precision that keeps few bits, products go onto the weights of the file.
#[test]
fn a_merge_reads_the_base_again_where_the_model_is_rounded() {
    let base = base();
    let source = formats::ModelSource::open(base.path()).unwrap();
    let rounded = Placement { kind: Kind::BFloat16, ..Placement::CPU };
    let mut model = Llama::read(&source, rounded).unwrap();
    let shape = AdapterShape { rank: 2, alpha: 4.0, targets: Linear::ALL.to_vec() };
    model.adapt(&shape, 0.0, 1);
    assert!(model.adapters_mut().iter().all(|(_, tensor)| tensor.kind() == Kind::Float));
    let ids = Tensor::from_slice(&[1i64, 2, 3, 4]).unsqueeze(0);
    let same = no_grad(|| model.forward(&ids));
    assert!(same == no_grad(|| Llama::read(&source, rounded).unwrap().forward(&ids)), "B is zero");
    let merged = model.merged(&source).unwrap();
    let exact = Llama::read(&source, Placement::CPU).unwrap();
    assert!(merged.tensors().iter().zip(exact.tensors()).all(|((_, a), (_, b))| *a == b));
}
