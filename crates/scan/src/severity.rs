//! Severities and the fixed score the scanner gives to each.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A severity as the scanner writes it, in lower case. The order is the scanner's own rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A fact.
    Info,
    /// Hygiene.
    Low,
    /// Worth a look.
    Medium,
    /// Wrong on most hosts.
    High,
    /// Act now.
    Critical,
    /// The scanner itself failed.
    Error,
}

impl Severity {
    /// Every severity, by rank.
    pub const ALL: [Severity; 6] =
        [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical, Severity::Error];

    /// The base score of a finding of this severity. Operational findings carry 0 instead, whatever their severity.
    pub const fn score(self) -> u8 {
        match self {
            Severity::Info => 10,
            Severity::Low => 30,
            Severity::Medium => 50,
            Severity::High => 70,
            Severity::Critical => 90,
            Severity::Error => 80,
        }
    }

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
            Severity::Error => "error",
        }
    }

    /// That of a name, in any case.
    pub fn of_name(name: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.name().eq_ignore_ascii_case(name))
    }

    /// One level up, as the scanner raises exposed listeners; critical and error stay.
    pub const fn raised(self) -> Severity {
        match self {
            Severity::Info => Severity::Low,
            Severity::Low => Severity::Medium,
            Severity::Medium => Severity::High,
            Severity::High | Severity::Critical => Severity::Critical,
            Severity::Error => Severity::Error,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
