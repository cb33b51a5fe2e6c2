//! How stages are run: time-outs and secrets.

use crate::project::Project;

const SECRET: &str = r#"pipeline: s
secrets: {hf: {env: THE_TOKEN}, key: {file: .secrets/key}}
stages:
  login:
    uses: command
    run: "echo $TOKEN; echo $KEY; test $TOKEN = hunter2-from-env && test $KEY = hunter2-from-file && echo ok > ${out.o}"
    secrets: {TOKEN: hf, KEY: key}
    out: {o: out/ok.txt}
"#;

#[test]
fn a_secret_reaches_the_stage_and_nothing_that_is_kept() {
    let project = Project::with_pipeline(SECRET);
    project.write(".secrets/key", "hunter2-from-file\n");
    let ran = project.command(&["run", "p.yaml", "--json"]).env("THE_TOKEN", "hunter2-from-env").output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(project.read("out/ok.txt"), "ok\n");
    assert_eq!(project.pipe(&["logs", "login"]).stdout, "***\n***\n");
    let grep =
        ["-rl", "--exclude=p.yaml", "--exclude-dir=.secrets", "-e", "hunter2-from-env", "-e", "hunter2-from-file", "."];
    let found = std::process::Command::new("grep").args(grep).current_dir(project.root()).output().unwrap();
    let kept = String::from_utf8(found.stdout).unwrap();
    // The script names both, to test them: it is part of the record and of the kept plan, not the values.
    assert!(kept.lines().all(|file| file.contains("/records/") || file.contains("/plans/")), "{kept}");
    assert!(!String::from_utf8(ran.stdout).unwrap().contains("hunter2"));
}

#[test]
fn a_run_that_waits_for_a_secret_can_be_stopped() {
    let project = Project::with_pipeline(SECRET);
    std::fs::create_dir(project.path(".secrets")).unwrap();
    crate::witness::fifo(&project.path(".secrets/key"));
    let mut command = project.command(&["run", "p.yaml"]);
    let mut engine = command.env("THE_TOKEN", "x").stderr(std::process::Stdio::null()).spawn().unwrap();
    // Opening it for writing returns when the engine has opened it for reading.
    let _writer = std::fs::OpenOptions::new().write(true).open(project.path(".secrets/key")).unwrap();
    let pid = engine.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(engine.wait().unwrap().code(), Some(130));
}

#[test]
fn a_secret_that_is_not_there_fails_the_stage_and_says_where_it_should_be() {
    let project = Project::with_pipeline(SECRET);
    assert_eq!(project.pipe(&["plan", "p.yaml"]).status, 0, "a plan needs no secret");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("secret `hf`") && ran.stderr.contains("set THE_TOKEN"), "{}", ran.stderr);
}

#[test]
fn a_stage_that_overruns_its_time_out_fails() {
    let project = Project::with_pipeline(
        "pipeline: t\nstages:\n  slow: {uses: command, run: \"exec sleep 600\", timeout: 50ms, out: {o: out/o}}\n",
    );
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("time-out of 50ms"), "{}", ran.stderr);
}
