//! What a check is: a function from one scan to violations. One that panics has failed, and says so.

use std::panic::{AssertUnwindSafe, catch_unwind};

use correlate::{Correlation, EnrichedFinding};
use scan::{Changes, ReadError, Report};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::Violation;

/// The checks, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// Reports are in the valid form.
    Schema,
    /// Every finding of the reports is there, unchanged, and no other.
    Coverage,
    /// No finding is there twice.
    Duplicates,
    /// Findings and correlations name each other, and nothing else.
    References,
    /// Severity, scores and subscores agree; risk computed again is the same.
    Scores,
    /// Severities are those that the scanner's rules give.
    SeverityRules,
    /// Values have the forms and ranges that the scanner writes.
    Formats,
    /// Baseline status agrees with the host's earlier scans.
    History,
    /// What a model sees has one answer.
    LabelConflicts,
    /// The hidden truth, where it is wired, is about these findings and no others.
    Truth,
}

impl CheckName {
    /// Every check.
    pub const ALL: [CheckName; 10] = [
        CheckName::Schema,
        CheckName::Coverage,
        CheckName::Duplicates,
        CheckName::References,
        CheckName::Scores,
        CheckName::SeverityRules,
        CheckName::Formats,
        CheckName::History,
        CheckName::LabelConflicts,
        CheckName::Truth,
    ];

    /// The name in reports and params.
    pub fn name(self) -> &'static str {
        match self {
            CheckName::Schema => "schema",
            CheckName::Coverage => "coverage",
            CheckName::Duplicates => "duplicates",
            CheckName::References => "references",
            CheckName::Scores => "scores",
            CheckName::SeverityRules => "severity_rules",
            CheckName::Formats => "formats",
            CheckName::History => "history",
            CheckName::LabelConflicts => "label_conflicts",
            CheckName::Truth => "truth",
        }
    }
}

/// One scan as checks see it.
pub struct ScanView<'v> {
    /// `host/NNNN`, for messages.
    pub place: &'v str,
    /// The report, or why it cannot be read; with what reading changed.
    pub report: Result<(&'v Report, &'v Changes), &'v ReadError>,
    /// Its enriched findings.
    pub findings: &'v [EnrichedFinding],
    /// Its correlations.
    pub correlations: &'v [Correlation],
}

impl ScanView<'_> {
    /// A violation by a finding.
    pub fn violation(&self, finding: &EnrichedFinding, pointer: &str, message: String) -> Violation {
        Violation {
            place: format!("{} {} {}", self.place, finding.scanner, finding.document_id),
            pointer: pointer.to_owned(),
            message,
        }
    }
}

/// What a check found on one scan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many things were looked at.
    pub items: u64,
    /// What is wrong.
    pub violations: Vec<Violation>,
    /// The check panicked.
    pub crashed: bool,
}

/// A check on one scan.
pub type Check = fn(&ScanView<'_>) -> Outcome;

/// Runs a check; a panic becomes an outcome.
pub fn run(check: Check, view: &ScanView<'_>) -> Outcome {
    guard(view, check).unwrap_or_else(|crash| crash)
}

/// Runs part of a check; a panic becomes the outcome of the check.
pub fn guard<T>(view: &ScanView<'_>, part: fn(&ScanView<'_>) -> T) -> Result<T, Outcome> {
    catch_unwind(AssertUnwindSafe(|| part(view))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let message = format!("the check crashed: {}", text.unwrap_or("no message"));
        let violation = Violation { place: view.place.to_owned(), pointer: String::new(), message };
        Outcome { items: 1, violations: vec![violation], crashed: true }
    })
}
