//! The walker against a card-like schema: (YAML) -> (complete params | codes).

use std::path::Path;

use serde_json::{Value, json};

use super::resolve;
use crate::spec::{Sources, load};

fn schema() -> Value {
    let lion = json!({"type": "object", "additionalProperties": false, "properties": {
        "lr": {"type": "number", "default": 2e-4, "exclusiveMinimum": 0},
        "weight_decay": {"type": "number", "default": 0},
    }});
    let sgd = json!({"type": "object", "additionalProperties": false, "required": ["lr"],
        "properties": {"lr": {"type": "number"}}});
    let tag = |name: &str, schema: &Value| json!({"type": "object", "additionalProperties": false, "required": [name], "properties": {name: schema}});
    json!({"type": "object", "additionalProperties": false, "required": ["model"], "properties": {
        "model": {"type": "string", "enum": ["tiny", "small"], "description": "the size"},
        "steps": {"type": "integer", "format": "uint32", "minimum": 1, "default": 100},
        "level": {"type": "integer", "format": "uint8", "default": 3},
        "limit": {"type": ["integer", "null"], "minimum": 1},
        "clip": {"type": "number", "format": "float", "default": 0.1},
        "name": {"type": "string", "minLength": 1, "default": "run"},
        "flag": {"type": "boolean", "default": false},
        "splits": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "number", "minimum": 0}, "default": [1, 0.5]},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
        "optimizer": {"default": {"lion": {}}, "oneOf": [tag("lion", &lion), tag("sgd", &sgd), {"type": "string", "const": "none"}]},
        "warmup": {"anyOf": [{"type": "object", "additionalProperties": false, "properties": {"steps": {"type": "integer", "default": 5}}}, {"type": "null"}]},
    }})
}

fn walk(yaml: &str) -> (Value, Vec<(String, Option<String>)>) {
    let mut sources = Sources::default();
    let source = sources.add(Path::new("t.yaml"), yaml.to_owned());
    let mut problems = Vec::new();
    let node = load::parse(source, &sources, &mut problems).unwrap();
    let value = resolve(&node, &schema(), &mut problems);
    (value, problems.into_iter().map(|p| (format!("{} {}", p.code, p.message), p.help)).collect())
}

/// The value under `key` after resolution of `{model: tiny, <yaml>}`.
fn check(yaml: &str, key: &str, expect: Value) {
    let (value, problems) = walk(&format!("{{model: tiny, {yaml}}}"));
    assert_eq!((value[key].to_string(), problems), (expect.to_string(), vec![]), "{yaml}");
}

fn refused(yaml: &str, expect: &str, help: Option<&str>) {
    let (_, problems) = walk(&format!("{{model: tiny, {yaml}}}"));
    assert_eq!(problems, [(expect.to_owned(), help.map(str::to_owned))], "{yaml}");
}

#[test]
fn defaults_are_filled_recursively_and_numbers_take_the_type_of_the_schema() {
    let (value, problems) = walk("{model: tiny}");
    assert_eq!(problems, []);
    let expect = json!({
        "model": "tiny", "steps": 100, "level": 3, "limit": null, "clip": f64::from(0.1f32), "name": "run", "flag": false,
        "splits": [1.0, 0.5], "counts": {}, "warmup": null,
        "optimizer": {"lion": {"lr": 2e-4, "weight_decay": 0.0}},
    });
    assert_eq!(value.to_string(), expect.to_string());
}

#[test]
fn values_are_normalized() {
    check("clip: 1", "clip", json!(1.0));
    check("clip: 0.3", "clip", json!(f64::from(0.3f32)));
    check("optimizer: {lion: {lr: 1}}", "optimizer", json!({"lion": {"lr": 1.0, "weight_decay": 0.0}}));
    check("optimizer: {lion: }", "optimizer", json!({"lion": {"lr": 2e-4, "weight_decay": 0.0}}));
    check("optimizer: none", "optimizer", json!("none"));
    check("warmup: {}", "warmup", json!({"steps": 5}));
    check("warmup: null", "warmup", Value::Null);
    check("splits: [1, 2]", "splits", json!([1.0, 2.0]));
    check("counts: {a: 1}", "counts", json!({"a": 1}));
    check("limit: 7", "limit", json!(7));
}

#[test]
fn each_rule_of_the_schema_is_checked() {
    refused("stepz: 1", "unknown-param `with` has no param `stepz`", Some("did you mean `steps`?"));
    refused("steps: 0", "param-value `steps` must be at least 1, found 0", None);
    refused("steps: 4294967296", "param-value `steps` must be from 0 to 4294967295, found 4294967296", None);
    refused("steps: 2.0", "param-type `steps` must be a whole number, found the number 2.0", Some("write 2"));
    refused("steps: 2.5", "param-type `steps` must be a whole number, found the number 2.5", None);
    refused(
        "steps: '7'",
        "param-type `steps` must be a whole number, found the text \"7\"",
        Some("write it without quotes: 7"),
    );
    refused(
        "steps: 1_000",
        "param-type `steps` must be a whole number, found the text \"1_000\"",
        Some("write it without `_`: 1000"),
    );
    refused("level: 256", "param-value `level` must be from 0 to 255, found 256", None);
    refused("limit: x", "param-type `limit` must be a whole number or null, found the text \"x\"", None);
    refused(
        "clip: 9007199254740993",
        "param-value `clip` must be a number that a float holds exactly, found 9007199254740993",
        None,
    );
    refused("name: ''", "param-value `name` must not be empty", None);
    refused("name: 3", "param-type `name` must be text, found the number 3", Some("quote it to make it text"));
    refused("flag: yes", "param-type `flag` must be true or false, found the text \"yes\"", Some("write `true`"));
    refused("splits: []", "param-value `splits` needs at least 1 items, has 0", None);
    refused("splits: [1, 1, 1, 1]", "param-value `splits` takes at most 3 items, has 4", None);
    refused("splits: [1, -1]", "param-value `splits.1` must be at least 0, found -1", None);
    refused("counts: {a: b}", "param-type `counts.a` must be a whole number, found the text \"b\"", None);
    refused("warmup: {stps: 1}", "unknown-param `warmup` has no param `stps`", Some("did you mean `steps`?"));
    refused("warmup: 3", "param-type `warmup` must be a mapping, found the number 3", None);
}

#[test]
fn tag_keyed_alternatives_name_their_tags() {
    refused("optimizer: {lin: {}}", "param-value `optimizer` has no alternative `lin`", Some("did you mean `lion`?"));
    refused("optimizer: {}", "param-value `optimizer` takes exactly one of `lion`, `sgd`, has 0 keys", None);
    refused(
        "optimizer: {lion: {}, sgd: {lr: 1}}",
        "param-value `optimizer` takes exactly one of `lion`, `sgd`, has 2 keys",
        None,
    );
    refused(
        "optimizer: lion",
        "param-value `optimizer` must be one of `none`, `{lion: ..}`, `{sgd: ..}`, found the text \"lion\"",
        Some("write {lion: {}}"),
    );
    refused(
        "optimizer: nne",
        "param-value `optimizer` must be one of `none`, `{lion: ..}`, `{sgd: ..}`, found the text \"nne\"",
        Some("did you mean `none`?"),
    );
    refused("optimizer: {lion: {lr: 0}}", "param-value `optimizer.lion.lr` must be above 0, found 0", None);
    refused("optimizer: {sgd: {}}", "missing-param `optimizer.sgd` needs the param `lr`", None);
}

#[test]
fn every_problem_is_reported_at_once() {
    let (_, problems) = walk("{model: tny, steps: 0, lvel: 1, optimizer: {sgd: {momentum: 1}}}");
    let codes: Vec<&str> = problems.iter().map(|(text, _)| text.split(' ').next().unwrap()).collect();
    assert_eq!(codes, ["param-value", "param-value", "unknown-param", "unknown-param", "missing-param"]);
    assert_eq!(problems[0].1.as_deref(), Some("did you mean `tiny`?"));
    let (_, problems) = walk("{modle: tiny}");
    assert_eq!(
        problems,
        [("unknown-param `with` has no param `modle`".to_owned(), Some("did you mean `model`?".to_owned()))]
    );
    let (_, problems) = walk("{}");
    assert_eq!(
        problems,
        [("missing-param `with` needs the param `model`".to_owned(), Some("`model`: the size".to_owned()))]
    );
}
