//! GPUs as slots. No GPU is needed: what the engine was given by `CUDA_VISIBLE_DEVICES` is what there is.

use serde_json::Value;

use crate::project::{Project, Ran, expected, outcomes};

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

    // On a machine without any, what was made elsewhere is still a hit.
    assert_eq!(run(&project, "4,7").status, 0);
    let ran = run(&project, "");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(outcomes(&report), expected(&[("one", "hit"), ("two", "hit"), ("none", "hit")]));
}
