//! The reports of one host, and the newest scan of them with everything that rules know.
//!
//! [`Given`] says of each report what it was used for.

use std::collections::{BTreeSet, HashMap};

use blake3::Hasher;
use contract::{Digest, StageError, clean};
use correlate::fleet::Fleet;
use correlate::host::{self, Past, Scanned, Setting};
use correlate::sides::Ruleset;
use findings::{Correlation, EnrichedFinding, Profile, SUSPECT_AT};
use rules::rule::RULES;
use scan::Report;
use serde::Serialize;
use transform::redaction::{self, Redaction};

use crate::report::Read;

/// The reports of one host, in the order of time.
#[derive(Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// What is worth knowing about the reports, in sentences.
    pub notes: Vec<String>,
    /// The reports.
    reports: Vec<Report>,
    /// What each of them is, and those that are left out.
    given: Vec<Given>,
}

/// A report that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The name of its file.
    pub file: String,
    /// The BLAKE3 digest of its bytes.
    pub digest: String,
    /// When its scan started, as it says.
    pub started_at: Option<String>,
    /// What it was used for.
    pub used: Use,
    /// Its place in the host's history, from 0; none where it is not used.
    pub scan: Option<u32>,
    /// Why it is not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a report is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// It is the newest: the answers are about it.
    Asked,
    /// It is earlier: what it shows is no longer new.
    History,
    /// Nothing.
    Nothing,
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
    /// The reports that were given, in the order of time.
    pub given: Vec<Given>,
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
                let told = |host: &Host| {
                    let file = host.given.first().map(|given| given.file.as_str()).unwrap_or_default();
                    format!("{file} is of {}", host.name)
                };
                let message = format!("these are reports of several hosts: {}, {}", told(other), told(&one));
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

    fn one(all: Vec<Read>) -> Host {
        let name = all.first().map(|read| read.report.hostname().to_owned()).unwrap_or_default();
        let (mut reports, mut given, mut left_out): (Vec<Read>, Vec<Given>, Vec<Given>) = Default::default();
        let mut files: HashMap<Digest, String> = HashMap::new();
        for read in all {
            let told = Given::of(&read, reports.len());
            match files.get(&read.digest) {
                // Counted twice, its findings would have been there before.
                Some(file) => left_out.push(told.copy_of(file)),
                None => {
                    files.insert(read.digest, told.file.clone());
                    given.push(told);
                    reports.push(read);
                }
            }
        }
        if let Some(newest) = given.last_mut() {
            newest.used = Use::Asked;
        }
        let mut notes: Vec<String> =
            ingest::doubt(&name, reports.iter().map(|read| &read.moment)).into_iter().collect();
        for Read { moment, notes: own, .. } in &reports {
            notes.extend(own.iter().map(|note| format!("{}: {note}", moment.name)));
        }
        let told = |given: &Given| given.why.as_ref().map(|why| format!("{}: it is not used: {why}", given.file));
        notes.extend(left_out.iter().filter_map(told));
        given.extend(left_out);
        Host { name, notes, reports: reports.into_iter().map(|read| read.report).collect(), given }
    }

    /// Correlates all scans, and gives the newest one. `fleet` is what hosts share; empty where one is looked at alone.
    pub fn latest(self, fleet: &Fleet) -> Result<Latest, StageError> {
        let rules = Ruleset::new(&RULES);
        let setting = Setting { profile: Profile::default(), rules: &rules, fleet, suspect_at: SUSPECT_AT };
        let Host { name, notes, reports, given } = self;
        let mut redaction = Redaction::of_hosts(BTreeSet::from([name.clone()]));
        let (mut past, mut lines) = (Past::default(), Hasher::new());
        let mut latest = (0, None, Vec::new(), Vec::new());
        for (number, report) in (0..).zip(reports) {
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
        Ok(Latest { host: name, scan, started, notes, given, findings, correlations, hidden })
    }
}

impl Given {
    /// A report of a host of which so many are earlier.
    fn of(read: &Read, earlier: usize) -> Given {
        Given {
            file: clean::bounded(&read.moment.name, 200).into_owned(),
            digest: read.digest.to_string(),
            started_at: read.report.started_at().map(|text| clean::bounded(text, 40).into_owned()),
            used: Use::History,
            scan: u32::try_from(earlier).ok(),
            why: None,
        }
    }

    fn copy_of(self, file: &str) -> Given {
        Given { used: Use::Nothing, scan: None, why: Some(format!("it has the same bytes as {file}")), ..self }
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
