//! A machine that knows what another one did and has none of its content: when that comes, and when it cannot.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::project::{Project, expected};
use crate::remote_share::{Shared, json as document};

const PIPELINE: &str = r#"pipeline: p
params: {end: one}
stages:
  a: {uses: command, run: "mkdir ${out.d}; for i in 1 2 3; do echo $i > ${out.d}/f$i; done", out: {d: {path: out/d, type: dir}}}
  b: {uses: command, in: {d: a.d}, run: "sed s/^/b/ ${in.d}/f2 > ${out.x}", out: {x: out/x}}
  c: {uses: command, in: {x: b.x}, run: "(cat ${in.x}; echo ${params.end}) > ${out.y}", out: {y: out/y}}
"#;

const HITS: [(&str, &str); 3] = [("a", "hit"), ("b", "hit"), ("c", "hit")];

/// The second machine after a run that found everything on the remote.
fn lazy() -> Shared {
    let shared = Shared::new(PIPELINE, true);
    shared.one.outcomes(&[]);
    assert_eq!(shared.two.outcomes(&[]), expected(&HITS));
    shared
}

/// The objects of a project's store.
fn content(project: &Project) -> Vec<PathBuf> {
    let shards = ["blobs", "trees"].into_iter().flat_map(|family| {
        let shards = std::fs::read_dir(project.path("cache").join(family)).into_iter().flatten().flatten();
        shards.collect::<Vec<_>>()
    });
    shards.flat_map(|shard| std::fs::read_dir(shard.path()).unwrap().flatten()).map(|entry| entry.path()).collect()
}

/// Takes the remote away, as a disk that is not mounted.
fn unmount(shared: &Shared) -> PathBuf {
    let aside = shared.one.beside("aside");
    std::fs::rename(shared.remote(), &aside).unwrap();
    aside
}

#[test]
fn a_second_machine_is_all_hits_and_fetches_records_only() {
    let shared = lazy();
    assert_eq!(content(&shared.two), Vec::<PathBuf>::new());
    assert!(!shared.two.path("out").exists());
    let report = shared.two.run_json(&[], 0);
    assert_eq!(report["stages"]["b"]["outputs"]["x"]["elsewhere"], true, "{report}");
    let ran = shared.two.pipe(&["run", "p.yaml"]);
    assert!(ran.stderr.contains("3 outputs") && ran.stderr.contains("--materialize"), "{}", ran.stderr);
    // Nobody is asked any more: a remote that is away changes nothing.
    let aside = unmount(&shared);
    let ran = shared.two.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("3 up to date") && !ran.stderr.contains("warning"), "{}", ran.stderr);
    assert!(!shared.remote().exists());
    std::fs::rename(aside, shared.remote()).unwrap();
}

#[test]
fn no_verb_takes_content_that_is_elsewhere_for_damage() {
    let shared = lazy();
    let verified = shared.two.pipe(&["cache", "verify", "--json"]);
    assert_eq!(verified.status, 0, "{}", verified.stdout);
    let why = document(&shared.two, &["why", "b", "-f", "p.yaml", "--json"]);
    assert_eq!((&why["forecast"], &why["elsewhere"]["bytes"]), (&json!("hit"), &json!(3)), "{why}");
    let why = shared.two.pipe(&["why", "b", "-f", "p.yaml"]);
    assert!(why.stdout.contains("up to date") && why.stdout.contains("come when"), "{}", why.stdout);
    let plan = shared.two.pipe(&["plan", "p.yaml"]);
    assert!(plan.stdout.contains("hit") && plan.stdout.contains("remote"), "{}", plan.stdout);
    let shown = shared.two.pipe(&["show", "b"]);
    assert_eq!(shown.status, 0, "{}", shown.stderr);
    let status = document(&shared.two, &["cache", "status", "--json"]);
    assert_eq!((&status["records"], &status["rooms"]["elsewhere"]["files"]), (&json!(3), &json!(3)), "{status}");
    for words in [vec!["--grace", "0"], vec!["--grace", "0", "--max-size", "1B"]] {
        let removed = document(&shared.two, &[vec!["cache", "gc", "--json"], words].concat());
        assert_eq!(removed["removed"]["records"]["count"], 0, "{removed}");
    }
    assert_eq!(document(&shared.two, &["cache", "push", "--json"])["lacking"], json!([]));
    assert_eq!(shared.two.outcomes(&[]), expected(&HITS));
}

#[test]
fn a_stage_that_runs_here_fetches_what_it_reads_and_no_more() {
    let shared = lazy();
    let changed = expected(&[("a", "hit"), ("b", "hit"), ("c", "ran")]);
    assert_eq!(shared.two.outcomes(&["-S", "end=two"]), changed);
    // What b gave, and what c gave.
    assert_eq!(content(&shared.two).len(), 2, "{:?}", content(&shared.two));
    assert_eq!(shared.two.read("out/y"), "b2\ntwo\n");
    assert!(!shared.two.path("out/x").exists(), "its reader has it, and nobody asked for it here");
    // Something lies at the place of c, which belongs to another result: that one comes. What is here is put in its place as ever.
    assert_eq!(shared.two.outcomes(&[]), expected(&[("a", "hit"), ("b", "restored"), ("c", "restored")]));
    assert_eq!(shared.two.read("out/y"), "b2\none\n");
}

#[test]
fn get_shell_and_materialize_fetch() {
    let shared = lazy();
    let got = shared.two.pipe(&["get", "a", "copy"]);
    assert_eq!(got.status, 0, "{}", got.stderr);
    assert_eq!(shared.two.read("copy/f2"), "2\n");
    let shell = shared.two.pipe(&["shell", "c", "-f", "p.yaml", "--", "sh", "-c", "cat out/x"]);
    assert_eq!((shell.status, shell.stdout.as_str()), (0, "b2\n"), "{}", shell.stderr);
    let only = shared.two.outcomes(&["b", "--materialize"]);
    assert_eq!(only, expected(&[("a", "restored"), ("b", "restored")]), "a is here since `get`");
    assert!(shared.two.path("out/x").exists() && !shared.two.path("out/y").exists());
    let all = shared.two.outcomes(&["--materialize"]);
    assert_eq!(all, expected(&[("a", "hit"), ("b", "hit"), ("c", "restored")]));
    assert_eq!(shared.two.read("out/y"), "b2\none\n");
    let without = Shared::new(PIPELINE, false);
    let ran = without.two.pipe(&["run", "p.yaml", "--materialize"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("share: true"), "{}", ran.stderr);
}

#[test]
fn a_stage_that_runs_in_the_workspace_finds_its_inputs_there() {
    let pipeline = r#"pipeline: p
params: {end: one}
stages:
  a: {uses: command, run: "echo a > ${out.x}", out: {x: out/x}}
  b: {uses: command, sandbox: false, in: {x: a.x}, run: "cat out/x > out/y; echo ${params.end} >> out/y", out: {y: out/y}}
"#;
    let shared = Shared::new(pipeline, true);
    shared.one.outcomes(&[]);
    assert_eq!(shared.two.outcomes(&["-S", "end=two"]), expected(&[("a", "hit"), ("b", "ran")]));
    assert_eq!(shared.two.read("out/y"), "a\ntwo\n");
}

#[test]
fn what_the_remote_lost_is_made_again() {
    let shared = lazy();
    for blob in shared.objects("blobs") {
        std::fs::remove_file(blob).unwrap();
    }
    let ran = shared.two.pipe(&["run", "p.yaml", "-S", "end=two"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for words in ["`b` is not used", "`a` is not used", "it is missing", "made again"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let report: Value = document(&shared.two, &["show", "--json", "c"]);
    assert_eq!(shared.two.read("out/y"), "b2\ntwo\n", "{report}");
    // And it is there again, for others.
    let third = Project::with_pipeline(PIPELINE);
    third.write("pipe.yaml", &shared.one.read("pipe.yaml"));
    let words = ["-S", "end=two", "--materialize"];
    assert_eq!(third.outcomes(&words), expected(&[("a", "restored"), ("b", "restored"), ("c", "restored")]));
}

#[test]
fn what_is_damaged_there_is_made_again_and_put_right() {
    let shared = lazy();
    let b = shared.objects("blobs").into_iter().find(|blob| std::fs::read(blob).unwrap() == b"b2\n").unwrap();
    std::fs::remove_file(&b).unwrap();
    std::fs::write(&b, "b9\n").unwrap();
    let ran = shared.two.pipe(&["run", "p.yaml", "-S", "end=two"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("its content has another digest"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(&b).unwrap(), "b2\n", "the push writes it again");
    assert_eq!(shared.two.pipe(&["cache", "verify"]).status, 0);
}

#[test]
fn without_the_remote_a_stage_is_repeated_only_where_its_inputs_are_here() {
    let shared = lazy();
    let aside = unmount(&shared);
    // What c reads comes of b, whose own input is there too.
    let ran = shared.two.pipe(&["run", "p.yaml", "-S", "end=two"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    for words in ["`b`", "cannot be asked", "so is what `b` reads", "when the remote can be reached"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(!shared.remote().exists(), "nothing is made where the remote was");
    std::fs::rename(&aside, shared.remote()).unwrap();
    shared.two.pipe(&["get", "a", "copy"]);
    std::fs::rename(shared.remote(), &aside).unwrap();
    // Now the input of b is here.
    let ran = shared.two.pipe(&["run", "p.yaml", "-S", "end=two"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot be asked") && ran.stderr.contains("made again"), "{}", ran.stderr);
    assert_eq!(shared.two.read("out/y"), "b2\ntwo\n");
}

#[test]
fn another_remote_or_none_does_not_serve() {
    let shared = lazy();
    shared.two.write("pipe.yaml", &format!("remote: {{url: {}}}\n", shared.remote().display()));
    let why = document(&shared.two, &["why", "a", "-f", "p.yaml", "--json"]);
    assert!(why["reason"].as_str().unwrap_or_default().contains("is only on"), "{why}");
    assert_eq!(shared.two.outcomes(&[]), expected(&[("a", "ran"), ("b", "ran"), ("c", "ran")]));
}

#[test]
fn pull_brings_the_content_of_what_was_known_already() {
    let shared = lazy();
    let pulled = document(&shared.two, &["cache", "pull", "-f", "p.yaml", "--json"]);
    assert_eq!(pulled["pulled"], json!(["a", "b", "c"]), "{pulled}");
    assert_eq!(shared.two.outcomes(&[]), expected(&[("a", "restored"), ("b", "restored"), ("c", "restored")]));
}

#[test]
fn gc_drops_content_that_a_remote_has_and_keeps_what_is_known_of_it() {
    let shared = lazy();
    shared.two.outcomes(&["--materialize"]);
    std::fs::remove_dir_all(shared.two.path("out")).unwrap();
    let removed = document(&shared.two, &["cache", "gc", "--max-size", "1B", "--grace", "0", "--json"]);
    assert_eq!(removed["removed"]["records"]["count"], 0, "{removed}");
    assert_eq!(removed["kept"]["count"], 0, "{removed}");
    assert_eq!(shared.two.outcomes(&[]), expected(&HITS));
}
