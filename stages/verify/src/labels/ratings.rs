//! What answers of task `finding` say, held against the documents of their scan: a rating that no finding there has is made up.

use std::collections::HashSet;

use draws::{hash, mix};
use serde::Deserialize;

use super::attacks::ScanKey;
use crate::check::Outcome;
use crate::documents::view::Finding;

/// Stands between the parts of a rationale.
const PART: &str = "; ";
/// The end of a text that was cut; the rest of it is not compared.
const CUT: &str = "...";

/// The ratings of documents.
#[derive(Debug, Default)]
pub struct Ratings {
    /// Scans whose document was read.
    scans: HashSet<ScanKey>,
    hashes: HashSet<u64>,
}

/// An answer; one in another form than `transform` writes says nothing.
#[derive(Deserialize)]
struct Answer {
    risk: u8,
    severity: String,
    rationale: String,
}

/// The hashes of what a document of a scan says of a finding: with its whole rationale, and with each beginning of whole parts, as an answer
/// may have no room for more.
pub fn of<'f>(key: &'f ScanKey, finding: &'f Finding<'_>) -> impl Iterator<Item = u64> + 'f {
    let rationale = &*finding.rationale;
    let ends = rationale.match_indices(PART).map(|(end, _)| end).chain([rationale.len()]);
    let told = finding.severity.zip(finding.risk_total);
    told.into_iter().flat_map(move |(severity, risk)| {
        ends.clone().map(move |end| rating(key, risk as u64, severity.name(), &rationale[..end]))
    })
}

fn rating((host, scan): &ScanKey, risk: u64, severity: &str, rationale: &str) -> u64 {
    [hash(host), u64::from(*scan), risk, hash(severity), hash(rationale)]
        .into_iter()
        .fold(0, |sum, part| mix(sum ^ part))
}

impl Ratings {
    /// Adds the hashes of a document.
    pub fn add(&mut self, key: ScanKey, hashes: Vec<u64>) {
        self.scans.insert(key);
        self.hashes.extend(hashes);
    }

    /// Whether a finding of the scan has the risk, the severity and the rationale of an answer.
    pub fn check(&self, key: &ScanKey, answer: &str, place: &dyn Fn() -> String, outcome: &mut Outcome) {
        let Ok(Answer { risk, severity, rationale }) = serde_json::from_str(answer) else { return };
        if rationale.ends_with(CUT) || !self.scans.contains(key) {
            return;
        }
        outcome.items += 1;
        if !self.hashes.contains(&rating(key, u64::from(risk), &severity, &rationale)) {
            let message = format!("no finding of the scan has risk {risk} and severity {severity} for: {rationale}");
            outcome.tell(place(), "", message);
        }
    }
}
