//! The engine and the worker binaries together.

use crate::project::{Project, checkout, expected, outcomes, worker};

const DATA: &str = r#"pipeline: data
params: {seed: 7}
stages:
  scans: {uses: produce, with: {seed: "${params.seed}", hosts: 3, scans_per_host: 1}}
  real: {uses: ingest, in: {reports: {path: reports}}}
"#;

fn with_reports() -> Project {
    worker("pipe-data");
    let project = Project::with_pipeline(DATA);
    let name = "debian12_scanner_v6.json";
    let report = std::fs::read_to_string(checkout().join("pipelines/data/reports").join(name)).unwrap();
    project.write(&format!("reports/{name}"), &report);
    project
}

#[test]
fn a_seed_goes_from_the_command_line_to_the_worker() {
    let project = with_reports();
    assert_eq!(project.outcomes(&[]), expected(&[("scans", "ran"), ("real", "ran")]));
    let report = project.run_json(&["-S", "seed=8"], 0);
    assert_eq!(outcomes(&report), expected(&[("scans", "ran"), ("real", "hit")]));
    assert_eq!(report["params"]["seed"], 8);
    // The other seed's scans come back from the store.
    assert_eq!(project.outcomes(&[]), expected(&[("scans", "restored"), ("real", "hit")]));
}

#[test]
fn outputs_lie_under_the_stage_and_port() {
    let project = with_reports();
    let report = project.run_json(&[], 0);
    let scans = &report["stages"]["scans"]["outputs"]["scans"];
    assert_eq!(scans["path"], "out/data/scans/scans");
    assert_eq!(scans["type"], "scans");
    assert!(project.path("out/data/scans/truth.jsonl").is_file());
    assert_eq!(std::fs::read_dir(project.path("out/data/scans/scans")).unwrap().count(), 3);
}

#[test]
fn a_broken_report_fails_with_its_path_and_pointer() {
    let project = with_reports();
    let text =
        project.read("reports/debian12_scanner_v6.json").replacen("\"severity\": \"info\"", "\"severity\": \"odd\"", 1);
    project.write("reports/broken.json", &text);
    let ran = project.pipe(&["run", "p.yaml"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("broken.json"), "{}", ran.stderr);
    assert!(ran.stderr.contains("/results/"), "{}", ran.stderr);
}

#[test]
fn a_worker_that_is_not_built_is_named() {
    // A copy of the engine has no workers beside it.
    let project = with_reports();
    let lonely = project.path("bin/pipe");
    std::fs::create_dir_all(lonely.parent().unwrap()).unwrap();
    std::fs::copy(crate::project::pipe(), &lonely).unwrap();
    let mut command = std::process::Command::new(&lonely);
    command.args(["run", "p.yaml"]).current_dir(project.root()).env("PATH", "/usr/bin:/bin");
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("pipe-data"), "{stderr}");
}
