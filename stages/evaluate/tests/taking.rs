//! Which answers are taken, and answers that are held to their schema: of a model that knows the answers, and of one that knows nothing.

#[path = "../../quantize/tests/quantize/micro.rs"]
mod micro;

use contract::Type;
use evaluate::params::SamplingParams;
use evaluate::{Evaluate, EvaluateParams, Metrics};
use micro::Micro;
use policy::Settings;
use quantize::{Quantize, QuantizeParams};
use serde_json::{Value, json};
use train::params::LionParams;
use train::preset::ModelSize;
use train::{Train, TrainParams, params::OptimizerParams};

/// Lines that are learned by heart.
const LINES: usize = 12;

fn quantize(micro: &Micro) {
    let params = serde_json::to_value(QuantizeParams { threads: 1, ..QuantizeParams::default() }).unwrap();
    let inputs = [("model", Type::HF_MODEL, micro.path("model")), ("tokens", Type::TOKENS, micro.path("tokens"))];
    let outputs = [("gptq", micro.path("gptq")), ("model", micro.path("model.gguf")), ("layers", micro.path("layers"))];
    micro.run::<Quantize>(params, &inputs, &outputs).unwrap();
}

/// The line with its answer's keys in the schema's order, as `transform` writes them.
fn in_order(line: &str) -> String {
    let mut line: Value = serde_json::from_str(line).unwrap();
    let answer: Value = serde_json::from_str(line["messages"][2]["content"].as_str().unwrap()).unwrap();
    let part = |key: &str| format!("\"{key}\":{}", answer[key]);
    let answer = ["risk", "severity", "rationale"].map(part).join(",");
    line["messages"][2]["content"] = format!("{{{answer}}}").into();
    format!("{line}\n")
}

/// A model that has seen the lines of all splits often.
fn learned() -> Micro {
    let micro = Micro::new();
    let path = |split: &str| micro.path("dataset").join(format!("{split}.jsonl"));
    let text = std::fs::read_to_string(path("train")).unwrap();
    let lines: Vec<String> = text.lines().take(LINES).map(in_order).collect();
    for (split, count) in [("train", 240), ("validation", 320), ("test", 10)] {
        let text: String = lines.iter().cycle().take(count).map(String::as_str).collect();
        std::fs::write(path(split), text).unwrap();
    }
    std::fs::remove_dir_all(micro.path("tokens")).unwrap();
    let params = json!({"vocab_size": 320, "max_length": 160, "learn": "all", "may_be_empty": []});
    let inputs = [("dataset", Type::DATASET, micro.path("dataset"))];
    micro.run::<tokenize::Tokenize>(params, &inputs, &[("tokens", micro.path("tokens"))]).unwrap();
    let params = TrainParams {
        model: Some(ModelSize::Micro),
        epochs: 20,
        optimizer: OptimizerParams::Lion(LionParams { lr: 2e-3, ..LionParams::default() }),
        eval_every: 300,
        threads: 1,
        ..TrainParams::default()
    };
    let outputs = [("model", micro.path("model")), ("history", micro.path("history"))];
    let inputs = [("tokens", Type::TOKENS, micro.path("tokens"))];
    micro.run::<Train>(serde_json::to_value(params).unwrap(), &inputs, &outputs).unwrap();
    quantize(&micro);
    micro
}

fn evaluate(micro: &Micro, sampling: Option<SamplingParams>) -> Metrics {
    let inputs = [
        ("model", Type::HF_MODEL, micro.path("model")),
        ("quantized", Type::GPTQ_MODEL, micro.path("gptq")),
        ("tokens", Type::TOKENS, micro.path("tokens")),
        ("dataset", Type::DATASET, micro.path("dataset")),
    ];
    let params = EvaluateParams {
        examples: 4,
        samples: 10,
        max_new_tokens: 90,
        threads: 1,
        gates: true,
        gate_samples: 320,
        constrained: true,
        sampling,
        ..EvaluateParams::default()
    };
    let out = micro.path("out");
    std::fs::create_dir_all(&out).unwrap();
    let outputs = ["metrics", "report", "model_card", "analyst", "analyst_original"].map(|port| (port, out.join(port)));
    micro.run::<Evaluate>(serde_json::to_value(params).unwrap(), &inputs, &outputs).unwrap();
    serde_json::from_slice(&std::fs::read(out.join("metrics")).unwrap()).unwrap()
}

fn settings(micro: &Micro, port: &str) -> Settings {
    Settings::parse(&std::fs::read_to_string(micro.path("out").join(port)).unwrap()).unwrap()
}

#[test]
fn gates_are_chosen_by_validation_questions_and_stand_in_the_settings() {
    let micro = learned();
    let metrics = evaluate(&micro, None);
    let gates = metrics.gates.unwrap();
    for (model, port) in [("original", "analyst_original"), ("quantized", "analyst")] {
        let of = &gates[model]["finding"];
        assert!(of.gate.is_some(), "{model}: {of:?}");
        assert!(of.bound.unwrap() <= 0.01 && of.validation.taken >= 299, "{of:?}");
        assert_eq!((of.validation.questions, of.test.questions), (320, 10));
        assert_eq!(of.test.taken + of.test.refused.values().sum::<usize>(), 10, "{of:?}");
        let settings = settings(&micro, port);
        let task = &settings.tasks["finding"];
        assert_eq!((task.gate, task.system.as_str()), (of.gate, "Judge the finding."));
        assert!(task.limit.is_multiple_of(16) && (32..=96).contains(&task.limit), "{}", task.limit);
        // A model that knows the answer is not hindered by its schema.
        let held = &metrics.constrained.as_ref().unwrap()[model];
        assert!(held.free_sound >= 8 && held.same == held.free_sound, "{} of {}", held.same, held.free_sound);
        assert_eq!(held.answers.mean["schema_conformance"].value, 1.0);
    }
    let page = std::fs::read_to_string(micro.path("out/report")).unwrap();
    assert!(page.contains("Answers that are taken") && page.contains("errors below"), "no gate on the page");

    // Hot draws spoil the answers, and what is taken of greedy ones stays as it is.
    let hot = SamplingParams { temperature: 20.0, ..SamplingParams::default() };
    let sampled = evaluate(&micro, Some(hot));
    assert!(sampled.original.answers.mean["valid_json"].value < metrics.original.answers.mean["valid_json"].value);
    assert_eq!(sampled.constrained.unwrap()["original"].answers.mean["schema_conformance"].value, 1.0);
    assert_eq!(sampled.gates.unwrap(), gates);
}

#[test]
fn a_model_that_knows_nothing_is_never_taken_and_writes_json_all_the_same_when_held_to_it() {
    let micro = Micro::new();
    micro.model("model", &micro::config());
    quantize(&micro);
    let metrics = evaluate(&micro, None);
    for (model, tasks) in metrics.gates.unwrap() {
        let of = &tasks["finding"];
        // Six questions can give no gate, so they are not asked.
        assert_eq!((of.gate, of.too_few, of.validation.questions, of.test.taken), (None, Some(6), 0, 0), "{model}");
        assert_eq!(of.test.refused.values().sum::<usize>(), 10);
    }
    assert_eq!(settings(&micro, "analyst").tasks["finding"].gate, None);
    assert_eq!(metrics.original.answers.mean["schema_conformance"].value, 0.0);
    for held in metrics.constrained.unwrap().values() {
        let mean = |name: &str| held.answers.mean[name].value;
        assert_eq!((mean("terminated"), mean("schema_conformance"), held.free_sound), (1.0, 1.0, 0));
    }
}
