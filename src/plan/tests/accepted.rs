//! Pipelines without problems, and their plans.

use std::path::Path;
use std::time::Duration;

use contract::Type;
use serde_json::json;

use super::{Project, stage};
use crate::plan::{Command, InputSource, Retry, Sandbox, Script, SecretSource, Work};
use crate::spec::StageName;

fn command(plan: &crate::plan::Plan, name: &str) -> (String, Vec<(String, Option<String>)>) {
    let Work::Command(Command { script, environment, .. }) = &stage(plan, name).work else {
        panic!("{name} is no command")
    };
    let script = match script {
        Script::Text(text) => text.text.clone(),
        Script::Argv(words) => words.join("|"),
    };
    (script, environment.clone().into_iter().collect())
}

fn params<'p>(plan: &'p crate::plan::Plan, name: &str) -> &'p serde_json::Value {
    let Work::Card { params, .. } = &stage(plan, name).work else { panic!("{name} has no card") };
    params
}

#[test]
fn a_command_gets_paths_params_and_variables() {
    let project = Project::new(
        r#"
pipeline: hello
params: {n: 3, word: "a b", rate: 1.0e-4, argv: [tool, x]}
stages:
  scans: {uses: produce}
  words: {uses: command, run: "echo '${params.word}' $${HOME} ${params.rate} > ${out.words}", out: {words: out/words.txt}}
  all:
    uses: command
    run: [cat, "${in.words}", "${in.data}", "${in.scans}", "-n${params.n}", "${params.n}"]
    in: {words: words, data: {path: "data/${params.n}.txt"}, scans: scans.scans}
    env: {LANG: C, HOST: null, COUNT: "${params.n}", NONE: }
    out: {all: {path: out/all, type: dir}}
  listed: {uses: command, run: "${params.argv}", env: [HOST, NONE]}
"#,
    )
    .file("data/3.txt", "3")
    .with(|request| {
        request.environment.insert("HOST", "h1");
    });
    let plan = project.plan();
    assert_eq!(command(&plan, "words").0, "echo 'a b' ${HOME} 1.0e-4 > out/words.txt");
    let (argv, environment) = command(&plan, "all");
    assert_eq!(argv, "cat|out/words.txt|data/3.txt|in/scans|-n3|3");
    let variable = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    let expect = [
        variable("COUNT", Some("3")),
        variable("HOST", Some("h1")),
        variable("LANG", Some("C")),
        variable("NONE", None),
    ];
    assert_eq!(environment, expect);
    assert_eq!(command(&plan, "listed").0, "tool|x");
    let all = stage(&plan, "all");
    let inputs: Vec<_> = all.inputs.iter().map(|i| (i.port.as_str(), i.artifact, i.mount.to_str().unwrap())).collect();
    let expect = [
        ("data", Type::FILE, "data/3.txt"),
        ("scans", Type::SCANS, "in/scans"),
        ("words", Type::FILE, "out/words.txt"),
    ];
    assert_eq!(inputs, expect);
    assert!(matches!(&all.inputs[0].source, InputSource::Path(path) if path == Path::new("data/3.txt")));
    assert_eq!((all.outputs[0].artifact, all.outputs[0].destination.to_str().unwrap()), (Type::DIR, "out/all"));
}

#[test]
fn a_card_stage_has_complete_params_typed_wires_and_fixed_destinations() {
    let project = Project::new(
        r#"
pipeline: full
params: {seed: 7, lr: 1}
stages:
  model:
    uses: train
    in: {tokens: {path: data/tokens}}
    with: {model: tiny, optimizer: {lion: {lr: "${params.lr}"}}}
    resources: {cpus: 4, memory: 2GiB}
  joins: {uses: correlate, in: {scans: scans.scans}}
  scans: {uses: produce, with: {seed: "${params.seed}"}}
"#,
    )
    .file("data/tokens/train.bin", "");
    let plan = project.plan();
    assert_eq!(plan.pipeline.as_str(), "full");
    let expect = json!({"model": "tiny", "steps": 100, "optimizer": {"lion": {"lr": 1.0, "weight_decay": 0.01}}});
    assert_eq!(params(&plan, "model").to_string(), expect.to_string());
    assert_eq!(params(&plan, "scans"), &json!({"seed": 7, "hosts": 40, "noise": 0.5}));
    assert_eq!(plan.params["lr"], 1);
    let joins = stage(&plan, "joins");
    assert_eq!(joins.outputs[0].destination, Path::new("out/full/joins/correlations.jsonl"));
    assert_eq!((joins.resources.cpus, joins.resources.memory), (2, 1 << 30));
    let model = stage(&plan, "model");
    assert_eq!((model.resources.cpus, model.resources.memory), (4, 2 << 30));
    assert_eq!(model.inputs[0].artifact, Type::TOKENS);
    let order: Vec<&str> = plan.order.iter().map(|id| plan.graph[*id].name.as_str()).collect();
    assert_eq!(order, ["model", "scans", "joins"]);
    let InputSource::Stage { stage: producer, port } = &joins.inputs[0].source else { panic!("not wired") };
    assert_eq!((plan.graph[*producer].name.as_str(), port.as_str()), ("scans", "scans"));
    assert_eq!(plan.graph.edge_count(), 1);
}

#[test]
fn places_name_the_param_that_a_value_came_through() {
    let pipeline = "pipeline: p\nparams: {seed: 7}\nstages:\n  a:\n    uses: produce\n    with: {seed: \"${params.seed}\", hosts: 3}\n";
    let project = Project::new(pipeline);
    let place = |plan: &crate::plan::Plan, path: &str| {
        let location = &stage(plan, "a").places[path];
        format!("{}:{}:{}", location.file.file_name().unwrap().to_str().unwrap(), location.line, location.column)
    };
    let plan = project.plan();
    assert_eq!(place(&plan, "with.seed"), "p.yaml:2:16");
    assert_eq!(place(&plan, "with.hosts"), "p.yaml:6:43");
    assert_eq!(place(&plan, "uses"), "p.yaml:5:5");
    assert_eq!(stage(&plan, "a").location.line, 4);
    let plan = project.with(|request| request.overrides.push("seed=8".to_owned())).plan();
    assert_eq!(place(&plan, "with.seed"), "-S:1:6");
}

#[test]
fn overrides_keep_the_declared_type_and_are_strict_scalars() {
    let pipeline = "pipeline: p\nparams: {x: null, n: 1, on: true, o: {y: a}}\nstages:\n  a: {uses: produce}\n";
    let check = |text: &str, path: &str, expect: serde_json::Value| {
        let plan = Project::new(pipeline).with(|request| request.overrides.push(text.to_owned())).plan();
        let params = serde_json::to_value(&plan.params).unwrap();
        assert_eq!(params.pointer(path), Some(&expect), "{text}");
    };
    check("x=2", "/x", json!(2));
    check("params.x=2.5", "/x", json!(2.5));
    check("x=yes", "/x", json!("yes"));
    check("x=true", "/x", json!(true));
    check("x=\"3\"", "/x", json!("3"));
    check("x=", "/x", json!(null));
    check("x=a=b: c", "/x", json!("a=b: c"));
    check("n=1e-4", "/n", json!(1e-4));
    check("on=false", "/on", json!(false));
    check("o.y=1e-4", "/o/y", json!("1e-4"));
    check("o.y=\"1\"", "/o/y", json!("1"));
    check("o.y=", "/o/y", json!(""));
}

#[test]
fn targets_keep_what_they_need_and_nothing_else() {
    let one = |name: &str, reads: &str| {
        let input = if reads.is_empty() { String::new() } else { format!("in: {{x: {reads}}}, ") };
        format!("  {name}: {{uses: command, run: \"true\", {input}out: {{o: out/{name}}}}}\n")
    };
    let pipeline = format!("pipeline: p\nstages:\n{}{}{}{}", one("a", ""), one("b", "a"), one("c", ""), one("d", "b"));
    let project = Project::new(&pipeline).with(|request| request.targets.push(StageName::new("b")));
    let plan = project.plan();
    let names: Vec<&str> = plan.graph.node_weights().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!((plan.order.len(), plan.graph.edge_count()), (2, 1));
}

#[test]
fn a_chain_of_a_thousand_and_a_fan_of_a_thousand_plan() {
    let link = |n: usize| {
        let input = if n == 0 { String::new() } else { format!("in: {{x: s{}}}, ", n - 1) };
        format!("  s{n}: {{uses: command, run: \"cat ${{out.o}}\", {input}out: {{o: out/{n}}}}}\n")
    };
    let chain: String = (0..1000).rev().map(link).collect();
    let wires: Vec<String> = (0..1000).map(|n| format!("x{n}: s{n}")).collect();
    let fan = format!("  all: {{uses: command, run: \"true\", in: {{{}}}}}\n", wires.join(", "));
    let plan = Project::new(&format!("pipeline: p\nstages:\n{chain}{fan}")).plan();
    assert_eq!(plan.order.len(), 1001);
    assert_eq!(plan.graph[plan.order[0]].name.as_str(), "s0");
    assert_eq!(plan.graph.edge_count(), 1999);
    let closed = chain.replace("s0: {uses: command, ", "s0: {uses: command, in: {x: s999}, ");
    let problems = Project::new(&format!("pipeline: p\nstages:\n{closed}")).problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("cycle"), "{problems:?}");
}

#[test]
fn how_a_stage_is_run_is_resolved_and_a_condition_orders_the_stages() {
    let pipeline = r#"
pipeline: p
params: {limit: 2}
groups: {db: 2}
secrets: {hf: {env: HF_TOKEN}, key: {file: .secrets/key}}
stages:
  late:
    uses: command
    run: "true"
    out: {o: out/late}
    when: "${stages.early.metrics.loss < params.limit}"
    timeout: 1h30m
    retry: {attempts: 3, backoff: 30s}
    group: [db, net]
    secrets: {TOKEN: hf, KEY: key}
    sandbox: false
    resources: {gpus: 2}
  early: {uses: produce, retry: 2}
"#;
    let plan = Project::new(pipeline).plan();
    let late = stage(&plan, "late");
    let conduct = &late.conduct;
    assert_eq!(conduct.timeout, Some(Duration::from_secs(5400)));
    assert_eq!(conduct.retry, Retry { attempts: 3, backoff: Duration::from_secs(30), jitter: 0.1 });
    assert_eq!(conduct.groups, ["db", "net"]);
    assert_eq!((plan.groups["db"], late.resources.gpus), (2, 2));
    assert_eq!(conduct.secrets[0].source, SecretSource::Environment("HF_TOKEN".to_owned()));
    assert_eq!(conduct.secrets[1].source, SecretSource::File(".secrets/key".into()));
    let Work::Command(command) = &late.work else { panic!("a command") };
    assert_eq!(command.sandbox, Sandbox::Workspace);
    assert_eq!(stage(&plan, "early").conduct.retry.attempts, 2);
    let order: Vec<&str> = plan.order.iter().map(|id| plan.graph[*id].name.as_str()).collect();
    assert_eq!(order, ["early", "late"]);
    // Of the targets' plan, too, the condition names the right stage.
    let more = pipeline.replace("stages:\n", "stages:\n  other: {uses: produce}\n");
    let plan = Project::new(&more).with(|request| request.targets.push(StageName::new("late"))).plan();
    let condition = stage(&plan, "late").conduct.condition.as_ref().unwrap();
    let read: Vec<_> = condition.reads().map(|(id, metric)| (plan.graph[id].name.as_str(), metric)).collect();
    assert_eq!(read, [("early", "loss")]);
    assert_eq!(plan.graph.node_count(), 2);
}
