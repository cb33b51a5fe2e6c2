//! The output `summary`: the report as text, one line a check, with what is wrong below.

use std::fmt::{self, Write};

use crate::report::{Bound, CheckReport, Measure, Status, VerificationReport, Violation};
use crate::tally::LISTED_VIOLATIONS;

/// Violations that the summary shows per check.
const SHOWN: usize = 100;

/// Violations that the error which stops a pipeline shows per check.
const SHOWN_IN_ERROR: usize = 5;

/// The output: the whole report, with the first violations of each check.
pub fn text(report: &VerificationReport) -> String {
    with_violations(report, SHOWN)
}

/// The whole report with every violation that it lists, for the log of a gate whose outputs are not kept because it failed.
pub fn full_text(report: &VerificationReport) -> String {
    with_violations(report, LISTED_VIOLATIONS)
}

fn with_violations(report: &VerificationReport, shown: usize) -> String {
    let mut text = format!("verification: {}, quality {:.3}\n", report.overall_status.name(), report.quality);
    let counts = [
        (report.scans, "scans"),
        (report.findings, "findings"),
        (report.correlations, "correlations"),
        (report.documents, "documents"),
        (report.examples, "examples"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    line(&mut text, format_args!("{}\n", counts.join(", ")));
    for check in &report.checks {
        line(&mut text, format_args!("{}", Head(check)));
        for measure in &check.measures {
            line(&mut text, format_args!("    {measure}"));
        }
        violations(&mut text, check, shown);
    }
    text
}

/// The failed checks with their first violations, for the error that stops a pipeline.
pub fn failures(report: &VerificationReport) -> String {
    let mut text = String::new();
    for check in report.checks.iter().filter(|check| check.status == Status::Failed) {
        line(&mut text, format_args!("  {}", Head(check)));
        violations(&mut text, check, SHOWN_IN_ERROR);
    }
    text
}

fn violations(text: &mut String, check: &CheckReport, shown: usize) {
    for violation in check.violations.iter().take(shown) {
        line(text, format_args!("    {violation}"));
    }
    let more = check.violation_count.saturating_sub(shown as u64);
    if more > 0 {
        line(text, format_args!("    and {more} more"));
    }
}

/// The line of a check.
struct Head<'c>(&'c CheckReport);

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check = self.0;
        write!(f, "{:<16} {:<15}", check.name.name(), check.status.name())?;
        let Some(figure) = check.figure else { return write!(f, "{}", check.reason) };
        let bound = match check.bound {
            Bound::AtMost => "at most",
            Bound::AtLeast => "at least",
        };
        write!(f, "{figure:.4} ({bound} {}", check.threshold)?;
        if let Some(warn_beyond) = check.warn_beyond {
            write!(f, ", warns beyond {warn_beyond}")?;
        }
        write!(f, "), {} looked at", check.items)?;
        let wrong = check.violation_count - check.tolerated_count;
        if wrong > 0 {
            write!(f, ", {wrong} wrong")?;
        }
        if check.tolerated_count > 0 {
            write!(f, ", {} tolerated", check.tolerated_count)?;
        }
        if check.reason.is_empty() { Ok(()) } else { write!(f, "; {}", check.reason) }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<18}", self.part)?;
        if let Some(value) = self.value {
            write!(f, " {value:.3}")?;
        }
        if let (Some(low), Some(high)) = (self.low, self.high) {
            write!(f, " [{low:.3}, {high:.3}]")?;
        }
        write!(f, " n={}", self.items)?;
        if self.note.is_empty() { Ok(()) } else { write!(f, " {}", self.note) }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { place, pointer, message } = self;
        let space = if pointer.is_empty() { "" } else { " " };
        write!(f, "{place}{space}{pointer}: {message}")
    }
}

fn line(text: &mut String, arguments: fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("a string takes everything");
}
