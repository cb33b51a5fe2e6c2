//! Clients and instances that die, race or come back from the dead: there is one result, and nobody launches twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::loopback::{
    LOOPBACK, SHORT, counting, documents, end, instance, is_running, ledger, objects, open_gate, project_on, send,
    start, until_noted, with_waiting,
};
use crate::project::{Project, eventually, pipe, signal};

#[test]
fn a_client_that_was_killed_is_replaced_by_the_next_run() {
    let project = with_waiting(LOOPBACK);
    let mut first = start(&project, &[]);
    until_noted(&project, "began", 1);
    let instance = instance(&project, 1);
    signal(&first, "-KILL");
    first.wait().unwrap();
    let second = start(&project, &[]);
    eventually("the second client follows", || project.events().matches("stage_started").count() == 2);
    assert!(is_running(&instance));
    open_gate(&project);
    let report = end(second, 0);
    assert_eq!(report["stages"]["waits"]["outcome"], "ran");
    assert_eq!(project.read("out/x"), "open\n");
    assert_eq!(ledger(&project), ["began"]);
    assert_eq!(project.pipe(&["logs", "waits"]).stdout, "up\n");
    eventually("the instance ends", || !is_running(&instance));
}

#[test]
fn ctrl_c_leaves_the_stage_running_and_the_next_run_collects_it() {
    let project = with_waiting(LOOPBACK);
    let first = start(&project, &[]);
    until_noted(&project, "began", 1);
    let instance = instance(&project, 1);
    signal(&first, "-INT");
    let report = end(first, 130);
    assert_eq!(report["stages"]["waits"]["outcome"], "interrupted");
    assert!(is_running(&instance));
    open_gate(&project);
    // Nobody listens when it ends.
    eventually("the instance ends", || !is_running(&instance));
    let report = end(start(&project, &[]), 0);
    assert_eq!(report["stages"]["waits"]["outcome"], "ran");
    assert_eq!(ledger(&project), ["began"]);
}

#[test]
fn an_instance_that_was_killed_is_replaced_when_its_lease_has_run_out() {
    let project = with_waiting(SHORT);
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    send("-KILL", &instance(&project, 1));
    until_noted(&project, "began", 2);
    open_gate(&project);
    end(client, 0);
    assert_eq!(ledger(&project), ["began", "began"]);
    let ends: Vec<_> = documents(&project, "attempt").iter().map(|attempt| attempt["epoch"].clone()).collect();
    assert_eq!(ends, [2]);
}

#[test]
fn two_clients_with_stores_of_their_own_execute_an_action_once() {
    let project = with_waiting(LOOPBACK);
    let clients = ["one", "two"].map(|store| start(&project, &["--store", store, "--no-publish"]));
    until_noted(&project, "began", 1);
    let followers = || {
        let journals = ["one", "two"].map(|store| {
            let runs = std::fs::read_dir(project.path(&format!("{store}/runs"))).into_iter().flatten().flatten();
            let text = runs.map(|run| std::fs::read_to_string(run.path().join("events.ndjson")).unwrap_or_default());
            text.collect::<String>()
        });
        journals.iter().all(|journal| journal.contains("stage_started"))
    };
    eventually("both wait for it", followers);
    open_gate(&project);
    for client in clients {
        end(client, 0);
    }
    assert_eq!(ledger(&project), ["began"]);
    assert_eq!(documents(&project, "intent").len(), 1);
}

#[test]
fn the_end_of_an_instance_leaves_that_of_another_project_alone() {
    let (one, two) = (project_on(LOOPBACK), project_on(LOOPBACK));
    let common = one.beside("common");
    std::fs::create_dir(&common).unwrap();
    // One action with one key: whoever comes first ends when the second is up, which then waits for the gate.
    let run = format!(
        "cd {}; if mkdir first; then until test -e second; do sleep 0.02; done; \
         else touch second; until test -e gate; do sleep 0.02; done; fi; echo done > ${{out.x}}",
        common.display()
    );
    let run = run.replace("${out.x}", "$OLDPWD/${out.x}");
    let pipeline =
        format!("pipeline: w\nstages:\n  waits: {{uses: command, run: \"{run}\", out: {{x: out/x}}, backend: gpu}}\n");
    one.write("p.yaml", &pipeline);
    two.write("p.yaml", &pipeline);
    let first = start(&one, &[]);
    eventually("the first is up", || common.join("first").exists());
    let second = start(&two, &[]);
    let (first, process) = (end(first, 0), instance(&two, 1));
    assert_eq!(first["stages"]["waits"]["key"], documents(&two, "spec.json")[0]["order"]["key"], "{first}");
    eventually("all of the first has ended", || !is_running(&instance(&one, 1)));
    std::fs::write(common.join("gate"), "").unwrap();
    end(second, 0);
    eventually("the second has ended", || !is_running(&process));
    assert_eq!(documents(&two, "intent").len(), 1);
}

#[test]
fn an_instance_without_its_lease_writes_nothing() {
    let (before, after, project) = with_a_zombie(&[]);
    assert_eq!(after, before);
    assert_eq!(documents(&project, "result.json")[0]["epoch"], 2);
    assert_eq!(documents(&project, "lease.json")[0]["epoch"], 2);
}

#[test]
fn it_is_the_fence_that_keeps_a_zombie_from_writing() {
    let (before, after, _) = with_a_zombie(&[("PIPE_UNGUARDED", "fence")]);
    assert_ne!(after, before);
}

/// An instance that stands still until another one has taken its place and given the result: the objects before and after it goes on.
fn with_a_zombie(variables: &[(&str, &str)]) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>, Project) {
    let project = with_waiting(SHORT);
    let mut client = project.command(&["run", "p.yaml", "--json"]);
    let client = client.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until_noted(&project, "began", 1);
    let zombie = instance(&project, 1);
    send("-STOP", &zombie);
    until_noted(&project, "began", 2);
    open_gate(&project);
    end(client, 0);
    let last = instance(&project, 2);
    eventually("the second instance ends", || !is_running(&last));
    let before = objects(&project);
    send("-CONT", &zombie);
    eventually("the zombie ends", || !is_running(&zombie));
    let after = objects(&project);
    (before, after, project)
}

#[test]
fn a_client_that_dies_between_intent_and_launch_holds_nobody_up() {
    let project = with_waiting(LOOPBACK);
    open_gate(&project);
    let died = project.command(&["run", "p.yaml"]).env("PIPE_FAILPOINT", "after-intent").output().unwrap();
    assert_eq!(died.status.code(), None);
    assert_eq!(documents(&project, "intent").len(), 1);
    end(start(&project, &[]), 0);
    assert_eq!(ledger(&project), ["began"]);
    assert_eq!(documents(&project, "intent").len(), 1, "what was meant to be launched is launched");
}

#[test]
fn an_instance_that_finds_a_record_executes_nothing() {
    let project = with_waiting(LOOPBACK);
    open_gate(&project);
    let died = project.command(&["run", "p.yaml"]).env("PIPE_FAILPOINT", "after-intent").output().unwrap();
    assert_eq!(died.status.code(), None);
    // Somebody else, who has another store, carries it out and pushes that.
    let yaml = project.read("pipe.yaml") + "remote: {url: .pipe-loopback}\n";
    project.write("pipe.yaml", &yaml);
    let report = project.run_json(&["--backend", "gpu=local", "--store", "other", "--no-publish"], 0);
    assert_eq!(project.pipe(&["cache", "push", "--store", "other"]).status, 0);
    assert_eq!(ledger(&project), ["began"]);
    let key = report["stages"]["waits"]["key"].as_str().unwrap().to_owned();
    let directory = project.path(".pipe-loopback/.instances/late");
    let objects = format!("{{\"url\": \"file://{}\"}}", project.path(".pipe-loopback").display());
    let instance = |directory: &Path| {
        let mut late = Command::new(pipe());
        late.arg("worker").args(["--objects", &objects]).arg("--directory").arg(directory);
        late.arg("--project").arg(project.root()).args(["--action", &key, "--attempt", "1"]).output().unwrap()
    };
    // It removes its directory at the end, so it takes no other one.
    let refused = instance(&project.path("kinds"));
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(project.path("kinds/count.py").exists());
    let late = instance(&directory);
    assert!(late.status.success(), "{}", String::from_utf8_lossy(&late.stderr));
    assert!(documents(&project, "attempt")[0]["end"].get("found").is_some());
    let report = project.run_json(&[], 0);
    assert_ne!(report["stages"]["waits"]["outcome"], "ran");
    assert_eq!(ledger(&project), ["began"]);
}

/// The output of an uninterrupted local run.
fn uninterrupted() -> String {
    let project = project_on("local");
    open_gate(&project);
    project.write("p.yaml", &counting(&project, 0));
    project.run_json(&[], 0);
    project.read("out/c/count/total")
}

#[test]
fn a_notice_costs_no_step() {
    let project = project_on(LOOPBACK);
    project.write("p.yaml", &counting(&project, 2));
    let client = start(&project, &[]);
    until_noted(&project, "waits", 1);
    let first = instance(&project, 1);
    send("-TERM", &first);
    eventually("it is tried again", || documents(&project, "intent").len() == 2);
    open_gate(&project);
    end(client, 0);
    assert_eq!(ledger(&project), ["step 1", "step 2", "waits", "step 3", "step 4"]);
    assert_eq!(project.read("out/c/count/total"), uninterrupted());
}

#[test]
fn a_killed_instance_goes_on_from_the_newest_checkpoint() {
    let project = project_on(SHORT);
    project.write("p.yaml", &counting(&project, 2));
    let client = start(&project, &[]);
    until_noted(&project, "waits", 1);
    let first = instance(&project, 1);
    let newest = || documents(&project, "checkpoints").len();
    eventually("a checkpoint is there", || newest() > 0 && project.events().contains("\"step\":2"));
    send("-KILL", &first);
    eventually("it is tried again", || documents(&project, "intent").len() == 2);
    open_gate(&project);
    end(client, 0);
    assert_eq!(project.read("out/c/count/total"), uninterrupted());
}

#[test]
fn what_was_stopped_elsewhere_goes_on_here() {
    let project = project_on(LOOPBACK);
    let fails = format!("until grep -qs waits {}; do sleep 0.02; done; exit 1", project.beside("ledger").display());
    let fails = format!("  fails: {{uses: command, run: \"{fails}\", out: {{x: out/x}}}}\n");
    project.write("p.yaml", &(counting(&project, 2) + &fails));
    let report = end(start(&project, &["--fail-fast"]), 1);
    assert_eq!(report["stages"]["count"]["outcome"], "interrupted");
    open_gate(&project);
    project.run_json(&["count", "--backend", "gpu=local"], 0);
    assert_eq!(ledger(&project), ["step 1", "step 2", "waits", "step 3", "step 4"]);
    assert_eq!(project.read("out/c/count/total"), uninterrupted());
}

#[test]
fn what_went_on_here_goes_on_there_again() {
    let project = project_on(LOOPBACK);
    let ledger_of = project.beside("ledger");
    let fails = format!("until grep -qs 'held 2' {}; do sleep 0.02; done; exit 1", ledger_of.display());
    let fails = format!("  fails: {{uses: command, run: \"{fails}\", out: {{x: out/x}}}}\n");
    project.write("p.yaml", &(counting(&project, 0) + &fails));
    project.write("../beside/gate.2", "");
    project.write("../beside/gate.3", "");
    end(start(&project, &["--fail-fast"]), 1);
    let here = start(&project, &["count", "--backend", "gpu=local"]);
    until_noted(&project, "held 3", 1);
    signal(&here, "-INT");
    end(here, 130);
    project.run_json(&["count"], 0);
    assert_eq!(ledger(&project), ["step 1", "step 2", "held 2", "step 3", "held 3", "step 4"]);
    assert_eq!(project.read("out/c/count/total"), uninterrupted());
}

#[test]
fn what_runs_there_is_listed_and_nothing_is_left_after_reap() {
    let project = with_waiting(LOOPBACK);
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    let process = instance(&project, 1);
    signal(&client, "-INT");
    end(client, 130);
    let listed = project.pipe(&["backend", "ps"]);
    let row = listed.stdout.lines().nth(1).unwrap_or_default();
    assert!(row.starts_with("gpu      waits  ") && row.contains("  running  "), "{}", listed.stdout);
    let listed: serde_json::Value = serde_json::from_str(&project.pipe(&["backend", "ps", "--json"]).stdout).unwrap();
    assert!(listed[0]["owner"].as_str().unwrap().ends_with(&process), "{listed}");
    let reaped = project.pipe(&["backend", "reap", "gpu"]);
    assert_eq!(reaped.status, 0, "{}", reaped.stderr);
    eventually("the instance ends", || !is_running(&process));
    assert!(objects(&project).is_empty(), "{:?}", objects(&project));
    assert_eq!(project.pipe(&["backend", "ps"]).stdout, "");
    let wrong = project.pipe(&["backend", "ps", "local"]);
    assert_eq!(wrong.status, 2, "{}", wrong.stderr);
}
