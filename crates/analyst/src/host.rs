//! The reports of one host, and the newest scan of them with everything that rules know.

use std::collections::{BTreeSet, HashMap};

use blake3::Hasher;
use contract::{Digest, StageError, clean};
use correlate::fleet::Fleet;
use correlate::host::{self, Past, Scanned, Setting};
use correlate::sides::Ruleset;
use findings::{Correlation, EnrichedFinding, Profile, SUSPECT_AT};
use rules::rule::RULES;
use scan::Report;
use transform::redaction::{self, Redaction};

use crate::report::Read;

/// The reports of one host, in the order of time.
#[derive(Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// What is worth knowing about the reports, in sentences.
    pub notes: Vec<String>,
    /// The reports with the names of their files.
    reports: Vec<(String, Report)>,
}

/// The newest scan of a host.
#[derive(Debug)]
pub struct Latest {
    /// The host.
    pub host: String,
    /// Its place in the host's history, from 0.
    pub scan: u32,
    /// When it started, as the report says.
    pub started: Option<String>,
    /// What is worth knowing about the reports, in sentences.
    pub notes: Vec<String>,
    /// The findings.
    pub findings: Vec<EnrichedFinding>,
    /// What joins them.
    pub correlations: Vec<Correlation>,
    /// The same for a model, and the way back.
    pub(crate) hidden: Hidden,
}

/// A scan without who and where.
#[derive(Debug)]
pub(crate) struct Hidden {
    pub findings: Vec<EnrichedFinding>,
    pub correlations: Vec<Correlation>,
    pub pseudonyms: redaction::Pseudonyms,
    /// The ids of findings as the host has them.
    pub ids: HashMap<String, String>,
}

impl Host {
    /// The host that all of these are of.
    pub fn of(reports: Vec<Read>) -> Result<Host, StageError> {
        let mut hosts = Host::each(reports);
        match (hosts.pop(), hosts.first()) {
            (Some(host), None) => Ok(host),
            (None, _) => Err(StageError::invalid_input("there is no report")),
            (Some(one), Some(other)) => {
                let message = format!("these are reports of several hosts, of {} and of {}", other.name, one.name);
                Err(StageError::invalid_input(message)
                    .help("ask about one host at a time; the kind `analyze` takes a directory of many"))
            }
        }
    }

    /// Every host of these reports, by name. Where some reports of a single host do not name it, they are taken for its own.
    pub fn each(mut reports: Vec<Read>) -> Vec<Host> {
        let named: BTreeSet<String> =
            reports.iter().filter(|read| read.named).map(|read| read.report.hostname().to_owned()).collect();
        if let (1, Some(name)) = (named.len(), named.first()) {
            for read in reports.iter_mut().filter(|read| !read.named) {
                read.report.meta.insert("hostname".to_owned(), name.as_str().into());
            }
        }
        reports.sort_by(|a, b| (a.report.hostname(), &a.moment).cmp(&(b.report.hostname(), &b.moment)));
        let hosts = reports.chunk_by(|a, b| a.report.hostname() == b.report.hostname());
        let hosts: Vec<usize> = hosts.map(<[Read]>::len).collect();
        let mut reports = reports.into_iter();
        hosts.into_iter().map(|count| Host::one(reports.by_ref().take(count).collect())).collect()
    }

    fn one(reports: Vec<Read>) -> Host {
        let name = reports.first().map(|read| read.report.hostname().to_owned()).unwrap_or_default();
        let mut notes: Vec<String> =
            ingest::doubt(&name, reports.iter().map(|read| &read.moment)).into_iter().collect();
        for Read { moment, notes: own, .. } in &reports {
            notes.extend(own.iter().map(|note| format!("{}: {note}", moment.name)));
        }
        Host { name, notes, reports: reports.into_iter().map(|read| (read.moment.name, read.report)).collect() }
    }

    /// The findings of every report, by scanner, for comparing hosts.
    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.reports.iter().map(|(_, report)| report)
    }

    /// Correlates all scans, and gives the newest one. `fleet` is what hosts share; empty where one is looked at alone.
    pub fn latest(self, fleet: &Fleet) -> Result<Latest, StageError> {
        let rules = Ruleset::new(&RULES);
        let setting = Setting { profile: Profile::default(), rules: &rules, fleet, suspect_at: SUSPECT_AT };
        let Host { name, notes, reports } = self;
        let mut redaction = Redaction::of_hosts(BTreeSet::from([name.clone()]));
        let (mut past, mut lines) = (Past::default(), Hasher::new());
        let mut latest = (0, None, Vec::new(), Vec::new());
        for (number, (_, report)) in (0..).zip(reports) {
            let started = report.started_at().map(|text| clean::bounded(text, 40).into_owned());
            let one = Scanned::of(&name, number, true, report, &mut past);
            let (mut findings, mut correlations) = (Vec::new(), Vec::new());
            let mut found = |finding: EnrichedFinding| {
                // The lines that `correlate` writes, whose digest is the key of the pseudonyms in training.
                let mut line = serde_json::to_vec(&finding).expect("a record is plain data");
                line.push(b'\n');
                lines.update(&line);
                let EnrichedFinding { scanner, id, title, description, metadata, .. } = &finding;
                redaction.learn(scanner, [id, title, description], metadata);
                findings.push(finding);
                Ok(())
            };
            host::scan(&setting, one, &mut past, &mut found, &mut |correlation| {
                correlations.push(correlation);
                Ok(())
            })?;
            latest = (number, started, findings, correlations);
        }
        let (scan, started, findings, correlations) = latest;
        let key = redaction::key(&Digest::from(lines.finalize()).to_string());
        let hidden = Hidden::of(&redaction.keyed(key), &name, &findings, &correlations);
        Ok(Latest { host: name, scan, started, notes, findings, correlations, hidden })
    }
}

impl Hidden {
    fn of(redaction: &Redaction, host: &str, all: &[EnrichedFinding], correlations: &[Correlation]) -> Hidden {
        let (mut findings, mut correlations) = (all.to_vec(), correlations.to_vec());
        let (_, pseudonyms) = redaction.scan(host, &mut findings, &mut correlations);
        let pairs = findings.iter().zip(all);
        let ids = pairs.map(|(hidden, finding)| (hidden.document_id.clone(), finding.document_id.clone())).collect();
        Hidden { findings, correlations, pseudonyms, ids }
    }
}
