//! The worker in docs/worker-protocol.md, run as it stands there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use contract::{Card, Digest, Event, FailureClass, Job, JobInput, Level, Limits, Type};
use serde_json::json;

use super::rig::{Ran, Rig};
use crate::backend::{Outcome, Protocol};

const PAGE: &str = include_str!("../../../docs/worker-protocol.md");

/// The page's code block that begins with `fence`.
fn block(fence: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("```{fence}\n")).unwrap();
    rest.split_once("\n```").unwrap().0
}

fn card() -> Card {
    serde_json::from_str(block("json card")).unwrap()
}

fn run(rig: &Rig, params: serde_json::Value, findings: &str) -> Ran {
    let card = card();
    let contract::Worker::Command(worker) = &card.worker else { panic!("{:?}", card.worker) };
    let program = &worker.argv[0];
    fs::write(rig.path(program), block("python")).unwrap();
    fs::set_permissions(rig.path(program), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(rig.path("findings.jsonl"), findings).unwrap();
    fs::write(rig.path("words.txt"), "ssh\nroot\n").unwrap();
    for directory in ["scratch", "checkpoints", "out"] {
        fs::create_dir_all(rig.path(directory)).unwrap();
    }
    let input = |name: &str, artifact| {
        let path = rig.path(name);
        let digest = Digest::of(&fs::read(&path).unwrap());
        vec![JobInput { label: None, path, artifact, digest }]
    };
    let job = Job {
        kind: card.kind.clone(),
        version: card.version,
        params,
        inputs: BTreeMap::from([
            ("findings".into(), input("findings.jsonl", Type::FINDINGS)),
            ("words".into(), input("words.txt", Type::FILE)),
        ]),
        outputs: BTreeMap::from([("kept".into(), rig.path("out/kept"))]),
        scratch: rig.path("scratch"),
        checkpoints: rig.path("checkpoints"),
        limits: Limits { threads: 1, memory: 0 },
        trace: "run/stage".into(),
    };
    fs::write(rig.path("job.json"), serde_json::to_vec(&job).unwrap()).unwrap();
    let mut launch = rig.launch(&[program, "run", "job.json"]);
    let path = format!("{}:{}", rig.path("").display(), std::env::var("PATH").unwrap());
    launch.program.environment = vec![("PATH".into(), path.into())];
    launch.protocol = Protocol::Worker;
    rig.run(launch)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_worker_of_the_page_works_as_the_page_says() {
    let rig = Rig::new();
    let findings = r#"{"id":"a","severity":"high","title":"root login over SSH"}
{"id":"b","severity":"low","title":"ssh banner"}
{"id":"c","severity":"critical","title":"weak cipher"}
"#;
    let ran = run(&rig, json!({"at_least": "medium", "limit": null}), findings);
    assert!(matches!(ran.outcome, Outcome::Finished(_)), "{ran:?}");
    assert_eq!(read(&rig.path("out/kept")), "{\"id\":\"a\",\"severity\":\"high\",\"title\":\"root login over SSH\"}\n");
    assert_eq!(ran.events[0], Event::Started { kind: "keep-findings".into(), version: 1 });
    assert!(ran.events.contains(&Event::Progress { done: 3, total: Some(3), unit: "findings".into() }));
    assert!(ran.events.contains(&Event::Metric { name: "kept".into(), step: None, value: 1.0 }));
    assert_eq!(ran.events.last(), Some(&Event::Finished {}));
}

#[test]
fn it_fails_cleanly_on_an_input_that_is_wrong() {
    let rig = Rig::new();
    let ran = run(&rig, json!({"at_least": "low", "limit": 5}), "{\"id\":\"a\"}\n");
    let Outcome::Failed(failure) = ran.outcome else { panic!("{ran:?}") };
    assert_eq!(failure.class, FailureClass::InvalidInput);
    assert!(failure.message.ends_with("findings.jsonl:1: no `severity`"), "{}", failure.message);
    assert!(failure.help.is_some());
}

#[test]
fn the_events_and_the_job_on_the_page_are_real_ones() {
    for line in block("json events").lines() {
        serde_json::from_str::<Event>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    let log = Event::Log { level: Level::Warning, message: "no GPU: using the CPU".into() };
    assert!(block("json events").contains(&serde_json::to_string(&log).unwrap()));
    let job: Job = serde_json::from_str(block("json job")).unwrap();
    assert_eq!(job.kind, card().kind);
    let ports: Vec<_> = card().inputs.into_iter().map(|port| port.name).collect();
    assert_eq!(job.inputs.keys().cloned().collect::<Vec<_>>(), ports);
}
