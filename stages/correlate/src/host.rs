//! One host: its scans in the order of time, each enriched, joined and written as lines.
//!
//! A host is the unit of parallel work. Its lines wait until they are written in the order of hosts.

use std::collections::BTreeSet;
use std::path::Path;

use contract::StageError;
use findings::agent;
use findings::risk::{self, Factors};
use findings::terms::{self, Terms};
use findings::{BaselineStatus, Category, Correlation, EnrichedFinding, Prevalence, Profile, document_id};
use scan::{Coverage, Finding, Report, ScanFile, Severity};

use crate::baseline::{Baseline, Sightings};
use crate::counted::Counted;
use crate::fleet::Fleet;
use crate::graph::Graph;
use crate::history::History;
use crate::join;
use crate::matched::Match;
use crate::sides::Ruleset;
use crate::spill::Spill;
use rules::evidence::EVIDENCE;
use rules::facts::Facts;
use rules::knowledge::KNOWLEDGE;
use rules::role::{self, HostRole};
use rules::tags;
use rules::traces::{SUSPECTED, TRACES};

/// The data with which every host is computed.
pub struct Setting<'s> {
    /// The reading of the risk formula.
    pub profile: Profile,
    /// The rules.
    pub rules: &'s Ruleset<'s>,
    /// The artifacts that several hosts share.
    pub fleet: &'s Fleet,
    /// The suspicion from which on a cluster is called an attack.
    pub suspect_at: u8,
}

/// The state that a host's earlier scans left behind.
#[derive(Default)]
pub struct Past {
    baseline: Baseline,
    /// Empty but in profile `agent`.
    counted: Counted,
    history: History,
}

/// The lines of one host.
pub struct HostLines {
    /// For `findings`.
    pub findings: Spill,
    /// For `correlations`.
    pub correlations: Spill,
    /// Findings written.
    pub finding_count: u64,
    /// Correlations written.
    pub correlation_count: u64,
    /// Scans with a cluster that is called an attack.
    pub suspected_scans: u64,
}

/// Computes the lines of one host from its scans, given in the order of time. Many lines wait in files in `scratch`.
pub fn lines(setting: &Setting<'_>, scans: &[HostScan], scratch: &Path) -> Result<HostLines, StageError> {
    let host = scans.first().map_or("", |scan| scan.file.host.as_str());
    let mut lines = HostLines {
        findings: Spill::new(scratch.join(format!("{host}.findings"))),
        correlations: Spill::new(scratch.join(format!("{host}.correlations"))),
        finding_count: 0,
        correlation_count: 0,
        suspected_scans: 0,
    };
    let mut past = Past::default();
    for HostScan { file, real } in scans {
        let one = Scanned::of(&file.host, file.scan, *real, file.read()?, &mut past);
        let mut suspected = false;
        // Each is written as it is made: all of a scan at once would take several times the memory of its report.
        let mut found = |finding: EnrichedFinding| {
            suspected |= finding.suspected;
            lines.finding_count += 1;
            lines.findings.push(&finding)
        };
        let mut joined = |correlation: Correlation| {
            lines.correlation_count += 1;
            lines.correlations.push(&correlation)
        };
        scan(setting, one, &mut past, &mut found, &mut joined)?;
        lines.suspected_scans += u64::from(suspected);
    }
    Ok(lines)
}

/// A report of a host, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostScan {
    /// The report.
    pub file: ScanFile,
    /// It came by the port for real reports.
    pub real: bool,
}

/// A report that was read.
pub struct Scanned<'h> {
    /// The host.
    pub host: &'h str,
    /// The scan's number.
    pub number: u32,
    /// Whether the host is real.
    pub real: bool,
    /// What the scan could have shown.
    pub coverage: Coverage,
    /// The findings with their scanners.
    pub findings: Vec<(String, Finding)>,
}

impl<'h> Scanned<'h> {
    /// A report of a host, whose `past` is told of it first.
    pub fn of(host: &'h str, number: u32, real: bool, report: Report, past: &mut Past) -> Scanned<'h> {
        past.counted.turn_to(&report);
        let (coverage, real) = (Coverage::of(&report), real || report.is_ingested());
        let results = report.results.into_iter();
        let findings = results.flat_map(|r| r.findings.into_iter().map(move |finding| (r.scanner.clone(), finding)));
        Scanned { host, number, real, coverage, findings: findings.collect() }
    }
}

/// A finding of a scan, with what is known of it before it is joined with others.
struct Sighted {
    scanner: String,
    finding: Finding,
    document_id: String,
    /// Its history.
    sightings: Sightings,
    /// How often the profile's baseline has seen it.
    seen_before: u32,
    tags: Vec<String>,
}

/// Enriches and joins the findings of one scan, gives each to `found` and what joins them to `joined`, and makes them history.
pub fn scan(
    setting: &Setting<'_>,
    one: Scanned<'_>,
    past: &mut Past,
    found: &mut dyn FnMut(EnrichedFinding) -> Result<(), StageError>,
    joined: &mut dyn FnMut(Correlation) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let Scanned { host, number, real, coverage, mut findings } = one;
    past.baseline.begin_scan(coverage);
    findings.sort_by(|(a, x), (b, y)| (a, &x.id).cmp(&(b, &y.id)));
    let sightings: Vec<Sightings> = findings
        .iter()
        .map(|(scanner, finding)| past.baseline.observe(scanner, finding, &Terms::of(scanner, finding)))
        .collect();
    let (facts, role, container) = facts(&findings, &sightings, setting.fleet);
    let (matches, graph) = join::matches(setting.rules, &facts, setting.fleet, &mut past.history);
    let document_ids = document_id::unique(findings.iter().map(|(_, finding)| finding.id.as_str()));
    let shown = |found: &Match<'_>| {
        let members: Vec<&Facts<'_>> = found.named().map(|index| &facts[index]).collect();
        EVIDENCE.joined(&setting.rules.rules[found.rule], &members)
    };
    let named = |found: &Match<'_>| Correlation {
        techniques: shown(found),
        ..correlation(setting, host, number, found, &graph, &document_ids)
    };
    // What a finding says of them is their ids and points.
    let mut named_by: Vec<(String, u8)> = Vec::with_capacity(matches.len());
    for correlation in matches.iter().map(named) {
        named_by.push((correlation.id.clone(), correlation.risk_score_delta));
        joined(correlation)?;
    }
    drop(matches);
    // Rules ask about scans whatever the profile; only tags and risk follow the agent's own count.
    let seen_before: Vec<u32> = match setting.profile {
        Profile::Agent => past.counted.count(&findings),
        Profile::Intended => sightings.iter().map(|seen| seen.count).collect(),
    };
    let of_facts = |(facts, count): (&Facts<'_>, &u32)| tags::of(setting.profile, facts, *count).into_iter().collect();
    let tags: Vec<Vec<String>> = facts.iter().zip(&seen_before).map(of_facts).collect();
    let suspected =
        |index: usize| graph.cluster[index].is_some_and(|cluster| graph.suspicion(cluster) >= setting.suspect_at);
    let own: Vec<BTreeSet<&str>> = facts.iter().map(|facts| EVIDENCE.alone(facts)).collect();
    let possible = |(index, facts): (usize, &Facts<'_>)| {
        if suspected(index) { possible(facts, &tags[index], &own[index]) } else { Vec::new() }
    };
    let possible: Vec<Vec<String>> = facts.iter().enumerate().map(possible).collect();
    let prevalence: Vec<Option<Prevalence>> = facts.iter().map(|facts| facts.prevalence).collect();
    drop(facts);
    let mut possible = possible.into_iter();
    let sighted = findings.into_iter().zip(document_ids).zip(sightings.into_iter().zip(seen_before).zip(tags));
    let sighted = sighted.map(|(((scanner, finding), document_id), ((sightings, seen_before), tags))| Sighted {
        scanner,
        finding,
        document_id,
        sightings,
        seen_before,
        tags,
    });
    let enriched = sighted.enumerate().map(|(index, sighted)| {
        let Sighted { scanner, finding, document_id, sightings, seen_before, tags } = sighted;
        let Sightings { count: sightings, earlier: earlier_scans, .. } = sightings;
        let joined: Vec<&(String, u8)> = graph.of_finding[index].iter().map(|&number| &named_by[number]).collect();
        let risk = assess(setting.profile, &scanner, &finding, &tags, seen_before);
        let added: u32 = joined.iter().map(|(_, points)| u32::from(*points)).sum();
        let suspicion = graph.cluster[index].map(|cluster| graph.suspicion(cluster));
        let operational_error = finding.severity == Severity::Error;
        let severity = severity(setting.profile, &finding);
        let raised = severity != finding.severity;
        EnrichedFinding {
            host: host.to_owned(),
            scan: number,
            id: finding.id,
            document_id,
            title: finding.title,
            severity: if severity == Severity::Error { Severity::Info } else { severity },
            severity_before_policy: raised.then_some(finding.severity),
            operational_error,
            base_severity_score: finding.base_severity_score,
            description: finding.description,
            metadata: finding.metadata,
            category: Category::of_scanner(&scanner),
            risk_profile: setting.profile,
            risk_score: risk.score,
            risk_total: (u32::from(risk.score) + added).min(100) as u8,
            risk_subscores: risk.subscores(),
            probability_actionable: risk.probability,
            baseline_status: if seen_before == 0 { BaselineStatus::New } else { BaselineStatus::Existing },
            sightings,
            baseline_count: (setting.profile == Profile::Agent).then_some(seen_before),
            earlier_scans,
            prevalence: prevalence[index],
            host_role: role.role.to_owned(),
            host_role_rationale: role.rationale.clone(),
            container,
            techniques: own[index].iter().copied().map(str::to_owned).collect(),
            suspected_techniques: possible.next().unwrap_or_default(),
            correlation_refs: joined.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>().into_iter().collect(),
            graph_degree: joined.len() as u32,
            cluster_id: graph.cluster[index].map(cluster_id),
            cluster_suspicion: suspicion,
            suspected: suspected(index),
            tags,
            scanner,
            real,
        }
    });
    for finding in enriched {
        found(finding)?;
    }
    past.baseline.end_scan();
    Ok(())
}

fn severity(profile: Profile, finding: &Finding) -> Severity {
    match profile {
        Profile::Agent => agent::severity(finding.severity, finding.get("exe")),
        Profile::Intended => finding.severity,
    }
}

/// The score of a finding from its tags and history; `verify` computes it again from a line.
pub fn assess(profile: Profile, scanner: &str, finding: &Finding, tags: &[String], seen_before: u32) -> risk::Risk {
    let tags = tags.iter().map(String::as_str);
    risk::assess(profile, &Factors::of(profile, scanner, finding.severity, &finding.metadata, tags, seen_before))
}

/// The findings of one scan as rules see them, what the host is for and whether it is a container.
pub fn facts<'a>(
    findings: &'a [(String, Finding)],
    sightings: &[Sightings],
    fleet: &Fleet,
) -> (Vec<Facts<'a>>, HostRole, Option<bool>) {
    let own = |(scanner, finding): &'a (String, Finding)| (scanner.as_str(), Terms::of(scanner, finding));
    let mut terms: Vec<(&str, Terms<'a>)> = findings.iter().map(own).collect();
    terms::resolve(&mut terms);
    let mut all = Vec::with_capacity(findings.len());
    for (((scanner, finding), (_, terms)), seen) in findings.iter().zip(terms).zip(sightings) {
        let (change, first_seen) = (Some(seen.change()), Some(seen.first));
        let compared = fleet.tells(scanner);
        let mut facts =
            Facts { scanner, finding, terms, change, first_seen, compared, prevalence: None, host_role: None };
        // Hosts where a process has no socket know it only by what it calls itself, so that counts as well.
        let names = facts.name().into_iter().chain(facts.terms.executable);
        facts.prevalence = names.filter_map(|name| fleet.prevalence(scanner, name)).max();
        all.push(facts);
    }
    let container = role::container(&all);
    let role = role::infer(&all, container);
    all.iter_mut().for_each(|facts| facts.host_role = Some(role.role));
    (all, role, container)
}

fn cluster_id(number: usize) -> String {
    format!("c{number}")
}

fn correlation(
    setting: &Setting<'_>,
    host: &str,
    scan: u32,
    found: &Match<'_>,
    graph: &Graph,
    ids: &[String],
) -> Correlation {
    let rule = &setting.rules.rules[found.rule];
    Correlation {
        host: host.to_owned(),
        scan,
        id: found.id(rule, host, scan),
        rule: rule.id.clone(),
        title: rule.title.clone(),
        rationale: found.rationale(rule),
        related_finding_ids: found.named().map(|index| ids[index].clone()).collect(),
        member_count: found.all().count() as u32,
        cluster_id: graph.cluster_of(setting.rules.rules, found).map(cluster_id),
        risk_score_delta: rule.points,
        severity: rule.severity,
        tags: rule.tags.clone(),
        exposure_tags: rule.exposure_tags.clone(),
        techniques: Vec::new(),
        hosts: found.hosts.to_vec(),
    }
}

/// What a finding of a suspected cluster may also be a sign of.
fn possible(facts: &Facts<'_>, tags: &[String], shown: &BTreeSet<&str>) -> Vec<String> {
    let of_tags = tags.iter().flat_map(|tag| KNOWLEDGE.techniques(tag)).map(String::as_str);
    let mut all: BTreeSet<&str> = of_tags.chain(facts.tool_techniques()).collect();
    all.extend(TRACES.techniques(facts));
    all.extend(SUSPECTED.techniques(facts));
    all.difference(shown).map(|technique| (*technique).to_owned()).collect()
}
