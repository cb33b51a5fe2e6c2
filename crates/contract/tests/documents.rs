//! The documents that go between the engine and workers: cards, jobs and events, as docs/worker-protocol.md has them.

use std::path::{Path, PathBuf};

use contract::stage::At;
use contract::{Card, CommandWorker, Digest, Event, FailureClass, Job, JobInput, Limits, Resources, Type, Worker};
use serde_json::{Value, json};

/// The page's code block that begins with `fence`.
fn block(fence: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/worker-protocol.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!("```{fence}\n")).unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// Refusals of a document with something added, or something left out.
fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(document: &Value, key: &str) -> [String; 2] {
    let mut more = document.clone();
    more["surplus"] = json!(1);
    let mut less = document.clone();
    less.as_object_mut().unwrap().remove(key).unwrap();
    [more, less].map(|document| serde_json::from_value::<T>(document).unwrap_err().to_string())
}

#[test]
fn the_card_of_the_page_is_read_and_written_back_with_what_it_left_out() {
    let text = block("json card");
    let card: Card = serde_json::from_str(&text).unwrap();
    let files = vec![PathBuf::from("keep-findings.py")];
    assert_eq!(card.worker, Worker::Command(CommandWorker { argv: vec!["keep-findings.py".into()], files }));
    assert_eq!((card.inputs[0].artifact, card.inputs[1].artifact), (Type::FINDINGS, Type::FILE));
    assert_eq!((card.inputs[0].many, card.inputs[1].many, card.inputs[1].optional), (false, true, false));
    assert_eq!(card.resources, Resources { cpus: 1, memory: 67_108_864, ..Resources::default() });
    let mut written: Value = serde_json::from_str(&text).unwrap();
    for input in written["inputs"].as_array_mut().unwrap() {
        input["optional"] = json!(false);
    }
    assert_eq!(serde_json::to_value(&card).unwrap(), written);
}

#[test]
fn a_card_with_a_key_too_many_or_too_few_is_refused_by_that_key() {
    let card = serde_json::from_str(&block("json card")).unwrap();
    for key in ["kind", "version", "summary", "worker", "outputs"] {
        let [more, less] = refused::<Card>(&card, key);
        assert!(more.contains("unknown field `surplus`"), "{more}");
        assert!(less.contains(&format!("missing field `{key}`")), "{less}");
    }
}

#[test]
fn what_a_card_may_leave_out_has_a_default() {
    let least = json!({"kind": "k", "version": 1, "summary": "s", "worker": {"program": "w"}, "outputs": []});
    let card: Card = serde_json::from_value(least).unwrap();
    assert_eq!(card, Card::new("k", 1).worker("w").summary("s"));
    assert_eq!(card.params, json!({"type": "object", "properties": {}, "additionalProperties": false}));
    assert_eq!(card.resources, Resources { cpus: 0, memory: 0, ..Resources::default() });
}

#[test]
fn ports_stand_on_a_card_in_the_order_in_which_they_are_added() {
    let card = Card::new("k", 3)
        .input("a", Type::SCANS, "first")
        .optional_input("b", Type::TRUTH, "second")
        .output("y", Type::REPORT, "one")
        .output("x", Type::METRICS, "two")
        .resources(4, 1 << 20);
    let inputs: Vec<_> = card.inputs.iter().map(|port| (port.name.as_str(), port.artifact, port.optional)).collect();
    assert_eq!(inputs, [("a", Type::SCANS, false), ("b", Type::TRUTH, true)]);
    let outputs: Vec<_> = card.outputs.iter().map(|port| (port.name.as_str(), port.artifact)).collect();
    assert_eq!(outputs, [("y", Type::REPORT), ("x", Type::METRICS)]);
    assert_eq!(card.resources, Resources { cpus: 4, memory: 1 << 20, ..Resources::default() });
}

#[test]
fn a_card_may_state_a_type_of_its_own() {
    let text = r#"{"kind":"k","version":1,"summary":"s","worker":{"program":"w"},"inputs":[],
"outputs":[{"name":"o","type":{"name":"capture","form":"file","ending":"pcap"}}]}"#;
    let card: Card = serde_json::from_str(text).unwrap();
    let stated = card.outputs[0].artifact;
    assert_eq!((stated.name(), stated.extension()), ("capture", Some("pcap")));
    let again: Card = serde_json::from_value(serde_json::to_value(&card).unwrap()).unwrap();
    assert_eq!(again, card);
}

#[test]
fn the_job_of_the_page_is_read_and_written_back() {
    let text = block("json job");
    let job: Job = serde_json::from_str(&text).unwrap();
    assert_eq!((job.kind.as_str(), job.version, job.limits.threads), ("keep-findings", 1, 2));
    assert_eq!(job.inputs["findings"][0].path, Path::new("/w/in/findings"));
    assert_eq!(serde_json::to_value(&job).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
    let document = serde_json::from_str(&text).unwrap();
    for key in ["params", "inputs", "outputs", "limits", "trace"] {
        let [more, less] = refused::<Job>(&document, key);
        assert!(more.contains("unknown field `surplus`"), "{more}");
        assert!(less.contains(&format!("missing field `{key}`")), "{less}");
    }
}

#[test]
fn inputs_of_a_port_that_holds_many_have_labels_and_others_none() {
    let input = |label: Option<&str>| JobInput {
        label: label.map(str::to_owned),
        path: "/a".into(),
        artifact: Type::stated("capture", contract::types::Form::Dir, None).unwrap(),
        digest: Digest::of(b"a"),
    };
    let [one, other] = [None, Some("lr=1e-4")].map(|label| serde_json::to_value(input(label)).unwrap());
    assert!(one.get("label").is_none());
    assert_eq!(other["label"], "lr=1e-4");
    assert_eq!(one["type"], json!({"name": "capture", "form": "dir"}));
    assert_eq!(serde_json::from_value::<JobInput>(other).unwrap(), input(Some("lr=1e-4")));
    assert!(serde_json::from_value::<Limits>(json!({"threads": -1, "memory": 0})).is_err());
}

#[test]
fn every_event_of_the_page_is_read_and_written_back() {
    let mut seen = Vec::new();
    for line in block("json events").lines() {
        let event: Event = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), line);
        seen.push(line.split('"').nth(1).unwrap().to_owned());
    }
    seen.dedup();
    let kinds = ["started", "progress", "metric", "log", "checkpoint", "finished", "failed"];
    assert_eq!(seen, kinds, "the page shows every event");
}

#[test]
fn a_line_that_is_no_event_is_an_error() {
    for line in [
        "{}",
        "[]",
        "\"finished\"",
        r#"{"finish":{}}"#,
        r#"{"metric":{"name":"x"}}"#,
        r#"{"log":{"level":"loud","message":"m"}}"#,
        r#"{"failed":{"class":"odd","message":"m"}}"#,
        r#"{"finished":{},"started":{"kind":"k","version":1}}"#,
    ] {
        assert!(serde_json::from_str::<Event>(line).is_err(), "{line}");
    }
}

#[test]
fn classes_of_failures_have_the_names_of_the_page() {
    let classes = [
        (FailureClass::InvalidInput, "invalid_input"),
        (FailureClass::StageBug, "stage_bug"),
        (FailureClass::Resources, "resources"),
        (FailureClass::Interrupted, "interrupted"),
        (FailureClass::NotBuilt, "not_built"),
    ];
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/worker-protocol.md"));
    let page = page.unwrap();
    for (class, name) in classes {
        assert_eq!(serde_json::to_value(class).unwrap(), name);
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn an_error_of_a_file_names_the_file_and_says_whose_turn_it_is() {
    use std::io::ErrorKind;
    let failed = |kind: ErrorKind| Err::<(), _>(std::io::Error::from(kind)).at(Path::new("/w/in/x")).unwrap_err();
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        let error = failed(kind);
        assert_eq!(error.class, FailureClass::Resources);
        assert!(error.help.unwrap().contains("free some disk space"));
    }
    assert_eq!(failed(ErrorKind::OutOfMemory).class, FailureClass::Resources);
    for kind in [ErrorKind::NotFound, ErrorKind::PermissionDenied] {
        let error = failed(kind);
        assert_eq!(error.class, FailureClass::InvalidInput);
        assert!(error.message.starts_with("/w/in/x: "), "{error}");
    }
}
