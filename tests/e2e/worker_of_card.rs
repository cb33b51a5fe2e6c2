//! The worker of a card: what is said when it cannot be started, how its messages name its inputs, and which variables it sees.

use std::os::unix::fs::PermissionsExt;

use crate::project::Project;

fn project(worker: &str) -> Project {
    let project = Project::with_pipeline("pipeline: p\nstages:\n  s: {uses: mine}\n");
    project.write("pipe.yaml", "cards: kinds\n");
    project.write(
        "kinds/mine.json",
        &format!(
            r#"{{"kind":"mine","version":1,"summary":"A kind.","worker":{{"command":{worker}}},"inputs":[],
"outputs":[{{"name":"o","type":"file","summary":"What it gives."}}],"params":{{"type":"object","properties":{{}}}}}}"#
        ),
    );
    project
}

#[test]
fn a_missing_program_is_named_with_the_card() {
    for program in ["no-such-program", "/no/such/program"] {
        let project = project(&format!(r#"{{"argv":["{program}"],"files":[]}}"#));
        let ran = project.pipe(&["run", "p.yaml"]);
        assert_eq!(ran.status, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("cannot start {program}")), "{}", ran.stderr);
        assert!(ran.stderr.contains("the card kinds/mine.json names it"), "{}", ran.stderr);
    }
}

#[test]
fn a_file_that_is_missing_or_no_program_is_named_with_the_card() {
    let project = project(r#"{"argv":["mine.sh"],"files":["mine.sh"]}"#);
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 2 && ran.stderr.contains("kinds/mine.json:"), "{}", ran.stderr);
    project.write("kinds/mine.sh", "#!/bin/sh\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 1 && ran.stderr.contains("the card kinds/mine.json names it"), "{}", ran.stderr);
    let worker = project.path("kinds/mine.sh");
    std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 1 && !ran.stderr.contains("names it"), "{}", ran.stderr);
}

/// Fails, and names its inputs and what it sees of the environment.
const WORKER: &str = r#"#!/usr/bin/env python3
import json, os, sys

job = json.load(open(sys.argv[2]))
say = lambda event: os.write(int(os.environ["PIPE_EVENTS_FD"]), json.dumps(event).encode() + b"\n")
given, made = (job["inputs"][port][0]["path"] for port in ("given", "made"))
seen = sorted(name for name in ("SEEN_ONE", "SEEN_TWO", "HIDDEN_ONE") if name in os.environ)
say({"log": {"level": "warning", "message": f"{made}: looks old; sees {seen} {os.environ.get('SEEN_ONE')}"}})
say({"failed": {"class": "invalid_input", "message": f"{given}/a.txt:7: no number", "help": f"mend {given}"}})
sys.exit(1)
"#;

fn seeing(environment: &str) -> Project {
    let project = Project::with_pipeline(
        "pipeline: p\nstages:\n  first: {uses: command, run: 'echo 1 > made.txt', out: {t: made.txt}}\n  \
         s: {uses: mine, in: {given: {path: data}, made: first.t}}\n",
    );
    project.write("pipe.yaml", "cards: kinds\n");
    project.write("data/a.txt", "one\n");
    project.write("kinds/mine.py", WORKER);
    std::fs::set_permissions(project.path("kinds/mine.py"), std::fs::Permissions::from_mode(0o755)).unwrap();
    project.write(
        "kinds/mine.json",
        &format!(
            r#"{{"kind":"mine","version":1,"summary":"A kind.","worker":{{"command":{{"argv":["mine.py"],"files":["mine.py"]}}}},
"inputs":[{{"name":"given","type":"dir"}},{{"name":"made","type":"file"}}],"outputs":[{{"name":"o","type":"file"}}],
"environment":{environment}}}"#
        ),
    );
    project
}

#[test]
fn messages_name_inputs_as_the_user_knows_them() {
    let project = seeing("[]");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("data/a.txt:7: no number") && ran.stderr.contains("mend data"), "{}", ran.stderr);
    assert!(ran.stderr.contains("made.txt: looks old"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("/in/given") && !ran.stderr.contains("/in/made"), "{}", ran.stderr);
}

#[test]
fn a_worker_sees_the_variables_that_its_card_names_and_no_others() {
    let project = seeing(r#"["SEEN_ONE","SEEN_TWO","PATH"]"#);
    let run = |value: &str| {
        let mut command = project.command(&["run", "p.yaml"]);
        let output = command.env("SEEN_ONE", value).env("HIDDEN_ONE", "x").output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let said = run("http://me:t0psecret@host/");
    assert!(said.contains("sees ['SEEN_ONE'] http://***@host/"), "{said}");
    let refused = seeing(r#"["PIPE_RUN_ID"]"#).pipe(&["run", "p.yaml"]);
    assert_eq!(refused.status, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("`PIPE_RUN_ID` is set by the engine"), "{}", refused.stderr);
    let shown = project.pipe(&["stages", "mine"]);
    assert!(shown.stdout.contains("sees SEEN_ONE SEEN_TWO PATH"), "{}", shown.stdout);
}
