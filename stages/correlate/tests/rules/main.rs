//! Every embedded rule: scans on which it fires, and the nearest ones on which it must not. One module a file of rules.

mod beside;
mod bounds;
mod filesystem;
mod fleet;
mod harness;
mod kernel;
mod network;
mod persistence;
mod process;
mod subject;
mod time;

use rules::rule::RULES;

#[test]
fn every_rule_has_a_test() {
    let tests = [
        include_str!("beside.rs"),
        include_str!("filesystem.rs"),
        include_str!("fleet.rs"),
        include_str!("kernel.rs"),
        include_str!("network/connects.rs"),
        include_str!("network/listens.rs"),
        include_str!("persistence.rs"),
        include_str!("process.rs"),
        include_str!("subject.rs"),
        include_str!("time.rs"),
    ];
    for rule in RULES.iter() {
        let named = format!("Case::of(\"{}\")", rule.id);
        let count: usize = tests.iter().map(|text| text.matches(&named).count()).sum();
        assert_eq!(count, 1, "tests of {}", rule.id);
    }
}
