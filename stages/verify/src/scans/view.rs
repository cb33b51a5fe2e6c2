//! One scan as its checks see it.

use findings::{Correlation, EnrichedFinding};
use scan::{Changes, Finding, Report};

use crate::check::Outcome;
use crate::schema::Mismatch;

/// One scan.
pub struct ScanView<'v> {
    /// `host/NNNN`, for messages.
    pub place: &'v str,
    /// Where its report does not follow the schema of reports.
    pub mismatches: &'v [Mismatch],
    /// The report and what reading it changed; or why it cannot be read.
    pub report: Result<(&'v Report, &'v Changes), &'v str>,
    /// Findings of the report with their scanners, sorted as `correlate` sorts them; none where it cannot be read.
    pub raw: Vec<(&'v str, &'v Finding)>,
    /// Its enriched findings.
    pub findings: &'v [EnrichedFinding],
    /// Its correlations.
    pub correlations: &'v [Correlation],
    /// Whether there are scans of a host.
    pub has_host: &'v (dyn Fn(&str) -> bool + Sync),
    /// How many earlier scans of the host there are.
    pub earlier: u32,
    /// The suspicion from which on `correlate` calls a cluster an attack.
    pub suspect_at: u8,
    /// Whether the hidden truth is about the host.
    pub simulated: bool,
}

/// A check on one scan.
pub(super) type Check = fn(&ScanView<'_>) -> Outcome;

impl<'v> ScanView<'v> {
    /// The findings of a report in the order of `correlate`.
    pub fn sorted(report: &'v Report) -> Vec<(&'v str, &'v Finding)> {
        let mut raw: Vec<_> = report.findings().collect();
        raw.sort_by(|(a, x), (b, y)| (a, &x.id).cmp(&(b, &y.id)));
        raw
    }

    /// Adds a violation by an enriched finding.
    pub fn tell(&self, outcome: &mut Outcome, finding: &EnrichedFinding, pointer: &str, message: String) {
        outcome.tell(self.place_of(finding), pointer, message);
    }

    /// Where an enriched finding lies, for messages.
    pub fn place_of(&self, finding: &EnrichedFinding) -> String {
        format!("{} {} {}", self.place, finding.scanner, finding.document_id)
    }

    /// Adds a violation by a finding of the report.
    pub fn tell_raw(&self, outcome: &mut Outcome, (scanner, id): (&str, &str), pointer: &str, message: String) {
        outcome.tell(format!("{} {scanner} {id}", self.place), pointer, message);
    }
}
