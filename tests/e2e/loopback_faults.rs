//! Faults of a place and of what lies there: none of them costs work, doubles it, or locks anybody out.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::loopback::{
    LOOPBACK, PROGRAM, SHORT, counting, documents, end, instance, is_running, launches, ledger, objects, open_gate,
    project_on, send, start, there, until_noted, with_waiting,
};
use crate::project::{Project, eventually, signal};

/// A program's place whose leases are short.
const SHORT_PROGRAM: &str = "{files: {state: 'files://STATE', lease: 2s}}";

/// Makes the program of the place misbehave: a file beside its objects.
fn fault(project: &Project, name: &str) -> PathBuf {
    let path = there(project).join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "").unwrap();
    path
}

/// The objects of the action whose names end so.
fn named(project: &Project, name: &str) -> Vec<PathBuf> {
    objects(project).into_iter().filter(|path| path.to_str().unwrap().ends_with(name)).collect()
}

fn damage(path: &Path) {
    std::fs::write(path, "{\"epo").unwrap();
}

/// A stage that counts, held at step 2, and a checkpoint of that step at its place. The client and the instance are gone.
fn killed_at_the_second_step() -> Project {
    let project = project_on(SHORT);
    project.write("p.yaml", &counting(&project, 0));
    project.write("../beside/gate.2", "");
    let client = start(&project, &[]);
    until_noted(&project, "held 2", 1);
    eventually("its checkpoint is there", || project.events().contains("\"step\":2"));
    eventually("its checkpoint is there", || !documents(&project, "checkpoints").is_empty());
    kill(client, &instance(&project, 1));
    // The guardian ends the stage of a killed instance; before that, an open gate would let it go on.
    let stage = std::fs::read_to_string(project.beside("ledger.process")).unwrap();
    eventually("the stage is gone", || !is_running(&stage));
    std::fs::remove_file(project.beside("gate.2")).unwrap();
    project
}

fn kill(mut client: Child, instance: &str) {
    signal(&client, "-KILL");
    client.wait().unwrap();
    send("-KILL", instance);
}

#[test]
fn a_launch_whose_answer_is_lost_is_not_launched_again() {
    let project = with_waiting(PROGRAM);
    fault(&project, "state.dies");
    open_gate(&project);
    let first = project.pipe(&["run", "p.yaml"]);
    assert!([0, 3].contains(&first.status), "{}", first.stderr);
    end(start(&project, &[]), 0);
    assert_eq!(ledger(&project), ["began"]);
    assert_eq!(launches(&project).len(), 1);
}

#[test]
fn a_silence_of_the_place_that_is_longer_than_a_lease_ends_nothing() {
    let project = with_waiting(SHORT_PROGRAM);
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    let silence = fault(&project, "state.silent");
    let begun = Instant::now();
    // Longer than the lease, which nobody can take meanwhile.
    eventually("the lease would have run out", || begun.elapsed() > Duration::from_secs(4));
    std::fs::remove_file(silence).unwrap();
    let beat = || documents(&project, "lease.json")[0]["beat"].as_u64();
    let before = beat();
    eventually("the lease is renewed again", || beat() > before);
    open_gate(&project);
    end(client, 0);
    assert_eq!(ledger(&project), ["began"]);
    assert_eq!(documents(&project, "intent").len(), 1);
}

#[test]
fn a_stage_that_outlives_its_instance_and_takes_no_checkpoint_fails() {
    let project = with_waiting("{loopback: {state: .pipe-loopback, lease: 60s, lifetime: 1s}}");
    let report = end(start(&project, &[]), 1);
    let error = report["stages"]["waits"]["failure"]["message"].to_string();
    assert!(error.contains("reached its lifetime of 1s"), "{report}");
    assert_eq!(documents(&project, "intent").len(), 1);
}

#[test]
fn instances_that_end_before_they_begin_are_given_up_with_their_words() {
    let project = with_waiting(PROGRAM);
    fault(&project, "state.instances/stillborn");
    let run = project.pipe(&["run", "p.yaml"]);
    assert_eq!(run.status, 3, "{}", run.stderr);
    assert!(run.stderr.contains("3 instances at `gpu` ended before they began the stage"), "{}", run.stderr);
    assert!(run.stderr.contains("no such library"), "{}", run.stderr);
    assert_eq!(launches(&project).len(), 3);
}

#[test]
fn a_killed_stage_goes_on_here_from_its_checkpoint_there() {
    let project = killed_at_the_second_step();
    let run = project.pipe(&["run", "p.yaml", "--backend", "gpu=local"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stderr.contains("goes on from the newest checkpoint at `gpu`"), "{}", run.stderr);
    assert_eq!(ledger(&project), ["step 1", "step 2", "held 2", "step 3", "step 4"]);
}

#[test]
fn a_stage_that_may_still_run_elsewhere_is_told_of_before_it_runs_here() {
    let project = with_waiting(LOOPBACK);
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    signal(&client, "-INT");
    end(client, 130);
    open_gate(&project);
    let run = project.pipe(&["run", "p.yaml", "--backend", "gpu=local"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let is_found = ledger(&project).len() == 1;
    assert!(is_found || run.stderr.contains("may still run at `gpu`"), "{}", run.stderr);
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_passed_over() {
    let project = killed_at_the_second_step();
    damage(named(&project, ".json").iter().rfind(|path| path.parent().unwrap().ends_with("checkpoints")).unwrap());
    project.run_json(&[], 0);
    let done = ledger(&project);
    assert_eq!(done.last().unwrap(), "step 4", "{done:?}");
}

#[test]
fn a_document_that_cannot_be_read_is_shown_and_reaped() {
    for name in ["lease.json", "intent/000001.json"] {
        let project = with_waiting(LOOPBACK);
        let client = start(&project, &[]);
        until_noted(&project, "began", 1);
        let process = instance(&project, 1);
        kill(client, &process);
        damage(&named(&project, name)[0]);
        let run = project.pipe(&["run", "p.yaml"]);
        assert_eq!(run.status, 3, "{name}: {}", run.stderr);
        assert!(run.stderr.contains("pipe backend reap"), "{name}: {}", run.stderr);
        let listed = project.pipe(&["backend", "ps"]);
        assert!(listed.stdout.contains("  unreadable  "), "{name}: {} {}", listed.stdout, listed.stderr);
        let reaped = project.pipe(&["backend", "reap"]);
        assert_eq!(reaped.status, 0, "{name}: {}", reaped.stderr);
        open_gate(&project);
        project.run_json(&[], 0);
    }
}

#[test]
fn an_intent_that_no_client_wrote_is_passed_over() {
    let project = project_on(LOOPBACK);
    project.write("p.yaml", &counting(&project, 0));
    project.write("../beside/gate.2", "");
    let client = start(&project, &[]);
    until_noted(&project, "held 2", 1);
    let intent = named(&project, "intent/000001.json").remove(0);
    for name in ["4294967295.json", "999999.json", "0.json", "x.json"] {
        std::fs::copy(&intent, intent.with_file_name(name)).unwrap();
    }
    std::fs::remove_file(project.beside("gate.2")).unwrap();
    end(client, 0);
    assert_eq!(ledger(&project), ["step 1", "step 2", "held 2", "step 3", "step 4"]);
}

#[test]
fn an_instance_that_is_dead_is_not_shown_as_running() {
    let project = with_waiting(LOOPBACK);
    let client = start(&project, &[]);
    until_noted(&project, "began", 1);
    kill(client, &instance(&project, 1));
    let is_lost = || project.pipe(&["backend", "ps", "gpu"]).stdout.contains("  lost  ");
    eventually("it is shown as lost", is_lost);
}
