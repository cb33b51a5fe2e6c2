//! GPUs as slots. No GPU is needed: the engine takes the list in `CUDA_VISIBLE_DEVICES` as its GPUs.

use serde_json::Value;

use crate::project::{Project, Ran, eventually, expected, outcomes};

const GPUS: &str = r#"pipeline: g
stages:
  one: {uses: command, run: "echo $CUDA_VISIBLE_DEVICES $PIPE_GPUS > ${out.x}", out: {x: out/one}, resources: {gpus: 1}}
  two: {uses: command, run: "echo $CUDA_VISIBLE_DEVICES > ${out.x}; cat ${in.x}", in: {x: one}, out: {x: out/two}, resources: {gpus: 2}}
  none: {uses: command, run: "echo $${CUDA_VISIBLE_DEVICES-unset}. > ${out.x}", out: {x: out/none}}
"#;

fn run(project: &Project, gpus: &str) -> Ran {
    let mut command = project.command(&["run", "p.yaml", "--json", "--jobs", "3"]);
    Ran::from(command.env("CUDA_VISIBLE_DEVICES", gpus).output().unwrap())
}

#[test]
fn a_stage_sees_the_gpus_that_it_holds() {
    let project = Project::with_pipeline(GPUS);
    let ran = run(&project, "4,7");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let one = project.read("out/one");
    assert!(one == "4 4\n" || one == "7 7\n", "{one}");
    assert_eq!(project.read("out/two"), "4,7\n");
    assert_eq!(project.read("out/none"), ".\n", "who holds none is shown none");
}

#[test]
fn a_stage_that_wants_more_gpus_than_there_are_fails_before_anything_runs() {
    let project = Project::with_pipeline(GPUS);
    let ran = run(&project, "4");
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(outcomes(&report), expected(&[("one", "ran"), ("two", "failed"), ("none", "ran")]));
    assert_eq!(report["stages"]["two"]["failure"]["message"], "wants 2 GPUs, and this machine has 1");
    let events = project.events();
    assert!(events.find("wants 2 GPUs") < events.find("stage_started"), "{events}");

    // On a machine without any, a result that was made elsewhere is still a hit.
    assert_eq!(run(&project, "4,7").status, 0);
    let ran = run(&project, "");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(outcomes(&report), expected(&[("one", "hit"), ("two", "hit"), ("none", "hit")]));
}

#[test]
fn a_gpu_that_others_have_filled_is_waited_for_while_anything_else_runs() {
    let project = Project::with_pipeline(
        r#"pipeline: g
stages:
  other: {uses: command, run: "read x < $GO; echo $x > ${out.x}", env: [GO], out: {x: out/other}}
  wants: {uses: command, run: "echo $CUDA_VISIBLE_DEVICES > ${out.x}", out: {x: out/wants}, resources: {gpus: 1}}
  last: {uses: command, run: "cat ${in.a} ${in.b} > ${out.x}", in: {a: other, b: wants}, out: {x: out/last}}
"#,
    );
    let (go, probe) = (project.beside("go"), project.beside("probe"));
    assert!(std::process::Command::new("mkfifo").arg(&go).status().unwrap().success());
    let weather = |used: u32| {
        std::fs::write(
            project.beside("probe.new"),
            format!(r#"{{"gpus": {{"4": {{"used": {used}, "total": 100}}}}}}"#),
        )
        .unwrap();
        std::fs::rename(project.beside("probe.new"), &probe).unwrap();
    };
    weather(93);
    let mut command = project.command(&["run", "p.yaml", "--json", "--jobs", "3", "--events", "events"]);
    let mut child = command
        .env("CUDA_VISIBLE_DEVICES", "4")
        .env("PIPE_PROBE", &probe)
        .env("GO", &go)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let told = "wants 1 GPUs, 0 of 1 are free; GPU 4 is used by others: memory at 93 %";
    eventually("the stage is said to wait", || {
        std::fs::read_to_string(project.path("events")).is_ok_and(|it| it.contains(told))
    });
    assert!(!project.path("out/wants").exists());
    weather(10);
    eventually("the stage has run", || project.path("out/wants").exists());
    std::fs::write(&go, "on\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(project.read("out/last"), "on\n4\n");
}
