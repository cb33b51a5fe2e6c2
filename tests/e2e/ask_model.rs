//! `pipe ask --model`: prompts as token ids, and what is taken of what was said. The weights are not needed for it.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::project::{Project, Ran, checkout, worker};

const TASKS: [(&str, &str); 6] = [
    ("finding", "Rate the finding as JSON."),
    ("correlation", "Join the findings as JSON."),
    ("actions", "List the actions as JSON."),
    ("summary", "Summarize the host as JSON."),
    ("triage", "Triage the host as JSON."),
    ("refine", "Refine the rules as JSON."),
];

/// A project with a report and a model without weights, of this context.
fn project(context: u32, gate: Value) -> Project {
    worker("pipe-ask");
    let project = Project::new();
    let report = checkout().join("pipelines/data/reports/debian12_scanner_v6.json");
    project.write("r.json", &fs::read_to_string(report).unwrap());
    fs::create_dir(project.path("model")).unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        let from = checkout().join("crates/tokens/tests/fixtures/chat").join(name);
        if from.exists() {
            fs::copy(from, project.path("model").join(name)).unwrap();
        }
    }
    project.write("model/config.json", &json!({"max_position_embeddings": 65536, "eos_token_id": [3]}).to_string());
    settings(&project, context, |task| json!({"limit": 400, "gate": gate, "system": task}));
    project
}

/// Writes the model's settings; `of` says what it says of a task, whose system message it is given.
fn settings(project: &Project, context: u32, of: impl Fn(&str) -> Value) {
    let tasks: serde_json::Map<String, Value> =
        TASKS.iter().map(|(name, system)| ((*name).to_owned(), of(system))).collect();
    let settings = json!({"version": 1, "context": context, "dataset": "d", "tasks": tasks});
    project.write("model/analyst.json", &settings.to_string());
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The head, and the questions.
fn prompts(project: &Project, words: &[&str]) -> (Value, Vec<Value>) {
    let ran = project.pipe(&[&["ask", "r.json", "--model", "model", "--prompts", "-"], words].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}");
    let mut lines = lines(&ran.stdout);
    (lines.remove(0), lines)
}

/// What becomes of these answers.
fn answered(project: &Project, head: &Value, said: &[Value], words: &[&str]) -> Value {
    let all: String = [head].into_iter().chain(said).map(|line| format!("{line}\n")).collect();
    project.write("said.jsonl", &all);
    let ran = project.pipe(&[&["ask", "r.json", "--model", "model", "--answers", "said.jsonl"], words].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn answers(document: &Value) -> &Vec<Value> {
    document["enrichment_results"]["pipe"]["answers"].as_array().unwrap()
}

/// What `of` makes of each question, as an answer that ended by itself.
fn said(questions: &[Value], of: impl Fn(&Value) -> String) -> Vec<Value> {
    let line = |q: &Value| json!({"id": q["id"], "text": of(q), "finish": "stop", "confidence": 0.97});
    questions.iter().map(line).collect()
}

/// Everything that rules decide, without the answers.
fn decided(document: &Value) -> Value {
    let mut decided = document.clone();
    decided.as_object_mut().unwrap().remove("enrichment_results");
    decided
}

#[test]
fn prompts_are_token_ids_of_the_models_own_chat_form() {
    let project = project(65536, json!(0.9));
    let (head, questions) = prompts(&project, &["--rate-all"]);
    assert_eq!(head["model"].as_str().unwrap().len(), 64);
    assert!(questions.len() > 60);
    for question in &questions {
        let ids: Vec<u64> = question["tokens"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
        // Begin, and for two messages and the answer to come a header, whose end, and the end of a turn.
        let count = |special: u64| ids.iter().filter(|id| **id == special).count();
        assert_eq!([0, 1, 2, 3].map(count), [1, 3, 3, 2], "{question}");
        assert_eq!((&question["limit"], &question["stop"]), (&json!(400), &json!([3])));
        assert!(question["schema"].is_object() && question.get("skipped").is_none());
    }
    // A prompt that does not fit with its answer is said, and answered by rules.
    settings(&project, 700, |system| json!({"limit": 400, "gate": 0.9, "system": system}));
    let (head, questions) = prompts(&project, &[]);
    let (long, short): (Vec<&Value>, Vec<&Value>) = questions.iter().partition(|question| question["tokens"].is_null());
    assert!(!long.is_empty());
    assert!(long.iter().all(|question| question["skipped"].as_str().unwrap().contains("the model 700")));
    let said: Vec<Value> =
        short.iter().map(|q| json!({"id": q["id"], "text": "{}", "finish": "stop", "confidence": 1.0})).collect();
    let document = answered(&project, &head, &said, &[]);
    let why: Vec<&str> = answers(&document).iter().map(|answer| answer["why"].as_str().unwrap()).collect();
    assert_eq!(why.iter().filter(|why| why.contains("the model 700")).count(), long.len(), "{why:?}");
}

#[test]
fn an_answer_as_good_as_the_rules_is_taken_and_changes_no_figure() {
    let project = project(65536, json!(0.9));
    let (head, questions) = prompts(&project, &["--rate-all"]);
    let document = answered(&project, &head, &said(&questions, |q| q["rule"].to_string()), &["--rate-all"]);
    let taken = answers(&document);
    assert_eq!(taken.len(), questions.len());
    let refused: Vec<&Value> = taken.iter().filter(|answer| answer["source"] != "model").collect();
    // Where nothing belongs together there is no text to take.
    let silent = |answer: &&Value| answer["answer"] == json!([]) && answer["why"] == "the answer has no text";
    assert!(refused.iter().all(silent), "{refused:?}");
    assert!(taken.iter().all(|answer| answer["confidence"] == 0.97 && answer.get("model_opinion").is_none()));
    let alone = project.pipe(&["ask", "r.json", "--rate-all"]).stdout;
    let alone: Value = serde_json::from_str(&alone).unwrap();
    assert_eq!(decided(&document), decided(&alone));
    let own = |document: &Value| answers(document).iter().map(|answer| answer["answer"].clone()).collect::<Vec<_>>();
    assert_eq!(own(&document), own(&alone));
    let model = &document["enrichment_results"]["pipe"]["model"];
    assert_eq!((&model["digest"], &model["name"]), (&head["model"], &json!("model")));
}

#[test]
fn garbage_is_never_taken_and_an_opinion_lowers_nothing() {
    let project = project(65536, json!(0.9));
    let (head, questions) = prompts(&project, &["--rate-all"]);
    let alone: Value = serde_json::from_str(&project.pipe(&["ask", "r.json", "--rate-all"]).stdout).unwrap();
    let check = |what: &str, said: &[Value], why: &str| {
        let document = answered(&project, &head, said, &["--rate-all"]);
        assert_eq!(decided(&document), decided(&alone), "{what}");
        let mut reasons = BTreeSet::new();
        for (answer, rule) in answers(&document).iter().zip(answers(&alone)) {
            assert_eq!((&answer["source"], &answer["answer"]), (&json!("rule"), &rule["answer"]), "{what}");
            reasons.insert(answer["why"].as_str().unwrap().to_owned());
        }
        assert!(reasons.iter().any(|reason| reason.contains(why)), "{what}: {reasons:?}");
    };
    let with = |key: &str, value: Value| {
        let mut all = said(&questions, |q| q["rule"].to_string());
        all.iter_mut().for_each(|line| line[key] = value.clone());
        all
    };
    check("no JSON", &said(&questions, |_| "All is well.\u{1b}[2J".to_owned()), "no JSON");
    check("another form", &said(&questions, |_| json!({"risk": 1}).to_string()), "not of the task's form");
    check("cut off", &with("finish", json!("length")), "does not end");
    check("doubt", &with("confidence", json!(0.5)), "not sure enough");
    check("no probability", &with("confidence", Value::Null), "no probability");
    check("nothing", &[], "gave no answer");
    let invented = |q: &Value| {
        let (own, other) = (q["rule"].to_string(), q["rule"].to_string().replace(' ', " T9999 "));
        if own == other { "{}".to_owned() } else { other }
    };
    check("invented", &said(&questions, invented), "does not show");
    // A finding that the model calls harmless: its opinion is told apart, and the finding stays what it is.
    let lowered = said(&questions, |q| {
        let mut rule = q["rule"].clone();
        if q["task"] == "finding" {
            rule["severity"] = json!("info");
            rule["risk"] = json!(0);
        }
        rule.to_string()
    });
    let document = answered(&project, &head, &lowered, &["--rate-all"]);
    assert_eq!(decided(&document), decided(&alone));
    let mut opinions = 0;
    for (answer, rule) in
        answers(&document).iter().zip(answers(&alone)).filter(|(answer, _)| answer["task"] == "finding")
    {
        assert_eq!(answer["answer"], rule["answer"]);
        opinions += usize::from(answer["model_opinion"] == "info");
    }
    assert!(opinions > 10, "{opinions}");
}

#[test]
fn answers_to_other_questions_and_models_for_other_prompts_are_refused() {
    let project = project(65536, json!(0.9));
    let (head, questions) = prompts(&project, &[]);
    let said = said(&questions, |q| q["rule"].to_string());
    let refused = |words: &[&str], why: &str| {
        let ran = project.pipe(&[&["ask", "r.json", "--model", "model"], words].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{words:?}");
        assert!(ran.stderr.contains(why) && ran.stderr.contains("help: "), "{why}: {}", ran.stderr);
    };
    answered(&project, &head, &said, &[]);
    refused(&["--answers", "said.jsonl", "--rate-all"], "answers to other questions");
    refused(&["--answers", "said.jsonl", "--task", "triage"], "answers to other questions");
    for (line, why) in [
        (json!({"id": 9999, "text": "", "finish": "stop", "confidence": 1.0}), "there is no question 9999"),
        (said[0].clone(), "question 0 is answered twice"),
        (json!({"id": 0}), "missing field"),
    ] {
        let all: String = [&head].into_iter().chain(&said).chain([&line]).map(|line| format!("{line}\n")).collect();
        project.write("said.jsonl", &all);
        refused(&["--answers", "said.jsonl"], why);
    }
    let text = |all: &[&Value]| all.iter().map(|line| format!("{line}\n")).collect::<String>();
    project.write("said.jsonl", &text(&[&said[0]]));
    refused(&["--answers", "said.jsonl"], "said.jsonl:1: ");
    // Another model than the one that was asked.
    let mut other = head.clone();
    other["model"] = json!("0".repeat(64));
    project.write("said.jsonl", &text(&[&other]));
    refused(&["--answers", "said.jsonl"], "answers of another model");
    settings(&project, 512, |system| json!({"limit": 9, "gate": null, "system": system.replace("JSON", "YAML")}));
    refused(&["--prompts", "-"], "made for other prompts");
    fs::remove_file(project.path("model/analyst.json")).unwrap();
    refused(&["--prompts", "-"], "does not say for which prompts it was made");
    let ran = project.pipe(&["ask", "r.json", "--answers", "said.jsonl"]);
    assert!(ran.status == 2 && ran.stderr.contains("--model"), "{}", ran.stderr);
    let ran = project.pipe(&["ask", "r.json", "--model", "missing"]);
    assert!(ran.status == 2 && ran.stderr.contains("missing"), "{}", ran.stderr);
}

/// Writes the weights of a model that learned nothing: any numbers.
fn weights(project: &Project) {
    let (hidden, inner, vocabulary) = (16, 32, 400);
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": hidden / 2, "vocab_size": vocabulary,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true, "hidden_act": "silu",
        "bos_token_id": 0, "eos_token_id": [3], "pad_token_id": 4, "torch_dtype": "float32",
    });
    project.write("model/config.json", &config.to_string());
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![vocabulary, hidden])];
    shapes.extend(
        ["q_proj", "k_proj", "v_proj", "o_proj"].map(|n| (layer(&format!("self_attn.{n}")), vec![hidden, hidden])),
    );
    shapes.extend(["gate_proj", "up_proj"].map(|n| (layer(&format!("mlp.{n}")), vec![inner, hidden])));
    shapes.push((layer("mlp.down_proj"), vec![hidden, inner]));
    shapes.extend(["input_layernorm", "post_attention_layernorm"].map(|n| (layer(n), vec![hidden])));
    shapes.push(("model.norm.weight".to_owned(), vec![hidden]));
    let (mut header, mut data, mut seed) = (serde_json::Map::new(), Vec::new(), 1_u32);
    for (name, shape) in shapes {
        let start = data.len();
        for _ in 0..shape.iter().product::<usize>() {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            data.extend(((f64::from(seed >> 8) / f64::from(1_u32 << 24) - 0.5) as f32).to_le_bytes());
        }
        header.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}));
    }
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let header = Value::from(header).to_string();
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
    fs::write(project.path("model/model.safetensors"), file).unwrap();
}

#[test]
fn a_model_that_learned_nothing_is_asked_and_nothing_of_it_is_taken() {
    worker("pipe-torch");
    let project = project(4096, json!(0.0));
    weights(&project);
    settings(&project, 4096, |system| json!({"limit": 12, "gate": 0.0, "system": system}));
    let ask = |words: &[&str]| -> Value {
        let ran = project.pipe(&[&["ask", "r.json", "--model", "model", "--quiet"], words].concat());
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{words:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let document = ask(&["--rate-all"]);
    let alone: Value = serde_json::from_str(&project.pipe(&["ask", "r.json", "--rate-all"]).stdout).unwrap();
    assert_eq!(decided(&document), decided(&alone));
    for (answer, rule) in answers(&document).iter().zip(answers(&alone)) {
        assert_eq!((&answer["source"], &answer["answer"]), (&json!("rule"), &rule["answer"]));
        assert!(answer["confidence"].as_f64().is_some_and(|p| (0.0..=1.0).contains(&p)), "{answer}");
    }
    assert_eq!(document, ask(&["--rate-all"]), "the same questions have the same answers");
    assert_eq!(answers(&document).len(), answers(&ask(&["--rate-all", "--threads", "2"])).len());
    // What it took is told once, of all questions that were asked.
    let ran = project.pipe(&["ask", "r.json", "--model", "model", "--rate-all"]);
    let asked = format!("asked {} questions in ", answers(&document).len());
    assert!(ran.stderr.starts_with(&asked) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    assert!(ran.stderr.contains(" tokens read, ") && ran.stderr.ends_with(" a second\n"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(" 0 written"), "{}", ran.stderr);
    // Weights that are not there, or of another form, are refused with their file.
    fs::write(project.path("model/model.safetensors"), b"\x08\0\0\0\0\0\0\0{}").unwrap();
    let ran = project.pipe(&["ask", "r.json", "--model", "model"]);
    assert!(ran.status == 2 && ran.stderr.contains("model.safetensors"), "{}", ran.stderr);
}

#[test]
fn without_the_program_that_links_libtorch_it_says_what_can_ask() {
    let project = project(65536, json!(0.9));
    let alone = project.path("pipe-ask");
    fs::copy(worker("pipe-ask"), &alone).unwrap();
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(&alone);
        Ran::from(command.args(words).current_dir(project.root()).env("PATH", "/nowhere").output().unwrap())
    };
    let ran = run(&["r.json", "--model", "model"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("pipe-torch, which is not here") && ran.stderr.contains("--answers"), "{}", ran.stderr);
    assert_eq!(run(&["r.json", "--model", "model", "--prompts", "-"]).status, 0);
}
