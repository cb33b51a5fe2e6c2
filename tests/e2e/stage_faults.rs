//! A bad input or output of one stage is that stage's failure: others go on, the run ends with 1, and `check` tells beforehand with
//! line and caret what it can see.

use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::Value;

use crate::project::{Project, Ran, expected, outcomes};

/// One stage that is wrong somehow, and one beside it that is not.
fn project(bad: &str) -> Project {
    Project::with_pipeline(&format!(
        "pipeline: f\nstages:\n  bad: {{uses: command, {bad}}}\n  beside: {{uses: command, run: \"echo fine > ${{out.o}}\", out: {{o: out/fine}}}}\n"
    ))
}

/// Runs it, and gives the failure of `bad`.
#[track_caller]
fn fails(project: &Project) -> Value {
    let report = project.run_json(&[], 1);
    assert_eq!(outcomes(&report), expected(&[("bad", "failed"), ("beside", "ran")]));
    assert_eq!(project.read("out/fine"), "fine\n");
    report["stages"]["bad"]["failure"].clone()
}

#[track_caller]
fn check_finds(project: &Project, words: &[&str]) {
    let Ran { status, stderr, .. } = project.pipe(&["check", "p.yaml"]);
    assert_eq!(status, 2, "{stderr}");
    for word in words.iter().chain(&["--> p.yaml:3:", "^"]) {
        assert!(stderr.contains(word), "no `{word}` in {stderr}");
    }
}

fn is_root() -> bool {
    let id = std::process::Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

#[test]
fn a_link_that_leaves_an_input_directory_fails_its_stage() {
    let project = project(r#"run: "ls ${in.i} > ${out.o}", in: {i: {path: d}}, out: {o: out/b}"#);
    project.write("data/x", "x\n");
    project.write("d/plain", "p\n");
    symlink("../data/x", project.path("d/l")).unwrap();
    check_finds(&project, &["unreadable-input", "input `i`", "d/l", "follow: true"]);
    let failure = fails(&project);
    assert_eq!(failure["class"], "invalid_input");
    assert!(failure["message"].as_str().unwrap().contains("d/l"), "{failure}");
    let help = failure["help"].as_str().unwrap();
    assert!(help.contains("{path: d, follow: true}") && help.contains("p.yaml:3:3"), "{help}");
    for verb in ["plan", "why", "shell"] {
        let words = if verb == "plan" { vec![verb, "p.yaml"] } else { vec![verb, "bad", "--file", "p.yaml"] };
        let ran = project.pipe(&words);
        assert!(ran.status != 3, "{verb}: {}", ran.stderr);
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains("d/l"), "{verb}: {} {}", ran.stdout, ran.stderr);
    }
}

#[test]
fn what_an_input_directory_cannot_hold_fails_its_stage() {
    let project = project(r#"run: "ls ${in.i} > ${out.o}", in: {i: {path: d}}, out: {o: out/b}"#);
    project.write("d/plain", "p\n");
    let fifo = project.path("d/fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    check_finds(&project, &["d/fifo", "a pipe cannot be kept"]);
    assert_eq!(fails(&project)["class"], "invalid_input");
    std::fs::remove_file(fifo).unwrap();
    assert_eq!(project.pipe(&["check", "p.yaml"]).status, 0);
    assert_eq!(project.outcomes(&[])["bad"], "ran");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped check must be visible")]
fn an_unreadable_input_or_output_fails_its_stage() {
    if is_root() {
        eprintln!("skipped: root may read everything");
        return;
    }
    let reads = project(r#"run: "cat ${in.i} > ${out.o}", in: {i: {path: secret.txt}}, out: {o: out/b}"#);
    reads.write("secret.txt", "x");
    std::fs::set_permissions(reads.path("secret.txt"), std::fs::Permissions::from_mode(0o0)).unwrap();
    check_finds(&reads, &["input `i`", "permission denied"]);
    assert_eq!(fails(&reads)["class"], "invalid_input");
    let writes = project(r#"run: "echo x > ${out.o}; chmod 000 ${out.o}", out: {o: out/b}"#);
    assert_eq!(fails(&writes)["class"], "invalid_input");
    let publishes = project(r#"run: "echo x > ${out.o}", out: {o: locked/b}"#);
    std::fs::create_dir(publishes.path("locked")).unwrap();
    std::fs::set_permissions(publishes.path("locked"), std::fs::Permissions::from_mode(0o555)).unwrap();
    check_finds(&publishes, &["output `o`", "locked cannot be written to"]);
    assert_eq!(fails(&publishes)["class"], "invalid_input");
}

#[test]
fn an_output_whose_parent_is_a_file_fails_its_stage_and_its_record_stays() {
    let project = project(r#"run: "echo x > ${out.o}; echo ran >> $LEDGER", out: {o: res/x/y}, env: [LEDGER]"#);
    let ledger = project.beside("ledger");
    project.write("res", "mine\n");
    let run = || project.command(&["run", "p.yaml", "--json"]).env("LEDGER", &ledger).output().unwrap();
    check_finds(&project, &["blocked-output", "output `o`", "res is not a directory"]);
    for _ in 0..2 {
        let ran = run();
        assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
        let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let failure = &report["stages"]["bad"]["failure"];
        assert_eq!(failure["class"], "invalid_input");
        assert!(failure["message"].as_str().unwrap().contains("res/x/y"), "{failure}");
        assert_eq!(project.read("res"), "mine\n");
        assert_eq!(project.read("out/fine"), "fine\n");
    }
    std::fs::remove_file(project.path("res")).unwrap();
    assert_eq!(run().status.code(), Some(0));
    assert_eq!(project.read("res/x/y"), "x\n");
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "ran\n", "it ran once, and was restored then");
}

#[test]
fn an_output_too_deep_for_a_path_fails_its_stage() {
    let project = project(
        r#"run: "mkdir ${out.d}; cd ${out.d}; n=$(printf %0200d 0); for i in $(seq 30); do mkdir $n; cd $n; done; true", out: {d: {path: out/d, type: dir}}"#,
    );
    let status = project.pipe(&["run", "p.yaml"]).status;
    assert!(status == 1 || status == 0, "a store that can keep it may, but the run does not break: {status}");
    assert_eq!(project.read("out/fine"), "fine\n");
}

#[test]
fn a_command_at_the_project_root_fails_alone_where_its_output_cannot_be() {
    let project = project(r#"run: "echo x > ${out.o}", out: {o: res/x/y}, sandbox: false"#);
    project.write("res", "mine\n");
    assert_eq!(fails(&project)["class"], "invalid_input");
    assert_eq!(project.read("res"), "mine\n");
}

#[test]
fn a_nul_in_a_secret_fails_its_stage() {
    let project = Project::with_pipeline(
        "pipeline: f\nsecrets: {key: {file: key}}\nstages:\n  bad: {uses: command, run: \"echo x > ${out.o}\", out: {o: out/b}, secrets: {KEY: key}}\n  beside: {uses: command, run: \"echo fine > ${out.o}\", out: {o: out/fine}}\n",
    );
    project.write("key", "a\0b\n");
    let failure = fails(&project);
    assert_eq!(failure["class"], "invalid_input");
    assert!(failure["message"].as_str().unwrap().contains("NUL"), "{failure}");
}

#[test]
fn what_needs_a_stage_with_a_bad_input_is_blocked() {
    let project = Project::with_pipeline(
        "pipeline: f\nstages:\n  bad: {uses: command, run: \"ls ${in.i} > ${out.o}\", in: {i: {path: d}}, out: {o: out/b}, retry: 3}\n  after: {uses: command, run: \"cat ${in.x} > ${out.o}\", in: {x: bad}, out: {o: out/a}}\n  other: {uses: command, run: \"echo 1 > ${out.o}\", out: {o: out/o}}\n",
    );
    std::fs::create_dir(project.path("d")).unwrap();
    symlink("/etc/passwd", project.path("d/l")).unwrap();
    let report = project.run_json(&[], 1);
    assert_eq!(outcomes(&report), expected(&[("bad", "failed"), ("after", "blocked"), ("other", "ran")]));
    // All of it is in the store but the one: it is found again while nothing else is to do.
    let report = project.run_json(&[], 1);
    assert_eq!(outcomes(&report), expected(&[("bad", "failed"), ("after", "blocked"), ("other", "hit")]));
}

#[test]
fn links_are_followed_where_that_is_said() {
    let project = project(
        r#"run: "cat ${in.i}/l ${in.i}/s/deep ${in.i}/plain > ${out.o}", in: {i: {path: d, follow: true}}, out: {o: out/b}"#,
    );
    project.write("data/x", "x\n");
    project.write("sub/deep", "deep\n");
    project.write("d/plain", "p\n");
    symlink("../data/x", project.path("d/l")).unwrap();
    symlink("../sub", project.path("d/s")).unwrap();
    assert_eq!(project.pipe(&["check", "p.yaml"]).status, 0);
    assert_eq!(project.outcomes(&[])["bad"], "ran");
    assert_eq!(project.read("out/b"), "x\ndeep\np\n");
    assert_eq!(project.outcomes(&[])["bad"], "hit");
    // The content alone is in the key: a copy in place of a link is the same.
    std::fs::remove_file(project.path("d/l")).unwrap();
    project.write("d/l", "x\n");
    assert_eq!(project.outcomes(&[])["bad"], "hit");
    project.write("sub/deep", "deeper\n");
    assert_eq!(project.outcomes(&[])["bad"], "ran");

    let check = |target: &str, words: &[&str]| {
        symlink(target, project.path("sub/odd")).unwrap();
        check_finds(&project, words);
        let report = project.run_json(&[], 1);
        let message = report["stages"]["bad"]["failure"]["message"].as_str().unwrap().to_owned();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        std::fs::remove_file(project.path("sub/odd")).unwrap();
    };
    check("../sub", &["d/s/odd", "back to here"]);
    check("nowhere", &["d/s/odd", "points at nothing"]);
    check("odd", &["d/s/odd", "back to here"]);
    check("../out", &["d/s/odd", "where stage `bad` writes"]);
    check("../cache", &["d/s/odd", "where the store is"]);
    let status = project.pipe(&["run", "p.yaml"]).status;
    assert_eq!(status, 0);
}

#[test]
fn a_stage_that_leaves_a_bad_output_is_tried_again_as_often_as_it_may() {
    for bad in ["true", "mkdir ${out.o}", "ln -s /etc/passwd ${out.o}", "mkfifo ${out.o}"] {
        let project = Project::with_pipeline(&format!(
            "pipeline: f\nstages:\n  s: {{uses: command, run: \"if test -e $LEDGER; then echo x > ${{out.o}}; else touch $LEDGER; {bad}; fi\", out: {{o: out/o}}, env: [LEDGER], retry: 2}}\n"
        ));
        let mut command = project.command(&["run", "p.yaml", "--json"]);
        let ran = Ran::from(command.env("LEDGER", project.beside("ledger")).output().unwrap());
        assert_eq!(ran.status, 0, "{bad}: {}{}", ran.stderr, ran.stdout);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["stages"]["s"]["retried"][0]["failure"]["class"], "invalid_input", "{bad}: {report}");
        assert_eq!(project.read("out/o"), "x\n");
    }
}
