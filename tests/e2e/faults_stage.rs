//! Stages that misbehave: daemons, floods of output, writes outside of their directory, special files.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::project::{Project, expected};
use crate::witness::{Witness, fifo};

#[test]
fn a_daemon_that_holds_the_log_and_writes_to_the_output_ends_with_its_stage() {
    let project = Project::with_pipeline(
        r#"pipeline: d
stages:
  forks:
    uses: command
    run: |
      mkfifo up
      setsid sh -c 'exec 8> $HELD; echo up >&8; echo x > ${out.o}; echo up > up; while :; do echo x; echo x >> ${out.o}; done' &
      read x < up
    out: {o: out/o}
    env: [HELD]
  after: {uses: command, run: "wc -c < ${in.o} > ${out.n}", in: {o: forks}, out: {n: out/n}}
"#,
    );
    let witness = Witness::new();
    let run = || {
        let mut command = project.command(&["run", "p.yaml", "--json"]);
        let ran = command.env("HELD", witness.held()).output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        crate::project::outcomes(&serde_json::from_slice(&ran.stdout).unwrap())
    };
    assert_eq!(run(), expected(&[("forks", "ran"), ("after", "ran")]));
    assert_eq!(witness.next().as_deref(), Some("up"));
    assert_eq!(witness.next(), None, "the daemon still lives");
    // `after` counted the bytes that lie there now: nobody wrote to the artifact once it had been taken.
    let length = std::fs::metadata(project.path("out/o")).unwrap().len();
    assert_eq!(project.read("out/n").trim(), length.to_string());
    assert_eq!(run(), expected(&[("forks", "hit"), ("after", "hit")]));
}

/// Bytes on disk of everything below a directory.
fn size(directory: &Path) -> u64 {
    let mut total = 0;
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(next).unwrap().flatten() {
            // A file that a run removes while it is counted is not there.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                pending.push(entry.path());
            } else {
                total += metadata.len();
            }
        }
    }
    total
}

#[test]
fn a_stage_that_fills_its_log_with_a_gigabyte_fills_no_disk() {
    const MIB: u64 = 1 << 20;
    let project = Project::with_pipeline(
        r#"pipeline: f
stages:
  flood:
    uses: command
    run: |
      echo the beginning
      head -c 512M /dev/zero
      echo half > $HELD; read x < $GO
      head -c 512M /dev/zero
      echo; echo the end; echo ok > ${out.o}
    out: {o: out/o}
    env: [HELD, GO]
"#,
    );
    let witness = Witness::new();
    let go = witness.held().with_file_name("go");
    fifo(&go);
    let mut command = project.command(&["run", "p.yaml", "--json"]);
    command.env("HELD", witness.held()).env("GO", &go).stdout(Stdio::null()).stderr(Stdio::null());
    let mut engine = command.spawn().unwrap();
    assert_eq!(witness.next().as_deref(), Some("half"));
    let meanwhile = size(&project.path("cache"));
    assert!(meanwhile < 50 * MIB, "{meanwhile} bytes on disk while it runs");
    std::fs::OpenOptions::new().write(true).open(&go).unwrap().write_all(b"go\n").unwrap();
    assert!(engine.wait().unwrap().success());
    let afterwards = size(&project.path("cache"));
    assert!(afterwards < 33 * MIB, "{afterwards} bytes on disk when it has ended");
    let log = project.pipe(&["logs", "flood"]).stdout;
    assert!(log.starts_with("the beginning\n") && log.ends_with("\nthe end\n"));
    assert!(log.contains("bytes left out ...]"));
}

/// On a kernel with Landlock the write is refused. Without it a command can reach every file that its user can: then such a file is
/// nobody's output, and `pipe` neither records nor moves nor removes it.
#[test]
fn what_a_stage_writes_outside_of_its_directory_is_refused_or_left_alone() {
    let project = Project::with_pipeline(
        r#"pipeline: o
stages:
  strays: {uses: command, run: "echo stray > $ROOT/stray.txt && echo ok > ${out.o}", out: {o: out/o}, env: [ROOT]}
"#,
    );
    let run = || project.command(&["run", "p.yaml"]).env("ROOT", project.root()).output().unwrap();
    let ran = run();
    let stray = project.path("stray.txt");
    if !ran.status.success() {
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert!(stderr.contains("stray.txt") && stderr.contains("denied"), "{stderr}");
        assert!(!stray.exists());
        return;
    }
    std::fs::write(&stray, "the user's\n").unwrap();
    assert_eq!(run().status.code(), Some(0));
    assert_eq!(project.read("stray.txt"), "the user's\n");
    std::fs::remove_file(&stray).unwrap();
    std::fs::remove_file(project.path("out/o")).unwrap();
    assert_eq!(run().status.code(), Some(0));
    assert_eq!(project.read("out/o"), "ok\n");
    assert!(!stray.exists(), "only declared outputs are restored");
}

#[test]
fn what_a_stage_leaves_in_its_directory_besides_its_outputs_goes() {
    let project = Project::with_pipeline(
        r#"pipeline: l
stages:
  litter: {uses: command, run: "echo 1 > other; echo 2 > $TMPDIR/t; mkfifo pipe; echo ok > ${out.o}", out: {o: out/o}}
"#,
    );
    assert_eq!(project.outcomes(&[]), expected(&[("litter", "ran")]));
    assert_eq!(std::fs::read_dir(project.path("cache/work")).unwrap().count(), 0);
    let names = |directory: &str| {
        let entries = std::fs::read_dir(project.path(directory)).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("."), ["cache", "out", "p.yaml", "pipe.yaml"]);
    assert_eq!(names("out"), ["o"]);
}

#[test]
fn special_files_and_links_that_lead_out_are_no_outputs() {
    let check = |run: &str, kind: &str, words: &[&str]| {
        let yaml = format!(
            "pipeline: s\nstages:\n  odd: {{uses: command, run: \"{run}\", out: {{x: {{path: out/x, type: {kind}}}}}}}\n"
        );
        let project = Project::with_pipeline(&yaml);
        let ran = project.pipe(&["run", "p.yaml"]);
        assert_eq!(ran.status, 1, "{run}: {}", ran.stderr);
        for word in words {
            assert!(ran.stderr.contains(word), "{run}: no `{word}` in {}", ran.stderr);
        }
        assert!(!project.path("out/x").exists());
    };
    check("mkdir ${out.x}; mkfifo ${out.x}/inner", "dir", &["output `x`", "`inner`", "pipe"]);
    check("mkdir ${out.x}; ln -s /etc/passwd ${out.x}/inner", "dir", &["output `x`", "`inner`"]);
    check("mkdir ${out.x}; ln -s ../../other ${out.x}/inner", "dir", &["output `x`", "`inner`"]);
    check("ln -s /dev/null ${out.x}", "file", &["output `x`"]);
    check("ln -s /etc/passwd ${out.x}", "file", &["output `x`"]);
}

#[test]
fn home_is_the_users_and_tmpdir_is_the_stages_own() {
    let project = Project::with_pipeline(
        r#"pipeline: e
stages:
  tells:
    uses: command
    run: "touch $TMPDIR/writable && echo $HOME > ${out.home}; echo $TMPDIR > ${out.tmp}; pwd > ${out.cwd}; read x || echo none > ${out.stdin}"
    out: {home: out/home, tmp: out/tmp, cwd: out/cwd, stdin: out/stdin}
"#,
    );
    let ran = project.command(&["run", "p.yaml"]).env("HOME", "/home/of/the-user").env("TMPDIR", "/tmp").output();
    assert!(ran.unwrap().status.success());
    assert_eq!(project.read("out/home"), "/home/of/the-user\n");
    let work = project.root().canonicalize().unwrap().join("cache/work");
    for place in ["out/tmp", "out/cwd"] {
        let place = project.read(place);
        let place = Path::new(place.trim());
        assert!(place.starts_with(&work) && !place.exists(), "{}", place.display());
    }
    assert_eq!(project.read("out/stdin"), "none\n", "nobody answers questions");
}
