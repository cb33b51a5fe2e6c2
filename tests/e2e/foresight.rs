//! What kinds say of stages before they run: memory, and results that a later stage would refuse.

use std::os::unix::fs::PermissionsExt;

use contract::foresight::{Answer, Inquiry};
use serde_json::{Value, json};

use crate::project::{Project, checkout, outcomes, worker};

/// A worker that foresees: a stage gives `size` of its params on, or of what it reads; one with `wants` refuses any other size. It notes
/// the stages that it is asked about in the ledger. `breaks` ends it before it answers.
const ORACLE: &str = r#"#!/usr/bin/env python3
import json, os, sys

if sys.argv[1] == "run":
    job = json.load(open(sys.argv[2]))
    open(job["outputs"]["out"], "w").write("done")
    os.write(int(os.environ["PIPE_EVENTS_FD"]), b'{"metric":{"name":"go","value":0.0}}\n{"finished":{}}\n')
    sys.exit()
for line in sys.stdin:
    asked = json.loads(line)
    params = asked["params"]
    with open(os.path.join(os.path.dirname(sys.argv[0]), "ledger"), "a") as ledger:
        print(json.dumps(asked), file=ledger)
    if params["breaks"]:
        sys.exit(3)
    given = asked["inputs"].get("in", [{}])[0]
    size = params["size"] or given.get("facts")
    if params["wants"] and size and size != params["wants"]:
        answer = {"refused": {"class": "invalid_input", "message": f"size {size} is not {params['wants']}\u001b[1m", "help": "take another"}}
    else:
        answer = {"foreseen": {"memory": 4096, "note": f"about {size} \u001b[31mpages", "outputs": {"out": size} if size else {}}}
    print(json.dumps(answer), flush=True)
"#;

fn project(stages: &str) -> Project {
    let project = Project::with_pipeline(&format!("pipeline: p\nstages:\n{stages}"));
    project.write("pipe.yaml", "cards: kinds\n");
    let number = json!({"type": ["integer", "null"], "default": null});
    let card = json!({
        "kind": "oracle", "version": 1, "summary": "A kind.", "worker": {"program": "oracle"}, "foresees": true,
        "inputs": [{"name": "in", "type": "file", "optional": true}], "outputs": [{"name": "out", "type": "file"}],
        "params": {"type": "object", "additionalProperties": false, "properties": {
            "size": number, "wants": number, "breaks": {"type": "boolean", "default": false}
        }}
    });
    project.write("kinds/oracle.json", &card.to_string());
    let program = project.beside("bin/oracle");
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    std::fs::write(&program, ORACLE).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    project
}

/// The questions so far; none are left.
fn questions(project: &Project) -> Vec<Value> {
    let ledger = project.beside("bin/ledger");
    let text = std::fs::read_to_string(&ledger).unwrap_or_default();
    let _ = std::fs::remove_file(ledger);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn plan(project: &Project) -> Value {
    serde_json::from_str(&project.pipe(&["plan", "p.yaml", "--json"]).stdout).unwrap()
}

const TWO: &str = "  first: {uses: oracle, with: {size: 3}}
  middle: {uses: oracle, in: {in: first.out}}
  last:
    uses: oracle
    in: {in: middle.out}
    with: {wants: 4}
";

#[test]
fn a_refusal_far_behind_is_found_by_check_and_plan_and_before_the_first_stage_runs() {
    let project = project(TWO);
    let checked = project.pipe(&["check", "p.yaml"]);
    assert_eq!(checked.status, 2, "{}", checked.stderr);
    for part in ["`last` would fail: size 3 is not 4", "p.yaml:5", "take another"] {
        assert!(checked.stderr.contains(part), "{part}: {}", checked.stderr);
    }
    assert!(!checked.stderr.contains('\u{1b}'), "{}", checked.stderr);
    assert_eq!(questions(&project).len(), 3, "each stage once");
    let planned = project.pipe(&["plan", "p.yaml"]).stdout;
    assert!(planned.contains("fail  last  size 3 is not 4") && planned.contains("; take another"), "{planned}");
    assert!(planned.contains("about 3 ") && !planned.contains('\u{1b}'), "{planned}");

    let report = project.run_json(&[], 1);
    assert_eq!(outcomes(&report)["first"], "failed");
    let failure = report["stages"]["first"]["failure"]["message"].as_str().unwrap();
    assert!(failure.starts_with("`last`, which comes after it, would fail: size 3 is not 4"), "{failure}");
    assert!(!project.path("out/p/first/out").exists());

    // A stage that may not be wanted spoils nothing.
    project.write("p.yaml", &format!("pipeline: p\nstages:\n{TWO}    when: \"${{stages.first.metrics.go == 1}}\"\n"));
    let outcomes = outcomes(&project.run_json(&[], 0));
    assert_eq!((&*outcomes["first"], &*outcomes["last"]), ("ran", "skipped"));
}

#[test]
fn what_is_up_to_date_is_not_asked_about_and_lies_where_it_is_said_to() {
    let project = project(&TWO.replace("wants: 4", "wants: 3"));
    assert_eq!(plan(&project)["stages"]["last"]["memory"], 4096);
    questions(&project);
    project.run_json(&["middle"], 0);
    questions(&project);
    plan(&project);
    let asked = questions(&project);
    assert_eq!(asked.len(), 1);
    assert_eq!((&asked[0]["params"]["wants"], &asked[0]["here"]), (&json!(3), &json!(true)));
    let path = asked[0]["inputs"]["in"][0]["path"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "done");
    project.run_json(&[], 0);
    questions(&project);
    assert_eq!(plan(&project)["stages"]["last"]["memory"], Value::Null);
    project.run_json(&[], 0);
    assert_eq!(questions(&project), Vec::<Value>::new(), "all are hits");
}

#[test]
fn a_worker_that_does_not_answer_prevents_nothing() {
    let project = project(&TWO.replace("size: 3", "breaks: true"));
    let planned = project.pipe(&["plan", "p.yaml"]).stdout;
    assert!(planned.contains("nothing is foreseen: `oracle foresee`: unexpected end of file"), "{planned}");
    assert_eq!(project.pipe(&["check", "p.yaml"]).status, 0);
    project.run_json(&[], 0);
    std::fs::remove_file(project.beside("bin/oracle")).unwrap();
    project.write("p.yaml", "pipeline: p\nstages:\n  other: {uses: oracle, with: {size: 9}}\n");
    assert!(project.pipe(&["plan", "p.yaml"]).stdout.contains("nothing is foreseen: oracle is not there"));
    assert_eq!(project.pipe(&["check", "p.yaml"]).status, 0);
}

#[test]
fn the_page_on_workers_shows_questions_and_answers_as_they_are() {
    let page = std::fs::read_to_string(checkout().join("docs/worker-protocol.md")).unwrap();
    let lines = |mark: &str| page.split(mark).nth(1).unwrap().split("```").next().unwrap().trim().lines();
    let inquiries: Vec<Inquiry> = lines("```json inquiry").map(|line| serde_json::from_str(line).unwrap()).collect();
    let answers: Vec<Answer> = lines("```json answer").map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((inquiries.len(), answers.len()), (2, 3));
}

fn training(size: &str, more: &str) -> Project {
    worker("pipe-data");
    worker("pipe-torch");
    Project::with_pipeline(&format!(
        "pipeline: t
stages:
  scans: {{uses: produce, with: {{hosts: 6}}}}
  joined: {{uses: correlate, in: {{scans: scans.scans}}}}
  verified:
    uses: verify
    in: {{scans: scans.scans, findings: joined.findings, correlations: joined.correlations}}
  dataset:
    uses: transform
    in: {{findings: joined.findings, correlations: joined.correlations, verification: verified.verification}}
  tokens: {{uses: tokenize, in: {{dataset: dataset.dataset}}, with: {{vocab_size: 512}}}}
  model:
    uses: train
    in: {{tokens: tokens}}
    with: {{{size}, max_steps: 1, threads: 1}}
  quantized:
    uses: quantize
    in: {{model: model.model, tokens: tokens}}
    with: {{group_size: 64, threads: 1{more}}}
"
    ))
}

#[test]
fn sizes_that_cannot_be_quantized_are_refused_before_the_training() {
    let custom = "model: {custom: {hidden: 96, intermediate: 128, layers: 1, heads: 4, kv_heads: 2}}";
    let project = training(custom, "");
    let checked = project.pipe(&["check", "p.yaml"]);
    let wrong = "`model.layers.0.self_attn.q_proj.weight` has 96 inputs, not a multiple of 64";
    assert!(checked.status == 2 && checked.stderr.contains(wrong), "{}", checked.stderr);
    assert!(
        checked.stderr.contains("`quantized` would fail") && checked.stderr.contains("p.yaml:16"),
        "{}",
        checked.stderr
    );
    let report = project.run_json(&[], 1);
    let failure = report["stages"]["model"]["failure"]["message"].as_str().unwrap();
    assert!(
        failure.starts_with("`quantized`, which comes after it, would fail: ") && failure.contains(wrong),
        "{failure}"
    );
    assert_eq!(project.pipe(&["logs", "model"]).stdout, "", "no worker was started");

    let refused = |size: &str, more: &str, words: &str| {
        let checked = training(size, more).pipe(&["check", "p.yaml"]);
        assert!(checked.status == 2 && checked.stderr.contains(words), "{words}: {}", checked.stderr);
    };
    refused("model: tiny", ", bits: 8, zero: asymmetric", "`quantized` would fail");
    refused("lora: {}", "", "`lora` adapts a model that has learned something, and there is none");
    let wide = "model: {custom: {hidden: 96, intermediate: 128, layers: 1, heads: 5, kv_heads: 1}}";
    refused(wide, "", "hidden 96 is not a multiple of 2 x heads (5)");
}

#[test]
fn the_memory_of_a_training_is_shown_once_its_tokens_are_there_and_refused_where_it_is_not_there() {
    let project = training("model: tiny", "");
    let planned = project.pipe(&["plan", "p.yaml"]).stdout;
    assert!(planned.contains("memory not known yet: waits for `tokens`"), "{planned}");
    assert_eq!(plan(&project)["stages"]["model"]["memory"], Value::Null);
    project.run_json(&["tokens"], 0);
    let planned = project.pipe(&["plan", "p.yaml"]).stdout;
    assert!(planned.contains(" GiB of memory: weights 0.0"), "{planned}");
    let memory = plan(&project)["stages"]["model"]["memory"].as_u64().unwrap();
    assert!((100 << 20..4 << 30).contains(&memory), "{memory}");

    let vast = "model: {custom: {hidden: 16384, intermediate: 65536, layers: 128, heads: 128, kv_heads: 128}}";
    project.write("p.yaml", &project.read("p.yaml").replace("model: tiny", vast));
    let checked = project.pipe(&["check", "p.yaml"]);
    assert!(checked.status == 2 && checked.stderr.contains("GiB and nothing was allocated"), "{}", checked.stderr);
}
