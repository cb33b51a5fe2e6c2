//! Scans of real hosts without who and where, before anything is written of them: documents, prompts and answers are made of pseudonyms.
//!
//! Names are learned over all scans of all real hosts first: one that a home directory of one scan shows stands in any path of another.
//! The key is a digest of the findings, so that the same input gives the same bytes and nobody without it can try names out. The map from
//! pseudonyms to values is dropped with the scan.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use contract::{Context, Digest, StageError};
use findings::lines::{Told, each_of, real_hosts};
use findings::{Correlation, EnrichedFinding, place};
use redact::{Pseudonyms, Redactor, Vocabulary};
use rules::rule::RULES;
use rules::words;

use crate::tasks::task::Task;

/// Texts of a scan that are known to show nothing: a large one repeats a few words of its scanners very often.
const PLAIN: usize = 4096;

/// Redacts scans of one run.
pub struct Redaction {
    real: BTreeSet<String>,
    redactor: Redactor,
}

impl Redaction {
    /// For the findings that a job reads.
    pub fn of(context: &Context) -> Result<Redaction, StageError> {
        let digests = context.job().inputs.get("findings").into_iter().flatten();
        let digests: String = digests.map(|input| input.digest.to_string()).collect();
        Redaction::new(context.input("findings")?, Digest::of(format!("pseudonyms\0{digests}").as_bytes()))
    }

    fn new(findings: &Path, key: Digest) -> Result<Redaction, StageError> {
        let real = real_hosts(findings)?;
        // Simulated hosts alone need no words.
        let vocabulary = if real.is_empty() { Vocabulary::default() } else { vocabulary() };
        let mut redactor = Redactor::new(key, real.iter().map(String::as_str), vocabulary);
        if !real.is_empty() {
            each_of(findings, &real, |finding| learn(&mut redactor, &finding))?;
        }
        Ok(Redaction { redactor, real })
    }

    /// Redacts one scan of `host`: all of it where the host is real, else the names of real hosts that share something with it. How the
    /// host is called from then on, and how many values got pseudonyms.
    pub fn scan(
        &self,
        host: &str,
        findings: &mut [EnrichedFinding],
        correlations: &mut [Correlation],
    ) -> (String, u64) {
        let mut pseudonyms = Pseudonyms::default();
        for other in correlations.iter_mut().flat_map(|correlation| &mut correlation.hosts) {
            if self.real.contains(other) {
                *other = self.redactor.host(other, &mut pseudonyms);
            }
        }
        if !self.real.contains(host) {
            return (host.to_owned(), pseudonyms.len() as u64);
        }
        let host = self.redactor.host(host, &mut pseudonyms);
        let mut texts = Texts { redactor: &self.redactor, plain: HashSet::new(), keys: HashSet::new() };
        for finding in findings {
            texts.metadata(finding, &mut pseudonyms);
            let EnrichedFinding { id, document_id, title, description, host_role_rationale, .. } = finding;
            for text in [id, document_id, title, description, host_role_rationale] {
                texts.replace(text, &mut pseudonyms);
            }
            finding.host.clone_from(&host);
        }
        for correlation in correlations {
            texts.replace(&mut correlation.rationale, &mut pseudonyms);
            for id in &mut correlation.related_finding_ids {
                texts.replace(id, &mut pseudonyms);
            }
            correlation.host.clone_from(&host);
        }
        (host, pseudonyms.len() as u64)
    }
}

/// The texts of one scan.
struct Texts<'r> {
    redactor: &'r Redactor,
    /// Some that are known to show nothing.
    plain: HashSet<String>,
    /// Keys that show nothing, and whose values are names only where they show it themselves.
    keys: HashSet<String>,
}

impl Texts<'_> {
    fn replace(&mut self, text: &mut String, pseudonyms: &mut Pseudonyms) {
        let shows_nothing = !self.plain.contains(text) && !self.redactor.redact_in_place(text, pseudonyms);
        if shows_nothing && self.plain.len() < PLAIN {
            self.plain.insert(text.clone());
        }
    }

    fn metadata(&mut self, finding: &mut EnrichedFinding, pseudonyms: &mut Pseudonyms) {
        let mut renamed = Vec::new();
        for (key, value) in &mut finding.metadata {
            if self.keys.contains(key) {
                self.replace(value, pseudonyms);
                continue;
            }
            *value = self.redactor.redact_value(key, value, pseudonyms);
            let name = self.redactor.redact(key, pseudonyms);
            if name != *key {
                renamed.push((key.clone(), name));
            } else if !self.redactor.names_by_key(key) && self.keys.len() < PLAIN {
                self.keys.insert(key.clone());
            }
        }
        for (key, name) in renamed {
            if let Some(value) = finding.metadata.remove(&key) {
                finding.metadata.insert(name, value);
            }
        }
    }
}

/// The words that prompts, answers and rules are made of: a host or a user called so is not told by them.
fn vocabulary() -> Vocabulary {
    let mut vocabulary = Vocabulary::default();
    words::known().for_each(|text| vocabulary.add(text));
    Task::ALL.iter().for_each(|task| vocabulary.add(task.instruction()));
    for rule in RULES.iter() {
        vocabulary.add(&rule.title);
    }
    vocabulary
}

fn learn(redactor: &mut Redactor, finding: &Told) {
    let Told { scanner, id, title, description, metadata } = finding;
    [id, title, description].into_iter().for_each(|text| redactor.learn(text));
    metadata.iter().for_each(|(key, value)| redactor.learn_value(key, value));
    // What a package installs is called so on every host. Only a path that no process chooses for itself tells that.
    let path = match scanner.as_str() {
        "suid_sgid" | "ioc" => Some(id),
        "network" => metadata.get("exe"),
        _ => None,
    };
    if let Some(path) = path.filter(|path| place::place(path) == Some("packaged")) {
        redactor.add_words(path);
    }
}
