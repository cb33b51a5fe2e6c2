//! Artifact types that a project's own cards state: two kinds are wired by one, and a wrong wire is found before anything runs.

use std::os::unix::fs::PermissionsExt;

use crate::project::{Project, expected};

const CAPTURE: &str = r#"{"name": "capture", "form": "file", "ending": "pcap"}"#;

/// Finds the path behind a key of the job, writes or copies, and says that it is done.
const WORKER: &str = r#"#!/bin/sh
out=$(sed -n 's/.*"o": "\(.*\)".*/\1/p' "$2")
in=$(sed -n 's/.*"path": "\(.*\)".*/\1/p' "$2")
if [ -n "$in" ]; then wc -c <"$in" >"$out"; else printf packets >"$out"; fi
echo '{"finished":{}}' >"/dev/fd/$PIPE_EVENTS_FD"
"#;

const PIPELINE: &str = r#"pipeline: own
stages:
  record: {uses: record}
  count: {uses: count, in: {i: record.o}}
  size: {uses: command, run: "cat ${in.n} > ${out.n}", in: {n: count.o}, out: {n: out/n.txt}}
"#;

fn card(project: &Project, kind: &str, inputs: &str, output: &str) {
    let text = format!(
        r#"{{"kind": "{kind}", "version": 1, "summary": "s", "worker": {{"command": {{"argv": ["w.sh"], "files": ["w.sh"]}}}},
"inputs": [{inputs}], "outputs": [{{"name": "o", "type": {output}}}]}}"#
    );
    project.write(&format!("kinds/{kind}.json"), &text);
}

fn project() -> Project {
    let project = Project::with_pipeline(PIPELINE);
    project.write("pipe.yaml", "cards: kinds\n");
    project.write("kinds/w.sh", WORKER);
    std::fs::set_permissions(project.path("kinds/w.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    card(&project, "record", "", CAPTURE);
    card(&project, "count", &format!(r#"{{"name": "i", "type": {CAPTURE}}}"#), "\"file\"");
    project
}

#[test]
fn two_kinds_are_wired_by_a_type_that_only_their_cards_know() {
    let project = project();
    assert_eq!(project.outcomes(&[]), expected(&[("record", "ran"), ("count", "ran"), ("size", "ran")]));
    assert_eq!(project.read("out/n.txt").trim(), "7");
    assert_eq!(project.read("out/own/record/o.pcap"), "packets", "the ending is the card's");
    // A kept plan and records name the type as well.
    assert_eq!(project.outcomes(&[]), expected(&[("record", "hit"), ("count", "hit"), ("size", "hit")]));
    let shown = project.pipe(&["stages", "count"]).stdout;
    assert!(shown.contains("capture"), "{shown}");
}

#[test]
fn a_wrong_wire_is_an_error_that_names_both_types() {
    let project = project();
    let refused = |text: &str| {
        let ran = project.pipe(&["check", "p.yaml"]);
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(text) && ran.stderr.contains("p.yaml:4:"), "{text}: {}", ran.stderr);
    };
    card(&project, "record", "", r#"{"name": "flows", "form": "file"}"#);
    refused("input `i` of `count` takes `capture`, found `flows`");
    card(&project, "record", "", "\"metrics\"");
    refused("input `i` of `count` takes `capture`, found `metrics`");
    card(&project, "record", "", r#"{"name": "capture", "form": "dir"}"#);
    refused("takes `capture` as a file that ends with .pcap, found `capture` as a directory");
}

#[test]
fn a_type_that_cannot_be_is_an_error_of_its_card() {
    let project = project();
    for (stated, text) in [
        ("\"capture\"", "unknown variant `capture`, expected one of `scans`"),
        (r#"{"name": "scans", "form": "file"}"#, "the type `scans` ships with pipe"),
        (r#"{"name": "x", "form": "dir", "ending": "y"}"#, "the type `x` is a directory, which has no ending"),
    ] {
        card(&project, "record", "", stated);
        let ran = project.pipe(&["check", "p.yaml"]);
        assert!(ran.status == 2 && ran.stderr.contains("kinds/record.json:2:"), "{}", ran.stderr);
        assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
    }
}
