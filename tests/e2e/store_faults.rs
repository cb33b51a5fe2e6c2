//! Faults of the store: written through a link, cut, emptied, flipped behind its back, full, read-only, shared.

use std::fs::{File, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Project, expected};

const CHAIN: &str = r#"pipeline: chain
params: {suffix: a}
stages:
  word: {uses: command, run: "sed s/^/w/ ${in.text} > ${out.w}", in: {text: {path: data/in.txt}}, out: {w: out/word}}
  parts: {uses: command, run: "mkdir ${out.p} && cp ${in.w} ${out.p}/a && echo b > ${out.p}/b", in: {w: word}, out: {p: {path: out/parts, type: dir}}}
  sign: {uses: command, run: "cat ${in.p}/a ${in.p}/b > ${out.s} && echo ${params.suffix} >> ${out.s}", in: {p: parts}, out: {s: out/sign}}
"#;

fn chain() -> Project {
    let project = Project::with_pipeline(CHAIN);
    project.write("data/in.txt", "hello\n");
    project.outcomes(&[]);
    project
}

/// Writes into a file in place, read-only or not, as a careless program would.
fn write_through(path: &Path, text: &str) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The object that has the content of `published`: its other name.
fn object(project: &Project, family: &str, published: &str) -> PathBuf {
    let inode = std::fs::metadata(project.path(published)).unwrap().ino();
    let found = below(&project.path("cache").join(family))
        .into_iter()
        .find(|path| std::fs::metadata(path).unwrap().ino() == inode);
    found.unwrap_or_else(|| skip_links(published))
}

fn skip_links(published: &str) -> PathBuf {
    panic!("{published} is no link to the store: this filesystem copies, and there is nothing to write through")
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    files
}

/// After damage: the run names `named`, makes it again, and everything has the right bytes.
fn check_made_again(project: &Project, named: &[&str]) {
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    for name in named {
        assert!(ran.stderr.contains(name), "{name}: {}", ran.stderr);
    }
    check_right(project);
    assert!(project.outcomes(&[]).values().all(|outcome| outcome == "hit"));
    let verified = project.pipe(&["cache", "verify"]);
    assert_eq!(verified.status, 0, "{}", verified.stdout);
}

fn check_right(project: &Project) {
    assert_eq!(project.read("out/word"), "whello\n");
    assert_eq!((project.read("out/parts/a"), project.read("out/parts/b")), ("whello\n".into(), "b\n".into()));
    assert_eq!(project.read("out/sign"), "whello\nb\na\n");
}

#[test]
fn an_output_written_through_its_link_is_named_and_made_again() {
    let project = chain();
    let path = project.path("out/word");
    write_through(&path, "damaged");
    let through = format!("by a write to {}", path.display());
    check_made_again(&project, &["changed behind the store's back", &through, "quarantine/"]);
}

#[test]
fn a_file_of_a_directory_written_through_its_link_is_named_and_made_again() {
    let project = chain();
    let path = project.path("out/parts/b");
    write_through(&path, "B\n");
    check_made_again(&project, &[&format!("by a write to {}", path.display())]);
}

#[test]
fn a_truncated_blob_is_made_again() {
    let project = chain();
    let blob = object(&project, "blobs", "out/sign");
    std::fs::set_permissions(&blob, std::fs::Permissions::from_mode(0o644)).unwrap();
    File::options().write(true).open(&blob).unwrap().set_len(3).unwrap();
    check_made_again(&project, &["its output s was changed"]);
}

#[test]
fn damage_through_the_link_of_another_workspace_names_that_one() {
    let (one, two) = (chain(), Project::with_pipeline(CHAIN));
    two.write("data/in.txt", "hello\n");
    let store = one.path("cache");
    let ran = two.pipe(&["run", "p.yaml", "--store", store.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    check_right(&two);
    // The first no longer has a link, so only the second can be to blame.
    std::fs::remove_file(one.path("out/word")).unwrap();
    let guilty = two.path("out/word");
    write_through(&guilty, "damaged");
    check_made_again(&one, &[&format!("by a write to {}", guilty.display())]);
    let again = two.pipe(&["run", "p.yaml", "--store", store.to_str().unwrap()]);
    assert_eq!(again.status, 0, "{}", again.stderr);
    check_right(&two);
}

#[test]
fn a_blob_that_is_gone_is_taken_back_from_the_workspace() {
    let project = chain();
    for family in ["blobs", "trees"] {
        std::fs::remove_dir_all(project.path("cache").join(family)).unwrap();
    }
    // The manifest went with the tree, and yet the directory is recognized.
    let all_hit = expected(&[("word", "hit"), ("parts", "hit"), ("sign", "hit")]);
    assert_eq!(project.outcomes(&[]), all_hit);
    check_right(&project);
    assert_eq!(project.pipe(&["cache", "verify"]).status, 0);
    std::fs::remove_file(project.path("out/sign")).unwrap();
    assert_eq!(project.outcomes(&[])["sign"], "restored", "from the store again");
}

#[test]
fn all_lost_outputs_of_a_stage_are_taken_back_or_named() {
    let project = Project::with_pipeline(
        r#"pipeline: two
stages:
  pair: {uses: command, run: "echo a > ${out.a}; echo b > ${out.b}", out: {a: out/a, b: out/b}}
"#,
    );
    assert_eq!(project.outcomes(&[])["pair"], "ran");
    std::fs::remove_dir_all(project.path("cache/blobs")).unwrap();
    assert_eq!(project.outcomes(&[])["pair"], "hit", "taken back from the workspace");

    for lost in ["cache/blobs", "out"] {
        std::fs::remove_dir_all(project.path(lost)).unwrap();
    }
    let plan = project.pipe(&["plan", "p.yaml"]).stdout;
    assert!(plan.contains("its outputs a (") && plan.contains("are no longer in the store"), "{plan}");
    assert_eq!(project.outcomes(&[])["pair"], "ran");
}

#[test]
fn a_blob_that_is_gone_with_its_copy_is_made_again() {
    let project = chain();
    std::fs::remove_dir_all(project.path("cache/blobs")).unwrap();
    std::fs::remove_file(project.path("out/sign")).unwrap();
    let ran = project.outcomes(&[]);
    assert_eq!((ran["word"].as_str(), ran["sign"].as_str()), ("hit", "ran"));
    check_right(&project);
}

/// Flips a bit of a file and leaves size, mode and mtime as they were.
fn flip_silently(path: &Path) {
    let before = std::fs::metadata(path).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    bytes[0] ^= 1;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, bytes).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(before.modified().unwrap())).unwrap();
    std::fs::set_permissions(path, before.permissions()).unwrap();
}

#[test]
fn a_bit_flipped_behind_size_and_time_is_found_by_verify_and_made_again() {
    let project = chain();
    let path = project.path("out/word");
    flip_silently(&path);
    flip_silently(&project.path("out/parts/b"));
    let verified = project.pipe(&["cache", "verify"]);
    assert_eq!(verified.status, 1, "{}", verified.stdout);
    assert!(verified.stdout.contains("2 damaged"), "{}", verified.stdout);
    assert!(verified.stdout.contains(&format!("by a write to {}", path.display())), "{}", verified.stdout);
    assert!(verified.stdout.contains("made by word (run "), "{}", verified.stdout);
    assert!(verified.stdout.contains("parts/b"), "{}", verified.stdout);
    check_made_again(&project, &[]);
}

#[test]
fn a_bit_flipped_behind_size_and_time_is_found_by_get_and_by_verify_always() {
    let project = chain();
    flip_silently(&project.path("out/sign"));
    assert_eq!(project.outcomes(&[])["sign"], "hit", "by stat it looks sound");
    let got = project.pipe(&["get", "sign", "copy"]);
    assert_eq!(got.status, 3, "{}", got.stderr);
    check_made_again(&project, &[]);
    flip_silently(&project.path("out/sign"));
    project.write("pipe.yaml", "verify: always\n");
    check_made_again(&project, &["its output s was changed behind the store's back"]);
}

#[test]
fn verify_reads_a_sample_and_finds_a_damaged_record() {
    let project = chain();
    let sampled = project.pipe(&["cache", "verify", "--sample", "2", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&sampled.stdout).unwrap();
    assert_eq!((document["objects"].as_u64(), document["records"].as_u64()), (Some(2), Some(3)));
    assert_eq!(project.pipe(&["cache", "verify", "--sample", "101%"]).status, 2);
    std::fs::write(&below(&project.path("cache/records"))[0], "{").unwrap();
    let verified = project.pipe(&["cache", "verify", "--sample", "1%", "--json"]);
    assert_eq!(verified.status, 1);
    let document: serde_json::Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!(document["damaged"][0]["what"], "record");
    assert!(Path::new(document["damaged"][0]["quarantined"].as_str().unwrap()).is_file());
    check_made_again(&project, &[]);
}

#[test]
fn two_worktrees_on_one_store_share_what_was_done() {
    let (one, two) = (chain(), Project::with_pipeline(CHAIN));
    two.write("data/in.txt", "hello\n");
    two.write("pipe.yaml", &format!("store: {}\n", one.path("cache").display()));
    let ran = two.outcomes(&[]);
    assert_eq!(ran, expected(&[("word", "restored"), ("parts", "restored"), ("sign", "restored")]));
    check_right(&two);
    assert!(!two.path("cache").exists());
    // A change in one workspace does not concern the other.
    std::fs::remove_dir_all(one.path("out")).unwrap();
    assert!(two.outcomes(&[]).values().all(|outcome| outcome == "hit"));
}

#[test]
fn an_input_edited_while_the_stage_runs_is_not_what_was_keyed() {
    let project = Project::with_pipeline(
        r#"pipeline: e
stages:
  slow: {uses: command, run: "echo > $UP; read line < $GO; cat ${in.text} > ${out.w}", in: {text: {path: data/in.txt}}, out: {w: out/word}, env: [UP, GO]}
"#,
    );
    project.write("data/in.txt", "first\n");
    let (up, go) = (project.beside("up"), project.beside("go"));
    for fifo in [&up, &go] {
        assert!(std::process::Command::new("mkfifo").arg(fifo).status().unwrap().success());
    }
    let command = || {
        let mut command = project.command(&["run", "p.yaml", "--json"]);
        command.env("UP", &up).env("GO", &go).stdout(std::process::Stdio::piped());
        command
    };
    let outcome = |output: std::process::Output| {
        crate::project::outcomes(&serde_json::from_slice(&output.stdout).unwrap())["slow"].clone()
    };
    let edited_meanwhile = |text: &str| {
        let child = command().spawn().unwrap();
        std::fs::read(&up).unwrap();
        project.write("data/in.txt", text);
        std::fs::write(&go, "\n").unwrap();
        outcome(child.wait_with_output().unwrap())
    };
    assert_eq!(edited_meanwhile("edited\n"), "ran");
    assert_eq!(project.read("out/word"), "first\n", "what was keyed is what was read");
    assert_eq!(edited_meanwhile("edited\n"), "ran");
    assert_eq!(project.read("out/word"), "edited\n");
    assert_eq!(outcome(command().output().unwrap()), "hit");
}

#[test]
fn an_input_from_the_future_is_read_each_time() {
    let project = chain();
    let path = project.path("data/in.txt");
    let future = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let set = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(future)).unwrap();
    };
    // The clock was set back: two contents with one size and one mtime.
    set("hallo\n");
    project.outcomes(&[]);
    assert_eq!(project.read("out/word"), "whallo\n");
    set("hullo\n");
    assert_eq!(project.outcomes(&[])["word"], "ran");
    assert_eq!(project.read("out/word"), "whullo\n");
}

/// A tmpfs of its own, gone at the end; `None`, and a word about it, where mounting is refused.
struct Small(tempfile::TempDir);

impl Small {
    #[expect(clippy::print_stderr, reason = "a skipped check must be visible")]
    fn new(size: &str) -> Option<Small> {
        let directory = tempfile::tempdir().unwrap();
        let small = Small(directory);
        let mounted = small.mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        if !mounted {
            eprintln!("SKIPPED: mounting a tmpfs needs root");
        }
        mounted.then_some(small)
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        Command::new("mount").args(arguments).arg(self.0.path()).output().is_ok_and(|output| output.status.success())
    }

    fn store(&self) -> String {
        self.0.path().join("cache").to_str().unwrap().to_owned()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Refused only where it was not mounted in the first place.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_disk_that_fills_up_is_named_and_the_next_run_goes_on() {
    let Some(small) = Small::new("2m") else { return };
    let project = Project::with_pipeline(
        r#"pipeline: d
stages:
  first: {uses: command, run: "echo kept > ${out.x}", out: {x: out/first}}
  large: {uses: command, run: "cat ${in.l} ${in.l} ${in.l} ${in.l} ${in.x} > ${out.y}", in: {x: first, l: {path: data/large}}, out: {y: out/large}}
"#,
    );
    let store = small.store();
    let run = || project.pipe(&["run", "p.yaml", "--store", &store]);
    // Not even the input fits: the store breaks.
    project.write("data/large", &"x".repeat(3 << 20));
    let ran = run();
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("the disk is full; free some space"), "{}", ran.stderr);
    // The input fits and the output does not: the program fails.
    project.write("data/large", &"x".repeat(600 << 10));
    let ran = run();
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
    assert_eq!(project.pipe(&["cache", "verify", "--store", &store]).status, 0, "the store is sound");
    assert!(small.mount(&["-o", "remount,size=16m"]));
    let ran = project.pipe(&["run", "p.yaml", "--store", &store, "--json"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(crate::project::outcomes(&report), expected(&[("first", "hit"), ("large", "ran")]));
    assert!(project.read("out/large").ends_with("xkept\n"));
}

#[test]
fn a_read_only_store_serves_hits_and_says_why_it_serves_nothing_else() {
    let Some(small) = Small::new("4m") else { return };
    let project = Project::with_pipeline(CHAIN);
    project.write("data/in.txt", "hello\n");
    let store = small.store();
    let logs = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut command = project.command(&["run", "p.yaml", "--store", &store]);
        command.env_remove("XDG_STATE_HOME").env("TMPDIR", logs.path());
        crate::project::Ran::from(command.args(words).output().unwrap())
    };
    assert_eq!(run(&[]).status, 0);
    // For some milliseconds after the run the kernel still holds the removed directories that it had granted to commands.
    crate::project::eventually("the mount is read-only", || small.mount(&["-o", "remount,ro"]));
    std::fs::remove_dir_all(project.path("out")).unwrap();
    let hit = run(&[]);
    assert_eq!(hit.status, 0, "{}", hit.stderr);
    check_right(&project);
    let kept = below(logs.path());
    assert!(kept.iter().any(|path| path.ends_with("report.json")), "{kept:?}");
    assert!(hit.stderr.contains("events and report of this run are kept in"), "{}", hit.stderr);
    let miss = run(&["-S", "suffix=b"]);
    assert_eq!(miss.status, 3, "{}", miss.stderr);
    assert!(miss.stderr.contains("read-only"), "{}", miss.stderr);
    let verified = project.pipe(&["cache", "verify", "--store", &store]);
    assert_eq!(verified.status, 0, "{}{}", verified.stdout, verified.stderr);
}
