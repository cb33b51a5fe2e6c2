//! Each kind of damage trips one check, and no other.

use scan::{Finding, Severity};
use serde_json::{Value, json};
use verify::Violation;

use crate::workplace::{AFTER, BEFORE, Workplace, text};

/// What is broken, how, and what of it is told first.
struct Damage {
    check: &'static str,
    what: &'static str,
    break_it: fn(&Workplace),
    /// Place and pointer of the first violation.
    at: (&'static str, &'static str),
}

fn suid(value: &Value) -> bool {
    value["host"] == "beta" && value["scan"] == 1 && value["scanner"] == "suid_sgid"
}

fn is_joined(value: &Value) -> bool {
    value["host"] == "beta" && value["rule"] == "flagged-process-in-inventory"
}

fn finding(report: &mut scan::Report, scanner: &str) -> usize {
    report.results.iter().position(|result| result.scanner == scanner).unwrap()
}

const BEFORE_TRANSFORM: &[Damage] = &[
    Damage {
        check: "schema",
        what: "a score as text",
        break_it: |w| {
            let path = w.path("scans/beta/0001.json");
            let new = text(&path).replacen("\"base_severity_score\":70", "\"base_severity_score\":\"70\"", 1);
            std::fs::write(&path, new).unwrap();
        },
        at: ("beta/0001", ""),
    },
    Damage {
        check: "schema",
        what: "an unknown root key",
        break_it: |w| w.edit_file("scans/beta/0001.json", |report| report["extra"] = 1.into()),
        at: ("beta/0001", ""),
    },
    Damage {
        check: "schema",
        what: "a risk beyond 100",
        break_it: |w| {
            w.edit_file("scans/beta/0001.json", |r| r["results"][0]["findings"][0]["risk_score"] = 101.into())
        },
        at: ("beta/0001", "/results/0/findings/0/risk_score"),
    },
    Damage {
        check: "schema",
        what: "a report of another host",
        break_it: |w| w.edit_file("scans/beta/0001.json", |report| report["meta"]["hostname"] = "alpha".into()),
        at: ("beta/0001", "/meta/hostname"),
    },
    Damage {
        check: "coverage",
        what: "a dropped finding",
        break_it: |w| {
            let path = w.path("findings");
            let all = text(&path);
            let is_it = |line: &&str| line.contains("\"beta\",\"scan\":1") && line.contains("/usr/bin/passwd");
            std::fs::write(&path, all.lines().filter(|l| !is_it(l)).map(|l| format!("{l}\n")).collect::<String>())
                .unwrap();
            w.tell_truth(|_| false);
        },
        at: ("beta/0001 suid_sgid /usr/bin/passwd", ""),
    },
    Damage {
        check: "coverage",
        what: "a changed description",
        break_it: |w| w.edit_lines("findings", suid, |finding| finding["description"] = "another".into()),
        at: ("beta/0001 suid_sgid /usr/bin/passwd", ""),
    },
    Damage {
        check: "duplicates",
        what: "the same finding twice",
        break_it: |w| {
            w.edit_report("beta/0001.json", |report| {
                let again = report.results[3].clone();
                report.results.push(again);
            });
        },
        at: ("beta/0001 suid_sgid /usr/bin/passwd#2", "/id"),
    },
    Damage {
        check: "references",
        what: "a member that is no finding",
        break_it: |w| {
            w.edit_lines("correlations", is_joined, |correlation| {
                correlation["related_finding_ids"].as_array_mut().unwrap().push("/nowhere".into());
                correlation["member_count"] = 3.into();
            });
        },
        at: ("beta/0001 flagged-process-in-inventory:", "/related_finding_ids/2"),
    },
    Damage {
        check: "references",
        what: "a cluster without a correlation",
        break_it: |w| w.edit_lines("findings", suid, |finding| finding["cluster_id"] = "c9".into()),
        at: ("beta/0001 suid_sgid /usr/bin/passwd", "/cluster_id"),
    },
    Damage {
        check: "correlations",
        what: "techniques of another rule",
        break_it: |w| w.edit_lines("correlations", is_joined, |c| c["techniques"] = json!(["T9999"])),
        at: ("beta/0001 flagged-process-in-inventory:", "/techniques"),
    },
    Damage {
        check: "correlations",
        what: "a rule that is none",
        break_it: |w| w.edit_lines("correlations", is_joined, |correlation| correlation["rule"] = "none".into()),
        at: ("beta/0001 flagged-process-in-inventory:", "/rule"),
    },
    Damage {
        check: "scores",
        what: "a probability that does not follow",
        break_it: |w| w.edit_lines("findings", suid, |finding| finding["probability_actionable"] = 0.25.into()),
        at: ("beta/0001 suid_sgid /usr/bin/passwd", "/probability_actionable"),
    },
    Damage {
        check: "scores",
        what: "a total that does not follow",
        break_it: |w| w.edit_lines("findings", suid, |finding| finding["risk_total"] = 99.into()),
        at: ("beta/0001 suid_sgid /usr/bin/passwd", "/risk_total"),
    },
    Damage {
        check: "severity_rules",
        what: "a severity that the scanner would not give",
        break_it: |w| {
            // Medium is one that the profile knows; the path is expected, so it should be low.
            w.edit_report("beta/0001.json", |report| {
                let finding = &mut report.results[3].findings[0];
                *finding = Finding {
                    metadata: finding.metadata.clone(),
                    ..Finding::new(&*finding.id, &*finding.title, Severity::Medium, &*finding.description)
                };
            });
        },
        at: ("beta/0001 suid_sgid /usr/bin/passwd", "/severity"),
    },
    Damage {
        check: "times",
        what: "an end before the start",
        break_it: |w| {
            w.edit_file("scans/beta/0001.json", |r| r["summary"]["finished_at"] = "2026-01-02T11:59:59Z".into())
        },
        at: ("beta/0001", "/summary/finished_at"),
    },
    Damage {
        check: "times",
        what: "a time that is none",
        break_it: |w| w.edit_file("scans/beta/0001.json", |r| r["results"][0]["start_time"] = "yesterday".into()),
        at: ("beta/0001", "/results/0/start_time"),
    },
    Damage {
        check: "times",
        what: "scans in the wrong order",
        break_it: |w| {
            w.edit_file("scans/beta/0001.json", |report| {
                report["summary"]["started_at"] = "2025-01-01T00:00:00Z".into()
            });
        },
        at: ("beta/0001", "/summary/started_at"),
    },
    Damage {
        check: "history",
        what: "a status that nothing supports",
        break_it: |w| w.edit_lines("findings", suid, |finding| finding["baseline_status"] = "unknown".into()),
        at: ("beta/0001 suid_sgid /usr/bin/passwd", "/baseline_status"),
    },
    Damage {
        check: "history",
        what: "scans that are not there",
        break_it: |w| w.edit_lines("findings", suid, |finding| finding["earlier_scans"] = 5.into()),
        at: ("beta/0001 suid_sgid /usr/bin/passwd", "/earlier_scans"),
    },
    Damage {
        check: "profile",
        what: "a key that gives the label away",
        break_it: |w| {
            w.edit_report("beta/0001.json", |report| {
                let place = finding(report, "suid_sgid");
                report.results[place].findings[0].metadata.insert("scenario".into(), "backdoor".into());
            });
        },
        at: ("beta/0001 suid_sgid /usr/bin/passwd", ""),
    },
    Damage {
        check: "truth",
        what: "a truth about other findings",
        break_it: |w| {
            let path = w.path("truth");
            std::fs::write(&path, text(&path).replacen("/usr/bin/passwd", "/usr/bin/sudo", 1)).unwrap();
        },
        at: ("alpha/0000 suid_sgid /usr/bin/passwd", ""),
    },
    Damage {
        check: "truth",
        what: "a truth about a scan that is not there",
        break_it: |w| {
            let path = w.path("truth");
            let more = text(&path).lines().next().unwrap().replacen("\"scan\":0", "\"scan\":7", 1);
            std::fs::write(&path, text(&path) + &more + "\n").unwrap();
        },
        at: ("alpha/0007", ""),
    },
];

const DOCUMENT: &str = "documents/beta/0001.json";

fn ioc(document: &mut Value) -> &mut Value {
    let findings = document["enriched_findings"].as_array_mut().unwrap();
    findings.iter_mut().find(|finding| finding["scanner"] == "ioc").unwrap()
}

const AFTER_TRANSFORM: &[Damage] = &[
    Damage {
        check: "schema",
        what: "a null where a string is",
        break_it: |w| w.edit_document(DOCUMENT, |document| ioc(document)["rationale"] = Value::Null),
        at: ("documents/beta/0001", "/enriched_findings/0/rationale"),
    },
    Damage {
        check: "duplicates",
        what: "a finding twice",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                let mut again = document["enriched_findings"][4].clone();
                again["id"] = format!("{}#2", again["id"].as_str().unwrap()).into();
                document["enriched_findings"].as_array_mut().unwrap().push(again);
                document["correlation_graph"]["finding_count"] = 7.into();
            });
        },
        at: ("documents/beta/0001", "/enriched_findings/6"),
    },
    Damage {
        check: "references",
        what: "an action about no finding",
        break_it: |w| w.edit_document(DOCUMENT, |document| document["actions"][0]["finding_ids"] = json!(["/nowhere"])),
        at: ("documents/beta/0001", "/actions/0/finding_ids/0"),
    },
    Damage {
        check: "references",
        what: "a reference to no correlation",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                ioc(document)["correlation_refs"].as_array_mut().unwrap().push("nothing".into());
            });
        },
        at: ("documents/beta/0001", "/enriched_findings/0/correlation_refs/2"),
    },
    Damage {
        check: "references",
        what: "a correlation of no finding",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                document["correlations"][0]["related_finding_ids"].as_array_mut().unwrap().push("nothing".into());
            });
        },
        at: ("documents/beta/0001", "/correlations/0/related_finding_ids/2"),
    },
    Damage {
        check: "references",
        what: "a cluster of no finding",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| document["correlation_graph"]["clusters"]["c9"] = json!(["nothing"]));
        },
        at: ("documents/beta/0001", "/correlation_graph/clusters/c9/0"),
    },
    Damage {
        check: "references",
        what: "another host's document",
        break_it: |w| w.edit_document(DOCUMENT, |document| document["raw_reference"]["host"] = "alpha".into()),
        at: ("documents/beta/0001", "/raw_reference/host"),
    },
    Damage {
        check: "scores",
        what: "a risk that does not follow from its parts",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                ioc(document)["risk_score"] = 1.into();
                ioc(document)["risk_total"] = 100.into();
            });
        },
        at: ("documents/beta/0001", "/enriched_findings/0/risk_score"),
    },
    Damage {
        check: "formats",
        what: "a pid that is none",
        break_it: |w| w.edit_document(DOCUMENT, |document| ioc(document)["metadata"]["pid"] = "0".into()),
        at: ("documents/beta/0001", "/enriched_findings/0/metadata/pid"),
    },
    Damage {
        check: "integrity",
        what: "a document that was edited",
        break_it: |w| w.edit_file(DOCUMENT, |document| ioc(document)["description"] = "edited".into()),
        at: ("documents/beta/0001", "/integrity/enriched_findings"),
    },
    Damage {
        check: "integrity",
        what: "a training set that was edited",
        break_it: |w| {
            let path = w.path("dataset/train.jsonl");
            std::fs::write(&path, text(&path).replacen("expected", "ordinary", 1)).unwrap();
        },
        at: ("train.jsonl", ""),
    },
    Damage {
        check: "label_conflicts",
        what: "one prompt with two answers",
        break_it: |w| {
            w.edit_split("train", |all| {
                let mut line: Value = serde_json::from_str(all.lines().next().unwrap()).unwrap();
                line["messages"][2]["content"] = "another answer".into();
                format!("{all}{line}\n")
            });
        },
        at: ("train.jsonl:", ""),
    },
    Damage {
        check: "split_leakage",
        what: "a prompt in two splits",
        break_it: |w| {
            let host = host_of(w, "test");
            let first = text(&w.path("dataset/train.jsonl")).lines().next().unwrap().to_owned();
            let mut line: Value = serde_json::from_str(&first).unwrap();
            line["host"] = host.into();
            w.edit_split("test", |all| format!("{all}{line}\n"));
        },
        at: ("test.jsonl:", ""),
    },
    Damage {
        check: "split_leakage",
        what: "an example of another split's host",
        break_it: |w| {
            let host = host_of(w, "train");
            w.edit_split("test", |all| {
                let mut line: Value = serde_json::from_str(all.lines().next().unwrap()).unwrap();
                line["host"] = host.clone().into();
                line["messages"][1]["content"] = "of its own".into();
                format!("{all}{line}\n")
            });
        },
        at: ("test.jsonl:", "/host"),
    },
    Damage {
        check: "split_leakage",
        what: "a host in two splits",
        break_it: |w| {
            let host = host_of(w, "test");
            w.edit_file("dataset/manifest.json", |manifest| {
                manifest["splits"]["validation"]["hosts"].as_array_mut().unwrap().push(host.clone().into());
            });
        },
        at: ("manifest.json", "/splits/validation/hosts"),
    },
    Damage {
        check: "split_leakage",
        what: "a chain over two splits",
        break_it: |w| {
            let other = host_of(w, "test");
            w.edit_document("documents/alpha/0001.json", |document| {
                let id = document["correlations"][0]["id"].clone();
                document["multi_host_correlation"] =
                    json!([{"id": id, "title": "t", "hosts": ["alpha", other], "related_finding_ids": []}]);
            });
        },
        at: ("documents", ""),
    },
];

fn host_of(w: &Workplace, split: &str) -> String {
    let manifest: Value = serde_json::from_str(&text(&w.path("dataset/manifest.json"))).unwrap();
    manifest["splits"][split]["hosts"][0].as_str().unwrap().to_owned()
}

fn trips(damage: &Damage, inputs: &[(&str, contract::Type)]) {
    let workplace = Workplace::new();
    (damage.break_it)(&workplace);
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| workplace.expect_only(inputs, damage.check)));
    let report = told.unwrap_or_else(|_| panic!("{}: {}", damage.check, damage.what));
    let check = report.checks.iter().find(|check| check.name.name() == damage.check).unwrap();
    let Violation { place, pointer, .. } = &check.violations[0];
    assert!(place.starts_with(damage.at.0), "{}: {place}", damage.what);
    assert_eq!(pointer, damage.at.1, "{}", damage.what);
}

#[test]
fn damage_before_transform_trips_one_check() {
    for damage in BEFORE_TRANSFORM {
        trips(damage, &BEFORE);
    }
}

#[test]
fn damage_after_transform_trips_one_check() {
    for damage in AFTER_TRANSFORM {
        trips(damage, &AFTER);
    }
}

#[test]
fn impossible_values_are_told_where_nothing_says_that_hosts_are_simulated() {
    let cases = [("uid", "root"), ("uid", "-1"), ("gid", "4294967296")];
    for (key, value) in cases {
        let workplace = Workplace::new();
        workplace.edit_report("beta/0000.json", |report| {
            report.results[0].findings[0].metadata.insert(key.to_owned(), value.to_owned());
        });
        let report = workplace.expect_only(&BEFORE[..3], "formats");
        let formats = report.check(verify::CheckName::Formats).unwrap();
        assert_eq!(formats.violations[0].pointer, format!("/metadata/{key}"));
    }
}

#[test]
fn a_scan_whose_findings_are_all_missing_is_noticed() {
    let workplace = Workplace::new();
    for artifact in ["findings", "correlations"] {
        let kept = text(&workplace.path(artifact));
        let kept = kept.lines().filter(|line| !line.contains("\"host\":\"beta\"")).map(|line| format!("{line}\n"));
        std::fs::write(workplace.path(artifact), kept.collect::<String>()).unwrap();
    }
    let report = workplace.expect_only(&BEFORE[..3], "coverage");
    assert_eq!(report.check(verify::CheckName::Coverage).unwrap().violation_count, 10);
}

#[test]
fn every_check_has_an_input_that_trips_only_it() {
    let tripped = BEFORE_TRANSFORM.iter().chain(AFTER_TRANSFORM).map(|damage| damage.check);
    // Those have tests of their own: they need hundreds of findings, or a threshold.
    let measured = ["marginals", "realism", "leakage", "near_duplicates", "quality"];
    let tripped: Vec<&str> = tripped.chain(measured).collect();
    for check in verify::CheckName::ALL {
        assert!(tripped.contains(&check.name()), "{}", check.name());
    }
}
