//! Places beyond this machine that break: what a run does with the stages that do not need them, and what its user is told.

use crate::project::{Project, expected, outcomes};

/// Stages of two broken places, of a good one and of this machine, and stages that need them.
const PIPELINE: &str = r#"pipeline: b
stages:
  far: {uses: command, run: "echo far > ${out.x}", out: {x: out/far}, backend: gpu}
  behind: {uses: command, in: {x: far.x}, run: "cat ${in.x} > ${out.x}", out: {x: out/behind}}
  here: {uses: command, run: "until test -e GATE; do sleep 0.02; done; echo here > ${out.x}", out: {x: out/here}}
  later: {uses: command, in: {x: here.x}, run: "cat ${in.x} > ${out.x}", out: {x: out/later}}
  ok: {uses: command, in: {x: later.x}, run: "cat ${in.x} > ${out.x}", out: {x: out/ok}, backend: good}
  lost: {uses: command, in: {x: later.x}, run: "cat ${in.x} > ${out.x}", out: {x: out/lost}, backend: gone}
"#;

#[test]
fn a_place_that_breaks_ends_its_stages_and_what_needs_them_and_nothing_else() {
    let project = Project::new();
    project.write("p.yaml", &PIPELINE.replace("GATE", &project.beside("gate").display().to_string()));
    let backends =
        "gpu: {loopback: {state: /proc/nope}}, good: {loopback: {state: .good}}, gone: {nobody: {state: .gone}}";
    project.write("pipe.yaml", &format!("backends: {{{backends}}}\n"));
    let child = crate::loopback::start(&project, &[]);
    // What runs here begins to move once the place has broken.
    crate::project::eventually("the place broke", || project.events().contains("/proc/nope"));
    std::fs::write(project.beside("gate"), "").unwrap();
    let report = crate::loopback::end(child, 3);
    let expect = [
        ("far", "failed"),
        ("behind", "blocked"),
        ("here", "ran"),
        ("later", "ran"),
        ("ok", "ran"),
        ("lost", "failed"),
    ];
    assert_eq!(outcomes(&report), expected(&expect));
    assert_eq!(report["outcome"], "broken");
    let error = report["error"].as_str().unwrap();
    // Both break the run; the first one is its error.
    let of = |words: [&str; 3]| words.iter().all(|word| error.contains(word));
    assert!(
        of(["stage `far`", "backend `gpu`", "/proc/nope"]) || of(["stage `lost`", "backend `gone`", "pipe-nobody"]),
        "{error}"
    );
    assert_eq!(report["stages"]["behind"]["cause"], "needs `far`, which failed");
    let lost = report["stages"]["lost"]["failure"]["message"].as_str().unwrap();
    assert!(lost.contains("backend `gone`") && lost.contains("pipe-nobody"), "{lost}");
    assert_eq!(project.read("out/ok"), "here\n");

    let told = project.pipe(&["run", "p.yaml"]);
    assert_eq!(told.status, 3, "{}", told.stderr);
    let names = |text: &str| told.stderr.contains(text);
    assert!(
        names("error: stage `far`: backend `gpu`") || names("error: stage `lost`: backend `gone`"),
        "{}",
        told.stderr
    );

    // A stage that failed is tried again once its place is mended.
    project.write("pipe.yaml", "backends: {gpu: local, good: local, gone: local}\n");
    let mended = outcomes(&project.run_json(&[], 0));
    assert_eq!((mended["far"].as_str(), mended["lost"].as_str()), ("ran", "ran"));
}
