//! A test of task `correlation`: the rules, over exactly what a prompt says of the findings it lists, give its answer.

use std::collections::BTreeSet;
use std::path::Path;

use contract::{Context, Digest, Job, JobInput, Kind, Limits, Type};
use correlate::fleet::Comparison;
use correlate::history::History;
use correlate::join::matches;
use correlate::sides::Ruleset;
use correlate::{Correlate, CorrelateParams};
use findings::terms::Terms;
use findings::{Batches, Correlation, EnrichedFinding};
use produce::{Produce, ProduceParams};
use rules::facts::{Change, Facts};
use rules::rule::{Link, RULES};
use scan::Finding;

use crate::prompt::listing::Seen;
use crate::prompt::visible::{Surroundings, Visible};
use crate::tasks::correlation::{JoinedAnswer, Scan, stated_once};
use crate::tasks::note::Notes;
use crate::tasks::part;

/// The findings of a list, by title and names.
type Joined = BTreeSet<(String, Vec<String>)>;

#[test]
fn the_rules_give_the_answer_from_what_the_prompt_lists() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let simulated =
        ProduceParams { seed: 7, hosts: 60, scans_per_host: 3, attack_rate: 0.8, ..ProduceParams::default() };
    run::<Produce>(here, serde_json::to_value(simulated).unwrap(), &[], &["scans", "truth"]);
    let params = serde_json::to_value(CorrelateParams::default()).unwrap();
    run::<Correlate>(here, params, &[("scans", Type::SCANS)], &["findings", "correlations"]);
    let [asked, examples] = rederive(&here.join("findings"), &here.join("correlations"));
    assert!(asked > 300 && examples > 300, "{asked} correlations in {examples} examples");
}

fn run<S: contract::Stage>(here: &Path, params: serde_json::Value, inputs: &[(&str, Type)], outputs: &[&str]) {
    let input = |(name, artifact): &(&str, Type)| {
        let input = JobInput { label: None, path: here.join(name), artifact: *artifact, digest: Digest::of(b"") };
        ((*name).to_owned(), vec![input])
    };
    let job = Job {
        kind: S::card().kind.clone(),
        version: S::card().version,
        params,
        inputs: inputs.iter().map(input).collect(),
        outputs: outputs.iter().map(|name| ((*name).to_owned(), here.join(name))).collect(),
        scratch: here.to_owned(),
        checkpoints: here.to_owned(),
        limits: Limits { threads: 2, memory: 0 },
        trace: "test".into(),
    };
    (Kind::of::<S>().run)(&job.params, &Context::new(job.clone(), Box::new(std::io::sink()))).unwrap();
}

/// Holds every example against the rules. How many correlations were asked for, and in how many examples.
fn rederive(findings: &Path, correlations: &Path) -> [usize; 2] {
    let mut batches = Batches::open(findings, correlations).unwrap();
    let mut counts = [0; 2];
    loop {
        let batch = batches.next_batch().unwrap();
        for lines in &batch {
            let (findings, correlations) = lines.parse().unwrap();
            let surroundings = Surroundings::of(&findings, &correlations);
            let visible: Vec<Visible> = findings.iter().map(|finding| Visible::of(finding, &surroundings)).collect();
            let (scan, clusters) = Scan::of(&findings, &correlations, &visible);
            for members in clusters.into_values() {
                let Some(listing) = scan.listing(&members, part::LISTED) else { continue };
                let (answers, _) = scan.answers(&listing);
                let across: BTreeSet<&str> = titles_across(&correlations);
                let answers = answers.into_iter().filter(|answer| !across.contains(answer.title.as_str()));
                let asked: Joined = answers.map(|answer| (answer.title, answer.related_finding_ids)).collect();
                counts = [counts[0] + asked.len(), counts[1] + 1];
                let found = joined(listing.items(), &scan.notes);
                assert_eq!(found, asked, "host {} scan {}:\n{}", lines.host, lines.scan, listing.text());
            }
        }
        if batch.is_empty() {
            return counts;
        }
    }
}

/// Titles of correlations that compare hosts, which the list marks.
fn titles_across(correlations: &[Correlation]) -> BTreeSet<&str> {
    correlations.iter().filter(|c| !c.hosts.is_empty()).map(|c| c.title.as_str()).collect()
}

/// The listed findings that the rules join. The list tells nothing about other scans, nor when a thing appeared that is not new.
fn joined(listed: &[Seen<'_>], notes: &Notes<'_>) -> Joined {
    let raws: Vec<Finding> = listed.iter().map(|seen| raw(seen.finding)).collect();
    let facts = |(seen, raw)| facts(seen, raw, notes);
    let facts: Vec<Facts<'_>> = listed.iter().zip(&raws).map(facts).collect();
    let (ruleset, fleet) = (Ruleset::new(&RULES), Comparison::default().finish(&RULES));
    let mut joined = Vec::new();
    let (found, _) = matches(&ruleset, &facts, &fleet, &mut History::default());
    for found in found {
        let rule = &RULES[found.rule];
        if rule.link == Link::Strong && !part::elsewhere(&rule.id) {
            let places: BTreeSet<usize> = found.all().collect();
            let names = places.into_iter().map(|place| format!("f{}", place + 1)).collect();
            let (title, techniques) = (rule.title.clone(), Vec::new());
            joined.push((rule.id.as_str(), JoinedAnswer { title, related_finding_ids: names, techniques }));
        }
    }
    stated_once(joined).into_iter().map(|answer| (answer.title, answer.related_finding_ids)).collect()
}

fn facts<'a>(seen: &'a Seen<'_>, raw: &'a Finding, notes: &'a Notes<'_>) -> Facts<'a> {
    let finding = seen.finding;
    let new = part::is_new(finding);
    let change = match (finding.earlier_scans, new) {
        (0, _) => Change::First,
        (_, true) => Change::Appeared,
        _ => Change::Stayed,
    };
    Facts {
        scanner: &finding.scanner,
        finding: raw,
        terms: Terms { program: notes.program(finding), ..Terms::of(&finding.scanner, raw) },
        change: Some(change),
        first_seen: Some(u32::from(new)),
        compared: finding.prevalence.is_some(),
        prevalence: finding.prevalence,
        host_role: Some(&finding.host_role),
    }
}

/// The finding as the scanner had it, as far as terms are read of it.
fn raw(finding: &EnrichedFinding) -> Finding {
    Finding {
        id: finding.id.clone(),
        title: String::new(),
        severity: finding.severity,
        description: finding.description.clone(),
        metadata: finding.metadata.clone(),
        base_severity_score: finding.base_severity_score,
        risk_score: 0,
    }
}
