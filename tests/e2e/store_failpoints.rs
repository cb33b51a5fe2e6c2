//! The engine dies as by `kill -9` at every point between starting a stage and putting its output into the workspace: the next
//! run ends with the right bytes, and nothing is left to be unlocked.

use std::os::unix::process::ExitStatusExt;

use crate::project::{Project, eventually};

const PIPELINE: &str = r#"pipeline: f
stages:
  one: {uses: command, run: "echo one > ${out.x}", out: {x: out/one}}
  two: {uses: command, run: "mkdir ${out.d} && cat ${in.x} > ${out.d}/a && echo two > ${out.d}/b", in: {x: one}, out: {d: {path: out/two, type: dir}}}
"#;

/// Dies at `point`; then `left` checks the leftovers, and the next run copes with them.
fn check(point: &str, left: impl Fn(&Project)) {
    let project = Project::with_pipeline(PIPELINE);
    let died = project.command(&["run", "p.yaml"]).env("PIPE_FAILPOINT", point).output().unwrap();
    assert_eq!(died.status.signal(), Some(9), "{point}: {}", String::from_utf8_lossy(&died.stderr));
    let root = project.root().to_str().unwrap().to_owned();
    eventually("nothing of the dead run works here", || !somebody_works_below(&root));
    left(&project);
    project.outcomes(&[]);
    assert_eq!(project.read("out/one"), "one\n", "{point}");
    assert_eq!((project.read("out/two/a"), project.read("out/two/b")), ("one\n".into(), "two\n".into()), "{point}");
    assert!(project.outcomes(&[]).values().all(|outcome| outcome == "hit"), "{point}");
    let verified = project.pipe(&["cache", "verify"]);
    assert_eq!(verified.status, 0, "{point}: {}", verified.stdout);
    assert_eq!(project.pipe(&["cache", "gc"]).status, 0, "{point}: nothing holds a lock");
    assert_eq!(count(&project, "cache/tmp") + count(&project, "cache/work"), 0, "{point}: swept");
}

fn somebody_works_below(root: &str) -> bool {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .any(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(root)))
}

fn count(project: &Project, directory: &str) -> usize {
    std::fs::read_dir(project.path(directory)).map_or(0, Iterator::count)
}

fn files_below(project: &Project, directory: &str) -> usize {
    std::fs::read_dir(project.path(directory))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| std::fs::read_dir(entry.path()).unwrap().count())
        .sum()
}

#[test]
fn killed_before_a_program_starts() {
    check("before-spawn", |project| assert_eq!(files_below(project, "cache/records"), 0));
    check("before-spawn:2", |project| assert_eq!(files_below(project, "cache/records"), 1));
}

#[test]
fn killed_between_outputs_and_record() {
    check("after-blobs", |project| {
        assert_eq!(files_below(project, "cache/blobs"), 1, "garbage, and no lie");
        assert_eq!(files_below(project, "cache/records"), 0);
    });
    check("after-blobs:2", |project| assert_eq!(files_below(project, "cache/records"), 1));
}

#[test]
fn killed_while_the_record_is_written() {
    check("before-record", |project| assert_eq!(files_below(project, "cache/records"), 0));
    check("before-record:2", |project| assert_eq!(files_below(project, "cache/records"), 1));
}

#[test]
fn killed_while_outputs_are_published() {
    check("during-publish", |project| {
        assert_eq!(files_below(project, "cache/records"), 1);
        assert!(!project.path("out/one").exists());
    });
    check("during-publish:2", |project| assert!(!project.path("out/two").exists()));
}
