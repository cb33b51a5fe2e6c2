//! The view that a model has of a finding: no severity, no score, no risk, no pid or inode, but everything the answer depends on.
//!
//! Risk and rationale follow from exactly this, so equal prompts have equal answers. Where the scanner's rule depends on
//! something that no report shows, the finding is [`Visible::determined`] = false and no example is made of it.

use std::cmp::Reverse;
use std::collections::HashMap;

use contract::clean;
use findings::{Correlation, EnrichedFinding, Prevalence};
use rules::role;

use crate::prompt::context;
use crate::prompt::joined::Joined;
use crate::prompt::seen::{Seen, lower_first};

/// Bytes of a scanner's name; reports of other scanners may have any.
pub(crate) const SCANNER_LIMIT: usize = 40;

/// Stands between the parts of a rationale.
pub(crate) const PART: &str = "; ";

/// A finding as a prompt shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visible {
    /// The scanner.
    pub scanner: String,
    /// Its object, for lists: a path, a port.
    pub subject: String,
    /// The scanner's text, in one line.
    pub text: String,
    /// Conclusions from the text. in words.
    pub facts: Vec<String>,
    /// Role and container.
    pub host: String,
    /// How often earlier scans hold it.
    pub history: String,
    /// What it is on a host of this role.
    pub context: Option<String>,
    /// How few hosts have it.
    pub rarity: Option<&'static str>,
    /// The correlations that name it.
    pub joined: Joined,
    /// Whether the answer follows from all of this.
    pub determined: bool,
    /// Whether the risk with what correlations add follows from the titles that a prompt names.
    pub adds_up: bool,
}

/// The surroundings against which a finding is seen.
#[derive(Clone, Debug, Default)]
pub struct Surroundings<'a> {
    /// The scan's correlations by id: their place among those that say most, and what they are.
    correlations: HashMap<&'a str, (usize, &'a Correlation)>,
    /// Whether AppArmor is on, where the scan says.
    pub apparmor: Option<bool>,
}

impl<'a> Surroundings<'a> {
    /// The surroundings of the findings of one scan.
    pub fn of(findings: &[EnrichedFinding], correlations: &'a [Correlation]) -> Surroundings<'a> {
        let apparmor = findings.iter().find(|f| f.scanner == "mac" && f.id == "apparmor");
        let enabled = apparmor.and_then(|f| f.metadata.get("enabled")).map(|value| value == "true");
        let by_id = |(place, correlation): (usize, &'a Correlation)| (correlation.id.as_str(), (place, correlation));
        let correlations = telling(correlations).into_iter().enumerate().map(by_id).collect();
        Surroundings { correlations, apparmor: enabled }
    }
}

impl Visible {
    /// The view of a finding.
    pub fn of(finding: &EnrichedFinding, surroundings: &Surroundings<'_>) -> Visible {
        let seen = Seen::of(finding, surroundings);
        let container = match finding.container {
            Some(true) => " in a container",
            Some(false) => "",
            None => ", perhaps in a container",
        };
        let of_finding = finding.correlation_refs.iter().filter_map(|id| surroundings.correlations.get(id.as_str()));
        let mut of_finding: Vec<(usize, &Correlation)> = of_finding.copied().collect();
        of_finding.sort_by_key(|(place, _)| *place);
        let joined = Joined::of(of_finding.into_iter().map(|(_, correlation)| correlation));
        Visible {
            scanner: clean::bounded(&finding.scanner, SCANNER_LIMIT).into_owned(),
            subject: seen.subject,
            text: seen.text,
            facts: seen.facts,
            host: format!("{}{container}", role::in_words(&finding.host_role)),
            history: history(finding),
            context: context::of(finding),
            rarity: match finding.prevalence {
                Some(Prevalence::One) => Some("on no other host"),
                Some(Prevalence::Few) => Some("on few hosts"),
                Some(Prevalence::Many) | None => None,
            },
            adds_up: joined.adds_up(finding),
            joined,
            determined: seen.whole && (finding.scanner != "mac" || finding.container.is_some()),
        }
    }

    /// The user's message of task `finding`.
    pub fn prompt(&self) -> String {
        let mut text = format!("{}: {}\n{}; {}", self.scanner, self.text, self.host, self.history);
        text.extend(self.rarity.iter().flat_map(|rarity| ["; ", rarity]));
        text.extend(self.joined.line().iter().flat_map(|line| ["\n", line.as_str()]));
        text
    }

    /// Why the finding has the risk it has.
    pub fn rationale(&self) -> String {
        let mut parts = self.facts.clone();
        parts.extend(self.context.clone());
        parts.push(self.history.clone());
        parts.extend(self.rarity.map(str::to_owned));
        parts.extend(self.joined.told().map(lower_first));
        parts.join(PART)
    }
}

/// The correlations that say most: those of many points, then those of high severity, then by title.
pub fn telling<'c>(correlations: impl IntoIterator<Item = &'c Correlation>) -> Vec<&'c Correlation> {
    let mut all: Vec<&Correlation> = correlations.into_iter().collect();
    all.sort_by_key(|c| (Reverse(c.risk_score_delta), Reverse(c.severity), &c.title, &c.id));
    all
}

fn history(finding: &EnrichedFinding) -> String {
    // The agent counts an id that stands twice in a first scan as seen.
    match (finding.earlier_scans, finding.seen_before()) {
        (0, 0) => "first scan".to_owned(),
        (_, 0) => "new since the last scan".to_owned(),
        (_, 1) => "seen once before".to_owned(),
        (_, n) => format!("seen {n} times before"),
    }
}
