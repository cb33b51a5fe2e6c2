//! The agent's reduction of a scan: counts, names and the findings with most risk, in the agent's own form.

use contract::clean;
use rules::knowledge::KNOWLEDGE;
use scan::Severity;
use serde::Serialize;

use crate::documents::subject::Subject;
use crate::documents::tally::{counted, most_common};

/// Bytes of a path, name or title of a report that a reduction or a summary quotes.
pub(crate) const QUOTED: usize = 200;
/// Bytes of a name that is counted: a port, an organisation, a family.
const COUNTED: usize = 40;
const NOTABLE_MODULES: [&str; 5] = ["br_netfilter", "xt_MASQUERADE", "bridge", "iptable_nat", "binfmt_misc"];

/// A scan in short.
#[derive(Clone, Debug, Serialize)]
pub struct Reductions {
    /// Kernel modules, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_summary: Option<ModuleSummary>,
    /// SUID and SGID programs, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suid_summary: Option<SuidSummary>,
    /// Sockets.
    pub network_summary: NetworkSummary,
    /// The ten that matter most: those of a suspected attack, those whose risk correlations raise, then by risk.
    pub top_findings: Vec<TopFinding>,
    /// Findings of high or critical severity: how many, and which come first.
    pub top_risks: TopRisks,
}

/// Kernel modules.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the agent's own names, explained in FACTS")]
pub struct ModuleSummary {
    pub module_count: usize,
    pub distinct_modules: usize,
    pub notable_modules: Vec<String>,
    pub uncommon_modules: Vec<String>,
    pub module_family_counts: Vec<(String, usize)>,
    pub avg_rarity_score: f64,
    pub top_rare_modules: Vec<(String, f64)>,
}

/// SUID and SGID programs.
#[derive(Clone, Debug, Serialize)]
pub struct SuidSummary {
    /// How many.
    pub suid_total: usize,
    /// The first 15 paths that are not expected.
    pub unexpected_suid: Vec<String>,
}

/// Sockets.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkSummary {
    /// Listening sockets.
    pub listen_count: usize,
    /// Their ports by count, 15 at most.
    pub top_listen_ports: Vec<(String, usize)>,
    /// Known organisations at the other end, by count.
    pub known_org_count: Vec<(String, usize)>,
}

/// A finding as reductions name it.
#[derive(Clone, Debug, Serialize)]
pub struct TopFinding {
    /// Id.
    pub id: String,
    /// Title, user names removed.
    pub title: String,
    /// Severity.
    pub severity: Severity,
    /// Risk.
    pub risk_score: u8,
    /// How likely there is something to do.
    pub probability_actionable: f64,
    /// Tags.
    pub tags: Vec<String>,
}

/// The gravest findings.
#[derive(Clone, Debug, Serialize)]
pub struct TopRisks {
    /// How many are of high or critical severity.
    pub count: usize,
    /// The first ten of them by risk.
    pub ids: Vec<String>,
}

/// Reduces the findings of a scan.
pub fn reduce(findings: &[Subject<'_>]) -> Reductions {
    let mut by_risk: Vec<&Subject<'_>> = findings.iter().collect();
    by_risk.sort_by_key(|finding| std::cmp::Reverse((finding.rank, finding.risk_score)));
    let grave: Vec<&&Subject<'_>> = by_risk.iter().filter(|finding| finding.severity >= Severity::High).collect();
    Reductions {
        module_summary: modules(findings),
        suid_summary: suid(findings),
        network_summary: network(findings),
        top_findings: by_risk.iter().take(10).map(|finding| top(finding)).collect(),
        top_risks: TopRisks {
            count: grave.len(),
            ids: grave.iter().take(10).map(|finding| finding.id.to_owned()).collect(),
        },
    }
}

fn modules(findings: &[Subject<'_>]) -> Option<ModuleSummary> {
    let named: Vec<(&str, &Subject<'_>)> = findings.iter().filter_map(|f| Some((f.module()?, f))).collect();
    if named.is_empty() {
        return None;
    }
    let counts = counted(named.iter().map(|(name, _)| *name));
    let notable = |name: &str| NOTABLE_MODULES.contains(&name);
    let family = |(name, finding): &(&str, &Subject<'_>)| {
        let known = || KNOWLEDGE.module(name).filter(|_| finding.scanner == "modules").map(|m| m.family.clone());
        finding.get("module_family").map(str::to_owned).or_else(known)
    };
    let families: Vec<String> = named.iter().filter_map(family).collect();
    let mut rare: Vec<(String, f64)> =
        counts.iter().filter_map(|(name, _)| Some(((*name).to_owned(), KNOWLEDGE.rarity(name)?))).collect();
    rare.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rarity_sum: f64 = rare.iter().map(|(_, rarity)| rarity).sum();
    let average = if rare.is_empty() { 0.0 } else { rarity_sum / rare.len() as f64 };
    rare.truncate(10);
    Some(ModuleSummary {
        module_count: named.len(),
        distinct_modules: counts.len(),
        notable_modules: named.iter().filter(|(n, _)| notable(n)).map(|(n, _)| (*n).to_owned()).collect(),
        uncommon_modules: counts
            .iter()
            .filter(|(name, count)| *count == 1 && !notable(name))
            .take(10)
            .map(|(name, _)| quoted(name))
            .collect(),
        module_family_counts: short(most_common(families.iter().map(String::as_str), 10)),
        avg_rarity_score: (average * 1000.0).round_ties_even() / 1000.0,
        top_rare_modules: rare,
    })
}

fn suid(findings: &[Subject<'_>]) -> Option<SuidSummary> {
    let programs: Vec<&Subject<'_>> =
        findings.iter().filter(|f| f.get("suid") == Some("true") || f.scanner == "suid_sgid").collect();
    let unexpected = programs.iter().filter(|f| f.get("expected") != Some("true"));
    (!programs.is_empty()).then(|| SuidSummary {
        suid_total: programs.len(),
        unexpected_suid: unexpected.map(|f| quoted(f.get("path").unwrap_or(f.id))).take(15).collect(),
    })
}

fn network(findings: &[Subject<'_>]) -> NetworkSummary {
    let listeners = || findings.iter().filter(|f| f.get("state") == Some("LISTEN"));
    NetworkSummary {
        listen_count: listeners().count(),
        top_listen_ports: short(most_common(listeners().filter_map(Subject::port), 15)),
        known_org_count: short(most_common(findings.iter().filter_map(Subject::organisation), 10)),
    }
}

fn top(finding: &Subject<'_>) -> TopFinding {
    TopFinding {
        id: finding.id.to_owned(),
        title: quoted(&redacted(finding.title)),
        severity: finding.severity,
        risk_score: finding.risk_score,
        probability_actionable: finding.probability_actionable,
        tags: finding.tags.to_vec(),
    }
}

/// Counted names as others read them.
fn short(counts: Vec<(String, usize)>) -> Vec<(String, usize)> {
    counts.into_iter().map(|(name, count)| (clean::bounded(&name, COUNTED).into_owned(), count)).collect()
}

/// Text of a report as others read it.
fn quoted(text: &str) -> String {
    clean::bounded(text, QUOTED).into_owned()
}

/// The agent's redaction: `/home/NAME` becomes `/home/<user>`.
fn redacted(title: &str) -> String {
    let mut parts = title.split("/home/");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c))).unwrap_or(part.len());
        text.push_str(if name == 0 { "/home/" } else { "/home/<user>" });
        text.push_str(&part[name..]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::verdict::Rank;
    use scan::{Finding, Metadata};
    use serde_json::{Value, json};

    /// The agent's fixture names no scanner.
    fn subjects(findings: &[Finding]) -> Vec<Subject<'_>> {
        fn subject(finding: &Finding) -> Subject<'_> {
            Subject {
                scanner: "",
                id: &finding.id,
                title: &finding.title,
                severity: finding.severity,
                risk_score: finding.risk_score,
                rank: Rank::default(),
                probability_actionable: 0.0,
                tags: &[],
                metadata: &finding.metadata,
            }
        }
        findings.iter().map(subject).collect()
    }

    /// The agent's own form: empty objects for what is absent, `top_risks` the same list as `top_findings`.
    fn agent_form(reductions: &Reductions) -> Value {
        let mut value = serde_json::to_value(reductions).unwrap();
        for item in value["top_findings"].as_array_mut().unwrap() {
            item.as_object_mut().unwrap().remove("probability_actionable");
        }
        value["top_risks"] = value["top_findings"].clone();
        value
    }

    #[test]
    fn the_agents_golden_reductions_exactly() {
        let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/fixture.json")).unwrap();
        let golden: Value = serde_json::from_str(include_str!("../../tests/fixtures/golden_reductions.json")).unwrap();
        let findings: Vec<Finding> = serde_json::from_value(fixture["findings"].clone()).unwrap();
        assert_eq!(agent_form(&reduce(&subjects(&findings))), golden);
    }

    #[test]
    fn the_scanners_own_keys_are_read_too() {
        let metadata = |pairs: &[(&str, &str)]| -> Metadata {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let empty = Metadata::new();
        let listen = metadata(&[("state", "LISTEN"), ("lport", "22")]);
        let subject = |scanner, id, metadata| Subject {
            scanner,
            id,
            title: "t",
            severity: Severity::Low,
            risk_score: 1,
            rank: Rank::default(),
            probability_actionable: 0.0,
            tags: &[],
            metadata,
        };
        let reductions = reduce(&[
            subject("modules", "xt_MASQUERADE", &empty),
            subject("suid_sgid", "/usr/bin/chage", &empty),
            subject("network", "tcp:22:1", &listen),
            subject("network", "tcp6:22:2", &listen),
        ]);
        let value = serde_json::to_value(reductions).unwrap();
        assert_eq!(value["module_summary"]["module_family_counts"], json!([["netfilter_nat", 1]]));
        assert_eq!(value["suid_summary"]["unexpected_suid"], json!(["/usr/bin/chage"]));
        assert_eq!(value["network_summary"]["top_listen_ports"], json!([["22", 2]]));
        assert_eq!(value["top_risks"], json!({"count": 0, "ids": []}));
    }

    #[test]
    fn user_names_are_removed_from_titles() {
        assert_eq!(redacted("run /home/eve.b/x and /home/"), "run /home/<user>/x and /home/");
    }
}
