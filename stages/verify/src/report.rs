//! The output `verification`, for programs. [`crate::summary`] writes it for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// What it looks at is not wired; the reason says what.
    NotApplicable,
    /// There is too little of what it looks at; the reason says how much there is.
    NotMeasurable,
    /// Nothing is wrong.
    Passed,
    /// Something is wrong, within the threshold.
    Warning,
    /// More is wrong than the threshold lets pass, or the check crashed.
    Failed,
}

/// How all checks together ended: like the gravest of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverallStatus {
    /// Every check that could look passed.
    Passed,
    /// One warned, none failed.
    Warning,
    /// One failed.
    Failed,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// Host, scan, and what in it; a file of a dataset and its line.
    pub place: String,
    /// JSON pointer into that, empty for the whole.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// A figure that a check measured on a part of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The part: a scanner, a task.
    pub part: String,
    /// How many things it was measured on.
    pub items: u64,
    /// The figure; left out where there was too little to measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Lower end of its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// What else must be known: why there is no figure, what it is of.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// On which side of its threshold a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Below it, and on it.
    AtMost,
    /// Above it, and on it.
    AtLeast,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckReport {
    /// The check.
    pub name: CheckName,
    /// How it ended.
    pub status: Status,
    /// Why it is not applicable or not measurable.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Things looked at.
    pub items: u64,
    /// Violations per thing looked at, or what the check measures. Left out where it could not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<f64>,
    /// On which side of the threshold the figure must lie.
    pub bound: Bound,
    /// The threshold, from the params.
    pub threshold: f64,
    /// Beyond it the figure of a part warns, with its whole interval; from the params, and left out where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_beyond: Option<f64>,
    /// What the check measured on parts of the data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
    /// All violations.
    pub violation_count: u64,
    /// How many of them only warn, whatever the threshold: what the scanner itself does on real hosts, what lies beyond `warn_beyond`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tolerated_count: u64,
    /// The first of them, at most 1,000.
    pub violations: Vec<Violation>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The artifact `verification`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationReport {
    /// That of the gravest check.
    pub overall_status: OverallStatus,
    /// 0..=1; the README of the stage has the formula.
    pub quality: f64,
    /// Scans looked at.
    pub scans: u64,
    /// Findings looked at.
    pub findings: u64,
    /// Correlations looked at.
    pub correlations: u64,
    /// Ground-truth documents looked at.
    pub documents: u64,
    /// Training examples looked at.
    pub examples: u64,
    /// By check.
    pub checks: Vec<CheckReport>,
}

impl Status {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Status::NotApplicable => "not_applicable",
            Status::NotMeasurable => "not_measurable",
            Status::Passed => "passed",
            Status::Warning => "warning",
            Status::Failed => "failed",
        }
    }
}

impl OverallStatus {
    /// That of the gravest of `checks`.
    pub fn of(checks: &[CheckReport]) -> OverallStatus {
        match checks.iter().map(|check| check.status).max() {
            Some(Status::Failed) => OverallStatus::Failed,
            Some(Status::Warning) => OverallStatus::Warning,
            _ => OverallStatus::Passed,
        }
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            OverallStatus::Passed => "passed",
            OverallStatus::Warning => "warning",
            OverallStatus::Failed => "failed",
        }
    }
}

impl VerificationReport {
    /// The result of a check.
    pub fn check(&self, name: CheckName) -> Option<&CheckReport> {
        self.checks.iter().find(|check| check.name == name)
    }
}
