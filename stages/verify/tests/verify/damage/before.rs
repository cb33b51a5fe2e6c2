//! Damage to what the gate before `transform` reads.

use scan::{Finding, Severity};
use serde_json::{Value, json};

use super::{Damage, Table};
use crate::workplace::{BEFORE, Workplace, text};

fn suid(value: &Value) -> bool {
    value["host"] == "beta" && value["scan"] == 1 && value["scanner"] == "suid_sgid"
}

fn is_clustered(value: &Value) -> bool {
    value["host"] == "beta" && value["scanner"] == "ioc"
}

fn is_joined(value: &Value) -> bool {
    value["host"] == "beta" && value["rule"] == "flagged-process-in-inventory"
}

fn finding(report: &mut scan::Report, scanner: &str) -> usize {
    report.results.iter().position(|result| result.scanner == scanner).unwrap()
}

/// Four small scans and what was made of them.
pub(super) const TABLE: Table = Table { inputs: &BEFORE, good: Workplace::new, damages: DAMAGES };

const DAMAGES: &[Damage] = &[
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
        check: "references",
        what: "a degree that is not the number of correlations",
        break_it: |w| {
            w.edit_lines("findings", is_clustered, |finding| {
                finding["graph_degree"] = (finding["graph_degree"].as_u64().unwrap() + 1).into();
            });
        },
        at: ("beta/0001 ioc /tmp/.x/a:77", "/graph_degree"),
    },
    Damage {
        check: "references",
        what: "a host of which there is no scan",
        break_it: |w| w.edit_lines("correlations", is_joined, |c| c["hosts"] = json!(["beta", "nowhere"])),
        at: ("beta/0001 flagged-process-in-inventory:", "/hosts/1"),
    },
    Damage {
        check: "references",
        what: "a suspicion without a cluster",
        break_it: |w| w.edit_lines("findings", suid, |finding| finding["cluster_suspicion"] = 10.into()),
        at: ("beta/0001 suid_sgid /usr/bin/passwd", "/cluster_suspicion"),
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
        check: "scores",
        what: "a suspicion that does not follow from the correlations",
        break_it: |w| {
            w.edit_lines("findings", is_clustered, |finding| {
                finding["cluster_suspicion"] = (finding["cluster_suspicion"].as_u64().unwrap() + 1).into();
            });
        },
        at: ("beta/0001 ioc /tmp/.x/a:77", "/cluster_suspicion"),
    },
    Damage {
        check: "scores",
        what: "an attack that is called none, or none that is called one",
        break_it: |w| {
            w.edit_lines("findings", is_clustered, |finding| {
                finding["suspected"] = (finding["suspected"] != true).into();
            });
        },
        at: ("beta/0001 ioc /tmp/.x/a:77", "/suspected"),
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
        check: "history",
        what: "a scan that would have shown it and does not count",
        break_it: |w| w.edit_lines("findings", suid, |finding| finding["earlier_scans"] = 0.into()),
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
        what: "a host of which the truth says nothing",
        break_it: |w| {
            let path = w.path("truth");
            let others: String =
                text(&path).lines().filter(|l| !l.contains("\"beta\"")).map(|l| format!("{l}\n")).collect();
            std::fs::write(&path, others).unwrap();
        },
        at: ("beta/0000 mac mac_none", ""),
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
