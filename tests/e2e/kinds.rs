//! A kind that does not ship with `pipe`: the card and the Python worker of docs/worker-protocol.md, as they stand there.

use std::os::unix::fs::PermissionsExt;

use crate::project::{Project, checkout, expected};

const PIPELINE: &str = r#"pipeline: kinds
params: {least: high}
stages:
  kept:
    uses: keep-findings
    in: {findings: {path: data/findings.jsonl}, words: [{path: data/one.txt}, {path: data/two.txt}]}
    with: {at_least: "${params.least}"}
  count: {uses: command, run: "wc -l < ${in.kept} > ${out.n}", in: {kept: kept}, out: {n: out/n.txt}}
"#;

/// The page's code block that begins with `fence`.
fn block(fence: &str) -> String {
    let page = std::fs::read_to_string(checkout().join("docs/worker-protocol.md")).unwrap();
    let (_, rest) = page.split_once(&format!("```{fence}\n")).unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}

fn project() -> Project {
    let project = Project::with_pipeline(PIPELINE);
    project.write("pipe.yaml", "cards: [kinds]\n");
    project.write("kinds/keep-findings.json", &block("json card"));
    project.write("kinds/keep-findings.py", &block("python"));
    let worker = project.path("kinds/keep-findings.py");
    std::fs::set_permissions(worker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let findings = ["critical\",\"title\":\"root login", "low\",\"title\":\"ssh banner", "high\",\"title\":\"SSH key"];
    let lines = findings.iter().map(|rest| format!("{{\"severity\":\"{rest}\"}}\n")).collect::<String>();
    project.write("data/findings.jsonl", &lines);
    project.write("data/one.txt", "ssh\n");
    project.write("data/two.txt", "root\n");
    project
}

#[test]
fn it_runs_like_any_other_kind_and_its_worker_is_part_of_the_key() {
    let project = project();
    let report = project.run_json(&[], 0);
    assert_eq!(report["stages"]["kept"]["outcome"], "ran");
    assert_eq!(report["stages"]["kept"]["metrics"]["kept"], 2.0);
    assert_eq!(project.read("out/n.txt").trim(), "2");
    assert!(project.events().contains("\"unit\":\"findings\""), "progress is passed on");
    assert_eq!(project.outcomes(&[]), expected(&[("kept", "hit"), ("count", "hit")]));
    assert_eq!(project.outcomes(&["-S", "least=low"])["kept"], "ran");
    let worker = project.read("kinds/keep-findings.py");
    project.write("kinds/keep-findings.py", &worker.replace("print(f\"kept", "print(f\"took"));
    assert_eq!(project.outcomes(&[]), expected(&[("kept", "ran"), ("count", "restored")]));
    assert!(project.pipe(&["logs", "kept"]).stdout.starts_with("took 2 of 3"));
    let listed = project.pipe(&["stages"]).stdout;
    assert!(listed.contains("keep-findings") && listed.contains("kinds/keep-findings.json"), "{listed}");
    let shown = project.pipe(&["stages", "keep-findings"]).stdout;
    for text in ["any number", "keyed by keep-findings.py", "with at_least: \"low\" | \"medium\"", "= \"medium\""] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[test]
fn a_clean_failure_says_what_and_where_and_a_wrong_param_is_found_before() {
    let project = project();
    project.write("data/findings.jsonl", "{\"severity\":\"odd\",\"title\":\"\"}\n");
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains(":1: no `severity`") && ran.stderr.contains("it is one of low"), "{}", ran.stderr);
    project.write("p.yaml", &PIPELINE.replace("at_least:", "at_leest:"));
    let ran = project.pipe(&["check", "p.yaml"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("did you mean `at_least`?"), "{}", ran.stderr);
}

#[test]
fn cards_that_cannot_be_used_are_told_with_their_places_all_at_once() {
    let project = project();
    project.write("kinds/again.json", &block("json card"));
    project.write("kinds/broken.json", "{\n  \"kind\": \"x\",\n  \"version\": \"one\"\n}\n");
    project.write("kinds/taken.json", &block("json card").replace("\"keep-findings\",", "\"train\","));
    project.write(
        "kinds/lacks.json",
        &block("json card")
            .replace("\"keep-findings\",", "\"lacks\",")
            .replace("[\"keep-findings.py\"]}", "[\"no.py\"]}"),
    );
    let ran = project.pipe(&["check", "p.yaml"]);
    assert_eq!(ran.status, 2);
    for text in [
        "kinds/again.json too",
        "broken.json:3:",
        "expected u32",
        "`train` ships with pipe",
        "`no.py` of its worker is not there",
    ] {
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
    project.write("pipe.yaml", "cards: [nowhere]\n");
    let ran = project.pipe(&["stages"]);
    assert!(ran.status == 2 && ran.stderr.contains("nowhere"), "{}", ran.stderr);
}
