//! A stage that writes into its inputs: nobody's result is recorded under a key whose inputs it did not read, and the run heals
//! itself.

use serde_json::Value;

use crate::project::{Project, expected, outcomes};

/// Writes into a file and leaves its times as they were.
const SILENT: &str = "touch -r IN $TMPDIR/r; chmod u+w IN; echo EVIL > IN; chmod 444 IN; touch -r $TMPDIR/r IN";

/// A pipeline in which `x` does `does` to the output of `p`, then `y` reads it.
fn pipeline(does: &str, x_ends: &str, y_after: &str) -> String {
    let does = does.replace("IN", "${in.i}");
    format!(
        r#"pipeline: f
stages:
  p: {{uses: command, run: "echo good > ${{out.o}}", out: {{o: out/p}}}}
  x: {{uses: command, run: '{does}; {x_ends}', in: {{i: p}}, out: {{o: out/x}}}}
  y: {{uses: command, run: "cat ${{in.i}} > ${{out.o}}", in: {{i: p{y_after}}}, out: {{o: out/y}}}}
"#
    )
}

fn messages(project: &Project, event: &str) -> Vec<Value> {
    let lines = project.events();
    let events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter_map(|line| line["event"].get(event).cloned()).collect()
}

/// After `x` did `does`: everything is right, now and later, and people were told.
fn check_healed(does: &str) {
    let project = Project::with_pipeline(&pipeline(does, "echo done > ${out.o}", ", after: x"));
    let report = project.run_json(&[], 0);
    assert_eq!(project.read("out/p"), "good\n", "{does}");
    assert_eq!(project.read("out/y"), "good\n", "{does}");
    assert_eq!(report["stages"]["x"]["retried"].as_array().unwrap().len(), 1, "{does}");
    let told = messages(&project, "quarantined");
    let message = told[0]["message"].as_str().unwrap();
    assert!(
        message.contains("its input `i` was changed behind the store's back at ") && message.contains("quarantine")
    );
    assert!(message.contains("no other stage of this run ran meanwhile"), "{message}");
    assert!(messages(&project, "displaced").is_empty(), "a damaged link of ours is not the user's");
    assert!(outcomes(&project.run_json(&[], 0)).values().all(|outcome| outcome == "hit"), "{does}");
    assert_eq!(project.pipe(&["cache", "verify"]).status, 0, "{does}");
}

#[test]
fn a_stage_that_writes_into_its_input_runs_again_with_a_copy() {
    check_healed("chmod u+w IN; echo EVIL > IN");
    check_healed(SILENT);
    // Of the same size, through a descriptor that was open before, and put back but for one byte.
    check_healed(
        "touch -r IN $TMPDIR/r; chmod u+w IN; exec 3<>IN; printf G >&3; exec 3>&-; chmod 444 IN; touch -r $TMPDIR/r IN",
    );
}

#[test]
fn a_stage_that_damages_its_input_and_then_fails_poisons_nobody() {
    let project = Project::with_pipeline(&pipeline(SILENT, "exit 1", ""));
    // One after the other: `y` reads what `x` left.
    project.run_json(&["--jobs", "1"], 1);
    project.run_json(&["--jobs", "1"], 1);
    assert_eq!(project.read("out/y"), "good\n");
    assert_eq!(project.read("out/p"), "good\n");
}

#[test]
fn what_was_only_touched_is_kept() {
    for does in ["touch IN", "chmod u+w IN", "touch -d @1 IN", "ln IN again; rm again"] {
        let project = Project::with_pipeline(&pipeline(does, "echo done > ${out.o}", ", after: x"));
        let report = project.run_json(&[], 0);
        assert_eq!(report["stages"]["x"].get("retried"), None, "{does}");
        assert!(messages(&project, "quarantined").is_empty(), "{does}");
        let again = project.outcomes(&[]);
        assert_eq!(again, expected(&[("p", "hit"), ("x", "hit"), ("y", "hit")]), "{does}");
    }
}

#[test]
fn a_file_of_a_directory_and_a_file_of_the_workspace_are_looked_after_too() {
    let silent = SILENT.replace("IN", "$f");
    let project = Project::with_pipeline(&format!(
        r#"pipeline: f
stages:
  q: {{uses: command, run: "mkdir -p ${{out.o}}/deep; cat ${{in.t}} > ${{out.o}}/deep/f; echo b > ${{out.o}}/b", in: {{t: {{path: data/in}}}}, out: {{o: {{path: out/q, type: dir}}}}}}
  x: {{uses: command, run: 'for f in ${{in.d}}/deep/f ${{in.t}}; do {silent}; done; echo done > ${{out.o}}', in: {{d: q, t: {{path: data/in}}}}, out: {{o: out/x}}}}
  y: {{uses: command, run: "cat ${{in.d}}/deep/f ${{in.t}} > ${{out.o}}", in: {{d: q, t: {{path: data/in}}, after: x}}, out: {{o: out/y}}}}
"#
    ));
    project.write("data/in", "good\n");
    project.run_json(&[], 0);
    assert_eq!(project.read("out/y"), "good\ngood\n");
    assert_eq!(project.read("out/q/deep/f"), "good\n");
    assert_eq!(project.read("data/in"), "good\n", "the user's own file");
    assert!(messages(&project, "displaced").is_empty());
    assert_eq!(project.pipe(&["cache", "verify"]).status, 0);
}

#[test]
fn a_neighbour_that_writes_where_it_was_published_is_named() {
    // `x` reads nothing of it, and runs in the workspace.
    let silent = SILENT.replace("IN", "out/p").replace("$TMPDIR", ".");
    let project = Project::with_pipeline(&format!(
        r#"pipeline: f
stages:
  p: {{uses: command, run: "echo good > ${{out.o}}", out: {{o: out/p}}}}
  z: {{uses: command, run: "wc -c < ${{in.i}} > ${{out.o}}", in: {{i: p}}, out: {{o: out/z}}}}
  x: {{uses: command, sandbox: false, run: '{silent}; echo done > ${{out.o}}', in: {{after: z}}, out: {{o: out/x}}}}
  y: {{uses: command, run: "cat ${{in.i}} > ${{out.o}}", in: {{i: p, after: x}}, out: {{o: out/y}}}}
"#
    ));
    project.run_json(&[], 0);
    assert_eq!((project.read("out/p"), project.read("out/y")), ("good\n".into(), "good\n".into()));
    let told = messages(&project, "quarantined");
    assert!(told.iter().any(|it| it["message"].as_str().unwrap().contains("`x`")), "{told:?}");
}

#[test]
fn what_cannot_be_made_anew_fails_the_stage_and_not_the_store() {
    // Its producer fails the second time.
    let project = Project::with_pipeline(&pipeline(SILENT, "echo done > ${out.o}", ""));
    let flag = project.beside("made");
    let text = project.read("p.yaml").replace(
        "echo good > ${out.o}",
        &format!("test ! -e {0} && : > {0} && echo good > ${{out.o}}", flag.display()),
    );
    project.write("p.yaml", &text);
    let report = project.run_json(&["--jobs", "1"], 1);
    assert_eq!(report["stages"]["p"]["outcome"], "failed");
    assert_eq!(report["stages"]["x"]["outcome"], "blocked");
}
