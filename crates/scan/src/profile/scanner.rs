//! The profile of one scanner, read from its file of `profile/`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::bands::{Bands, SeverityCounts};
use super::kind::{Aspect, Departure, Kind, KindText};
use crate::finding::Finding;

/// The profile of one scanner.
#[derive(Debug)]
pub struct ScannerProfile {
    /// Where the reference comes from.
    pub source: String,
    /// Findings in the real report, by severity; none where it has none.
    pub real: SeverityCounts,
    /// Shares of severities, on the average of many hosts.
    pub bands: Bands,
    /// The base score of every finding, where it does not follow from the severity.
    pub score: Option<u8>,
    kinds: Vec<Kind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScannerText {
    scanner: String,
    source: String,
    #[serde(default)]
    real: SeverityCounts,
    bands: Bands,
    score: Option<u8>,
    #[serde(default)]
    words: BTreeMap<String, Vec<String>>,
    kinds: Vec<KindText>,
}

impl ScannerProfile {
    pub(super) fn read(text: &str) -> Result<(String, ScannerProfile), String> {
        let text: ScannerText = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let kinds = text.kinds.into_iter().map(|kind| kind.compile(&text.words)).collect::<Result<_, _>>()?;
        let profile =
            ScannerProfile { source: text.source, real: text.real, bands: text.bands, score: text.score, kinds };
        Ok((text.scanner, profile))
    }

    pub(super) fn departures(&self, finding: &Finding) -> Vec<Departure> {
        let alike = self.kinds.iter().filter(|kind| kind.names(finding));
        let Some(mut departures) = alike.map(|kind| kind.departures(finding)).min_by_key(Vec::len) else {
            let text =
                format!("no finding of this scanner has the id {:?} and the title {:?}", finding.id, finding.title);
            return vec![Departure::new(Aspect::Kind, text)];
        };
        let score = self.score.unwrap_or(finding.severity.score());
        if finding.base_severity_score != score {
            let text = format!("the base score is {}, not {score}", finding.base_severity_score);
            departures.push(Departure::new(Aspect::Score, text));
        }
        departures
    }
}
