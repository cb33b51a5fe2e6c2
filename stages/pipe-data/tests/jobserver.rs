//! The worker as the engine starts it, with a jobserver: tokens limit its threads, never its bytes, and all of them come back.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// A directory with a jobserver in it, whose pipe is kept open.
struct Room {
    directory: tempfile::TempDir,
    fifo: File,
}

impl Room {
    fn new(tokens: usize) -> Room {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut fifo = File::options().read(true).write(true).open(path).unwrap();
        fifo.write_all(&b"abcdefgh"[..tokens]).unwrap();
        Room { directory, fifo }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a job and returns whether it succeeded, and its events.
    fn run(&self, kind: &str, params: Value, inputs: Value, outputs: &[&str]) -> (bool, Vec<Value>) {
        let kinds = pipe_data::KINDS.iter().map(|kind| (kind.card)());
        let card = kinds.into_iter().find(|card| card.kind == kind).unwrap();
        let outputs: serde_json::Map<String, Value> =
            outputs.iter().map(|name| ((*name).to_owned(), json!(self.path(name)))).collect();
        let job = json!({
            "kind": kind, "version": card.version, "params": complete(&card.params, params), "inputs": inputs, "outputs": outputs,
            "scratch": self.directory.path(), "checkpoints": self.directory.path(),
            "limits": {"threads": 8, "memory": 0}, "trace": "test",
        });
        fs::write(self.path("job.json"), job.to_string()).unwrap();
        // The shell opens the event stream, because a descriptor of ours cannot be passed on by name.
        let ran = Command::new("sh")
            .args(["-c", r#"exec "$0" run "$1" 3>"$2""#, env!("CARGO_BIN_EXE_pipe-data")])
            .args([self.path("job.json"), self.path("events")])
            .env("PIPE_EVENTS_FD", "3")
            .env("MAKEFLAGS", format!(" -j9 --jobserver-auth=fifo:{}", self.path("fifo").display()))
            .status()
            .unwrap();
        let events = fs::read_to_string(self.path("events")).unwrap();
        (ran.success(), events.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn produce(&self) -> Vec<Value> {
        let (success, events) = self.run("produce", json!({"hosts": 12}), json!({}), &["scans", "truth"]);
        assert!(success, "{events:?}");
        events
    }

    /// The tokens that are in the pipe, sorted.
    fn tokens(mut self) -> Vec<u8> {
        // Ends the reading, and is no token.
        self.fifo.write_all(b"\n").unwrap();
        let mut bytes = vec![0; 16];
        let count = self.fifo.read(&mut bytes).unwrap();
        bytes.truncate(count - 1);
        bytes.sort_unstable();
        bytes
    }
}

/// The defaults on the card, as the engine fills them in, with these in place of theirs.
fn complete(card: &Value, params: Value) -> Value {
    let properties = card["properties"].as_object().unwrap();
    let mut all: serde_json::Map<String, Value> =
        properties.iter().map(|(name, schema)| (name.clone(), schema["default"].clone())).collect();
    all.extend(params.as_object().unwrap().clone());
    all.into()
}

/// How many threads the log says worked at once.
fn threads(events: &[Value]) -> usize {
    let said = events.iter().find_map(|event| {
        event["log"]["message"]
            .as_str()?
            .strip_prefix("at most ")?
            .strip_suffix(" of 8 threads worked at once")?
            .parse()
            .ok()
    });
    said.unwrap_or_else(|| panic!("{events:?}"))
}

/// Every file below a directory with its content.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push((path.clone(), fs::read(path).unwrap())),
        }
    }
    all.sort();
    all
}

fn relative(room: &Room) -> Vec<(PathBuf, Vec<u8>)> {
    let scans = files(&room.path("scans"));
    let name = |path: PathBuf| path.strip_prefix(room.directory.path()).unwrap().to_owned();
    let mut all: Vec<_> = scans.into_iter().map(|(path, bytes)| (name(path), bytes)).collect();
    all.push(("truth".into(), fs::read(room.path("truth")).unwrap()));
    all
}

#[test]
fn without_a_token_one_thread_works_and_the_bytes_are_those_of_many() {
    let (alone, helped) = (Room::new(0), Room::new(3));
    assert_eq!(threads(&alone.produce()), 1);
    assert!((1..=4).contains(&threads(&helped.produce())));
    assert_eq!(relative(&alone), relative(&helped));
    assert!(relative(&alone).len() > 24);
    assert_eq!((alone.tokens(), helped.tokens()), (Vec::new(), b"abc".to_vec()));
}

#[test]
fn a_stage_that_fails_gives_its_tokens_back() {
    let room = Room::new(5);
    room.produce();
    let scans = files(&room.path("scans"));
    for (path, _) in scans.iter().step_by(3) {
        fs::write(path, "{").unwrap();
    }
    let inputs = json!({"scans": [{"path": room.path("scans"), "type": "scans", "digest": "0".repeat(64)}]});
    let (success, events) = room.run("correlate", json!({}), inputs, &["findings", "correlations"]);
    assert!(!success);
    let message = events.iter().find_map(|event| event["failed"]["message"].as_str()).unwrap();
    // Of the damaged ones the first, whichever thread came to it.
    assert!(message.contains(&scans[0].0.display().to_string()), "{message}");
    assert_eq!(room.tokens(), b"abcde");
}
