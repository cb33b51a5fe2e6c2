//! Runs the stage on a synthetic task and hears its events.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use contract::{Context, Digest, Job, JobInput, Limits, Stage, StageError, Type};
use dataset::Split;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokens::EncodedSplit;
use tokens::chat::{Example, IGNORED};
use train::params::{LionParams, OptimizerParams};
use train::preset::ModelSize;
use train::{Train, TrainParams};

/// The answer repeats the first token of the question four times and ends: a model that learns anything learns this.
pub(crate) fn tokens() -> TempDir {
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

pub(crate) fn params() -> TrainParams {
    TrainParams {
        model: Some(ModelSize::Micro),
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
pub(crate) struct Listener {
    stop_at: Option<u64>,
    flag: Arc<OnceLock<Arc<AtomicBool>>>,
    steps: Arc<Mutex<Vec<u64>>>,
    warnings: Arc<Mutex<Vec<String>>>,
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
        if event["log"]["level"] == "warning" {
            self.warnings.lock().unwrap().push(event["log"]["message"].as_str().unwrap().to_owned());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn job(tokens: &Path, base: Option<&Path>, home: &Path) -> Job {
    let input = |path: &Path, artifact: Type| {
        let digest = Digest::of(path.as_os_str().as_encoded_bytes());
        vec![JobInput { label: None, path: path.to_owned(), artifact, digest }]
    };
    let mut inputs = BTreeMap::from([("tokens".into(), input(tokens, Type::TOKENS))]);
    inputs.extend(base.map(|base| ("base".into(), input(base, Type::HF_MODEL))));
    Job {
        kind: "train".into(),
        version: 2,
        params: json!({}),
        inputs,
        outputs: BTreeMap::from([("model".into(), home.join("model")), ("history".into(), home.join("history.json"))]),
        scratch: home.join("scratch"),
        checkpoints: home.join("checkpoints"),
        limits: Limits { threads: 1, memory: 0 },
        trace: "test/train".into(),
    }
}

/// What a run of the stage did.
pub(crate) struct Attempt {
    pub(crate) result: Result<(), StageError>,
    /// The steps whose loss it told.
    pub(crate) steps: Vec<u64>,
    pub(crate) warnings: Vec<String>,
}

/// Runs the stage.
pub(crate) fn attempt(
    tokens: &Path,
    base: Option<&Path>,
    home: &Path,
    params: TrainParams,
    stop_at: Option<u64>,
) -> Attempt {
    let listener = Listener { stop_at, ..Listener::default() };
    let context = Context::new(job(tokens, base, home), Box::new(listener.clone()));
    listener.flag.set(context.cancel_flag()).unwrap();
    let result = Train::run(params, &context);
    let steps = listener.steps.lock().unwrap().clone();
    let warnings = listener.warnings.lock().unwrap().clone();
    Attempt { result, steps, warnings }
}

pub(crate) fn run(tokens: &Path, home: &Path, params: TrainParams) -> Vec<u64> {
    let attempt = attempt(tokens, None, home, params, None);
    attempt.result.unwrap();
    attempt.steps
}

pub(crate) fn run_until(step: u64, tokens: &Path, home: &Path, params: TrainParams) -> StageError {
    attempt(tokens, None, home, params, Some(step)).result.unwrap_err()
}

pub(crate) fn outputs(home: &Path) -> (Vec<u8>, Vec<u8>) {
    let read = |name| std::fs::read(home.join(name)).unwrap();
    (read("model/model.safetensors"), read("history.json"))
}

pub(crate) fn history(home: &Path) -> Value {
    serde_json::from_slice(&outputs(home).1).unwrap()
}
