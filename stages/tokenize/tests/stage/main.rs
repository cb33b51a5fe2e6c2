//! The stage on a small dataset: what it writes, byte for byte, and what it refuses.

mod base;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use contract::{Context, Digest, Job, JobInput, Limits, Stage, StageError, Type};
use dataset::{Message, Split};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokenize::stage::MayBeEmpty;
use tokenize::{Tokenize, TokenizeParams};
use tokens::chat::IGNORED;
use tokens::template::Special;
use tokens::{ChatEncoder, EncodedSplit, Learn};

/// Conversations with the shape of analyst answers; line `n` is the same on every machine.
fn line(n: usize) -> Value {
    let severity = ["low", "medium", "high", "critical"][n * 7 % 4];
    let path = format!("/usr/local/bin/tool-{}", n * 31 % 17);
    let answer = json!({"risk": n * 13 % 101, "severity": severity, "actions": [format!("remove {path}")]});
    json!({
        "messages": [
            {"role": "system", "content": "You are a security analyst. Answer with one JSON object."},
            {"role": "user", "content": format!("SUID binary {path}\nowner: root\nmode: 0{}755\nnaïve café ☕", n % 8)},
            {"role": "assistant", "content": answer.to_string()},
        ],
        "task": "assess",
    })
}

fn dataset() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (split, lines) in Split::ALL.into_iter().zip([0..60, 60..70, 70..80, 80..84]) {
        let text: String = lines.map(|n| line(n).to_string() + "\n").collect();
        std::fs::write(directory.path().join(format!("{split}.jsonl")), text).unwrap();
    }
    directory
}

struct Outcome {
    home: TempDir,
    result: Result<(), StageError>,
    /// Its events.
    said: String,
}

/// Keeps events.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Outcome {
    fn tokens(&self) -> std::path::PathBuf {
        self.home.path().join("tokens")
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.tokens().join("manifest.json")).unwrap()).unwrap()
    }
}

fn run(dataset: &Path, params: TokenizeParams, threads: u32) -> Outcome {
    run_on(dataset, None, params, threads)
}

fn run_on(dataset: &Path, base: Option<&Path>, params: TokenizeParams, threads: u32) -> Outcome {
    let home = tempfile::tempdir().unwrap();
    let input = |port: &str, path: &Path, artifact| {
        let input = JobInput { label: None, path: path.to_owned(), artifact, digest: Digest::of(b"") };
        (port.to_owned(), vec![input])
    };
    let mut inputs = BTreeMap::from([input("dataset", dataset, Type::DATASET)]);
    inputs.extend(base.map(|base| input("base", base, Type::HF_MODEL)));
    let job = Job {
        kind: "tokenize".into(),
        version: 2,
        params: json!({}),
        inputs,
        outputs: BTreeMap::from([("tokens".into(), home.path().join("tokens"))]),
        scratch: home.path().join("scratch"),
        checkpoints: home.path().join("checkpoints"),
        limits: Limits { threads, memory: 0 },
        trace: "test/tokenize".into(),
    };
    let said = Said::default();
    let result = Tokenize::run(params, &Context::new(job, Box::new(said.clone())));
    let said = said.0.lock().unwrap().clone();
    Outcome { home, result, said: String::from_utf8(said).unwrap() }
}

fn small() -> TokenizeParams {
    TokenizeParams { vocab_size: Some(400), max_length: 256, ..TokenizeParams::default() }
}

/// Names and digests of every file, so that a difference says where it lies.
fn digests(directory: &Path) -> Vec<(String, String)> {
    let mut all: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), Digest::of(&bytes).short())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn golden() {
    let outcome = run(dataset().path(), small(), 1);
    outcome.result.as_ref().unwrap();
    let found = digests(&outcome.tokens());
    let expected = [
        ("calibration.safetensors", "cb4455cc6b"),
        ("chat_template.jinja", "4bcfd6022e"),
        ("cut.jsonl", "af1349b9f5"),
        ("generation_config.json", "4f8a8c1fff"),
        ("manifest.json", "67f6795895"),
        ("special_tokens_map.json", "522576d35d"),
        ("test.safetensors", "f500572f5e"),
        ("tokenizer.json", "2c6d9d10b3"),
        ("tokenizer_config.json", "110c11d13c"),
        ("train.safetensors", "cce79c03f4"),
        ("validation.safetensors", "a5ec5de6d0"),
    ]
    .map(|(name, digest)| (name.to_owned(), digest.to_owned()));
    assert_eq!(found, expected, "the output moved: if that is meant, raise the card's version and renew this list");
}

#[test]
fn the_same_bytes_at_any_number_of_threads_and_every_time() {
    let dataset = dataset();
    let first = run(dataset.path(), small(), 1);
    for threads in [1, 2, 7] {
        let again = run(dataset.path(), small(), threads);
        assert_eq!(digests(&first.tokens()), digests(&again.tokens()), "{threads} threads");
    }
}

#[test]
fn only_the_answer_and_its_end_are_learned() {
    let outcome = run(dataset().path(), small(), 2);
    let encoder = ChatEncoder::load(&outcome.tokens()).unwrap();
    let train = EncodedSplit::load(&outcome.tokens(), Split::Train).unwrap();
    assert_eq!(train.len(), 60);
    for index in [0, 17, 59] {
        let learned: Vec<u32> =
            train.labels(index).iter().filter(|label| **label != IGNORED).map(|label| *label as u32).collect();
        let (end, answer) = learned.split_last().unwrap();
        assert_eq!(*end, Special::EndOfTurn.id());
        let text = encoder.tokenizer().decode(answer, false).unwrap();
        assert_eq!(text, line(index)["messages"][2]["content"].as_str().unwrap());
        // Learned tokens are the example's tail, and its head is the prompt that evaluation will give.
        let messages: Vec<Message> = serde_json::from_value(line(index)["messages"].clone()).unwrap();
        let prompt = encoder.prompt(&messages[..2]).unwrap();
        assert_eq!(train.ids(index)[..prompt.len()], prompt);
        assert_eq!(train.ids(index).len(), prompt.len() + learned.len());
    }
}

#[test]
fn long_questions_are_cut_and_long_answers_left_out_and_both_are_counted() {
    let dataset = dataset();
    let whole = run(dataset.path(), small(), 2).manifest();
    let longest = whole["splits"]["test"]["lengths"]["max"].as_u64().unwrap() as u32;
    let cut = run(dataset.path(), TokenizeParams { max_length: longest - 2, ..small() }, 2);
    let figures = &cut.manifest()["splits"]["test"];
    assert!(figures["truncated"].as_u64().unwrap() >= 1);
    assert_eq!(figures["dropped"], 0);
    assert_eq!(figures["lengths"]["max"], longest - 2);
    let test = EncodedSplit::load(&cut.tokens(), Split::Test).unwrap();
    assert!((0..test.len()).all(|i| test.ids(i).last() == Some(&(Special::EndOfTurn.id() as i32))));

    let cut_lines = std::fs::read_to_string(cut.tokens().join("cut.jsonl")).unwrap();
    let lines: Vec<Value> = cut_lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_test: Vec<&Value> = lines.iter().filter(|line| line["split"] == "test").collect();
    assert_eq!(of_test.len() as u64, figures["truncated"].as_u64().unwrap());
    assert!(of_test.iter().all(|line| line["cut"].as_u64().unwrap() <= 2 && line["tokens"].as_u64().unwrap() > 2));
    let first = of_test[0]["line"].as_u64().unwrap();
    assert!(cut.said.contains(&format!("test.jsonl: {} of 10 lines are cut", of_test.len())), "{}", cut.said);
    assert!(cut.said.contains(&format!(" {first}")) && cut.said.contains("half of them at most"), "{}", cut.said);

    let none = run(dataset.path(), TokenizeParams { max_length: 16, ..small() }, 2).result.unwrap_err();
    let (start, end) = none.message.split_once("train.jsonl: no line fits max_length 16 (they have ").unwrap();
    assert!(start.ends_with('/') && end.ends_with(" tokens), and nothing can be learned without examples"), "{none}");
    let wide = TokenizeParams { max_length: longest - 2, may_be_empty: vec![MayBeEmpty::Test], ..small() };
    let long = "x".repeat(4000);
    let answer = json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": long}]});
    std::fs::write(dataset.path().join("test.jsonl"), format!("{answer}\n")).unwrap();
    let left_out = run(dataset.path(), wide, 2);
    assert_eq!(left_out.manifest()["splits"]["test"]["dropped"], 1);
    assert_eq!(left_out.manifest()["splits"]["test"]["examples"], 0);
    assert!(left_out.said.contains("test.jsonl: 1 of 1 lines are left out: too long"), "{}", left_out.said);
}

#[test]
fn a_split_without_lines_is_refused_unless_no_stage_reads_it() {
    let dataset = dataset();
    let test = dataset.path().join("test.jsonl");
    std::fs::write(&test, "").unwrap();
    let error = run(dataset.path(), small(), 1).result.unwrap_err();
    assert_eq!(error.message, format!("{} has no lines, and `evaluate` needs that split", test.display()));
    assert_eq!(error.help.unwrap(), "add lines, or write `may_be_empty: [test]` where no later stage reads it");
    let without = TokenizeParams { may_be_empty: vec![MayBeEmpty::Test, MayBeEmpty::Calibration], ..small() };
    std::fs::remove_file(dataset.path().join("calibration.jsonl")).unwrap();
    let outcome = run(dataset.path(), without.clone(), 1);
    outcome.result.as_ref().unwrap();
    assert!(EncodedSplit::load(&outcome.tokens(), Split::Calibration).unwrap().is_empty());
    std::fs::write(dataset.path().join("train.jsonl"), "").unwrap();
    let error = run(dataset.path(), without, 1).result.unwrap_err();
    assert!(error.message.ends_with("train.jsonl has no lines, and nothing can be learned without examples"));
}

#[test]
fn the_last_answer_alone_is_learned_where_that_is_asked_for() {
    let dataset = dataset();
    let turn = |role: &str, content: &str| json!({"role": role, "content": content});
    let messages = [turn("user", "a"), turn("assistant", "first"), turn("tool", "b"), turn("assistant", "second")];
    let line = format!("{}\n", json!({"messages": messages, "note": "no task"}));
    std::fs::write(dataset.path().join("test.jsonl"), line).unwrap();
    let targets = |learn| {
        let outcome = run(dataset.path(), TokenizeParams { learn, ..small() }, 1);
        let manifest = outcome.manifest();
        assert_eq!(manifest["learn"], serde_json::to_value(learn).unwrap());
        manifest["splits"]["test"]["targets"].as_u64().unwrap()
    };
    let (all, last) = (targets(Learn::All), targets(Learn::Last));
    assert!(last >= 2 && all > last, "{all} {last}");
}

#[test]
fn a_line_that_cannot_be_used_is_named() {
    let dataset = dataset();
    let path = dataset.path().join("test.jsonl");
    std::fs::write(&path, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}\n").unwrap();
    let error = run(dataset.path(), small(), 1).result.unwrap_err();
    assert!(
        error.message.ends_with("test.jsonl:1: the last message is not the assistant's, so there is nothing to learn")
    );
    std::fs::remove_file(&path).unwrap();
    let error = run(dataset.path(), small(), 1).result.unwrap_err();
    assert!(error.message.contains("test.jsonl: No such file"), "{}", error.message);
}
