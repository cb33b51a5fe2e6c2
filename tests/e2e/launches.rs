//! What is launched at a place, and how often: one instance for each attempt, whoever asks for it and whoever dies. The place is the
//! program of `tests/fixtures/backends`, which counts.

use std::io::BufRead;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::loopback::{
    LOOPBACK, PROGRAM, documents, end, instance, is_running, launches, ledger, open_gate, project_on, send, start,
    there, until_noted, with_waiting,
};
use crate::project::{Project, eventually, signal};
use crate::terminal::Session;

/// A client that dies at this moment.
fn dies(project: &Project, moment: &str) {
    let died = project.command(&["run", "p.yaml"]).env("PIPE_FAILPOINT", moment).output().unwrap();
    assert_eq!(died.status.code(), None, "{}", String::from_utf8_lossy(&died.stderr));
}

#[test]
fn whatever_moment_a_client_dies_at_one_instance_is_launched() {
    for (moment, launched) in [("before-intent", 0), ("after-intent", 0), ("after-launch", 1)] {
        let project = with_waiting(PROGRAM);
        dies(&project, moment);
        assert_eq!(launches(&project).len(), launched, "{moment}");
        open_gate(&project);
        end(start(&project, &[]), 0);
        assert_eq!(launches(&project).len(), 1, "{moment}");
        assert_eq!(ledger(&project), ["began"], "{moment}");
        let intents = documents(&project, "intent");
        assert_eq!(intents.len(), 1, "{moment}");
        assert!(launches(&project)[0].ends_with(intents[0]["token"].as_str().unwrap()), "{moment}");
    }
}

/// Two clients that are both about to say that they launch the first attempt.
fn two_at_once(unguarded: &str) -> (Project, Vec<Option<i32>>) {
    let project = with_waiting(PROGRAM);
    let gate = project.beside("intents");
    let client = |store: &&str| {
        let mut client = project.command(&["run", "p.yaml", "--json", "--no-publish", "--store", store]);
        client.env("PIPE_FAILPOINT", format!("before-intent:{}", gate.display())).env("PIPE_UNGUARDED", unguarded);
        client.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let clients: Vec<Child> = ["one", "two"].iter().map(client).collect();
    for client in &clients {
        eventually("a client is about to launch", || gate.with_extension(client.id().to_string()).exists());
    }
    std::fs::write(&gate, "").unwrap();
    open_gate(&project);
    let ends = clients.into_iter().map(|client| client.wait_with_output().unwrap());
    let statuses = ends.map(|end| end.status.code()).collect();
    (project, statuses)
}

#[test]
fn of_two_clients_one_launches() {
    let (project, statuses) = two_at_once("");
    assert_eq!(statuses, [Some(0), Some(0)]);
    assert_eq!(launches(&project).len(), 1);
    assert_eq!(ledger(&project), ["began"]);
}

#[test]
fn it_is_the_condition_of_the_intent_that_makes_one_of_them_launch() {
    // A program that dies of it gets its request again, which may be one launch more.
    assert!(launches(&two_at_once("intent-condition").0).len() > 1);
}

#[test]
fn a_place_without_room_is_asked_again_and_says_why() {
    let project = with_waiting(PROGRAM);
    open_gate(&project);
    let full = there(&project).join("state.instances/full");
    std::fs::create_dir_all(full.parent().unwrap()).unwrap();
    std::fs::write(&full, "").unwrap();
    let client = start(&project, &[]);
    eventually("it waits for a machine", || project.events().contains("no machine is free"));
    assert!(launches(&project).is_empty());
    std::fs::remove_file(&full).unwrap();
    end(client, 0);
    assert_eq!(launches(&project).len(), 1);
}

#[test]
fn a_place_that_does_not_answer_for_a_while_costs_nothing() {
    let project = with_waiting(PROGRAM);
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    eventually("the client follows", || project.events().contains(r#""state":"running""#));
    let silent = there(&project).join("state.silent");
    let told = || project.events().matches("it asks to come back later").count();
    std::fs::write(&silent, "").unwrap();
    eventually("the stage line says so", || told() == 1);
    std::fs::remove_file(&silent).unwrap();
    let works = || project.events().matches(r#""state":"running""#).count();
    eventually("the stage line says that it works", || works() == 2);
    // Neither does it when the stage has done its work.
    std::fs::write(&silent, "").unwrap();
    eventually("the stage line says so again", || told() == 2);
    open_gate(&project);
    std::fs::remove_file(&silent).unwrap();
    end(client, 0);
    assert_eq!(launches(&project).len(), 1);
    assert_eq!(ledger(&project), ["began"]);
}

#[test]
fn a_loopback_may_have_its_objects_at_a_program() {
    let project = with_waiting("{loopback: {state: 'files://STATE'}}");
    dies(&project, "after-launch");
    open_gate(&project);
    end(start(&project, &[]), 0);
    assert_eq!(project.read("out/x"), "open\n");
    assert_eq!(ledger(&project), ["began"]);
    assert_eq!(documents(&project, "intent").len(), 1);
    assert!(there(&project).join("state/actions").is_dir());
}

#[test]
fn a_place_that_refuses_breaks_the_run_in_its_own_words_and_is_asked_again_by_the_next() {
    let project = with_waiting("{files: {state: 'files://STATE', broken: 'the quota for machines is 0'}}");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("the quota for machines is 0"), "{}", ran.stderr);
    let settings = project.read("pipe.yaml").replace(", broken: 'the quota for machines is 0'", "");
    project.write("pipe.yaml", &settings);
    open_gate(&project);
    project.run_json(&[], 0);
    assert_eq!(launches(&project).len(), 1);
}

#[test]
fn a_script_sets_an_instance_up_and_its_failure_is_told_with_its_log() {
    let project = with_waiting("{files: {state: 'files://STATE', user_data: setup.sh}}");
    open_gate(&project);
    let ran = project.pipe(&["check", "p.yaml"]);
    assert!(ran.status == 2 && ran.stderr.contains("there is no file `setup.sh`"), "{}", ran.stderr);
    project.write("setup.sh", "#!/bin/sh\necho sets up\nexit 4\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("the setup ended with exit status 4"), "{}", ran.stderr);
    assert_eq!(project.pipe(&["logs", "waits"]).stdout, "sets up\n");
    project.write("setup.sh", &format!("#!/bin/sh\necho set up >> {}\n", project.beside("ledger").display()));
    project.run_json(&[], 0);
    assert_eq!(ledger(&project), ["set up", "began"]);
}

#[test]
fn an_instance_that_ends_without_a_word_is_replaced() {
    let project = with_waiting("{files: {state: 'files://STATE', lease: 8s}}");
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    send("-KILL", &instance(&project, 1));
    until_noted(&project, "began", 2);
    open_gate(&project);
    let report = end(client, 0);
    assert!(project.events().contains("has ended without a word: its process ended"), "{}", project.events());
    let attempts = report["stages"]["waits"]["attempts"].as_array().unwrap();
    let ends: Vec<&Value> = attempts.iter().map(|attempt| &attempt["end"]).collect();
    assert_eq!(ends, ["interrupted", "finished"]);
}

#[test]
fn attempts_and_their_price_are_told_while_it_runs_and_afterwards() {
    let project = with_waiting("{files: {state: 'files://STATE', price: 3600}}");
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    eventually("the stage line has a price", || project.events().contains(r#""price":3600.0"#));
    open_gate(&project);
    let report = end(client, 0);
    let attempt = &report["stages"]["waits"]["attempts"][0];
    assert_eq!(attempt["backend"], "gpu");
    assert_eq!(attempt["what"], "a child of pipe-files");
    assert_eq!(attempt["price"], 3600.0);
    assert_eq!(attempt["end"], "finished");
    assert!(attempt["started"].as_u64() <= attempt["ended"].as_u64(), "{attempt}");
    // A run that finds it all done still knows.
    assert_eq!(project.run_json(&[], 0)["stages"]["waits"]["outcome"], "hit");
    let shown = project.pipe(&["show", "waits"]).stdout;
    assert!(shown.contains("attempt") && shown.contains("1 at gpu: finished"), "{shown}");
    assert!(shown.contains("$3600.000 an hour"), "{shown}");
    let shown: Value = serde_json::from_str(&project.pipe(&["show", "waits", "--json"]).stdout).unwrap();
    assert_eq!(shown["attempts"][0]["instance"], attempt["instance"]);
    let plain = project.pipe(&["run", "p.yaml", "--refresh", "waits"]).stderr;
    assert!(plain.contains("at  waits: gpu, attempt 2, a child of pipe-files"), "{plain}");
}

#[test]
fn a_price_that_is_none_is_not_told() {
    for price in ["-5", "1.0e308"] {
        let project = with_waiting(&format!("{{files: {{state: 'files://STATE', price: {price}}}}}"));
        open_gate(&project);
        let report = end(start(&project, &[]), 0);
        let attempt = &report["stages"]["waits"]["attempts"][0];
        assert_eq!(
            (&attempt["price"], &attempt["cost"], &attempt["end"]),
            (&Value::Null, &Value::Null, &"finished".into())
        );
        assert!(!project.events().contains(r#""price":"#) && !project.events().contains(r#""cost":"#));
    }
}

#[test]
fn a_failure_that_nobody_saw_is_told_by_the_next_run() {
    for backend in [LOOPBACK, PROGRAM] {
        let project = project_on(backend);
        let (ledger_file, gate) = (project.beside("ledger"), project.beside("gate"));
        let run = format!(
            "echo began >> {}; echo says; until test -e {}; do sleep 0.02; done; cat data; exit 7",
            ledger_file.display(),
            gate.display()
        );
        project.write("data/x", "not declared\n");
        let run = run.replace("cat data", "cat data/x");
        project.write(
            "p.yaml",
            &format!(
                "pipeline: w\nstages:\n  fails: {{uses: command, run: \"{run}\", out: {{x: out/x}}, backend: gpu}}\n"
            ),
        );
        let client = start(&project, &[]);
        until_noted(&project, "began", 1);
        let process = instance(&project, 1);
        signal(&client, "-INT");
        end(client, 130);
        open_gate(&project);
        eventually("the instance ends", || !is_running(&process));
        let report = project.run_json(&[], 1);
        let failure = &report["stages"]["fails"]["failure"];
        assert!(failure["message"].as_str().unwrap().contains("exit status"), "{failure}");
        assert!(
            failure["help"].as_str().unwrap().contains("`data/x`"),
            "what it lacked is told as on this machine: {failure}"
        );
        assert_eq!(ledger(&project), ["began"], "it was told, not executed again");
        assert!(project.pipe(&["logs", "fails"]).stdout.contains("says\n"));
        project.run_json(&[], 1);
        assert_eq!(ledger(&project), ["began", "began"], "who was told may try again");
    }
}

#[test]
fn records_from_elsewhere_name_the_code_that_made_them() {
    let source = |backend: &str| {
        let project = project_on(backend);
        project.write("data.txt", "x\n");
        let yaml = "pipeline: p\nstages:\n  scans: {uses: produce, with: {hosts: 1, seed: 1}, backend: gpu}\n";
        project.write("p.yaml", yaml);
        project.run_json(&[], 0);
        let mut records = Vec::new();
        let mut pending = vec![if backend == "local" {
            project.path("cache/records")
        } else {
            crate::loopback::state(&project).join("records")
        }];
        while let Some(directory) = pending.pop() {
            for entry in std::fs::read_dir(directory).unwrap().flatten() {
                match entry.path().is_dir() {
                    true => pending.push(entry.path()),
                    false => records.push(std::fs::read_to_string(entry.path()).unwrap()),
                }
            }
        }
        assert_eq!(records.len(), 1);
        let record = records[0].lines().next().unwrap();
        serde_json::from_str::<Value>(record).unwrap()["source"].clone()
    };
    let here = source("local");
    assert!(here.is_string(), "{here}");
    assert_eq!(source(LOOPBACK), here);
}

/// A client at a terminal that follows a stage which began.
fn at_a_terminal(project: &Project) -> (Session, String) {
    let session = Session::start(project.command(&["run", "p.yaml"]));
    until_noted(project, "began", 1);
    let process = instance(project, 1);
    eventually("the client follows", || project.events().contains("stage_place"));
    session.signal("-INT");
    session.until("leave it running?");
    (session, process)
}

/// Runs what was left running to its end. Its record may be there a moment before its result is.
fn collected(project: &Project) {
    let report = project.run_json(&[], 0);
    let outcome = report["stages"]["waits"]["outcome"].as_str().unwrap();
    assert!(["ran", "restored"].contains(&outcome), "{report}");
}

#[test]
fn at_a_terminal_enter_leaves_what_runs_elsewhere() {
    let project = with_waiting(LOOPBACK);
    let (session, process) = at_a_terminal(&project);
    session.write("\n");
    let (status, written) = session.end();
    assert_eq!(status, 130, "{written}");
    assert!(written.contains("it goes on at `gpu`"), "{written}");
    assert!(is_running(&process));
    open_gate(&project);
    collected(&project);
    assert_eq!(ledger(&project), ["began"]);
}

#[test]
fn at_a_terminal_a_second_ctrl_c_or_a_word_stops_what_runs_elsewhere() {
    for word in [None, Some("s\n")] {
        let project = with_waiting(LOOPBACK);
        let (session, process) = at_a_terminal(&project);
        match word {
            None => session.signal("-INT"),
            Some(word) => session.write(word),
        }
        let (status, written) = session.end();
        assert_eq!(status, 130, "{written}");
        eventually("the instance ends", || !is_running(&process));
        assert!(!documents(&project, "stop").is_empty());
    }
}

#[test]
fn what_runs_elsewhere_can_be_followed_by_somebody_else() {
    let project = with_waiting(LOOPBACK);
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    signal(&client, "-INT");
    end(client, 130);
    let mut follow = project.command(&["backend", "follow"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(follow.stdout.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    assert!(line.starts_with("gpu  ") && line.ends_with("  up"), "{line}");
    open_gate(&project);
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    assert!(rest.last().unwrap().ends_with("  finished"), "{rest:?}");
    assert!(follow.wait().unwrap().success());
    // It took nothing away from the run.
    collected(&project);
    assert_eq!(ledger(&project), ["began"]);
}

#[test]
fn what_runs_at_a_program_is_listed_and_reaped() {
    let project = with_waiting(PROGRAM);
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    let process = instance(&project, 1);
    signal(&client, "-INT");
    end(client, 130);
    let listed = project.pipe(&["backend", "ps"]);
    let row = listed.stdout.lines().nth(1).unwrap_or_default();
    assert!(row.starts_with("gpu      waits  ") && row.contains("  running  "), "{}", listed.stdout);
    let reaped = project.pipe(&["backend", "reap"]);
    assert_eq!(reaped.status, 0, "{}", reaped.stderr);
    eventually("the instance ends", || !is_running(&process));
    assert_eq!(project.pipe(&["backend", "ps"]).stdout, "");
}

#[test]
fn programs_of_backends_are_named_and_wrong_types_refused() {
    let project = with_waiting(PROGRAM);
    assert_eq!(project.pipe(&["plan", "p.yaml", "--needs"]).stdout, "pipe-files\n");
    for (settings, words) in [
        ("{loopbak: {state: x}}", "did you mean `loopback`?"),
        ("{Files: {state: x}}", "there is no type of backend `Files`"),
        ("{files: {}}", "needs a place for its objects"),
        ("{files: {state: x, jobs: 0}}", "`jobs` must be a whole number"),
    ] {
        project.write("pipe.yaml", &format!("cards: [kinds]\nbackends:\n  gpu: {settings}\n"));
        let ran = project.pipe(&["check", "p.yaml"]);
        assert_eq!(ran.status, 2, "{settings}: {}", ran.stderr);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("pipe.yaml:3"), "{settings}: {}", ran.stderr);
    }
    project.write("pipe.yaml", "cards: [kinds]\nbackends: {gpu: {elsewhere: {state: x}}}\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("pipe-elsewhere"), "{}", ran.stderr);
}
