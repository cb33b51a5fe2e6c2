//! Damage to what the gate after `transform` reads.

use serde_json::{Value, json};

use super::{Damage, Table};
use crate::workplace::{AFTER, AFTER_WITH_TRUTH, Workplace, text};

const DOCUMENT: &str = "documents/beta/0001.json";

fn ioc(document: &mut Value) -> &mut Value {
    let findings = document["enriched_findings"].as_array_mut().unwrap();
    findings.iter_mut().find(|finding| finding["scanner"] == "ioc").unwrap()
}

/// Four small scans and what was made of them.
pub(super) const TABLE: Table = Table { inputs: &AFTER, good: Workplace::new, damages: DAMAGES };

const DAMAGES: &[Damage] = &[
    Damage {
        check: "schema",
        what: "a null where a string is",
        break_it: |w| w.edit_document(DOCUMENT, |document| ioc(document)["rationale"] = Value::Null),
        at: ("documents/beta/0001", "/enriched_findings/0/rationale"),
    },
    Damage {
        check: "duplicates",
        what: "a finding twice, and not as a repetition in the report",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                let again = document["enriched_findings"][4].clone();
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
                ioc(document)["correlation_refs"].as_array_mut().unwrap().insert(0, "nothing".into());
            });
        },
        at: ("documents/beta/0001", "/enriched_findings/0/correlation_refs/0"),
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
        what: "a cluster of which a finding does not know",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                let clusters = document["correlation_graph"]["clusters"].as_object_mut().unwrap();
                clusters.values_mut().next().unwrap().as_array_mut().unwrap().insert(0, "/usr/bin/passwd".into());
            });
        },
        at: ("documents/beta/0001", "/correlation_graph/clusters/c1/0"),
    },
    Damage {
        check: "references",
        what: "a degree that is not the number of correlations",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                let finding = ioc(document);
                finding["graph_degree"] = (finding["graph_degree"].as_u64().unwrap() + 1).into();
            });
        },
        at: ("documents/beta/0001", "/enriched_findings/0/graph_degree"),
    },
    Damage {
        check: "references",
        what: "a host of which there is no document",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                let id = document["correlations"][0]["id"].clone();
                document["multi_host_correlation"] =
                    json!([{"id": id, "title": "t", "hosts": ["beta", "nowhere"], "related_finding_ids": []}]);
            });
        },
        at: ("documents", ""),
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
        check: "formats",
        what: "a pid with something behind it",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                let text = document.to_string().replace("\"77\"", "\"77#x\"");
                *document = serde_json::from_str(&text).unwrap();
                ioc(document)["metadata"]["pid"] = "77".into();
            });
        },
        at: ("documents/beta/0001", "/enriched_findings/3/id"),
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
        check: "scores",
        what: "an answer with a risk that no finding of its scan has",
        break_it: |w| w.edit_split("test", |all| all.replacen("{\\\"risk\\\":", "{\\\"risk\\\":1", 1)),
        at: ("test.jsonl:", ""),
    },
    Damage {
        check: "techniques",
        what: "a technique that no finding of a correlation shows",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                document["correlations"][0]["techniques"].as_array_mut().unwrap().push("T1562.001".into());
            });
        },
        at: ("documents/beta/0001", "/correlations/0/techniques"),
    },
    Damage {
        check: "techniques",
        what: "a technique that no listed finding of an answer shows",
        break_it: |w| {
            let answer = json!([{"title": "t", "related_finding_ids": ["f1"], "techniques": ["T1059.004"]}]);
            w.add_lines("train", |_| ("correlation", "web host\nf1 mac: apparmor off".into(), answer.to_string()), 1);
        },
        at: ("train.jsonl:", ""),
    },
    Damage {
        check: "actions",
        what: "access control is to be turned on because of a program",
        break_it: |w| {
            w.edit_document(DOCUMENT, |document| {
                let program = ioc(document)["id"].clone();
                let actions = document["actions"].as_array_mut().unwrap();
                let mac = actions.iter_mut().find(|a| a["title"] == "Turn mandatory access control on").unwrap();
                mac["finding_ids"] = json!([program]);
                actions.retain(|action| action["title"] == "Turn mandatory access control on");
            });
        },
        at: ("documents/beta/0001", "/actions/0/finding_ids"),
    },
    Damage {
        check: "technique_share",
        what: "one technique on most answers",
        break_it: |w| {
            let answer = json!([{"title": "t", "related_finding_ids": ["f1"], "techniques": ["T1059.004"]}]);
            let line = |place| {
                ("correlation", format!("web host\nf1 processes: /srv/{place}/bash as root"), answer.to_string())
            };
            w.add_lines("train", line, 60);
        },
        at: ("T1059.004", ""),
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
        what: "a prompt of the test split for calibration",
        break_it: |w| {
            let host = host_of(w, "train");
            let first = text(&w.path("dataset/test.jsonl")).lines().next().unwrap().to_owned();
            let mut line: Value = serde_json::from_str(&first).unwrap();
            line["host"] = host.into();
            w.edit_split("calibration", |all| format!("{all}{line}\n"));
        },
        at: ("calibration.jsonl:", ""),
    },
    Damage {
        check: "split_leakage",
        what: "a host of the test split for calibration",
        break_it: |w| {
            let host = host_of(w, "test");
            w.edit_split("calibration", |all| {
                let mut line: Value = serde_json::from_str(all.lines().next().unwrap()).unwrap();
                line["host"] = host.clone().into();
                format!("{all}{line}\n")
            });
        },
        at: ("calibration.jsonl:", "/host"),
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
    Damage {
        check: "split_leakage",
        what: "a limit below which nothing would be a chain",
        break_it: |w| w.edit_file("dataset/manifest.json", |manifest| manifest["ties"]["limit"] = 1.into()),
        at: ("manifest.json", "/ties/limit"),
    },
];

/// The same with a truth that knows of a chain over two hosts of one split.
pub(super) const WITH_TRUTH: Table = Table {
    inputs: &AFTER_WITH_TRUTH,
    good: || {
        let workplace = Workplace::new();
        let train = workplace.hosts("train");
        assert_eq!(train.len(), 2);
        workplace.tell_chain(&train);
        workplace
    },
    damages: &[Damage {
        check: "split_leakage",
        what: "an attack chain over two splits, which no scan shows",
        break_it: |w| {
            w.tell_truth(|_| false);
            w.tell_chain(&[host_of(w, "train"), host_of(w, "test")]);
        },
        at: ("truth", ""),
    }],
};

/// Fifty scans of a host that show an attack, with summaries that say so.
pub(super) const SUMMARIES: Table = Table {
    inputs: &AFTER_WITH_TRUTH,
    good: || {
        let workplace = Workplace::new();
        let host = host_of(&workplace, "train");
        let line = |scan: u32| {
            let truth = json!({
                "host": host, "scan": 100 + scan, "scanner": "ioc", "id": "/tmp/x:4", "chain_id": null, "template": null,
                "technique": null, "role": "chain", "visible": true,
            });
            format!("{truth}\n")
        };
        let truth = text(&workplace.path("truth"));
        std::fs::write(workplace.path("truth"), truth + &(0..50).map(line).collect::<String>()).unwrap();
        workplace.add_lines("train", |place| ("summary", format!("scan {place}"), summary("high")), 50);
        workplace
    },
    damages: &[Damage {
        check: "summaries",
        what: "attacked scans that are called harmless",
        break_it: |w| {
            w.edit_split("train", |all| all.replace("\\\"level\\\":\\\"high\\\"", "\\\"level\\\":\\\"low\\\""));
        },
        at: ("high or critical where attacked", ""),
    }],
};

fn summary(level: &str) -> String {
    let risk = json!({"level": level, "highest_risk": 50, "trend": "first scan"});
    json!({"EXECUTIVE_SUMMARY": "s", "KEY_FINDINGS": [], "RISK_ASSESSMENT": risk, "RECOMMENDATIONS": []}).to_string()
}

fn host_of(w: &Workplace, split: &str) -> String {
    w.hosts(split).swap_remove(0)
}
