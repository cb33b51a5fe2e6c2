//! The correlations that name a finding, by title: those that say most are named, the others only counted.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use findings::{Correlation, EnrichedFinding};
use rules::rule::RULES;

/// Titles that a prompt names.
const TITLES: usize = 3;
/// No risk is higher.
const MOST: u32 = 100;

/// The titles of correlations that name a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Those that say most, first, with how many correlations have each.
    titles: Vec<(String, usize)>,
    /// How many more titles there are.
    more: usize,
    /// The points of the correlations with these titles.
    points: u32,
    /// The first title that says what was found.
    told: Option<String>,
}

impl Joined {
    /// Of correlations, those that say most first.
    pub(crate) fn of<'c>(correlations: impl IntoIterator<Item = &'c Correlation>) -> Joined {
        let mut joined = Joined::default();
        let mut others: BTreeSet<&str> = BTreeSet::new();
        for correlation in correlations {
            let known = joined.titles.iter().position(|(title, _)| *title == correlation.title);
            match known {
                Some(place) => joined.titles[place].1 += 1,
                None if joined.titles.len() < TITLES => joined.titles.push((correlation.title.clone(), 1)),
                None => {
                    others.insert(&correlation.title);
                    continue;
                }
            }
            joined.points += u32::from(correlation.risk_score_delta);
            if joined.told.is_none() && tells(&correlation.rule) {
                joined.told = Some(correlation.title.clone());
            }
        }
        joined.more = others.len();
        joined
    }

    /// Of the titles that say most, the first that says what was found. That a thing is unusual is a count, which no prompt shows.
    pub fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }

    /// The title that says most.
    pub fn first(&self) -> Option<&str> {
        self.titles.first().map(|(title, _)| title.as_str())
    }

    /// Whether the risk with what correlations add follows from the titles that are named.
    pub(crate) fn adds_up(&self, finding: &EnrichedFinding) -> bool {
        let total = (u32::from(finding.risk_score) + self.points).min(MOST);
        total == u32::from(finding.risk_total) && (self.more == 0 || total == MOST)
    }

    /// As prompts show it; none where nothing is joined.
    pub(crate) fn line(&self) -> Option<String> {
        let title = |(title, times): &(String, usize)| match times {
            1 => title.clone(),
            times => format!("{times}x {title}"),
        };
        let mut titles: Vec<String> = self.titles.iter().map(title).collect();
        titles.extend((self.more > 0).then(|| format!("{} more kinds", self.more)));
        (!titles.is_empty()).then(|| format!("joined: {}", titles.join("; ")))
    }
}

/// Whether a rule says what it found, and not how seldom that is.
pub(crate) fn tells(rule: &str) -> bool {
    static COUNTING: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
        let counting = RULES.iter().filter(|rule| rule.join.is_of_counts());
        counting.map(|rule| rule.id.as_str()).collect()
    });
    !COUNTING.contains(rule)
}

#[cfg(test)]
mod tests {
    use scan::Severity;

    use super::*;

    fn correlation(title: &str, points: u8) -> Correlation {
        Correlation {
            host: String::new(),
            scan: 0,
            id: format!("{title}:{points}"),
            rule: title.to_owned(),
            title: title.to_owned(),
            rationale: String::new(),
            related_finding_ids: Vec::new(),
            member_count: 0,
            cluster_id: None,
            risk_score_delta: points,
            severity: Severity::Low,
            tags: Vec::new(),
            exposure_tags: Vec::new(),
            techniques: Vec::new(),
            hosts: Vec::new(),
        }
    }

    #[test]
    fn titles_are_named_once_with_their_number_and_the_rest_is_counted() {
        let all = [("a", 20), ("a", 20), ("b", 7), ("c", 0), ("d", 9), ("e", 1), ("d", 9)];
        let all = all.map(|(title, points)| correlation(title, points));
        let joined = Joined::of(&all);
        assert_eq!(joined.line().unwrap(), "joined: 2x a; b; c; 2 more kinds");
        assert_eq!((joined.first(), joined.points), (Some("a"), 47));
        assert_eq!(Joined::of(&[]).line(), None);
    }
}
