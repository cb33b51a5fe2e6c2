//! The stage end to end on a synthetic task: it learns, it is the same twice, and an interruption changes nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use contract::{Context, Digest, FailureClass, Job, JobInput, Limits, Stage, StageError, Type};
use dataset::Split;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokens::EncodedSplit;
use tokens::chat::{Example, IGNORED};
use train::params::{AdamWParams, LionParams, OptimizerParams};
use train::preset::ModelSize;
use train::{Train, TrainParams};

/// The answer repeats the first token of the question four times and ends: a model that learns anything learns this.
fn tokens() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (split, count, offset) in [(Split::Train, 90, 0), (Split::Validation, 8, 3)] {
        let mut encoded = EncodedSplit::new();
        for row in 0..count {
            let echoed = (8 + (row * 5 + offset) % 12) as i32;
            let length = 3 + row % 5;
            let mut ids = vec![0, echoed];
            ids.extend((0..length).map(|at| ((row * 3 + at * 7) % 50 + 8) as i32));
            let mut labels = vec![IGNORED; ids.len()];
            for id in [1, echoed, echoed, echoed, echoed, 3] {
                ids.push(id);
                labels.push(if id == 1 { IGNORED } else { id });
            }
            encoded.push(row, &Example { ids, labels });
        }
        encoded.save(path, split).unwrap();
    }
    let manifest = json!({"vocab_size": 64, "max_length": 32, "splits": {}});
    std::fs::write(path.join("manifest.json"), manifest.to_string()).unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"] {
        std::fs::write(path.join(name), "{}\n").unwrap();
    }
    std::fs::write(path.join("chat_template.jinja"), "").unwrap();
    directory
}

fn params() -> TrainParams {
    TrainParams {
        model: ModelSize::Micro,
        epochs: 30,
        micro_batch_size: 8,
        optimizer: OptimizerParams::Lion(LionParams { lr: 2e-3, ..LionParams::default() }),
        eval_every: 30,
        threads: 1,
        ..TrainParams::default()
    }
}

/// Hears the stage's events: notes the steps done, and asks it to stop after one of them.
#[derive(Clone, Default)]
struct Listener {
    stop_at: Option<u64>,
    flag: Arc<OnceLock<Arc<AtomicBool>>>,
    steps: Arc<Mutex<Vec<u64>>>,
}

impl Write for Listener {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let event: Value = serde_json::from_slice(line).unwrap();
        if event["metric"]["name"] == "loss" {
            let step = event["metric"]["step"].as_u64().unwrap();
            self.steps.lock().unwrap().push(step);
            if self.stop_at == Some(step) {
                self.flag.get().unwrap().store(true, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn job(tokens: &Path, home: &Path) -> Job {
    let input =
        JobInput { label: None, path: tokens.to_owned(), artifact: Type::TOKENS, digest: Digest::of(b"tokens") };
    Job {
        kind: "train".into(),
        version: 1,
        params: json!({}),
        inputs: BTreeMap::from([("tokens".into(), vec![input])]),
        outputs: BTreeMap::from([("model".into(), home.join("model")), ("history".into(), home.join("history.json"))]),
        scratch: home.join("scratch"),
        checkpoints: home.join("checkpoints"),
        limits: Limits { threads: 1, memory: 0 },
        trace: "test/train".into(),
    }
}

/// Runs the stage; gives its result and the steps it did.
fn attempt(
    tokens: &Path,
    home: &Path,
    params: TrainParams,
    stop_at: Option<u64>,
) -> (Result<(), StageError>, Vec<u64>) {
    let listener = Listener { stop_at, ..Listener::default() };
    let context = Context::new(job(tokens, home), Box::new(listener.clone()));
    listener.flag.set(context.cancel_flag()).unwrap();
    let result = Train::run(params, &context);
    let steps = listener.steps.lock().unwrap().clone();
    (result, steps)
}

fn run(tokens: &Path, home: &Path, params: TrainParams) -> Vec<u64> {
    let (result, steps) = attempt(tokens, home, params, None);
    result.unwrap();
    steps
}

fn run_until(step: u64, tokens: &Path, home: &Path, params: TrainParams) -> StageError {
    attempt(tokens, home, params, Some(step)).0.unwrap_err()
}

fn outputs(home: &Path) -> (Vec<u8>, Vec<u8>) {
    let read = |name| std::fs::read(home.join(name)).unwrap();
    (read("model/model.safetensors"), read("history.json"))
}

fn history(home: &Path) -> Value {
    serde_json::from_slice(&outputs(home).1).unwrap()
}

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
    let error = attempt(tokens.path(), home.path(), params, None).0.unwrap_err();
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
        attempt(tokens.path(), home.path(), params(), None).0.unwrap_err().message
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
    let params = TrainParams { model: ModelSize::Custom(size), ..params() };
    let error = attempt(tokens.path(), home.path(), params, None).0.unwrap_err();
    assert_eq!(error.message, "model.custom: hidden 60 is not a multiple of 2 x heads (8)");
}
