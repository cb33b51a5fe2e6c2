//! The names of the checks, their findings, and the treatment of a check that crashes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::Violation;
use crate::tally::LISTED_VIOLATIONS;

/// The checks, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// Reports and documents are in the valid form.
    Schema,
    /// Every finding of the reports is there, unchanged, and no other.
    Coverage,
    /// No finding is there twice.
    Duplicates,
    /// Findings, correlations and what is made of them name each other, and nothing else.
    References,
    /// Correlations are what their rules say.
    Correlations,
    /// Severity, scores and subscores agree; risk computed again is the same.
    Scores,
    /// Severities are those that the scanner's rules give.
    SeverityRules,
    /// Values are possible: ports, addresses, pids, inodes, paths.
    Formats,
    /// Scans end after they start, and follow each other.
    Times,
    /// Baseline status agrees with the host's earlier scans.
    History,
    /// Digests and counts are those of what they are about.
    Integrity,
    /// Simulated findings have the keys, formats and words that the scanner writes.
    Profile,
    /// Severities of simulated findings lie in the bands of the reference profile.
    Marginals,
    /// How well real and simulated findings can be told apart.
    Realism,
    /// What a model sees has one answer.
    LabelConflicts,
    /// The hidden truth is about these findings and no others.
    Truth,
    /// Chains cannot be told by pids, inodes, places and counts.
    Leakage,
    /// Prompts of one split that nearly are those of another.
    NearDuplicates,
    /// Splits share no prompt, no host and no chain.
    SplitLeakage,
    /// Findings show the techniques that labels bear.
    Techniques,
    /// No technique stands on most answers.
    TechniqueShare,
    /// Actions fit their findings.
    Actions,
    /// Summaries name attacks and rate scans by them.
    Summaries,
    /// The score of all of this.
    Quality,
}

impl CheckName {
    /// Every check.
    pub const ALL: [CheckName; 24] = [
        CheckName::Schema,
        CheckName::Coverage,
        CheckName::Duplicates,
        CheckName::References,
        CheckName::Correlations,
        CheckName::Scores,
        CheckName::SeverityRules,
        CheckName::Formats,
        CheckName::Times,
        CheckName::History,
        CheckName::Integrity,
        CheckName::Profile,
        CheckName::Marginals,
        CheckName::Realism,
        CheckName::LabelConflicts,
        CheckName::Truth,
        CheckName::Leakage,
        CheckName::NearDuplicates,
        CheckName::SplitLeakage,
        CheckName::Techniques,
        CheckName::TechniqueShare,
        CheckName::Actions,
        CheckName::Summaries,
        CheckName::Quality,
    ];

    /// The name in reports and params.
    pub fn name(self) -> &'static str {
        match self {
            CheckName::Schema => "schema",
            CheckName::Coverage => "coverage",
            CheckName::Duplicates => "duplicates",
            CheckName::References => "references",
            CheckName::Correlations => "correlations",
            CheckName::Scores => "scores",
            CheckName::SeverityRules => "severity_rules",
            CheckName::Formats => "formats",
            CheckName::Times => "times",
            CheckName::History => "history",
            CheckName::Integrity => "integrity",
            CheckName::Profile => "profile",
            CheckName::Marginals => "marginals",
            CheckName::Realism => "realism",
            CheckName::LabelConflicts => "label_conflicts",
            CheckName::Truth => "truth",
            CheckName::Leakage => "leakage",
            CheckName::NearDuplicates => "near_duplicates",
            CheckName::SplitLeakage => "split_leakage",
            CheckName::Techniques => "techniques",
            CheckName::TechniqueShare => "technique_share",
            CheckName::Actions => "actions",
            CheckName::Summaries => "summaries",
            CheckName::Quality => "quality",
        }
    }

    /// The input that must be wired for it, named where it is not.
    pub fn needs(self) -> &'static str {
        match self {
            CheckName::Schema
            | CheckName::Duplicates
            | CheckName::References
            | CheckName::Scores
            | CheckName::Formats => "needs `scans`, `findings` and `correlations`, or `documents`",
            CheckName::Coverage
            | CheckName::Correlations
            | CheckName::SeverityRules
            | CheckName::Times
            | CheckName::History => "needs `scans`, `findings` and `correlations`",
            CheckName::Integrity | CheckName::Techniques | CheckName::Actions => "needs `documents` or `dataset`",
            CheckName::Summaries => "needs `documents`, `dataset` and `truth`",
            CheckName::LabelConflicts
            | CheckName::NearDuplicates
            | CheckName::SplitLeakage
            | CheckName::TechniqueShare => "needs `dataset`",
            CheckName::Profile | CheckName::Marginals | CheckName::Truth | CheckName::Leakage => {
                "needs `truth`, which says what is simulated, beside `scans`, `findings` and `correlations`"
            }
            CheckName::Realism => "needs `truth` and `real`, beside `scans`, `findings` and `correlations`",
            CheckName::Quality => "needs a check that measured something",
        }
    }
}

/// A defect that a check found in one place.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many things were looked at.
    pub items: u64,
    /// What is wrong, as far as a report lists it.
    pub violations: Vec<Violation>,
    /// How many violations there are beyond those: a large report may hold one in each finding.
    pub unlisted: u64,
    /// How many of the violations only warn, whatever the threshold: what the scanner itself does on real hosts, figures beyond which
    /// a check warns.
    pub tolerated: u64,
    /// The check panicked.
    pub crashed: bool,
}

impl Outcome {
    /// Nothing found yet, among so many things.
    pub fn of(items: usize) -> Outcome {
        Outcome { items: items as u64, ..Outcome::default() }
    }

    /// Adds a violation.
    pub fn tell(&mut self, place: impl Into<String>, pointer: impl Into<String>, message: impl Into<String>) {
        if self.violations.len() < LISTED_VIOLATIONS {
            self.violations.push(Violation { place: place.into(), pointer: pointer.into(), message: message.into() });
        } else {
            self.unlisted += 1;
        }
    }

    /// Adds a violation that only warns.
    pub fn tell_tolerated(&mut self, place: impl Into<String>, pointer: impl Into<String>, message: impl Into<String>) {
        self.tell(place, pointer, message);
        self.tolerated += 1;
    }

    /// Adds what came of a part that crashed at a place.
    pub fn absorb(&mut self, crash: Outcome, place: impl Fn() -> String) {
        self.items += crash.items;
        self.crashed |= crash.crashed;
        self.unlisted += crash.unlisted;
        self.violations.extend(crash.violations.into_iter().map(|violation| Violation { place: place(), ..violation }));
    }
}

/// Runs part of a check that gives no outcome of its own; of one that crashes nothing is given, and `crashed` gets its outcome.
pub fn guard_part<T: Default>(
    crashed: &mut Vec<(CheckName, Outcome)>,
    check: CheckName,
    place: &str,
    part: impl FnOnce() -> T,
) -> T {
    guard(place, part).unwrap_or_else(|crash| {
        crashed.push((check, crash));
        T::default()
    })
}

/// Runs a check, or part of one, on what lies at `place`; a panic becomes the outcome of the check.
pub fn guard<T>(place: &str, part: impl FnOnce() -> T) -> Result<T, Outcome> {
    catch_unwind(AssertUnwindSafe(part)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let mut outcome = Outcome { items: 1, crashed: true, ..Outcome::default() };
        outcome.tell(place, "", format!("the check crashed: {}", text.unwrap_or("no message")));
        outcome
    })
}
