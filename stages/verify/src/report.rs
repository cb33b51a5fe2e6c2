//! The outputs: `verification`, for programs, and `summary`, for people.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;

/// How a check, or all of them, ended. The order is that of gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No violation.
    Passed,
    /// Violations within the threshold.
    Warning,
    /// Violations beyond the threshold, or a check that crashed.
    Failed,
}

impl Status {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Status::Passed => "passed",
            Status::Warning => "warning",
            Status::Failed => "failed",
        }
    }
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// Host, scan, and what in it.
    pub place: String,
    /// JSON pointer into that line, empty for the whole.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckReport {
    /// The check.
    pub name: CheckName,
    /// How it ended.
    pub status: Status,
    /// Things looked at.
    pub items: u64,
    /// Violations per thing looked at.
    pub figure: f64,
    /// The most that is let pass.
    pub threshold: f64,
    /// All violations.
    pub violation_count: u64,
    /// The first of them.
    pub violations: Vec<Violation>,
}

/// The artifact `verification`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationReport {
    /// The gravest status of all checks.
    pub overall_status: Status,
    /// Scans looked at.
    pub scans: u64,
    /// Findings looked at.
    pub findings: u64,
    /// Correlations looked at.
    pub correlations: u64,
    /// By check.
    pub checks: Vec<CheckReport>,
}

/// Violations that the readable summary shows per check.
const SHOWN: usize = 5;

impl VerificationReport {
    /// The report as text.
    pub fn text(&self) -> String {
        let mut text = format!(
            "verification: {}\n{} scans, {} findings, {} correlations\n\n",
            self.overall_status.name(),
            self.scans,
            self.findings,
            self.correlations
        );
        for check in &self.checks {
            line(
                &mut text,
                format_args!(
                    "{:<16} {:<8} {} of {} (at most {:.2} %)",
                    check.name.name(),
                    check.status.name(),
                    check.violation_count,
                    check.items,
                    check.threshold * 100.0
                ),
            );
            for violation in check.violations.iter().take(SHOWN) {
                line(&mut text, format_args!("    {violation}"));
            }
            let more = check.violation_count.saturating_sub(SHOWN as u64);
            if more > 0 {
                line(&mut text, format_args!("    and {more} more"));
            }
        }
        text
    }

    /// The failed checks with their first violations, for the error that stops a pipeline.
    pub fn failures(&self) -> String {
        let mut text = String::new();
        for check in self.checks.iter().filter(|check| check.status == Status::Failed) {
            line(&mut text, format_args!("  {}: {} violations", check.name.name(), check.violation_count));
            for violation in check.violations.iter().take(SHOWN) {
                line(&mut text, format_args!("    {violation}"));
            }
        }
        text
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Violation { place, pointer, message } = self;
        let space = if pointer.is_empty() { "" } else { " " };
        write!(f, "{place}{space}{pointer}: {message}")
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("a string takes everything");
}
