//! Tests of which texts are read and which are refused, and that no text panics.

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn load(text: &str) -> (Option<serde_json::Value>, Vec<&'static str>) {
    let mut sources = Sources::default();
    let source = sources.add(Path::new("t.yaml"), text.to_owned());
    let mut problems = Vec::new();
    let node = parse(source, &sources, &mut problems);
    (node.map(|n| n.to_json()), problems.iter().map(|p| p.code).collect())
}

fn check(text: &str, expect: serde_json::Value) {
    assert_eq!(load(text), (Some(expect), vec![]), "{text}");
}

fn refused(text: &str, code: &str) {
    assert_eq!(load(text).1, [code], "{:.80}", text);
}

#[test]
fn documents_become_trees() {
    use serde_json::json;
    check("a: 1\nb: [x, 2.5, yes, ~]\n", json!({"a": 1, "b": ["x", 2.5, "yes", null]}));
    check("a: &x {k: v}\nb: *x\n", json!({"a": {"k": "v"}, "b": {"k": "v"}}));
    check("1: a\ntrue: b\n", json!({"1": "a", "true": "b"}));
    check("a: |\n  x\n  y\n", json!({"a": "x\ny\n"}));
    check("a: '012'\n", json!({"a": "012"}));
}

#[test]
fn strictness_has_a_code_for_each_rule() {
    refused("a: [1\n", "syntax");
    refused("", "syntax");
    refused("a: 1\na: 2\n", "duplicate-key");
    refused("a: &x {b: 1}\nc: {<<: *x}\n", "merge-key");
    refused("a: !!int 3\n", "tag");
    refused("? [a]\n: b\n", "complex-key");
    refused("a: 1\n---\nb: 2\n", "multiple-documents");
    refused("a: 012\n", "ambiguous-number");
    refused("a: .inf\n", "number-range");
    refused("a: \"\\0\"\n", "control-character");
    refused("a: &x [*x]\n", "recursive-alias");
    refused("a: *nope\n", "syntax");
    refused(&"[".repeat(1 << 20), "too-deep");
    refused(&format!("a: [{}]", "1,".repeat(MAX_NODES)), "too-many-values");
}

#[test]
fn aliases_spend_the_budget_of_what_they_copy() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..8 {
        let below = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", "));
    }
    refused(&bomb, "alias-bomb");
    let long = "x".repeat(900_000);
    refused(&format!("a: &a {long}\nb: [*a, *a, *a, *a, *a]\n"), "alias-bomb");
}

#[test]
fn every_duplicate_is_reported_with_its_first_place() {
    let mut sources = Sources::default();
    let source = sources.add(Path::new("t.yaml"), "a: 1\na: 2\na: 3\n".to_owned());
    let mut problems = Vec::new();
    parse(source, &sources, &mut problems);
    let at: Vec<_> = problems.iter().map(|p| (p.span.unwrap().start, p.related[0].0.start)).collect();
    assert_eq!(at, [(5, 0), (10, 0)]);
}

/// Real text, so that damage meets every kind of node.
const PIPELINES: [&str; 2] =
    [include_str!("../../../pipelines/full.yaml"), include_str!("../../../pipelines/data.yaml")];

/// Bytes of address space that this process had at most.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmPeak:")?.trim().strip_suffix(" kB")).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

proptest! {
    #[test]
    fn a_damaged_pipeline_neither_panics_nor_takes_memory_without_bound(
        which in 0..PIPELINES.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), "[-\\[\\]{}:,&*!|>'\"%@`#?a1~<. \t\n\u{e9}]{0,3}"), 1..8),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut text: Vec<char> = PIPELINES[which].chars().collect();
        for (place, word) in &damage {
            let place = place.index(text.len());
            text.splice(place..=place, word.chars());
        }
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len()));
        }
        let before = peak();
        load(&String::from_iter(text));
        prop_assert!(peak() - before < 64 << 20);
    }

    #[test]
    fn no_text_panics(text in "(?s).{0,200}") {
        load(&text);
    }

    #[test]
    fn no_text_of_yaml_marks_panics(text in "[-\\[\\]{}:,&*!|>'\"%@`#?a1. \n]{0,80}") {
        load(&text);
    }
}
