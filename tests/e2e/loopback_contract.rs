//! The contract of every backend: each scenario runs on `local`, on a loopback and on a backend program, and a user sees the same.

use serde_json::Value;

use crate::loopback::{LOOPBACK, PROGRAM, counting, launches, ledger, open_gate, project_on};
use crate::project::{Project, expected, outcomes};

/// Runs a scenario on each backend. All must give the same result.
fn on_each<T: PartialEq + std::fmt::Debug>(scenario: impl Fn(&Project) -> T) -> T {
    let local = scenario(&project_on("local"));
    let project = project_on(LOOPBACK);
    let loopback = scenario(&project);
    assert_eq!(local, loopback);
    assert!(project.path(".pipe-loopback/actions").is_dir(), "nothing ran there");
    let left = std::fs::read_dir(project.path(".pipe-loopback/.instances")).unwrap().flatten();
    let left: Vec<_> = left.filter(|entry| entry.path().is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
    let project = project_on(PROGRAM);
    assert_eq!(local, scenario(&project));
    assert!(!launches(&project).is_empty(), "nothing ran there");
    local
}

/// The fields of a report on a stage that do not depend on the place.
fn said(report: &Value, stage: &str) -> Value {
    let stage = &report["stages"][stage];
    serde_json::json!({
        "outcome": stage["outcome"], "failure": stage["failure"], "key": stage["key"], "metrics": stage["metrics"],
    })
}

#[test]
fn a_command_gives_files_and_directories_and_has_a_log() {
    let (all, log) = on_each(|project| {
        project.write(
            "p.yaml",
            r#"pipeline: p
stages:
  first: {uses: command, run: "echo says; cat ${in.data} > ${out.x}; mkdir -p ${out.d}/deep; echo 1 > ${out.d}/deep/f; ln -s deep/f ${out.d}/l", in: {data: {path: data}}, out: {x: out/x, d: {path: out/d, type: dir}}, backend: gpu}
  second: {uses: command, run: "cat ${in.x} ${in.d}/l > ${out.y}", in: {x: first.x, d: first.d}, out: {y: out/y}, backend: gpu}
"#,
        );
        project.write("data", "from the workspace\n");
        let report = project.run_json(&[], 0);
        assert_eq!(outcomes(&report), expected(&[("first", "ran"), ("second", "ran")]));
        assert_eq!(project.outcomes(&[]), expected(&[("first", "hit"), ("second", "hit")]));
        let seen = [project.read("out/x"), project.read("out/d/deep/f"), project.read("out/y")];
        (seen, project.pipe(&["logs", "first"]).stdout)
    });
    assert_eq!(all[2], "from the workspace\n1\n");
    assert_eq!(log, "says\n");
}

#[test]
fn a_failed_stage_is_a_value_and_fails_again() {
    let (report, log) = on_each(|project| {
        project.write(
            "p.yaml",
            r#"pipeline: p
stages:
  fails: {uses: command, run: "echo begun >&2; exit 3", out: {x: out/x}, backend: gpu}
  behind: {uses: command, run: "cp ${in.x} ${out.y}", in: {x: fails}, out: {y: out/y}}
"#,
        );
        project.run_json(&[], 1);
        let report = project.run_json(&[], 1);
        assert_eq!(report["stages"]["behind"]["outcome"], "blocked");
        (said(&report, "fails"), project.pipe(&["logs", "fails"]).stdout)
    });
    assert!(report["failure"]["message"].as_str().unwrap().contains("exit status 3"), "{report}");
    assert_eq!(log, "begun\n");
}

#[test]
fn an_output_that_is_not_there_fails_the_stage_in_the_same_words() {
    let report = on_each(|project| {
        project.write(
            "p.yaml",
            "pipeline: p\nstages:\n  a: {uses: command, run: \"true\", out: {x: out/x}, backend: gpu}\n",
        );
        said(&project.run_json(&[], 1), "a")
    });
    assert!(report["failure"]["message"].as_str().unwrap().contains("nothing lies there"), "{report}");
}

#[test]
fn a_time_out_ends_the_stage() {
    let report = on_each(|project| {
        let yaml = r#"pipeline: p
stages:
  slow: {uses: command, run: "exec tail -f /dev/null", out: {x: out/x}, timeout: 300ms, backend: gpu}
"#;
        project.write("p.yaml", yaml);
        said(&project.run_json(&[], 1), "slow")
    });
    assert!(report["failure"]["message"].as_str().unwrap().contains("time-out of 300ms"), "{report}");
}

#[test]
fn metrics_and_events_of_a_card_arrive() {
    let (report, total, notes) = on_each(|project| {
        open_gate(project);
        project.write("p.yaml", &counting(project, 0));
        let report = project.run_json(&[], 0);
        let events = project.events();
        assert!(events.contains("stage_checkpoint") && events.contains("stage_progress"), "{events}");
        // The key names files beside this very project.
        let report = serde_json::json!({"outcome": report["stages"]["count"]["outcome"], "metrics": report["stages"]["count"]["metrics"]});
        (report, project.read("out/c/count/total"), ledger(project))
    });
    assert_eq!(report["metrics"]["total"].as_f64().unwrap().to_string(), total.trim());
    assert_eq!(notes, ["step 1", "step 2", "step 3", "step 4"]);
}

#[test]
fn metrics_that_a_command_writes_arrive() {
    let report = on_each(|project| {
        let run = r#"echo '{\"loss\": 0.5}' > ${out.m}"#;
        let yaml = format!(
            "pipeline: p\nstages:\n  m: {{uses: command, run: \"{run}\", out: {{m: {{path: out/m.json, type: metrics}}}}, backend: gpu}}\n"
        );
        project.write("p.yaml", &yaml);
        said(&project.run_json(&[], 0), "m")
    });
    assert_eq!(report["metrics"]["loss"], 0.5);
}

#[test]
fn a_retry_is_another_attempt() {
    let notes = on_each(|project| {
        let (ledger_file, run) =
            (project.beside("ledger"), "echo began >> LEDGER; test $(wc -l < LEDGER) = 2; echo 1 > ${out.x}");
        let run = run.replace("LEDGER", &ledger_file.display().to_string()).replace("; echo 1", " && echo 1");
        let yaml = format!(
            "pipeline: p\nstages:\n  r: {{uses: command, run: \"{run}\", out: {{x: out/x}}, retry: {{attempts: 2, backoff: 1ms}}, backend: gpu}}\n"
        );
        project.write("p.yaml", &yaml);
        project.run_json(&[], 0);
        ledger(project)
    });
    assert_eq!(notes, ["began", "began"]);
}

#[test]
fn a_refresh_executes_what_has_a_record() {
    let notes = on_each(|project| {
        open_gate(project);
        project.write("p.yaml", &counting(project, 0));
        project.run_json(&[], 0);
        assert_eq!(project.outcomes(&["--refresh", "count"]), expected(&[("count", "ran")]));
        ledger(project).len()
    });
    assert_eq!(notes, 8);
}

#[test]
fn what_cannot_go_along_is_refused_before_anything_runs() {
    let project = project_on(LOOPBACK);
    let yaml = r#"pipeline: p
secrets: {token: {env: TOKEN}}
stages:
  here: {uses: command, run: "true", out: {x: out/x}, sandbox: false}
  open:
    uses: command
    run: "true"
    out: {y: out/y}
    backend: gpu
    sandbox: false
  tool: {uses: command, run: "true", out: {z: out/z}, tools: [.venv], backend: gpu}
  secret: {uses: command, run: "true", out: {s: out/s}, secrets: [token], backend: gpu}
"#;
    project.write("p.yaml", &yaml.replace("secrets: [token]", "secrets: {TOKEN: token}"));
    project.write(".venv/x", "");
    let ran = project.pipe(&["check", "p.yaml"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    for words in [
        "p.yaml:10",
        "p.yaml:11",
        "p.yaml:12",
        "does not go along",
        "do not go along",
        "comes from this machine",
        "3 problems",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let ran = project.pipe(&["check", "p.yaml", "--json"]);
    assert_eq!(ran.stdout.matches("stays-here").count(), 3, "{}", ran.stdout);
}

#[test]
fn a_word_in_the_settings_or_on_the_line_moves_stages() {
    let project = project_on("try, try: {loopback: {state: .pipe-loopback}}, spare: local");
    let yaml = r#"pipeline: p
stages:
  here: {uses: command, run: "echo 1 > ${out.x}", out: {x: out/x}, backend: local}
  there: {uses: command, run: "echo 2 > ${out.y}", out: {y: out/y}, backend: gpu}
"#;
    project.write("p.yaml", yaml);
    let ran_on = |words: &[&str]| {
        let mut all = vec!["--refresh", "here", "--refresh", "there"];
        all.extend(words);
        project.run_json(&all, 0);
        let show = |stage: &str| project.pipe(&["show", stage, "--json"]).stdout;
        let backend = |text: String| serde_json::from_str::<Value>(&text).unwrap()["made"]["backend"].clone();
        [backend(show("here")), backend(show("there"))]
    };
    assert_eq!(ran_on(&[]), ["local", "try"]);
    assert_eq!(ran_on(&["--backend", "local"]), ["local", "local"]);
    assert_eq!(ran_on(&["--backend", "gpu=spare"]), ["local", "spare"]);
    assert_eq!(ran_on(&["--backend", "try"]), ["local", "try"]);
}
