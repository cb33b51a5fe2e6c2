//! Gc of a remote beside stages that run elsewhere: what those need stays, and the state of the dead goes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::loopback::{ledger, project_on, waiting};
use crate::project::{Project, eventually, expected, signal};
use crate::remote_share::json as document;

/// A project whose remote is the place of its backend `gpu`.
fn project() -> Project {
    let project = project_on("{loopback: {state: .pipe-loopback, lease: 60s}}");
    let settings = project.read("pipe.yaml");
    project.write("pipe.yaml", &format!("{settings}remote: {{url: .pipe-loopback}}\n"));
    project.write("in.txt", "one\n");
    project
}

/// A stage that reads a file, says in the ledger that it began, and waits for the gate.
fn reading(project: &Project) -> String {
    let pipeline = waiting(project);
    pipeline.replace("{uses: command,", "{uses: command, in: {i: {path: in.txt}},").replace("; cat ", "; cat ${in.i} ")
}

fn objects(project: &Project, family: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![project.path(".pipe-loopback").join(family)];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { pending.push(path) } else { found.push(path) }
        }
    }
    found
}

/// As if it had been written so long ago.
fn age(path: &Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    std::fs::File::open(path).unwrap().set_modified(then).unwrap();
}

fn gc(project: &Project) -> Value {
    document(project, &["cache", "gc", "--remote", "--grace", "0", "--json"])
}

#[test]
fn what_a_stage_that_runs_elsewhere_reads_stays_until_it_is_long_dead() {
    let project = project();
    project.write("p.yaml", &reading(&project));
    let client = project.command(&["run", "p.yaml"]).spawn().unwrap();
    eventually("it began", || !ledger(&project).is_empty());
    // Its input, and its programs.
    let needed = objects(&project, "blobs");
    assert!(!needed.is_empty());
    needed.iter().for_each(|blob| age(blob, 400));
    let stray = needed[0].parent().unwrap().to_owned();
    let digest = contract::Digest::of(b"stray").to_string();
    let stray = stray.with_file_name(&digest[..2]).join(&digest);
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, "stray").unwrap();
    age(&stray, 400);
    let collected = gc(&project);
    assert_eq!(collected["live_actions"], 1, "{collected}");
    assert_eq!(collected["removed"]["objects"]["count"], 1, "{collected}");
    assert!(needed.iter().all(|blob| blob.exists()) && !stray.exists(), "{collected}");
    std::fs::write(project.beside("gate"), "go\n").unwrap();
    let mut client = client;
    assert!(client.wait().unwrap().success());
    assert_eq!(project.read("out/x"), "one\ngo\n");
    // Nobody comes back to its state.
    let state = objects(&project, "actions");
    assert!(!state.is_empty());
    state.iter().for_each(|object| age(object, 8));
    let collected = gc(&project);
    assert_eq!(collected["removed"]["actions"]["count"], 1, "{collected}");
    assert_eq!(collected["live_actions"], json!(0), "{collected}");
    assert_eq!(objects(&project, "actions"), Vec::<PathBuf>::new());
    assert_eq!(project.outcomes(&[]), expected(&[("waits", "hit")]));
}

#[test]
fn the_checkpoint_of_an_interrupted_stage_stays() {
    let project = project();
    project.write("p.yaml", &crate::loopback::counting(&project, 2));
    let mut client = project.command(&["run", "p.yaml"]).spawn().unwrap();
    eventually("it waits", || ledger(&project).iter().any(|line| line == "waits"));
    let checkpoints =
        || objects(&project, "actions").iter().filter(|path| path.to_string_lossy().contains("checkpoints")).count();
    eventually("its checkpoint is there", || checkpoints() > 0);
    signal(&client, "-TERM");
    client.wait().unwrap();
    let before = objects(&project, "blobs");
    before.iter().for_each(|blob| age(blob, 400));
    gc(&project);
    for blob in objects(&project, "actions").iter().filter(|path| path.to_string_lossy().contains("checkpoints")) {
        let named: Value = serde_json::from_slice(&std::fs::read(blob).unwrap()).unwrap();
        let digest = named["content"]["digest"].as_str().unwrap();
        let kept = ["blobs", "trees"]
            .iter()
            .any(|family| project.path(".pipe-loopback").join(family).join(&digest[..2]).join(digest).exists());
        assert!(kept, "{named}");
    }
    std::fs::write(project.beside("gate"), "go").unwrap();
    assert_eq!(project.outcomes(&[]), expected(&[("count", "ran")]));
    let steps = ledger(&project).iter().filter(|line| line.starts_with("step")).count();
    assert_eq!(steps, 4, "{:?}", ledger(&project));
}

#[test]
fn the_state_of_a_backend_is_emptied_of_bundles_that_no_stage_needs() {
    let project = project_on("{loopback: {state: .pipe-loopback, lease: 60s}}");
    let stage = |word: &str| {
        format!(
            "pipeline: p\nstages:\n  a: {{uses: command, run: \"echo {word} > ${{out.x}}\", out: {{x: out/x}}, backend: gpu}}\n"
        )
    };
    project.write("p.yaml", &stage("one"));
    assert_eq!(project.outcomes(&[]), expected(&[("a", "ran")]));
    let bytes = || objects(&project, "blobs").iter().map(|blob| std::fs::metadata(blob).unwrap().len()).sum::<u64>();
    let engine = std::fs::metadata(crate::project::pipe()).unwrap().len();
    assert!(bytes() >= engine, "the programs lie there");
    assert_eq!(project.pipe(&["backend", "reap"]).status, 0);
    let looked = document(&project, &["cache", "gc", "--remote", "--json"]);
    assert_eq!(looked["states"][0]["removed"]["objects"]["count"], 0, "they are younger than a week: {looked}");
    objects(&project, "blobs").iter().for_each(|blob| age(blob, 8));
    let collected = document(&project, &["cache", "gc", "--remote", "--json"]);
    assert_eq!((&collected["remote"], &collected["states"][0]["state"]), (&Value::Null, &json!(".pipe-loopback")));
    assert!(collected["states"][0]["removed"]["objects"]["bytes"].as_u64().unwrap() >= engine, "{collected}");
    assert!(bytes() < engine, "{collected}");
    assert_eq!(project.outcomes(&[]), expected(&[("a", "hit")]));
    project.write("p.yaml", &stage("two"));
    assert_eq!(project.outcomes(&[]), expected(&[("a", "ran")]));
    assert_eq!(project.read("out/x"), "two\n");
    // Nothing of a remote is named, and there is no state yet.
    let bare = Project::new();
    let refused = bare.pipe(&["cache", "gc", "--remote"]);
    assert!(refused.status == 2 && refused.stderr.contains("the settings name no remote"), "{}", refused.stderr);
}
