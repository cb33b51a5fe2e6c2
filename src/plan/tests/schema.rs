//! The editor's schema against pipelines: it accepts every pipeline that plans, and refuses the slips an editor can see.

use serde_json::Value;

use super::cards;
use crate::plan::schema::pipeline_schema;
use crate::spec::{Sources, load};

fn json(yaml: &str) -> Value {
    let mut sources = Sources::default();
    let source = sources.add(std::path::Path::new("t.yaml"), yaml.to_owned());
    load::parse(source, &sources, &mut Vec::new()).unwrap().to_json()
}

#[test]
fn it_accepts_good_pipelines_and_refuses_slips() {
    let schema = pipeline_schema(&cards()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let check = |stage: &str, expect: bool| {
        let document = json(&format!("{{pipeline: p, params: {{x: 1}}, stages: {{s: {stage}}}}}"));
        assert_eq!(validator.is_valid(&document), expect, "{stage}");
    };
    check("{uses: produce}", true);
    check("{uses: produce, with: {seed: 1, noise: 0.1}, resources: {cpus: 2, memory: 16GiB}}", true);
    check("{uses: produce, with: {seed: \"${params.x}\"}}", true);
    check("{uses: train, in: {tokens: t}, with: {model: tiny, optimizer: {lion: {lr: \"${params.x}\"}}}}", true);
    check("{uses: correlate, in: {scans: {path: data}}}", true);
    check("{uses: command, run: \"true\", env: [LANG], out: {a: out/a, b: {path: out/b, type: dir}}}", true);
    check("{uses: prodce}", false);
    check("{uses: produce, with: {sed: 1}}", false);
    check("{uses: produce, with: {seed: x}}", false);
    check("{uses: produce, run: \"true\"}", false);
    check("{uses: produce, when: x}", false);
    check("{uses: train, with: {model: tiny}}", false);
    check("{uses: train, in: {tokens: t}}", false);
    check("{uses: train, in: {tokens: t}, with: {model: tiny, optimizer: {lin: {}}}}", false);
    check("{uses: correlate, in: {scan: s}}", false);
    check("{uses: command}", false);
    check("{uses: command, run: \"true\", with: {x: 1}}", false);
    check("{uses: produce, resources: {memory: lots}}", false);
}
