//! Scans of real hosts without who and where, before anything is written of them: documents, prompts and answers are made of pseudonyms.
//!
//! The key is a digest of the findings, so that the same input gives the same bytes and nobody without it can try names out. The map from
//! pseudonyms to values is dropped with the scan.

use std::collections::{BTreeSet, HashSet};

use contract::{Context, Digest, StageError};
use findings::lines::real_hosts;
use findings::{Correlation, EnrichedFinding};
use redact::{Pseudonyms, Redactor};

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
        let real = real_hosts(context.input("findings")?)?;
        let key = Digest::of(format!("pseudonyms\0{digests}").as_bytes());
        Ok(Redaction { redactor: Redactor::new(key, real.iter().map(String::as_str)), real })
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
        let mut redactor = self.redactor.clone();
        findings.iter().for_each(|finding| texts(finding).for_each(|text| redactor.learn_users(text)));
        let mut plain: HashSet<String> = HashSet::new();
        let mut replace = |text: &mut String| {
            if !plain.contains(text) && !redactor.redact_in_place(text, &mut pseudonyms) && plain.len() < PLAIN {
                plain.insert(text.clone());
            }
        };
        for finding in findings {
            let EnrichedFinding { id, document_id, title, description, metadata, host_role_rationale, .. } = finding;
            [id, document_id, title, description, host_role_rationale].into_iter().for_each(&mut replace);
            metadata.values_mut().for_each(&mut replace);
            finding.host.clone_from(&host);
        }
        for correlation in correlations {
            replace(&mut correlation.rationale);
            correlation.related_finding_ids.iter_mut().for_each(&mut replace);
            correlation.host.clone_from(&host);
        }
        (host, pseudonyms.len() as u64)
    }
}

fn texts(finding: &EnrichedFinding) -> impl Iterator<Item = &str> {
    let EnrichedFinding { id, title, description, metadata, .. } = finding;
    [id, title, description].into_iter().chain(metadata.values()).map(String::as_str)
}
