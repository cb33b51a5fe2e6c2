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
pub use redact::Pseudonyms;
use redact::{Redactor, Vocabulary};
use rules::rule::RULES;
use rules::words;
use scan::Metadata;

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
        Redaction::new(context.input("findings")?, key(&digests))
    }

    fn new(findings: &Path, key: Digest) -> Result<Redaction, StageError> {
        let mut redaction = Redaction::of_hosts(real_hosts(findings)?);
        if !redaction.real.is_empty() {
            let real = redaction.real.clone();
            each_of(findings, &real, |Told { scanner, id, title, description, metadata }| {
                redaction.learn(&scanner, [&id, &title, &description], &metadata);
            })?;
        }
        Ok(redaction.keyed(key))
    }

    /// For these real hosts, before their findings are known. It lacks the key, without which no pseudonym may be given.
    pub fn of_hosts(real: BTreeSet<String>) -> Redaction {
        // Simulated hosts alone need no words.
        let vocabulary = if real.is_empty() { Vocabulary::default() } else { vocabulary() };
        let redactor = Redactor::new(Digest::of(b""), real.iter().map(String::as_str), vocabulary);
        Redaction { redactor, real }
    }

    /// Learns the names that a finding of a real host shows: in its id, title and description, and in its metadata.
    pub fn learn(&mut self, scanner: &str, texts: [&str; 3], metadata: &Metadata) {
        let redactor = &mut self.redactor;
        texts.iter().for_each(|text| redactor.learn(text));
        metadata.iter().for_each(|(key, value)| redactor.learn_value(key, value));
        // What a package installs is called so on every host. Only a path that no process chooses for itself tells that.
        let path = match scanner {
            "suid_sgid" | "ioc" => Some(texts[0]),
            "network" => metadata.get("exe").map(String::as_str),
            _ => None,
        };
        if let Some(path) = path.filter(|path| place::place(path) == Some("packaged")) {
            redactor.add_words(path);
        }
    }

    /// The same under the key of its findings, which [`key`] makes of their digest.
    pub fn keyed(self, key: Digest) -> Redaction {
        Redaction { redactor: self.redactor.keyed(key), ..self }
    }

    /// Redacts one scan of `host`: all of it where the host is real, else the names of real hosts that share something with it. How the
    /// host is called from then on, and what got pseudonyms.
    pub fn scan(
        &self,
        host: &str,
        findings: &mut [EnrichedFinding],
        correlations: &mut [Correlation],
    ) -> (String, Pseudonyms) {
        let mut pseudonyms = Pseudonyms::default();
        for other in correlations.iter_mut().flat_map(|correlation| &mut correlation.hosts) {
            if self.real.contains(other) {
                *other = self.redactor.host(other, &mut pseudonyms);
            }
        }
        if !self.real.contains(host) {
            return (host.to_owned(), pseudonyms);
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
        (host, pseudonyms)
    }
}

/// The key for findings of these digests.
pub fn key(digests: &str) -> Digest {
    Digest::of(format!("pseudonyms\0{digests}").as_bytes())
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
