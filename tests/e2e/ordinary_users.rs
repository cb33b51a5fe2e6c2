//! Users who may not do everything: leftovers of a stage are removed or named, and stores that cannot be written serve the hits they
//! have. Run by root, these tests become somebody else.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::project::{Project, Ran, outcomes, pipe};

const USER: &str = "65534";

/// A project of an ordinary user, and `pipe` as that user runs it.
struct Ordinary {
    project: Project,
    is_root: bool,
}

impl Ordinary {
    /// `None` where root cannot become somebody who may run the program.
    fn new(yaml: &str) -> Option<Ordinary> {
        let id = Command::new("id").arg("-u").output().unwrap();
        let ordinary = Ordinary { project: Project::with_pipeline(yaml), is_root: id.stdout == b"0\n" };
        ordinary.give(ordinary.project.root().parent().unwrap());
        if ordinary.is_root && !ordinary.command(&["--version"]).output().is_ok_and(|it| it.status.success()) {
            #[expect(clippy::print_stderr, reason = "a skipped check must be visible")]
            {
                eprintln!("SKIPPED: becoming an ordinary user");
            }
            return None;
        }
        Some(ordinary)
    }

    /// Makes the user the owner of everything at `path`.
    fn give(&self, path: &Path) {
        if self.is_root {
            assert!(Command::new("chown").args(["-R", USER]).arg(path).status().unwrap().success());
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(if self.is_root { "setpriv" } else { "env" });
        if self.is_root {
            command.args(["--reuid", USER, "--clear-groups"]);
        }
        command.arg(pipe()).args(words).current_dir(self.project.root()).stdin(Stdio::null()).env("NO_COLOR", "1");
        command
            .env("HOME", self.project.beside("home"))
            .env("TMPDIR", self.project.beside(""))
            .env_remove("XDG_STATE_HOME");
        command
    }

    fn pipe(&self, words: &[&str]) -> Ran {
        Ran::from(self.command(words).output().unwrap())
    }

    fn succeeds(&self, words: &[&str]) -> Ran {
        let ran = self.pipe(words);
        assert_eq!(ran.status, 0, "{words:?}: {}{}", ran.stdout, ran.stderr);
        ran
    }
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

const LITTER: &str = r#"pipeline: litter
params: {n: 1}
stages:
  go: {uses: command, run: "mkdir -p go/mod/x && echo > go/mod/x/f && chmod -R a-w go && echo ${params.n} > ${out.o}", out: {o: out/go}}
  closed: {uses: command, run: "mkdir -p c/d c/e && echo > c/d/f && chmod 000 c/d && chmod 111 c && echo ${params.n} > ${out.o}", out: {o: out/closed}}
  itself: {uses: command, run: "mkdir -p $TMPDIR/t/u && chmod 500 $TMPDIR/t $TMPDIR && echo ${params.n} > ${out.o}; chmod 555 .", out: {o: out/itself}}
"#;

#[test]
fn whatever_modes_a_stage_leaves_its_directories_go() {
    let Some(user) = Ordinary::new(LITTER) else { return };
    for n in ["n=1", "n=2"] {
        user.succeeds(&["run", "p.yaml", "-S", n]);
        assert_eq!(entries(&user.project.path("cache/work")), Vec::<String>::new());
    }
    let status = user.succeeds(&["cache", "status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&status["rooms"]["work"]["files"], &status["unreadable"]), (&Value::from(0), &serde_json::json!([])));
}

#[test]
fn what_cannot_be_read_or_removed_is_named_and_stops_neither_status_nor_gc() {
    let yaml = r#"pipeline: bad
stages: {bad: {uses: command, run: "mkdir -p m/n && echo secret > m/n/f && chmod 000 m && exit 1", out: {o: out/o}}}
"#;
    let Some(user) = Ordinary::new(yaml) else { return };
    assert_eq!(user.pipe(&["run", "p.yaml", "--keep-work"]).status, 1);
    let run = entries(&user.project.path("cache/work/kept")).remove(0);
    let closed = user.project.path(&format!("cache/work/kept/{run}/bad/root/m")).canonicalize().unwrap();
    let status = user.succeeds(&["cache", "status"]);
    assert!(status.stdout.contains(&format!("unreadable, and not counted: {}", closed.display())), "{}", status.stdout);
    let json: Value = serde_json::from_str(&user.succeeds(&["cache", "status", "--json"]).stdout).unwrap();
    assert_eq!(json["unreadable"], serde_json::json!([closed]));
    assert_eq!(json["rooms"]["work"]["unreadable"], 1);
    user.succeeds(&["cache", "gc"]);
    user.succeeds(&["cache", "gc", "--also", "kept-work", "--dry-run"]);
    if user.is_root {
        // Something of another user's in it.
        assert!(Command::new("chown").args(["-R", "0"]).arg(&closed).status().unwrap().success());
        chmod(&closed, 0o755);
        let stuck = user.succeeds(&["cache", "gc", "--also", "kept-work"]);
        assert!(
            stuck.stderr.contains("warning: cannot remove ") && stuck.stderr.contains("/m: permission denied"),
            "{}",
            stuck.stderr
        );
        return;
    }
    user.succeeds(&["cache", "gc", "--also", "kept-work"]);
    assert!(!closed.exists());
}

/// Outputs of every form.
const FORMS: &str = r#"pipeline: forms
params: {word: a}
stages:
  file: {uses: command, run: "echo ${params.word} > ${out.o}", out: {o: out/file}}
  tool: {uses: command, run: "printf '#!/bin/sh\necho ran\n' > ${out.o}; chmod +x ${out.o}", out: {o: out/tool}}
  tree: {uses: command, run: "mkdir -p ${out.o}/x/empty && echo 1 > ${out.o}/f && ln -s ../f ${out.o}/x/link && cp ${in.t} ${out.o}/tool", in: {t: tool}, out: {o: {path: out/tree, type: dir}}}
  none: {uses: command, run: "mkdir ${out.o}", out: {o: {path: out/none, type: dir}}}
  read: {uses: command, run: "cat ${in.data} > ${out.o}", in: {data: {path: data/in.txt}}, out: {o: out/read}}
"#;

/// The user, and a store that they may read and that has all of it.
fn with_read_only_store() -> Option<(Ordinary, String)> {
    let user = Ordinary::new(FORMS)?;
    user.project.write("data/in.txt", "hello\n");
    user.give(&user.project.path("data"));
    user.succeeds(&["run", "p.yaml"]);
    let store = user.project.beside("ro");
    for command in [
        Command::new("cp").arg("-a").arg(user.project.path("cache")).arg(&store),
        Command::new("rm").arg("-rf").arg(user.project.path("cache")).arg(user.project.path("out")),
        Command::new("chmod").args(["-R", "a-w"]).arg(&store),
    ] {
        assert!(command.status().unwrap().success());
    }
    if user.is_root {
        assert!(Command::new("chown").args(["-R", "0"]).arg(&store).status().unwrap().success());
    }
    Some((user, store.to_str().unwrap().to_owned()))
}

#[test]
fn a_store_that_cannot_be_written_serves_every_form_again_and_again() {
    let Some((user, store)) = with_read_only_store() else { return };
    // Before there were markers.
    for mode in [0o755, 0o555] {
        chmod(Path::new(&store), mode);
        let _ = std::fs::remove_file(Path::new(&store).join("pipe-store"));
    }
    for expected in ["restored", "hit", "hit"] {
        let ran = user.succeeds(&["run", "p.yaml", "--json", "--store", &store]);
        let outcomes = outcomes(&serde_json::from_str(&ran.stdout).unwrap());
        assert!(outcomes.values().all(|outcome| outcome == expected), "{expected}: {outcomes:?}");
    }
    let mut there = entries(&user.project.path("out"));
    there.sort();
    assert_eq!(there, ["file", "none", "read", "tool", "tree"], "nothing was displaced");
    assert_eq!(user.project.read("out/tree/x/link"), "1\n");
    let plan = user.succeeds(&["plan", "p.yaml", "--store", &store]);
    assert_eq!(plan.stdout.matches(" hit ").count(), 5, "{}", plan.stdout);
    assert!(user.succeeds(&["why", "tree", "-f", "p.yaml", "--store", &store]).stdout.contains("up to date"));
    user.succeeds(&["show", "tree", "--store", &store]);
    user.succeeds(&["get", "tree", "copy", "--store", &store]);
    assert_eq!(user.project.read("copy/x/link"), "1\n");
    user.succeeds(&["runs", "--store", &store]);
    user.succeeds(&["cache", "status", "--store", &store]);
    user.succeeds(&["cache", "verify", "--store", &store]);
}

#[test]
fn a_file_of_the_users_that_is_in_the_way_is_moved_aside_without_the_store() {
    let Some((user, store)) = with_read_only_store() else { return };
    for mine in ["out/file", "out/tree/mine"] {
        user.project.write(mine, "mine\n");
    }
    user.give(&user.project.path("out"));
    chmod(&user.project.path("out/tree"), 0o555);
    let ran = user.succeeds(&["run", "p.yaml", "--store", &store]);
    assert_eq!(user.project.read("out/file"), "a\n");
    assert_eq!(user.project.read("out/file.displaced"), "mine\n", "{}", ran.stderr);
    assert_eq!(user.project.read("out/tree.displaced/mine"), "mine\n");
}

#[test]
fn what_a_store_lacks_that_cannot_be_written_is_planned_and_the_store_named() {
    let Some((user, store)) = with_read_only_store() else { return };
    user.project.write("data/in.txt", "other\n");
    user.give(&user.project.path("data"));
    let plan = user.succeeds(&["plan", "p.yaml", "--store", &store]);
    assert!(plan.stdout.contains("run  read  in.data changed"), "{}", plan.stdout);
    let why = user.succeeds(&["why", "read", "-f", "p.yaml", "--store", &store]);
    assert!(why.stdout.contains("in.data changed"), "{}", why.stdout);
    let said = format!("{}: this store cannot be written (permission denied", Path::new(&store).display());
    for words in [
        &["run", "p.yaml", "--store", &store] as &[&str],
        &["shell", "file", "-f", "p.yaml", "--store", &store],
        &["cache", "gc", "--store", &store],
    ] {
        let ran = user.pipe(words);
        assert!(ran.status == 3 && ran.stderr.contains(&said), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn a_report_for_which_the_store_has_no_place_goes_where_nobody_else_can_have_been() {
    let Some((user, store)) = with_read_only_store() else { return };
    let report = |ran: &Ran| {
        let line = ran.stderr.lines().find(|line| line.contains("of this run are kept in")).expect(&ran.stderr);
        std::path::PathBuf::from(line.rsplit(' ').next().unwrap())
    };
    let ran = user.succeeds(&["run", "p.yaml", "--store", &store]);
    let directory = report(&ran);
    assert!(directory.join("report.json").exists() && directory.starts_with(user.project.beside("")));
    assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let state = user.project.beside("state");
    let output = user.command(&["run", "p.yaml", "--store", &store]).env("XDG_STATE_HOME", &state).output().unwrap();
    let directory = report(&Ran::from(output));
    assert!(directory.starts_with(state.join("pipe/runs")) && directory.join("events.ndjson").exists());
    assert_eq!(std::fs::metadata(state.join("pipe")).unwrap().permissions().mode() & 0o777, 0o700);
}
