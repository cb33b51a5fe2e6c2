//! A store that two machines share by a remote. A machine is a project with a store of its own.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::project::{Project, Ran, checkout, eventually, expected, signal};

const PIPELINE: &str = r#"pipeline: p
stages:
  a: {uses: command, run: "mkdir ${out.d}; for i in 1 2 3; do echo $i > ${out.d}/f$i; done; chmod +x ${out.d}/f1; ln -s f1 ${out.d}/l", out: {d: {path: out/d, type: dir}}}
  b: {uses: command, in: {d: a.d}, run: "cat ${in.d}/f2 > ${out.x}", out: {x: out/x}}
  c: {uses: command, in: {x: b.x}, run: "wc -c ${in.x} > ${out.y}", out: {y: out/y}}
"#;

/// Two machines and the directory that is their remote.
pub(crate) struct Shared {
    pub one: Project,
    pub two: Project,
}

impl Shared {
    /// Both with this pipeline; `share` as in `pipe.yaml`.
    pub(crate) fn new(pipeline: &str, share: bool) -> Shared {
        let shared = Shared { one: Project::with_pipeline(pipeline), two: Project::with_pipeline(pipeline) };
        let settings = format!("remote: {{url: {}, share: {share}}}\n", shared.remote().display());
        shared.one.write("pipe.yaml", &settings);
        shared.two.write("pipe.yaml", &settings);
        shared
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.one.beside("remote")
    }

    /// The objects of a family there.
    pub(crate) fn objects(&self, family: &str) -> BTreeSet<PathBuf> {
        let shards = std::fs::read_dir(self.remote().join(family)).into_iter().flatten().flatten();
        let files = shards.flat_map(|shard| std::fs::read_dir(shard.path()).into_iter().flatten().flatten());
        files.map(|file| file.path()).collect()
    }
}

pub(crate) fn json(project: &Project, words: &[&str]) -> Value {
    let ran = project.pipe(words);
    assert_eq!(ran.status, 0, "{}{}", ran.stderr, ran.stdout);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

#[test]
fn a_second_machine_executes_nothing() {
    let shared = Shared::new(PIPELINE, true);
    assert_eq!(shared.one.outcomes(&[]), expected(&[("a", "ran"), ("b", "ran"), ("c", "ran")]));
    let restored = expected(&[("a", "restored"), ("b", "restored"), ("c", "restored")]);
    assert_eq!(shared.two.outcomes(&["--materialize"]), restored);
    assert_eq!(shared.two.read("out/y"), shared.one.read("out/y"));
    let mode = std::fs::metadata(shared.two.path("out/d/f1")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o555);
    assert_eq!(std::fs::read_link(shared.two.path("out/d/l")).unwrap(), Path::new("f1"));
    assert_eq!(shared.two.outcomes(&[]), expected(&[("a", "hit"), ("b", "hit"), ("c", "hit")]));
    let verified = json(&shared.two, &["cache", "verify", "--json"]);
    assert_eq!(verified["damaged"], serde_json::json!([]));
}

#[test]
fn only_what_changed_runs_and_the_other_machine_gets_it() {
    let shared = Shared::new(PIPELINE, true);
    shared.one.outcomes(&[]);
    let changed = PIPELINE.replace("wc -c", "wc -l");
    shared.two.write("p.yaml", &changed);
    assert_eq!(shared.two.outcomes(&[]), expected(&[("a", "hit"), ("b", "hit"), ("c", "ran")]));
    assert!(!shared.two.path("out/d").exists() && !shared.two.path("out/x").exists(), "what nobody asked for");
    shared.one.write("p.yaml", &changed);
    // Something else lies at its place, which would be taken for it.
    assert_eq!(shared.one.outcomes(&[]), expected(&[("a", "hit"), ("b", "hit"), ("c", "restored")]));
}

#[test]
fn without_share_only_push_and_pull_use_it() {
    let shared = Shared::new(PIPELINE, false);
    shared.one.outcomes(&[]);
    assert!(!shared.remote().exists(), "a run that does not share leaves the remote alone");
    let refused = shared.two.pipe(&["cache", "pull"]);
    assert_eq!(refused.status, 2, "nothing has run here, and no pipeline was named");
    let pushed = json(&shared.one, &["cache", "push", "b", "--json"]);
    assert_eq!(pushed["records"], 2, "b and what it was made from: {pushed}");
    // Three files and what b gave, the manifest, two records; a file of b is one of a.
    assert_eq!((pushed["sent"]["objects"].clone(), pushed["there"].clone()), (6.into(), 0.into()), "{pushed}");
    let again = json(&shared.one, &["cache", "push", "b", "--json"]);
    assert_eq!((again["sent"]["objects"].clone(), again["there"].clone()), (0.into(), 6.into()), "{again}");
    let pulled = json(&shared.two, &["cache", "pull", "-f", "p.yaml", "--json"]);
    assert_eq!(pulled["pulled"], serde_json::json!(["a", "b"]), "{pulled}");
    assert_eq!(pulled["absent"], serde_json::json!(["c"]), "{pulled}");
    assert_eq!(shared.two.outcomes(&[]), expected(&[("a", "restored"), ("b", "restored"), ("c", "ran")]));
    let status = json(&shared.two, &["cache", "status", "--remote", "--json"]);
    assert_eq!(status["families"]["records"]["objects"], 2, "{status}");
    assert_eq!(status["conditional_writes"], true, "{status}");
}

#[test]
fn a_push_goes_on_where_another_was_cut_short() {
    let shared = Shared::new(PIPELINE, false);
    shared.one.outcomes(&[]);
    json(&shared.one, &["cache", "push", "--json"]);
    let blobs = shared.objects("blobs");
    let (gone, half) = (blobs.first().unwrap(), blobs.last().unwrap());
    std::fs::remove_file(gone).unwrap();
    std::fs::remove_file(half).unwrap();
    std::fs::write(half, "").unwrap();
    let again = json(&shared.one, &["cache", "push", "--json"]);
    assert_eq!(again["sent"]["objects"], 2, "what is missing, and what has another size: {again}");
    let pulled = json(&shared.two, &["cache", "pull", "-f", "p.yaml", "--json"]);
    assert_eq!(pulled["pulled"], serde_json::json!(["a", "b", "c"]), "{pulled}");
}

#[test]
fn one_changed_file_of_many_sends_one_file() {
    let pipeline = r#"pipeline: p
params: {last: one}
stages:
  a: {uses: command, run: "mkdir ${out.d}; for i in $(seq 300); do echo $i > ${out.d}/$i; done; echo ${params.last} > ${out.d}/300", out: {d: {path: out/d, type: dir}}}
"#;
    let shared = Shared::new(pipeline, true);
    shared.one.outcomes(&[]);
    let before = shared.objects("blobs");
    assert_eq!(before.len(), 300);
    shared.one.outcomes(&["-S", "last=two"]);
    assert_eq!(shared.objects("blobs").difference(&before).count(), 1);
    assert_eq!(shared.objects("trees").len(), 2);
    assert_eq!(shared.two.outcomes(&["-S", "last=two", "--materialize"]), expected(&[("a", "restored")]));
    assert_eq!(shared.two.read("out/d/300"), "two\n");
}

#[test]
fn get_fetches_what_only_the_remote_has() {
    let shared = Shared::new(PIPELINE, true);
    shared.one.outcomes(&[]);
    std::fs::remove_dir_all(shared.one.path("out")).unwrap();
    std::fs::remove_dir_all(shared.one.path("cache/trees")).unwrap();
    let got = shared.one.pipe(&["get", "a", "copy"]);
    assert_eq!(got.status, 0, "{}", got.stderr);
    assert_eq!(shared.one.read("copy/f2"), "2\n");
}

/// A program on PATH that notes that it was started, then serves.
fn noted(project: &Project, name: &str) -> PathBuf {
    let (bin, started) = (project.beside("bin"), project.beside("started"));
    std::fs::create_dir_all(&bin).unwrap();
    let fixture = checkout().join("tests/fixtures/backends/pipe-files.py");
    let text = format!("#!/bin/sh\necho x >> {}\nexec python3 {} \"$@\"\n", started.display(), fixture.display());
    std::fs::write(bin.join(name), text).unwrap();
    std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

#[test]
fn a_program_serves_a_remote_and_hits_start_none() {
    let shared = Shared::new(PIPELINE, true);
    let bin = noted(&shared.one, "pipe-files");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let starts = || std::fs::read_to_string(shared.one.beside("started")).unwrap_or_default().lines().count();
    for project in [&shared.one, &shared.two] {
        project.write("pipe.yaml", &format!("remote: {{url: 'files://{}', share: true}}\n", shared.remote().display()));
    }
    let run = |project: &Project| {
        let output = project.command(&["run", "p.yaml", "--json"]).env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        crate::project::outcomes(&serde_json::from_slice(&output.stdout).unwrap())
    };
    assert_eq!(run(&shared.one), expected(&[("a", "ran"), ("b", "ran"), ("c", "ran")]));
    assert_eq!(starts(), 1);
    assert_eq!(run(&shared.one), expected(&[("a", "hit"), ("b", "hit"), ("c", "hit")]));
    assert_eq!(starts(), 1, "a run of hits starts no program");
    let hits = expected(&[("a", "hit"), ("b", "hit"), ("c", "hit")]);
    assert_eq!(run(&shared.two), hits);
    assert_eq!(starts(), 2);
    assert_eq!(run(&shared.two), hits);
    assert_eq!(starts(), 2, "hits whose content is elsewhere start none either");
    let words = ["cache", "status", "--remote", "--json"];
    let output = shared.two.command(&words).env("PATH", &path).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["conditional_writes"], true, "{status}");
    let output = shared.two.command(&["plan", "p.yaml", "--needs"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "pipe-files\n");
}

#[test]
fn gc_of_the_remote_keeps_what_this_store_needs() {
    let shared = Shared::new(PIPELINE, true);
    shared.one.outcomes(&[]);
    shared.one.write("p.yaml", &PIPELINE.replace("wc -c", "wc -l"));
    shared.one.outcomes(&[]);
    assert_eq!(shared.objects("records").len(), 4);
    let words = ["cache", "gc", "--remote", "--json", "--grace", "0"];
    let would = json(&shared.one, &[words.as_slice(), &["--dry-run"]].concat());
    assert_eq!(would["removed"]["records"]["count"], 1, "{would}");
    assert_eq!(shared.objects("records").len(), 4);
    let kept = json(&shared.one, &["cache", "gc", "--remote", "--json"]);
    assert_eq!(kept["removed"]["records"]["count"], 0, "what was pushed lately stays: {kept}");
    json(&shared.one, &words);
    assert_eq!(shared.objects("records").len(), 3);
    shared.two.write("p.yaml", &shared.one.read("p.yaml"));
    let restored = expected(&[("a", "restored"), ("b", "restored"), ("c", "restored")]);
    assert_eq!(shared.two.outcomes(&["--materialize"]), restored);
}

/// A program that never finishes a put, until that is cancelled. It notes its requests in `heard`.
const SLOW: &str = r#"#!/usr/bin/env python3
import json, sys
marker = json.dumps({"format": 1, "made_by": "a test", "probe": {"absent": True, "version": True}})
for line in sys.stdin:
    request = json.loads(line)
    if "hello" in request:
        print(json.dumps({"hello": {"protocol": 1, "program": "pipe-slow 1", "offers": ["objects"]}}), flush=True)
        continue
    (operation, arguments), = request["do"].items()
    open("HEARD", "a").write(operation + "\n")
    if operation == "get":
        done = {"size": len(marker), "text": marker} if arguments["name"] == "pipe-store.json" else {"size": None}
        print(json.dumps({"id": request["id"], "done": done}), flush=True)
    elif operation == "has":
        print(json.dumps({"id": request["id"], "done": {"sizes": [None] * len(arguments["names"])}}), flush=True)
    elif operation == "cancel":
        failed = {"class": "interrupted", "message": "cancelled"}
        print(json.dumps({"id": arguments["id"], "failed": failed}), flush=True)
open("HEARD", "a").write("end\n")
"#;

#[test]
fn ctrl_c_cancels_what_travels_and_ends_the_program() {
    let shared = Shared::new(PIPELINE, false);
    let project = &shared.one;
    project.outcomes(&[]);
    let (bin, heard) = (project.beside("bin"), project.beside("heard"));
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("pipe-slow"), SLOW.replace("HEARD", heard.to_str().unwrap())).unwrap();
    std::fs::set_permissions(bin.join("pipe-slow"), std::fs::Permissions::from_mode(0o755)).unwrap();
    project.write("pipe.yaml", "remote: {url: 'slow://x'}\n");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = project.command(&["cache", "push"]);
    let child = command.env("PATH", path).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let has_heard = |word: &str| std::fs::read_to_string(&heard).unwrap_or_default().lines().any(|line| line == word);
    eventually("something travels", || has_heard("put"));
    signal(&child, "-INT");
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.status, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("goes on from there"), "{}", ran.stderr);
    assert!(has_heard("cancel") && has_heard("end"), "{}", std::fs::read_to_string(&heard).unwrap());
}

#[test]
fn a_new_store_is_told_and_so_is_a_remote_where_nothing_lies() {
    let shared = Shared::new(PIPELINE, false);
    shared.one.outcomes(&[]);
    let pulled = shared.two.pipe(&["cache", "pull", "-f", "p.yaml"]);
    assert_eq!(pulled.status, 0, "{}", pulled.stderr);
    assert!(pulled.stderr.contains("nothing was pushed to") && !shared.remote().exists(), "{}", pulled.stderr);
    let new = format!("makes a new store at {}", shared.remote().display());
    let pushed = shared.one.pipe(&["cache", "push"]);
    assert!(pushed.status == 0 && pushed.stderr.contains(&new), "{}", pushed.stderr);
    let again = shared.one.pipe(&["cache", "push"]);
    assert!(again.status == 0 && !again.stderr.contains("new store"), "{}", again.stderr);

    let sharing = Shared::new(PIPELINE, true);
    let new = format!("makes a new store at {}", sharing.remote().display());
    let ran = sharing.one.pipe(&["run", "p.yaml"]);
    assert_eq!((ran.status, ran.stderr.matches(&new).count()), (0, 1), "{}", ran.stderr);
    let ran = sharing.two.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 0 && !ran.stderr.contains("new store"), "{}", ran.stderr);
}

#[test]
fn a_pipe_in_place_of_an_object_holds_up_nobody() {
    let shared = Shared::new(PIPELINE, true);
    shared.one.outcomes(&[]);
    let fifo = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    shared.objects("records").iter().for_each(|record| fifo(record));
    assert_eq!(shared.two.outcomes(&[]), expected(&[("a", "ran"), ("b", "ran"), ("c", "ran")]));
    fifo(&shared.remote().join("pipe-store.json"));
    let status = shared.one.pipe(&["cache", "status", "--remote"]);
    assert!(status.status == 3 && status.stderr.contains("pipe-store.json is no file"), "{}", status.stderr);
    std::fs::remove_dir_all(shared.one.path("cache")).unwrap();
    let ran = shared.one.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 0 && ran.stderr.contains("is no file"), "{}", ran.stderr);
}

#[test]
fn an_address_that_cannot_be_meant_is_found_by_check() {
    let project = Project::with_pipeline(PIPELINE);
    let check = |remote: &str, words: &[&str]| {
        project.write("pipe.yaml", &format!("remote: {remote}\n"));
        let ran = project.pipe(&["check", "p.yaml"]);
        assert_eq!(ran.status, 2, "{remote}: {}", ran.stderr);
        for word in words.iter().chain(&["pipe.yaml:1:"]) {
            assert!(ran.stderr.contains(word), "{remote}: no `{word}` in {}", ran.stderr);
        }
    };
    check("{url: 's3:/bucket/x'}", &["begins as a URL does", "s3://BUCKET/PREFIX"]);
    check("{url: 'file:/srv/x'}", &["begins as a URL does"]);
    check("{url: 's3://b', endpoint: '127.0.0.1:8333'}", &["`endpoint` cannot be", "http://127.0.0.1:8333"]);
    check("{url: 's3://b', endpoint: 'http://me:pw@host'}", &["a name or a password"]);
    check("{url: 's3://b', endpoint: 'http://host:port'}", &["its port is no number"]);
    project.write("pipe.yaml", "backends: {gpu: {loopback: {state: 's3:/bucket/x'}}}\n");
    let ran = project.pipe(&["check", "p.yaml"]);
    assert!(ran.status == 2 && ran.stderr.contains("begins as a URL does"), "{}", ran.stderr);
    project.write("pipe.yaml", "remote: {url: 'nobody://x/y'}\n");
    let status = project.pipe(&["cache", "status", "--remote"]);
    assert!(status.status == 3 && status.stderr.matches("nobody://x/y").count() == 1, "{}", status.stderr);
}

#[test]
fn a_damaged_file_of_a_directory_is_one_warning() {
    let shared = Shared::new(PIPELINE, false);
    shared.one.outcomes(&[]);
    json(&shared.one, &["cache", "push", "--json"]);
    let two = contract::Digest::of(b"2\n").to_string();
    for blob in shared.objects("blobs").iter().filter(|blob| blob.ends_with(&two)) {
        std::fs::remove_file(blob).unwrap();
        std::fs::write(blob, "3\n").unwrap();
    }
    for family in ["blobs", "trees"] {
        std::fs::remove_dir_all(shared.one.path("cache").join(family)).unwrap();
        std::fs::create_dir(shared.one.path("cache").join(family)).unwrap();
    }
    let got = shared.one.pipe(&["get", "a", "there"]);
    assert_eq!(got.stderr.matches("another digest").count(), 1, "{}", got.stderr);
}
