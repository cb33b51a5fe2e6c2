//! Which changes alter a key and which do not: of an action, field by field, and of a whole pipeline.

use std::collections::BTreeMap;
use std::path::Path;

use contract::{Digest, Type};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::engine::resolve::{Known, Sources, resolve};
use crate::plan::{BackendName, Cards, Request, build};
use crate::store::Store;

fn digest(text: &str) -> Digest {
    blake3::hash(text.as_bytes()).into()
}

fn input(label: Option<&str>, artifact: Type, content: &str, executable: bool, mount: &str) -> ActionInput {
    let (label, mount) = (label.map(str::to_owned), mount.to_owned());
    ActionInput { label, artifact, digest: digest(content), executable, mount }
}

fn card(kind: &str, version: u32, params: Value, inputs: BTreeMap<String, Vec<ActionInput>>) -> Action {
    let work = ActionWork::Card { kind: kind.to_owned(), version, params, program: None };
    Action { format: FORMAT, work, inputs }
}

fn command(script: &str, environment: BTreeMap<String, Option<String>>) -> Action {
    let script = ActionScript::Shell(script.to_owned());
    let outputs = BTreeMap::from([("o".to_owned(), ("out/o".to_owned(), Type::FILE))]);
    let inputs = BTreeMap::from([("data".to_owned(), vec![input(None, Type::FILE, "data", false, "data/x")])]);
    let work = ActionWork::Command { script, environment, outputs, in_workspace: false, tools: BTreeMap::new() };
    Action { format: FORMAT, work, inputs }
}

fn by(text: &str, shell: ActionShell) -> ActionScript {
    ActionScript::Text { text: text.to_owned(), shell }
}

/// `action` with something done to it.
fn with(action: &Action, change: impl FnOnce(&mut Action)) -> Action {
    let mut action = action.clone();
    change(&mut action);
    action
}

/// `action` with each thing changed that its kind of work has, one at a time.
fn changes_of_work(action: &Action) -> Vec<(&'static str, Action)> {
    let changed = |change: &dyn Fn(&mut ActionWork)| with(action, |action| change(&mut action.work));
    match &action.work {
        ActionWork::Card { .. } => {
            let card = |change: &dyn Fn(&mut String, &mut u32, &mut Option<Digest>)| {
                changed(&|work| {
                    let ActionWork::Card { kind, version, program, .. } = work else { unreachable!() };
                    change(kind, version, program);
                })
            };
            vec![
                ("kind", card(&|kind, _, _| kind.push('x'))),
                ("version", card(&|_, version, _| *version ^= 1)),
                ("program", card(&|_, _, program| *program = Some(digest("program")))),
            ]
        }
        ActionWork::Command { script, environment, .. } => {
            type Outputs = BTreeMap<String, (String, Type)>;
            let outputs = |change: &dyn Fn(&mut Outputs)| {
                changed(&|work| {
                    let ActionWork::Command { outputs, .. } = work else { unreachable!() };
                    change(outputs);
                })
            };
            let scripted = |new: ActionScript| {
                changed(&|work| {
                    let ActionWork::Command { script, .. } = work else { unreachable!() };
                    *script = new.clone();
                })
            };
            let ActionScript::Shell(text) = script else { unreachable!() };
            let mut all = vec![
                ("script", scripted(ActionScript::Shell(format!("{text} ")))),
                ("argv", scripted(ActionScript::Argv(vec![text.clone()]))),
                ("bash", scripted(by(text, ActionShell::Bash))),
                ("sh", scripted(by(text, ActionShell::Sh))),
                ("a program called sh", scripted(by(text, ActionShell::Words(vec!["sh".to_owned()])))),
                ("output path", outputs(&|all| all.get_mut("o").unwrap().0.push('x'))),
                ("output type", outputs(&|all| all.get_mut("o").unwrap().1 = Type::DIR)),
                ("output port", outputs(&|all| all.extend(all.clone().remove("o").map(|o| ("p".to_owned(), o))))),
                (
                    "workspace",
                    changed(&|work| {
                        let ActionWork::Command { in_workspace, .. } = work else { unreachable!() };
                        *in_workspace = true;
                    }),
                ),
                (
                    "tools",
                    changed(&|work| {
                        let ActionWork::Command { tools, .. } = work else { unreachable!() };
                        tools.insert(".venv".to_owned(), digest("lock"));
                    }),
                ),
            ];
            for (name, value) in environment {
                let other = match value {
                    Some(value) if value.is_empty() => None,
                    Some(_) => Some(String::new()),
                    None => Some(String::new()),
                };
                all.push((
                    "variable",
                    changed(&|work| {
                        let ActionWork::Command { environment, .. } = work else { unreachable!() };
                        environment.insert(name.clone(), other.clone());
                    }),
                ));
                all.push((
                    "no variable",
                    changed(&|work| {
                        let ActionWork::Command { environment, .. } = work else { unreachable!() };
                        environment.remove(name);
                    }),
                ));
            }
            all
        }
    }
}

/// `action` with each field of each input changed, one at a time, and with the inputs of each port in another order.
fn changes_of_inputs(action: &Action) -> Vec<(&'static str, Action)> {
    let mut all = Vec::new();
    for (port, inputs) in &action.inputs {
        for at in 0..inputs.len() {
            let mut add = |what, change: &dyn Fn(&mut ActionInput)| {
                all.push((what, with(action, |action| change(&mut action.inputs.get_mut(port).unwrap()[at]))));
            };
            add("digest", &|input| input.digest = digest("another content"));
            add("type", &|input| input.artifact = Type::SCANS);
            add("label", &|input| input.label = Some(format!("{}x", input.label.as_deref().unwrap_or(""))));
            add("mount", &|input| input.mount.push('x'));
            add("executable", &|input| input.executable = !input.executable);
        }
        let mut turned = inputs.clone();
        turned.reverse();
        if turned != *inputs {
            all.push(("order", with(action, |action| drop(action.inputs.insert(port.clone(), turned)))));
        }
        all.push((
            "port",
            with(action, |action| {
                let moved = action.inputs.remove(port).unwrap();
                action.inputs.insert(format!("{port}-2"), moved);
            }),
        ));
    }
    all
}

/// Each way to change one leaf of a document.
fn changed_leaves(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(name, item)| {
                changed_leaves(item).into_iter().map(|item| {
                    let mut map = map.clone();
                    map.insert(name.clone(), item);
                    Value::Object(map)
                })
            })
            .collect(),
        Value::Array(items) => (0..items.len())
            .flat_map(|at| {
                changed_leaves(&items[at]).into_iter().map(move |item| {
                    let mut items = items.clone();
                    items[at] = item;
                    Value::Array(items)
                })
            })
            .collect(),
        leaf => vec![json!([leaf]), json!({"x": leaf}), Value::String(format!("{leaf}x"))],
    }
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        "[a-z ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn inputs() -> impl Strategy<Value = BTreeMap<String, Vec<ActionInput>>> {
    let one = (proptest::option::of("[a-z=]{0,4}"), "[a-z]{0,4}", any::<bool>(), "[a-z/]{0,6}").prop_map(
        |(label, content, executable, mount)| input(label.as_deref(), Type::FILE, &content, executable, &mount),
    );
    proptest::collection::btree_map("[a-z]{1,4}", proptest::collection::vec(one, 1..4), 0..3)
}

/// The text of a document with the entries of every map the other way round.
fn turned(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(name, item)| format!("{}:{}", json!(name), turned(item)));
            let mut entries: Vec<String> = entries.collect();
            entries.reverse();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(turned).collect::<Vec<_>>().join(",")),
        leaf => leaf.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_field_of_a_card_action_changes_the_key(params in documents(), inputs in inputs(), version in any::<u32>()) {
        let action = card("kind", version, params.clone(), inputs);
        let leaves = changed_leaves(&params).into_iter().map(|params| {
            let ActionWork::Card { kind, version, program, .. } = action.work.clone() else { unreachable!() };
            ("param", Action { work: ActionWork::Card { kind, version, params, program }, ..action.clone() })
        });
        for (what, changed) in leaves.chain(changes_of_work(&action)).chain(changes_of_inputs(&action)) {
            prop_assert_ne!(changed.key(), action.key(), "{}", what);
        }
    }

    #[test]
    fn every_field_of_a_command_action_changes_the_key(
        script in ".{0,20}",
        environment in proptest::collection::btree_map("[A-Z]{1,3}", proptest::option::of("[a-z]{0,3}"), 0..4),
        inputs in inputs(),
    ) {
        let action = Action { inputs, ..command(&script, environment) };
        for (what, changed) in changes_of_work(&action).into_iter().chain(changes_of_inputs(&action)) {
            prop_assert_ne!(changed.key(), action.key(), "{}", what);
        }
    }

    #[test]
    fn the_order_of_a_map_in_params_does_not_change_the_key(params in documents()) {
        let other: Value = serde_json::from_str(&turned(&params)).unwrap();
        let key = |params| card("kind", 1, params, BTreeMap::new()).key();
        prop_assert_eq!(key(other), key(params));
    }
}

#[test]
fn what_runs_a_text_tells_its_key_from_every_other() {
    let words = |words: &[&str]| ActionShell::Words(words.iter().map(|word| (*word).to_owned()).collect());
    let shells =
        [ActionShell::Bash, ActionShell::Sh, words(&["bash"]), words(&["sh"]), words(&["sh", "-c"]), words(&["sh -c"])];
    let key = |script: ActionScript| {
        let set = |action: &mut Action| {
            let ActionWork::Command { script: old, .. } = &mut action.work else { unreachable!() };
            *old = script.clone();
        };
        with(&command("x", BTreeMap::new()), set).key()
    };
    let texts = shells.into_iter().map(|shell| key(by("x", shell)));
    let others = [ActionScript::Shell("x".to_owned()), ActionScript::Argv(vec!["x".to_owned()]), by("", words(&["x"]))];
    let keys: Vec<_> = texts.chain(others.into_iter().map(key)).collect();
    assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), keys.len());
}

/// A change of these values without a new [`FORMAT`] would find results that another version of the engine made of something else.
#[test]
fn the_encoding_is_the_one_of_its_format() {
    let feeds = vec![input(Some("a"), Type::FILE, "1", false, ""), input(Some("b"), Type::DIR, "2", false, "")];
    let inputs = BTreeMap::from([("feeds".to_owned(), feeds)]);
    let trained = card("train", 3, json!({"lr": 1e-4, "steps": 100, "list": [null, true, -1, "x"]}), inputs);
    let environment = BTreeMap::from([("LANG".to_owned(), Some("C".to_owned())), ("HOST".to_owned(), None)]);
    let ran = command("cat data/x > out/o", environment);
    assert_eq!(FORMAT, 2, "with a new format come new keys: record them below");
    assert_eq!(trained.key().to_string(), "40a46540500e8abb43b72c9a58bb447f4ca3adeedc4c755a2f924c99158cd418");
    assert_eq!(ran.key().to_string(), "a225c065dbb4301209dbaf3f8280724465f3b03a3c88ca473eaa58b28e9a42b0");
}

const PIPELINE: &str = r#"pipeline: keys
params: {n: 3}
secrets: {token: {env: TOKEN}}
stages:
  scans: {uses: produce, with: {seed: 7, hosts: 3}}
  joined: {uses: correlate, in: {scans: {path: data/scans}}}
  made:
    uses: command
    run: "cat ${in.data} > ${out.o}"
    in: {data: {path: data/x}}
    env: {A: "1", B: "2"}
    out: {o: out/o}
"#;

/// The keys of the stages of `text`, which lies at `file` of a project, sorted.
fn keys(file: &str, text: &str) -> Vec<ActionKey> {
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("data/x", "x");
    write("data/scans/h1", "scan");
    write(file, text);
    let cards = Cards::from_documents([
        ("correlate", include_str!("../../tests/fixtures/cards/correlate.json")),
        ("produce", include_str!("../../tests/fixtures/cards/produce.json")),
    ]);
    let mut request = Request::new(directory.path().join(file));
    request.root = Some(directory.path().to_owned());
    request.backends.insert("far".to_owned(), BackendName::new("far"));
    let plan = build(&request, &cards).unwrap_or_else(|e| panic!("{}", crate::report::problems::render(&e, false)));
    let store = Store::open(&directory.path().join(Path::new("cache"))).unwrap();
    let known = Known::new(&plan);
    let key = |stage| resolve(&plan, stage, &known, &store, Sources::Identified).unwrap().unwrap().key;
    let mut keys: Vec<ActionKey> = plan.order.iter().map(|stage| key(*stage)).collect();
    keys.sort_by_key(ActionKey::to_string);
    keys
}

#[test]
fn what_does_not_change_the_output_does_not_change_the_keys() {
    let expect = keys("p.yaml", PIPELINE);
    let check = |what: &str, from: &str, to: &str| {
        let text = PIPELINE.replace(from, to);
        assert_ne!(text, PIPELINE, "{what} changes nothing in the text");
        assert_eq!(keys("p.yaml", &text), expect, "{what}");
    };
    check("a stage's name", "  scans: {", "  other: {");
    check("the pipeline's name", "pipeline: keys", "pipeline: other");
    check("a comment", "stages:", "# why\nstages:");
    check("the order of keys", "{seed: 7, hosts: 3}", "{hosts: 3, seed: 7}");
    check("the order of variables", "{A: \"1\", B: \"2\"}", "{B: \"2\", A: \"1\"}");
    check("a default that is written", "hosts: 3}", "hosts: 3, noise: 0.5}");
    for how in [
        "backend: far",
        "resources: {cpus: 1, memory: 1GiB}",
        "timeout: 5m",
        "retry: 3",
        "group: db",
        "when: \"${params.n > 2}\"",
    ] {
        check(how, "uses: produce", &format!("uses: produce, {how}"));
        check(how, "uses: command", &format!("uses: command\n    {how}"));
    }
    check("secrets", "uses: command", "uses: command\n    secrets: {TOKEN: token}");
    assert_eq!(keys("deep/er/q.yaml", PIPELINE), expect, "where the file lies");
}

#[test]
fn what_changes_the_output_changes_the_keys() {
    let before = keys("p.yaml", PIPELINE);
    for (from, to) in [("seed: 7", "seed: 8"), ("A: \"1\"", "A: \"3\""), ("cat ", "cat  "), ("o: out/o", "o: out/p")] {
        let after = keys("p.yaml", &PIPELINE.replace(from, to));
        assert_eq!(after.iter().filter(|key| !before.contains(key)).count(), 1, "{to}");
    }
}
