//! How much a rule may emit, and what its correlations make of clusters.

use scan::Severity;

use crate::harness::{BAD, Scan, inside, ioc, last, listener, mac, outside, process};

/// Nothing joins it with the host's access control but the weak rule.
const LOCAL: &str = "/opt/x/agent";

#[test]
fn no_rule_emits_a_product_of_sets() {
    let mut scan: Scan = (0..500).map(|i| process(&i.to_string(), LOCAL)).collect();
    scan.extend((0..500).map(|i| ioc(LOCAL, &i.to_string(), Severity::Critical)));
    scan.extend((0..500).map(|i| listener(&(1000 + i).to_string(), &i.to_string(), LOCAL)));
    scan.push(mac("mac_none", Severity::High));
    let (findings, correlations) = last(&[vec![scan]]);
    // Each of the 500 pids, the executable and the host are one value of each rule.
    assert!(correlations.len() <= 502 * rules::rule::RULES.len());
    let of = |rule: &str| correlations.iter().filter(|c| c.rule == rule).collect::<Vec<_>>();
    assert_eq!(of("flagged-process-in-inventory").len(), 500);
    assert_eq!(of("critical-process-without-mac").len(), 1);
    assert!(correlations.iter().all(|c| c.related_finding_ids.len() <= correlate::matched::MEMBER_LIMIT));
    let listens = of("flagged-executable-listens");
    assert_eq!((listens.len(), listens[0].member_count), (1, 1000));
    let both = |part: &str| listens[0].related_finding_ids.iter().any(|id| id.starts_with(part));
    assert!(both("tcp:") && both(LOCAL));
    // Members beyond the named ones are in the cluster too; the weak rule about access control puts nothing into it.
    assert!(findings.iter().all(|f| f.scanner == "mac" || f.cluster_id.as_deref() == Some("c1")));
    assert!(findings.iter().all(|f| f.scanner != "mac" || f.cluster_id.is_none()));
}

#[test]
fn a_cluster_is_suspected_when_its_rules_say_enough() {
    let scan = vec![ioc(BAD, "40", Severity::High), process("40", BAD), outside("40", BAD, "443")];
    let (findings, correlations) = last(&[vec![scan]]);
    assert!(findings.iter().all(|f| f.suspected && f.cluster_id.as_deref() == Some("c1")), "{findings:?}");
    assert!(correlations.iter().all(|c| c.cluster_id.as_deref() == Some("c1")));
    let usual = vec![process("9", "/usr/bin/ssh"), inside("9", "/usr/bin/ssh", "22")];
    let (findings, _) = last(&[vec![usual]]);
    assert!(findings.iter().all(|f| !f.suspected && f.cluster_suspicion.is_none_or(|points| points < 40)));
}
