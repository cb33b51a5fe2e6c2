//! A micro world for the tests of the stages: a dataset of two kinds of task, its tokens, and a model of a few thousand weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::{Card, Context, Digest, Job, JobInput, Kind, Limits, Stage, StageError, Type};
use llama::{Config, Llama, Placement};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The directory that holds everything.
pub(crate) struct Micro {
    /// Dropped last.
    root: TempDir,
}

/// The inputs of a job: port, type, path.
pub(crate) type Inputs<'a> = &'a [(&'a str, Type, PathBuf)];

impl Micro {
    /// The dataset and its tokens, made by the stage `tokenize`.
    pub(crate) fn new() -> Micro {
        let micro = Micro { root: tempfile::tempdir().unwrap() };
        let dataset = micro.path("dataset");
        std::fs::create_dir(&dataset).unwrap();
        for (split, lines) in [("train", 60), ("validation", 6), ("test", 10), ("calibration", 12)] {
            let text: String = (0..lines).map(|i| line(i).to_string() + "\n").collect();
            std::fs::write(dataset.join(format!("{split}.jsonl")), text).unwrap();
        }
        let params = json!({"vocab_size": 320, "max_length": 160, "learn": "all", "may_be_empty": []});
        let outputs = [("tokens", micro.path("tokens"))];
        micro.run::<tokenize::Tokenize>(params, &[("dataset", Type::DATASET, dataset)], &outputs).unwrap();
        micro
    }

    /// A path in the world.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a fresh model with the tokenizer's files beside it, as `train` does.
    pub(crate) fn model(&self, name: &str, config: &Config) -> PathBuf {
        let directory = self.path(name);
        std::fs::create_dir(&directory).unwrap();
        Llama::init(config, 7, Placement::CPU).save(&directory).unwrap();
        self.add_tokenizer(&directory);
        directory
    }

    fn add_tokenizer(&self, directory: &Path) {
        let files = [
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "chat_template.jinja",
            "generation_config.json",
        ];
        for file in files {
            std::fs::copy(self.path("tokens").join(file), directory.join(file)).unwrap();
        }
    }

    /// Runs a stage as its worker would.
    pub(crate) fn run<S: Stage>(
        &self,
        params: Value,
        inputs: Inputs,
        outputs: &[(&str, PathBuf)],
    ) -> Result<(), StageError> {
        let kind = Kind::of::<S>();
        let card = (kind.card)();
        (kind.run)(&params, &self.context_of(card, &params, inputs, outputs))
    }

    /// The context of a job.
    pub(crate) fn context_of(
        &self,
        card: Card,
        params: &Value,
        inputs: Inputs,
        outputs: &[(&str, PathBuf)],
    ) -> Context {
        let input = |(port, artifact, path): &(&str, Type, PathBuf)| {
            let input = JobInput { label: None, path: path.clone(), artifact: *artifact, digest: Digest::of(b"") };
            ((*port).to_owned(), vec![input])
        };
        let job = Job {
            kind: card.kind,
            version: card.version,
            params: params.clone(),
            inputs: inputs.iter().map(input).collect(),
            outputs: outputs.iter().map(|(port, path)| ((*port).to_owned(), path.clone())).collect::<BTreeMap<_, _>>(),
            scratch: self.path("scratch"),
            // Of its own for each run, unless two write to one place.
            checkpoints: outputs
                .first()
                .map_or_else(|| self.path("checkpoints"), |(_, path)| path.with_file_name("checkpoints")),
            limits: Limits { threads: 1, memory: 0 },
            trace: "test".to_owned(),
        };
        Context::new(job, Box::new(std::io::sink()))
    }
}

/// A model of 64 x 96 with two layers and fewer key heads than query heads.
pub(crate) fn config() -> Config {
    Config {
        hidden_size: 64,
        intermediate_size: 96,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 16,
        vocab_size: 320,
        max_position_embeddings: 256,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        rope_scaling: llama::RopeScaling::Default,
        tie_word_embeddings: false,
        bos_token_id: Some(0),
        eos_token_ids: vec![3],
        pad_token_id: Some(4),
    }
}

fn line(index: usize) -> Value {
    let severity = ["low", "low", "medium", "high"][index % 4];
    let risk = 20 + 10 * (index % 4);
    let port = 8000 + index;
    let answer = json!({"risk": risk, "severity": severity, "rationale": format!("port {port} is open")});
    json!({
        "messages": [
            {"role": "system", "content": "Judge the finding."},
            {"role": "user", "content": format!("tcp LISTEN {port}")},
            {"role": "assistant", "content": answer.to_string()},
        ],
        "task": "finding",
        "host": format!("h{index}"),
    })
}
