//! The stage on a directory of hosts, and a model that learned nothing beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use analyze::{Analyze, AnalyzeParams};
use contract::{Context, Digest, Job, JobInput, Kind, Limits, StageError, Type};
use formats::Config;
use llama::{Llama, Placement};
use serde_json::{Value, json};

struct Workplace(tempfile::TempDir);

impl Workplace {
    fn new() -> Workplace {
        let workplace = Workplace(tempfile::tempdir().unwrap());
        std::fs::create_dir(workplace.path("reports")).unwrap();
        workplace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A report of a host, some days before the newest.
    fn report(&self, name: &str, host: Value, day: u32) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data/reports/debian12_scanner_v6.json");
        let mut report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        report["meta"]["hostname"] = host;
        report["summary"]["started_at"] = json!(format!("2026-01-{day:02}T00:00:00Z"));
        std::fs::write(self.path("reports").join(name), report.to_string()).unwrap();
    }

    /// A directory with a model that learned nothing.
    fn model(&self) -> PathBuf {
        let path = self.path("model");
        std::fs::create_dir(&path).unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/tokens/tests/fixtures/chat");
        for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
            std::fs::copy(fixture.join(name), path.join(name)).unwrap();
        }
        let config = Config {
            hidden_size: 16,
            intermediate_size: 32,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            num_key_value_heads: 2,
            head_dim: 8,
            vocab_size: 400,
            max_position_embeddings: 4096,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: formats::RopeScaling::Default,
            tie_word_embeddings: true,
            bos_token_id: Some(0),
            eos_token_ids: vec![3],
            pad_token_id: Some(4),
        };
        Llama::init(&config, 7, Placement::CPU).save(&path).unwrap();
        let task = json!({"system": "Triage the host as JSON.", "limit": 16, "gate": 0.0});
        let settings = json!({"version": 1, "context": 4096, "dataset": "d", "tasks": {"triage": task}});
        std::fs::write(path.join("analyst.json"), settings.to_string()).unwrap();
        path
    }

    fn run(&self, params: AnalyzeParams, model: Option<&Path>) -> Result<BTreeMap<String, Value>, StageError> {
        let input = |path: &Path, artifact| {
            vec![JobInput { label: None, path: path.to_owned(), artifact, digest: Digest::of(b"") }]
        };
        let mut inputs = BTreeMap::from([("reports".to_owned(), input(&self.path("reports"), Type::DIR))]);
        inputs.extend(model.map(|path| ("model".to_owned(), input(path, Type::HF_MODEL))));
        let out = tempfile::tempdir().unwrap();
        let card = (Kind::of::<Analyze>().card)();
        let job = Job {
            kind: card.kind,
            version: card.version,
            params: serde_json::to_value(params).unwrap(),
            inputs: inputs.into_iter().collect(),
            outputs: [("documents".to_owned(), out.path().join("documents"))].into_iter().collect(),
            scratch: out.path().to_owned(),
            checkpoints: out.path().to_owned(),
            limits: Limits { threads: 1, memory: 0 },
            trace: "test".into(),
        };
        (Kind::of::<Analyze>().run)(&job.params, &Context::new(job.clone(), Box::new(std::io::sink())))?;
        let mut found = BTreeMap::new();
        for host in std::fs::read_dir(out.path().join("documents")).unwrap() {
            let host = host.unwrap().path();
            for file in std::fs::read_dir(&host).unwrap() {
                let file = file.unwrap().path();
                let name = format!("{}/{}", host.file_name().unwrap().display(), file.file_name().unwrap().display());
                found.insert(name, serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap());
            }
        }
        Ok(found)
    }
}

#[test]
fn the_newest_report_of_each_host_becomes_a_document() {
    let workplace = Workplace::new();
    workplace.report("1.json", json!("web-1"), 2);
    workplace.report("2.json", json!("web-1"), 1);
    workplace.report("3.json", json!("db-1"), 1);
    workplace.report("spare.json", json!(""), 1);
    std::fs::write(workplace.path("reports/broken.json"), "{").unwrap();
    let documents = workplace.run(AnalyzeParams::default(), None).unwrap();
    assert_eq!(documents.keys().collect::<Vec<_>>(), ["db-1/0000.json", "spare/0000.json", "web-1/0001.json"]);
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/ground_truth_schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for (name, document) in &documents {
        let errors: Vec<String> = schema.iter_errors(document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let results = &document["enrichment_results"]["pipe"];
        assert!(results["model"].is_null() && results["by_task"]["summary"]["rule"] == 1, "{results}");
    }
    assert!(documents["web-1/0001.json"]["summaries"].to_string().contains("since the last scan"));
    std::fs::remove_dir_all(workplace.path("reports")).unwrap();
    std::fs::create_dir(workplace.path("reports")).unwrap();
    std::fs::write(workplace.path("reports/broken.json"), "{").unwrap();
    let error = workplace.run(AnalyzeParams::default(), None).unwrap_err();
    assert!(error.message.contains("not one report"), "{}", error.message);
}

#[test]
fn nothing_of_a_model_that_learned_nothing_is_taken() {
    let workplace = Workplace::new();
    workplace.report("1.json", json!("web-1"), 1);
    let model = workplace.model();
    let alone = workplace.run(AnalyzeParams::default(), None).unwrap().remove("web-1/0000.json").unwrap();
    let asked = workplace.run(AnalyzeParams::default(), Some(&model)).unwrap().remove("web-1/0000.json").unwrap();
    let parts = |document: &Value| {
        let mut rest = document.clone();
        let results = rest.as_object_mut().unwrap().remove("enrichment_results").unwrap();
        (rest, results["pipe"].clone())
    };
    let ((own, by_rules), (rest, results)) = (parts(&alone), parts(&asked));
    assert_eq!(own, rest);
    assert_eq!(results["model"]["name"], "model");
    let answers = |results: &Value| -> Vec<Value> {
        results["answers"].as_array().unwrap().iter().map(|answer| answer["answer"].clone()).collect()
    };
    assert_eq!(answers(&results), answers(&by_rules));
    let why = |task: &str| {
        let all = results["answers"].as_array().unwrap().iter();
        all.filter(|answer| answer["task"] == *task).map(|answer| answer["why"].to_string()).collect::<String>()
    };
    assert!(why("summary").contains("not trained") && why("triage").contains("does not end"), "{results}");
}
