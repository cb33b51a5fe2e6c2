//! Metrics that a command writes to an output of type `metrics`.

use crate::project::{Project, expected};

/// A pipeline whose first stage writes `text`, with what else the stage does, and whose second one reads a condition.
fn project(text: &str, more: &str, when: &str) -> Project {
    let project = Project::with_pipeline(&format!(
        "pipeline: p
stages:
  model:
    uses: command
    run: |
      {more}
      cp ${{in.text}} ${{out.m}}
    in: {{text: {{path: text.json}}}}
    out: {{m: {{path: out/m.json, type: metrics}}}}
  next:
    uses: command
    when: \"${{{when}}}\"
    run: \"true > ${{out.o}}\"
    out: {{o: out/o}}
"
    ));
    project.write("text.json", text);
    project
}

#[test]
fn the_numbers_of_the_file_are_the_metrics_of_the_stage_also_on_a_hit() {
    for (text, when, next) in [
        (r#"{"loss": 1.5, "top": {"k1": 3}}"#, "stages.model.metrics.top.k1 >= 3", "ran"),
        (r#"{"loss": -2, "top": {"k1": 0}}"#, "stages.model.metrics.loss > 0", "skipped"),
    ] {
        let project = project(text, "true", when);
        let first = project.run_json(&[], 0);
        assert_eq!(first["stages"]["next"]["outcome"], next, "{text}");
        let second = project.run_json(&[], 0);
        assert_eq!(second["stages"]["model"]["outcome"], "hit");
        for report in [&first, &second] {
            let metrics = report["stages"]["model"]["metrics"].as_object().unwrap();
            assert_eq!(metrics.keys().collect::<Vec<_>>(), ["loss", "top.k1"], "{text}");
        }
        let shown = project.pipe(&["show", "model"]).stdout;
        assert!(shown.contains("top.k1"), "{shown}");
        project.write("text.json", r#"{"loss": 7, "top": {"k1": 8}}"#);
        project.run_json(&[], 0);
        let diff = project.pipe(&["diff", "last~1", "last"]).stdout;
        assert!(diff.contains("top.k1") && diff.contains('8'), "{diff}");
    }
}

#[test]
fn an_event_has_the_last_word_and_of_two_files_the_last_one() {
    let said = r#"echo '{"metric":{"name":"loss","value":9}}' > /dev/fd/$PIPE_EVENTS_FD"#;
    let project = project(r#"{"loss": 1, "other": 2}"#, said, "stages.model.metrics.loss == 9");
    let report = project.run_json(&[], 0);
    assert_eq!(report["stages"]["model"]["metrics"], serde_json::json!({"loss": 9.0, "other": 2.0}));
    assert_eq!(report["stages"]["next"]["outcome"], "ran");
    project.write(
        "p.yaml",
        "pipeline: p
stages:
  s:
    uses: command
    run: |
      echo '{\"n\": 1, \"a\": 1}' > ${out.a}
      echo '{\"n\": 2, \"b\": 1}' > ${out.b}
    out: {a: {path: out/a.json, type: metrics}, b: {path: out/b.json, type: metrics}}
",
    );
    let report = project.run_json(&[], 0);
    assert_eq!(report["stages"]["s"]["metrics"], serde_json::json!({"a": 1.0, "b": 1.0, "n": 2.0}));
}

#[test]
fn a_file_that_is_no_object_of_numbers_fails_its_stage_with_what_and_where() {
    let long = format!("{{\"{}\": 1}}", "n".repeat(201));
    for (text, why) in [
        ("[1, 2]", "it is a list"),
        ("0.5", "it is a number"),
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{\"loss\": 1,\n \"a\": }", "at line 2 column 7"),
        (r#"{"loss": 1, "top": {"name": "big"}}"#, "`top.name` is text"),
        (r#"{"loss": null}"#, "`loss` is null"),
        (r#"{"losses": [1]}"#, "`losses` is a list"),
        (r#"{"done": true}"#, "`done` is true or false"),
        (r#"{"loss": 1e999}"#, "number out of range"),
        (&long, "has more than 200 bytes"),
    ] {
        let project = project(text, "true", "true");
        let ran = project.pipe(&["run", "p.yaml"]);
        assert_eq!(ran.status, 1, "{text}: {}", ran.stderr);
        let place = "output `m` of type `metrics` should be a JSON object of numbers at out/m.json, but ";
        assert!(ran.stderr.contains(place) && ran.stderr.contains(why), "{text}: {}", ran.stderr);
        assert!(ran.stderr.contains("write {\"loss\": 0.5"), "{text}: {}", ran.stderr);
    }
}

#[test]
fn other_types_and_other_commands_are_not_read() {
    let project = Project::with_pipeline(
        "pipeline: p
stages:
  s: {uses: command, run: \"echo text > ${out.f}\", out: {f: out/f.json}}
  e: {uses: command, run: \"echo '{}' > ${out.m}\", out: {m: {path: out/m.json, type: metrics}}}
",
    );
    assert_eq!(project.outcomes(&[]), expected(&[("s", "ran"), ("e", "ran")]));
}
