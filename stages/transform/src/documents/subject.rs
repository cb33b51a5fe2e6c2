//! The fields of a finding that a reduction reads. The agent looks for the metadata keys `module`, `suid`, `path` and `port`,
//! which the scanner does not write (there the module and the path are the id, the port is `lport`), so both are read here.

use findings::EnrichedFinding;
use rules::knowledge::KNOWLEDGE;
use scan::{Metadata, Severity};

use crate::documents::verdict::Rank;

/// The fields of a finding that a reduction reads.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The scanner, empty where it is not known.
    pub scanner: &'a str,
    /// Id.
    pub id: &'a str,
    /// Title.
    pub title: &'a str,
    /// Severity.
    pub severity: Severity,
    /// Risk.
    pub risk_score: u8,
    /// How much it matters, beside its risk.
    pub rank: Rank,
    /// How likely there is something to do.
    pub probability_actionable: f64,
    /// Tags.
    pub tags: &'a [String],
    /// Metadata.
    pub metadata: &'a Metadata,
}

impl<'a> From<&'a EnrichedFinding> for Subject<'a> {
    fn from(finding: &'a EnrichedFinding) -> Subject<'a> {
        Subject {
            scanner: &finding.scanner,
            id: &finding.document_id,
            title: &finding.title,
            severity: finding.severity,
            risk_score: finding.risk_score,
            rank: Rank::of(finding),
            probability_actionable: finding.probability_actionable,
            tags: &finding.tags,
            metadata: &finding.metadata,
        }
    }
}

impl<'a> Subject<'a> {
    /// A value of the metadata that says something.
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.metadata.get(key).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The kernel module that it is about.
    pub(crate) fn module(&self) -> Option<&'a str> {
        let real = self.scanner == "modules" && self.id != "module_summary";
        self.get("module").or(real.then_some(self.id))
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> Option<&'a str> {
        self.get("port").or_else(|| self.get("lport"))
    }

    /// Who is known to be at the other end.
    pub(crate) fn organisation(&self) -> Option<&'a str> {
        let known = self.tags.iter().any(|tag| tag == "known_good");
        let looked_up = || KNOWLEDGE.organisation(self.get("rip")?).map(|network| network.name.as_str());
        known.then(|| self.get("remote_org").or_else(looked_up)).flatten()
    }
}
