//! A card whose worker cannot be started: the failure names the card's file.

use std::os::unix::fs::PermissionsExt;

use crate::project::Project;

fn project(worker: &str) -> Project {
    let project = Project::with_pipeline("pipeline: p\nstages:\n  s: {uses: mine}\n");
    project.write("pipe.yaml", "cards: kinds\n");
    project.write(
        "kinds/mine.json",
        &format!(
            r#"{{"kind":"mine","version":1,"summary":"A kind.","worker":{{"command":{worker}}},"inputs":[],
"outputs":[{{"name":"o","type":"file","summary":"What it gives."}}],"params":{{"type":"object","properties":{{}}}}}}"#
        ),
    );
    project
}

#[test]
fn a_missing_program_is_named_with_the_card() {
    for program in ["no-such-program", "/no/such/program"] {
        let project = project(&format!(r#"{{"argv":["{program}"],"files":[]}}"#));
        let ran = project.pipe(&["run", "p.yaml"]);
        assert_eq!(ran.status, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("cannot start {program}")), "{}", ran.stderr);
        assert!(ran.stderr.contains("the card kinds/mine.json names it"), "{}", ran.stderr);
    }
}

#[test]
fn a_file_that_is_missing_or_no_program_is_named_with_the_card() {
    let project = project(r#"{"argv":["mine.sh"],"files":["mine.sh"]}"#);
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 2 && ran.stderr.contains("kinds/mine.json:"), "{}", ran.stderr);
    project.write("kinds/mine.sh", "#!/bin/sh\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 1 && ran.stderr.contains("the card kinds/mine.json names it"), "{}", ran.stderr);
    let worker = project.path("kinds/mine.sh");
    std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ran = project.pipe(&["run", "p.yaml"]);
    assert!(ran.status == 1 && !ran.stderr.contains("names it"), "{}", ran.stderr);
}
