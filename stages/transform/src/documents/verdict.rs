//! What a scan means: how grave it is, and which findings matter most.
//!
//! Both follow from what is joined. A severity says how bad a kind of finding may be, and every healthy host has some of high severity;
//! what stands together says whether somebody is there.

use findings::{EnrichedFinding, Prevalence};

use crate::documents::action::Priority;

/// From this suspicion on, a cluster that is no suspected attack is worth a look.
const WORTH_A_LOOK: u8 = 20;
/// From this suspicion on, a suspected attack is critical.
const CRITICAL: u8 = 80;

/// How much a finding matters; more is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// It is of a suspected attack.
    pub suspected: bool,
    /// A correlation raises its risk.
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
        Rank {
            suspected: finding.suspected,
            joined: finding.risk_total > finding.risk_score,
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
        self.suspected || self.joined || self.rare > 0
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
            false if suspicion >= WORTH_A_LOOK => Priority::Medium,
            false => Priority::Low,
        };
        Verdict { level, suspicion, suspected }
    }

    /// As prompts show it.
    pub fn line(self) -> String {
        let called = if self.suspected { ", an attack is suspected" } else { "" };
        format!("suspicion: {}{called}", self.suspicion)
    }
}
