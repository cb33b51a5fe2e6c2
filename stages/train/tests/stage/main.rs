//! The stage end to end on a synthetic task: it learns, it is the same twice, and an interruption changes nothing.

mod base;
mod divergence;
mod harness;

use contract::FailureClass;
use serde_json::json;
use train::TrainParams;
use train::params::{AdamWParams, OptimizerParams};
use train::preset::ModelSize;

use crate::harness::{attempt, history, outputs, params, run, run_until, tokens};

#[test]
fn it_learns_the_task_and_writes_a_model_that_stops() {
    let (tokens, home) = (tokens(), tempfile::tempdir().unwrap());
    run(tokens.path(), home.path(), params());
    let history = history(home.path());
    let steps = history["history"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 120, "four steps an epoch, the last with 18 examples");
    assert_eq!(history["total_targets"], 30 * 90 * 5);
    let evaluations = history["history"]["evaluations"].as_array().unwrap();
    assert_eq!(evaluations.iter().map(|e| e["step"].as_u64().unwrap()).collect::<Vec<_>>(), [30, 60, 90, 120]);
    let (first, last) = (steps[0]["loss"].as_f64().unwrap(), evaluations[3]["loss"].as_f64().unwrap());
    // ln 64 = 4.16, a little less because tied weights favour repetition from the start.
    assert!(first > 3.0, "fresh weights know nothing: {first}");
    assert!(last < 0.5, "from {first} to {last}");

    let model = llama::Llama::load(&home.path().join("model"), llama::Placement::CPU).unwrap();
    let limits = llama::generate::Limits { max_new_tokens: 10, stop: model.config.eos_token_ids.clone() };
    let answer = model.generate(&[vec![0, 11, 20, 30, 40, 1]], &limits);
    assert_eq!(answer[0].end, llama::generate::End::Stop);
    for name in ["tokenizer.json", "generation_config.json", "chat_template.jinja", "tokenizer_config.json"] {
        assert!(home.path().join("model").join(name).exists(), "{name}");
    }
}

#[test]
fn interrupted_and_resumed_it_gives_the_same_bytes() {
    resume_gives_the_same_bytes(TrainParams { max_steps: Some(10), ..params() });
}

#[test]
fn with_adamw_too_and_it_learns() {
    let adamw = OptimizerParams::AdamW(AdamWParams { lr: 1e-2, ..AdamWParams::default() });
    let params = TrainParams { optimizer: adamw, ..params() };
    resume_gives_the_same_bytes(TrainParams { max_steps: Some(10), ..params.clone() });
    let (tokens, home) = (tokens(), tempfile::tempdir().unwrap());
    run(tokens.path(), home.path(), params);
    let last = history(home.path())["history"]["evaluations"][3]["loss"].as_f64().unwrap();
    assert!(last < 0.5, "{last}");
}

/// Two runs and an interrupted one of ten steps.
fn resume_gives_the_same_bytes(params: TrainParams) {
    let tokens = tokens();
    let [straight, again, broken] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    run(tokens.path(), straight.path(), params.clone());
    run(tokens.path(), again.path(), params.clone());
    assert!(outputs(straight.path()) == outputs(again.path()), "two runs differ");

    let error = run_until(5, tokens.path(), broken.path(), params.clone());
    assert_eq!(error.class, FailureClass::Interrupted);
    let files: Vec<_> = std::fs::read_dir(broken.path().join("checkpoints")).unwrap().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].as_ref().unwrap().file_name(), "step-000000005.safetensors");
    assert_eq!(run(tokens.path(), broken.path(), params), [6, 7, 8, 9, 10]);
    assert!(outputs(straight.path()) == outputs(broken.path()), "resuming changed the result");
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let tokens = tokens();
    let params = TrainParams { max_steps: Some(8), checkpoint_every: 2, ..params() };
    let [straight, broken] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    run(tokens.path(), straight.path(), params.clone());
    run_until(5, tokens.path(), broken.path(), params.clone());
    let newest = broken.path().join("checkpoints/step-000000005.safetensors");
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    assert_eq!(run(tokens.path(), broken.path(), params), [5, 6, 7, 8]);
    assert!(outputs(straight.path()) == outputs(broken.path()));
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_passed_over() {
    let tokens = tokens();
    let params = TrainParams { max_steps: Some(8), checkpoint_every: 2, ..params() };
    let [straight, broken] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    run(tokens.path(), straight.path(), params.clone());
    run_until(5, tokens.path(), broken.path(), params.clone());
    let newest = broken.path().join("checkpoints/step-000000005.safetensors");
    std::fs::remove_file(&newest).unwrap();
    std::fs::create_dir(&newest).unwrap();
    assert_eq!(run(tokens.path(), broken.path(), params), [5, 6, 7, 8]);
    assert!(outputs(straight.path()) == outputs(broken.path()));
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_nothing() {
    let (tokens, home) = (tokens(), tempfile::tempdir().unwrap());
    let checkpoints = home.path().join("checkpoints");
    std::fs::create_dir_all(checkpoints.join("step-000000002.safetensors/in-the-way")).unwrap();
    let params = TrainParams { max_steps: Some(4), checkpoint_every: 2, ..params() };
    let error = attempt(tokens.path(), None, home.path(), params, None).result.unwrap_err();
    assert!(error.message.contains("step-000000002.safetensors"), "{}", error.message);
    assert_eq!(std::fs::read_dir(checkpoints).unwrap().count(), 1);
}

#[test]
fn a_checkpoint_of_other_params_is_not_used() {
    let tokens = tokens();
    let [straight, broken] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let params = TrainParams { max_steps: Some(4), ..params() };
    let other = TrainParams { seed: 1, ..params.clone() };
    run(tokens.path(), straight.path(), params.clone());
    run_until(2, tokens.path(), broken.path(), other);
    assert_eq!(run(tokens.path(), broken.path(), params), [1, 2, 3, 4]);
    assert!(outputs(straight.path()) == outputs(broken.path()));
}

#[test]
fn a_manifest_of_other_tokens_is_refused_by_name() {
    let refusal = |vocabulary: u64| {
        let (tokens, home) = (tokens(), tempfile::tempdir().unwrap());
        let manifest = json!({"vocab_size": vocabulary, "max_length": 32, "splits": {}});
        std::fs::write(tokens.path().join("manifest.json"), manifest.to_string()).unwrap();
        attempt(tokens.path(), None, home.path(), params(), None).result.unwrap_err().message
    };
    assert_eq!(refusal(11), "tokens: train example 0 holds token 15, manifest.json has 11 tokens");
    assert!(refusal(1 << 40).contains("`vocab_size` is 1099511627776"));
}

#[test]
fn sizes_that_make_no_model_are_refused() {
    let (tokens, home) = (tokens(), tempfile::tempdir().unwrap());
    let size = train::preset::CustomSize {
        hidden: 60,
        intermediate: 64,
        layers: 1,
        heads: 8,
        kv_heads: 2,
        tie_embeddings: false,
    };
    let params = TrainParams { model: Some(ModelSize::Custom(size)), ..params() };
    let error = attempt(tokens.path(), None, home.path(), params, None).result.unwrap_err();
    assert_eq!(error.message, "model.custom: hidden 60 is not a multiple of 2 x heads (8)");
}

#[test]
fn a_model_too_large_for_the_machine_is_refused_before_anything_is_allocated() {
    let (tokens, home) = (tokens(), tempfile::tempdir().unwrap());
    let size = train::preset::CustomSize {
        hidden: 16384,
        intermediate: 65536,
        layers: 128,
        heads: 128,
        kv_heads: 128,
        tie_embeddings: false,
    };
    let params = TrainParams { model: Some(ModelSize::Custom(size)), ..params() };
    let error = attempt(tokens.path(), None, home.path(), params, None).result.unwrap_err();
    assert!(error.message.starts_with("this training takes about 6"), "{}", error.message);
    assert!(error.message.contains("GiB and nothing was allocated"), "{}", error.message);
    assert_eq!(
        error.help.as_deref(),
        Some("no setting makes it fit; take a smaller model, or a machine with more memory")
    );
}

#[test]
fn curves_for_tensorboard_are_written_where_they_are_wanted_and_change_nothing() {
    let (tokens, [plain, curved]) = (tokens(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
    let params = TrainParams { max_steps: Some(3), ..params() };
    run(tokens.path(), plain.path(), params.clone());
    run(tokens.path(), curved.path(), TrainParams { tensorboard: true, ..params });
    assert!(!plain.path().join("model/runs").exists());
    assert_eq!(outputs(plain.path()).0, outputs(curved.path()).0);
    // That it is read is checked with TensorBoard itself, in tests/reference.
    let events = std::fs::read(curved.path().join("model/runs/events.out.tfevents.0.pipe")).unwrap();
    let count = |tag: &[u8]| events.windows(tag.len()).filter(|window| *window == tag).count();
    assert_eq!([count(b"train/loss"), count(b"train/grad_norm"), count(b"eval/loss")], [3, 3, 1]);
}

#[test]
fn in_16_bits_it_learns_too_and_resumes_to_the_same_bytes() {
    for precision in [llama::Precision::Bf16, llama::Precision::Fp16] {
        resume_gives_the_same_bytes(TrainParams { max_steps: Some(10), precision, ..params() });
    }
    let (tokens, home) = (tokens(), tempfile::tempdir().unwrap());
    run(tokens.path(), home.path(), TrainParams { precision: llama::Precision::Fp16, ..params() });
    let last = history(home.path())["history"]["evaluations"][3]["loss"].as_f64().unwrap();
    assert!(last < 0.5, "{last}");
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_that_says_what_to_do() {
    if tch::Cuda::device_count() > 0 {
        return;
    }
    let (tokens, home) = (tokens(), tempfile::tempdir().unwrap());
    let params = TrainParams { device: llama::DeviceChoice::Cuda, ..params() };
    let error = attempt(tokens.path(), None, home.path(), params, None).result.unwrap_err();
    assert!(error.message.starts_with("`device: cuda`: "), "{}", error.message);
    assert!(error.help.unwrap().contains("`device: auto`"));
}
