//! What a scan means: how grave it is, and which findings matter most.
//!
//! Whether somebody is there follows from what is joined: a severity says how bad a kind of finding may be, and every healthy host has
//! some of high severity. A host with a critical one is worth a look, and no more.

use std::collections::HashMap;
use std::sync::LazyLock;

use findings::{EnrichedFinding, Prevalence};
use rules::rule::RULES;
use scan::Severity;

use crate::documents::action::Priority;

/// From this suspicion on, a cluster that is no suspected attack is worth a look.
const WORTH_A_LOOK: u8 = 20;
/// From this suspicion on, a suspected attack is critical.
const CRITICAL: u8 = 80;

/// The severity of each rule.
static GRAVITY: LazyLock<HashMap<&str, Severity>> =
    LazyLock::new(|| RULES.iter().map(|rule| (rule.id.as_str(), rule.severity)).collect());

/// How much a finding matters; more is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// It is of a suspected attack.
    pub suspected: bool,
    /// The gravest severity of what joins it, from 0 for `info`; `critical` where it is so by itself.
    gravity: u8,
    /// A correlation raises its risk, or one of medium severity or more names it.
    pub joined: bool,
    /// The risk with what correlations add.
    pub total: u8,
    /// How few hosts have it.
    rare: u8,
    risk: u8,
}

impl Rank {
    /// That of a finding.
    pub fn of(finding: &EnrichedFinding) -> Rank {
        let rare = match finding.prevalence {
            Some(Prevalence::One) => 2,
            Some(Prevalence::Few) => 1,
            Some(Prevalence::Many) | None => 0,
        };
        // The id of a correlation begins with that of its rule.
        let rule = |id: &String| GRAVITY.get(id.split(':').next().unwrap_or_default()).copied();
        let joins = finding.correlation_refs.iter().filter_map(rule).max().unwrap_or(Severity::Info);
        Rank {
            suspected: finding.suspected,
            gravity: if is_critical(finding) { Severity::Critical } else { joins } as u8,
            joined: finding.risk_total > finding.risk_score || joins >= Severity::Medium,
            total: finding.risk_total,
            rare,
            risk: finding.risk_score,
        }
    }

    /// Whether few hosts have it.
    pub fn is_rare(self) -> bool {
        self.rare > 0
    }

    /// Whether the finding says more than what is found on any host.
    pub fn stands_out(self) -> bool {
        self.suspected || self.joined || self.rare > 0 || self.gravity >= Severity::Critical as u8
    }
}

/// What a scan comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How grave it is.
    pub level: Priority,
    /// The suspicion of the most suspicious cluster.
    pub suspicion: u8,
    /// Whether that is called an attack.
    pub suspected: bool,
}

impl Verdict {
    /// That of a scan.
    pub fn of(findings: &[EnrichedFinding]) -> Verdict {
        let suspicion = findings.iter().filter_map(|finding| finding.cluster_suspicion).max().unwrap_or(0);
        let suspected = findings.iter().any(|finding| finding.suspected);
        let level = match suspected {
            true if suspicion >= CRITICAL => Priority::Critical,
            true => Priority::High,
            false if suspicion >= WORTH_A_LOOK || findings.iter().any(is_critical) => Priority::Medium,
            false => Priority::Low,
        };
        Verdict { level, suspicion, suspected }
    }

    /// As prompts show it. It stands for what is joined, by the points of the rules, which no prompt shows.
    pub fn line(self) -> String {
        let called = if self.suspected { ", an attack is suspected" } else { "" };
        format!("suspicion: {}{called}", self.suspicion)
    }
}

/// Whether a finding is critical by itself, whatever it is joined with.
fn is_critical(finding: &EnrichedFinding) -> bool {
    !finding.operational_error && finding.severity == Severity::Critical
}
