//! The part of a cluster that a prompt of task `correlation` lists: all of it, or of a large one as many whole correlations as fit.
//!
//! A correlation that a prompt shows in part can neither be asked for nor be told from one that is not there. So of every
//! correlation that could be asked for, a prompt lists all members or at most one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use findings::{Correlation, EnrichedFinding};
use rules::rule::{Join, RULES, Rule, Side};

/// Members of a cluster that a prompt lists.
pub(crate) const LISTED: usize = 20;
/// Correlations of a large cluster that are tried.
const TRIED: usize = 64;

/// Rules of which no prompt asks: what they join lies on another host or in an earlier scan, or follows from points that no line
/// tells, or they build on such a rule.
static ELSEWHERE: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let mut hidden = BTreeSet::new();
    for rule in RULES.iter() {
        let outside = matches!(rule.join, Join::Peers { .. } | Join::Earlier { .. }) || rule.join.is_late();
        if outside || bases(rule).any(|id| hidden.contains(id)) {
            hidden.insert(rule.id.as_str());
        }
    }
    hidden
});

/// Rules that others build on: one finding of them listed, and the others are asked for.
static BASES: LazyLock<BTreeSet<&str>> = LazyLock::new(|| RULES.iter().flat_map(bases).collect());

/// Rules of what appeared at the same time.
static WINDOWS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let windows = RULES.iter().filter(|rule| matches!(rule.join, Join::Window { .. }));
    windows.map(|rule| rule.id.as_str()).collect()
});

fn bases(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.sides().filter_map(|side: &Side| side.joined_by.as_deref())
}

/// Whether no prompt asks for what a rule joins, whatever it lists.
pub(crate) fn elsewhere(rule: &str) -> bool {
    ELSEWHERE.contains(rule)
}

/// Whether a prompt that lists all that it joins can ask for it. `new` holds the findings that no earlier scan has: of others no
/// line says when they appeared.
pub(crate) fn follows(correlation: &Correlation, new: impl Fn(&str) -> bool) -> bool {
    let rule = correlation.rule.as_str();
    // A weak link joins with what stands elsewhere on the host and is not listed; that others have it too is said in the list.
    let told = correlation.cluster_id.is_some() || !correlation.hosts.is_empty();
    let dated = || correlation.related_finding_ids.iter().all(|id| new(id));
    told && !elsewhere(rule) && (!WINDOWS.contains(rule) || dated())
}

/// The correlations of one scan that can be asked for, by finding: a report of thousands has thousands.
pub(crate) struct Asked<'a> {
    correlations: Vec<&'a Correlation>,
    of_finding: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Asked<'a> {
    /// Of these, in the order of the scan.
    pub(crate) fn new(correlations: Vec<&'a Correlation>) -> Asked<'a> {
        let mut of_finding: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, correlation) in correlations.iter().enumerate() {
            for id in &correlation.related_finding_ids {
                of_finding.entry(id).or_default().push(place);
            }
        }
        Asked { correlations, of_finding }
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a Correlation> {
        self.correlations.iter().copied()
    }

    /// Those that name one of some findings, each once and in the order of the scan.
    pub(crate) fn of<'f>(&self, ids: impl IntoIterator<Item = &'f str>) -> Vec<&'a Correlation> {
        let places = ids.into_iter().filter_map(|id| self.of_finding.get(id)).flatten();
        let places: BTreeSet<usize> = places.copied().collect();
        places.into_iter().map(|place| self.correlations[place]).collect()
    }

    /// The members of a cluster that a prompt lists, at most `most`; none where no part of it can be shown. `members` says of each
    /// whether its line has everything that rules ask.
    pub(crate) fn listed(&self, members: &BTreeMap<&'a str, bool>, most: usize) -> Option<BTreeSet<&'a str>> {
        let all: BTreeSet<&str> = members.iter().filter(|(_, told)| **told).map(|(id, _)| *id).collect();
        let whole = |correlation: &Correlation| {
            let named = &correlation.related_finding_ids;
            correlation.member_count as usize == named.len() && named.iter().all(|id| all.contains(id.as_str()))
        };
        if let Some(all) = self.grown(all.clone(), most, whole) {
            return Some(all);
        }
        let mut order = self.of(members.keys().copied());
        order.retain(|correlation| correlation.cluster_id.is_some());
        order.sort_by_key(|correlation| (Reverse(correlation.severity), correlation.related_finding_ids.len()));
        let mut listed = BTreeSet::new();
        for correlation in order.into_iter().take(TRIED).filter(|correlation| whole(correlation)) {
            let more = correlation.related_finding_ids.iter().map(String::as_str);
            listed = self.grown(more.chain(listed.iter().copied()).collect(), most, whole).unwrap_or(listed);
        }
        (!listed.is_empty()).then_some(listed)
    }

    /// The list with all members of every correlation that it would show a part of; none where they are too many or not known.
    fn grown(
        &self,
        mut list: BTreeSet<&'a str>,
        most: usize,
        whole: impl Fn(&Correlation) -> bool,
    ) -> Option<BTreeSet<&'a str>> {
        let mut before = 0;
        while list.len() > before {
            if list.len() > most {
                return None;
            }
            before = list.len();
            for correlation in self.of(list.iter().copied()).into_iter().filter(|c| c.cluster_id.is_some()) {
                let ids = || correlation.related_finding_ids.iter().map(String::as_str);
                let shown = ids().filter(|id| list.contains(id)).count();
                let needed = if BASES.contains(correlation.rule.as_str()) { 1 } else { 2 };
                if shown >= needed {
                    list.extend(whole(correlation).then(ids)?);
                }
            }
        }
        Some(list)
    }
}

/// Whether no earlier scan has it.
pub(crate) fn is_new(finding: &EnrichedFinding) -> bool {
    finding.earlier_scans > 0 && finding.sightings == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_scan_alone_shows_is_asked_in_no_prompt() {
        let hidden = [
            "connection-outlives-scan",
            "odd-program-connects-to-peer",
            "odd-session-beside-odd-program",
            "session-from-odd-program",
        ];
        let late = |id: &&&str| RULES.iter().any(|rule| rule.id == ***id && rule.join.is_late());
        let (late, others): (Vec<&&str>, Vec<&&str>) = ELSEWHERE.iter().partition(late);
        assert_eq!(others, hidden.iter().collect::<Vec<_>>());
        assert!(late.contains(&&"suspected-clusters-together"), "{late:?}");
        assert!(BASES.contains("pattern-of-process"), "{:?}", *BASES);
    }

    fn joins(rule: &str, severity: &str, members: u32, ids: &[String]) -> Correlation {
        let line = serde_json::json!({
            "host": "a", "scan": 1, "id": format!("{rule}:{ids:?}"), "rule": rule, "title": rule, "rationale": "r",
            "related_finding_ids": ids, "member_count": members, "cluster_id": "c1", "risk_score_delta": 1,
            "severity": severity, "tags": [], "exposure_tags": [], "techniques": [],
        });
        serde_json::from_value(line).unwrap()
    }

    fn pairs(count: usize) -> Vec<Correlation> {
        let pair =
            |n: usize| joins("flagged-process-in-inventory", "medium", 2, &[format!("i{n:02}"), format!("p{n:02}")]);
        (0..count).map(pair).collect()
    }

    fn check(correlations: &[Correlation], hidden: &[&str]) -> Option<Vec<String>> {
        let of_each = |c: &Correlation| c.related_finding_ids.clone();
        let ids: BTreeSet<String> = correlations.iter().flat_map(of_each).collect();
        let members = ids.iter().map(|id| (id.as_str(), !hidden.contains(&id.as_str()))).collect();
        let listed = Asked::new(correlations.iter().collect()).listed(&members, LISTED)?;
        for correlation in correlations {
            let shown = correlation.related_finding_ids.iter().filter(|id| listed.contains(id.as_str())).count();
            let whole = shown == correlation.member_count as usize;
            assert!(shown < 2 || whole, "{} is listed in part", correlation.id);
        }
        Some(listed.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn a_small_cluster_is_listed_wholly_and_a_large_one_by_whole_correlations() {
        assert_eq!(check(&pairs(10), &[]).unwrap().len(), 20);
        assert_eq!(check(&pairs(11), &[]).unwrap().len(), 20);
        // The gravest first.
        let mut grave = pairs(15);
        grave.push(joins("hidden-program-runs", "high", 2, &["p14".to_owned(), "s".to_owned()]));
        assert_eq!(
            check(&grave, &[]).unwrap().iter().filter(|id| ["i14", "p14", "s"].contains(&id.as_str())).count(),
            2
        );
    }

    #[test]
    fn a_correlation_that_does_not_fit_shows_one_member_at_most() {
        let mut all = pairs(30);
        let ids: Vec<String> = (0..24).map(|n| format!("p{n:02}")).collect();
        all.push(joins("grave-signs-of-two-kinds", "high", 24, &ids));
        // One pair of those it joins, and the six that it does not.
        assert_eq!(check(&all, &[]).unwrap().len(), 14);
        // What it joins beside those it names is not known.
        let ids: Vec<String> = (0..24).map(|n| format!("x{n:02}")).collect();
        assert_eq!(check(&[joins("grave-signs-of-two-kinds", "high", 40, &ids)], &[]), None);
    }

    #[test]
    fn what_a_line_cannot_tell_is_not_listed() {
        assert_eq!(check(&pairs(2), &["p01"]).unwrap(), ["i00", "i01", "p00"]);
        assert_eq!(check(&pairs(1), &["i00", "p00"]), Some(Vec::new()));
        let three = joins("grave-signs-of-two-kinds", "high", 3, &["i00", "p00", "q"].map(str::to_owned));
        assert_eq!(check(&[three], &["q"]), None);
    }

    #[test]
    fn what_a_rule_builds_on_is_listed_with_it() {
        let mut all = pairs(10);
        all.push(joins("pattern-of-process", "low", 2, &["i".to_owned(), "shell".to_owned()]));
        all.push(joins("shell-of-scheduled-program", "critical", 2, &["shell".to_owned(), "rare".to_owned()]));
        let listed = check(&all, &[]).unwrap();
        assert!(["i", "shell", "rare"].iter().all(|id| listed.contains(&(*id).to_owned())), "{listed:?}");
    }

    #[test]
    fn signs_are_asked_for_where_lines_say_when_they_appeared() {
        let window = joins("signs-appeared-together", "medium", 2, &["a".to_owned(), "b".to_owned()]);
        assert!(follows(&window, |_| true) && !follows(&window, |id| id == "a"));
        assert!(follows(&pairs(1)[0], |_| false));
        let weak = Correlation { cluster_id: None, ..pairs(1).remove(0) };
        assert!(!follows(&weak, |_| true));
        assert!(follows(&Correlation { hosts: vec!["a".to_owned(), "b".to_owned()], ..weak }, |_| true));
    }
}
