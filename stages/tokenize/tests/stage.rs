//! The stage on a small dataset: what it writes, byte for byte, and what it refuses.

use std::collections::BTreeMap;
use std::path::Path;

use contract::{Context, Digest, Job, JobInput, Limits, Stage, StageError, Type};
use dataset::{Message, Split};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokenize::{Tokenize, TokenizeParams};
use tokens::chat::IGNORED;
use tokens::template::Special;
use tokens::{ChatEncoder, EncodedSplit};

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
    let home = tempfile::tempdir().unwrap();
    let input = JobInput { label: None, path: dataset.to_owned(), artifact: Type::DATASET, digest: Digest::of(b"") };
    let job = Job {
        kind: "tokenize".into(),
        version: 1,
        params: json!({}),
        inputs: BTreeMap::from([("dataset".into(), vec![input])]),
        outputs: BTreeMap::from([("tokens".into(), home.path().join("tokens"))]),
        scratch: home.path().join("scratch"),
        checkpoints: home.path().join("checkpoints"),
        limits: Limits { threads, memory: 0 },
        trace: "test/tokenize".into(),
    };
    let result = Tokenize::run(params, &Context::new(job, Box::new(std::io::sink())));
    Outcome { home, result }
}

fn small() -> TokenizeParams {
    TokenizeParams { vocab_size: 400, max_length: 256 }
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
        ("chat_template.jinja", "68d721633c"),
        ("generation_config.json", "5cf2d81fc7"),
        ("manifest.json", "f91e1691d8"),
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

    let none = run(dataset.path(), TokenizeParams { max_length: 16, ..small() }, 2);
    assert_eq!(none.manifest()["splits"]["test"]["dropped"], 10);
    assert_eq!(none.manifest()["splits"]["test"]["examples"], 0);
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
