//! Whether summaries name an attack that a correlation joins, and rate scans by it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::attacks::{Attacks, ScanKey, Standing};
use crate::check::Outcome;
use crate::report::Measure;
use crate::tally::Measured;

/// Fewer scans say nothing of a share.
const FEWEST: u64 = 20;
/// Standard errors on either side of a 95 % interval.
const ERRORS: f64 = 1.96;

/// A share of scans, and the bar for it.
struct Part {
    name: &'static str,
    /// The least, or the most where it must be small. A share that misses it is told.
    bar: f64,
    /// From here on the check fails. It is the bar, but for the attacks that are found: in a small fleet nobody can tell what is rare, and
    /// fewer are.
    limit: f64,
    at_least: bool,
    hits: u64,
    scans: u64,
}

/// The summaries of one training set.
pub struct Summaries {
    parts: [Part; 5],
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Answer {
    executive_summary: String,
    key_findings: Vec<String>,
    risk_assessment: Risk,
}

#[derive(Deserialize)]
struct Risk {
    level: String,
}

impl Default for Summaries {
    fn default() -> Summaries {
        let part = |name, bar, at_least| Part { name, bar, limit: bar, at_least, hits: 0, scans: 0 };
        Summaries {
            parts: [
                part("attack named in prompt", 0.97, true),
                part("attack named in KEY_FINDINGS", 0.95, true),
                part("attack named in EXECUTIVE_SUMMARY", 0.90, true),
                Part { limit: 0.5, ..part("high or critical where attacked", 0.90, true) },
                part("high or critical where never attacked", 0.05, false),
            ],
        }
    }
}

impl Summaries {
    /// Reads one summary; an answer in another form than `transform` writes says nothing.
    pub fn read(&mut self, key: &ScanKey, attacks: &Attacks, prompt: &str, answer: &str) {
        let Ok(answer) = serde_json::from_str::<Answer>(answer) else { return };
        if let Some(subjects) = attacks.subjects(key) {
            let names = |text: &str| names_one(subjects, text);
            let found =
                [names(prompt), answer.key_findings.iter().any(|key| names(key)), names(&answer.executive_summary)];
            found.into_iter().zip(&mut self.parts).for_each(|(found, part)| part.note(found));
        }
        let grave = matches!(answer.risk_assessment.level.as_str(), "high" | "critical");
        match attacks.standing(key) {
            Standing::Attacked => self.parts[3].note(grave),
            Standing::NeverAttacked => self.parts[4].note(grave),
            Standing::Neither => {}
        }
    }

    /// The figure: by how much the share that misses its limit most misses it, with the whole of its 95 % interval.
    pub fn measure(&self, threshold: f64) -> (Outcome, Measured) {
        let mut outcome = Outcome { items: self.parts.iter().map(|part| part.scans).sum(), ..Outcome::default() };
        let mut figure = None;
        for part in self.parts.iter().filter(|part| part.scans >= FEWEST) {
            figure = Some(f64::max(part.short(), figure.unwrap_or(0.0)));
            if part.misses_bar() {
                let side = if part.at_least { "at least" } else { "at most" };
                let message = format!("{:.3} of {} scans, not {side} {}", part.share(), part.scans, part.bar);
                match part.short() > threshold {
                    true => outcome.tell(part.name, "", message),
                    false => outcome.tell_tolerated(part.name, "", message),
                }
            }
        }
        let reason = match figure {
            Some(_) => "by how much the share that most misses its limit misses it, beyond chance".to_owned(),
            None => format!("fewer than {FEWEST} summaries of attacked scans, and of never attacked ones"),
        };
        let measure = |part: &Part| Measure {
            part: part.name.to_owned(),
            items: part.scans,
            value: (part.scans > 0).then(|| part.share()),
            low: (part.scans > 0).then(|| part.interval().0),
            high: (part.scans > 0).then(|| part.interval().1),
            note: format!("{} {}", if part.at_least { "at least" } else { "at most" }, part.bar),
        };
        (outcome, Measured { figure, reason, measures: self.parts.iter().map(measure).collect() })
    }
}

impl Part {
    fn note(&mut self, hit: bool) {
        self.scans += 1;
        self.hits += u64::from(hit);
    }

    fn share(&self) -> f64 {
        self.hits as f64 / self.scans.max(1) as f64
    }

    fn misses_bar(&self) -> bool {
        if self.at_least { self.share() < self.bar } else { self.share() > self.bar }
    }

    /// By how much the near end of the interval misses the limit.
    fn short(&self) -> f64 {
        let (low, high) = self.interval();
        f64::max(0.0, if self.at_least { self.limit - high } else { low - self.limit })
    }

    /// The 95 % interval of the share (Wilson's score).
    fn interval(&self) -> (f64, f64) {
        let (scans, share, square) = (self.scans.max(1) as f64, self.share(), ERRORS * ERRORS);
        let middle = share + square / (2.0 * scans);
        let half = ERRORS * (share * (1.0 - share) / scans + square / (4.0 * scans * scans)).sqrt();
        let whole = 1.0 + square / scans;
        ((middle - half) / whole, (middle + half) / whole)
    }
}

/// Whether a text holds one of the names, and not as a part of a longer word.
fn names_one(subjects: &BTreeSet<String>, text: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let whole = |(at, name): (usize, &str)| {
        !goes_on(text[..at].chars().next_back()) && !goes_on(text[at + name.len()..].chars().next())
    };
    subjects.iter().any(|subject| text.match_indices(subject.as_str()).any(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(at_least: bool, bar: f64, hits: u64, scans: u64) -> Part {
        Part { name: "p", bar, limit: bar, at_least, hits, scans }
    }

    #[test]
    fn a_share_misses_its_limit_where_chance_does_not_explain_it() {
        // Wilson's interval of 12 in 21 is 0.366 to 0.755.
        let (low, high) = part(false, 0.05, 12, 21).interval();
        assert!((low - 0.366).abs() < 0.001 && (high - 0.755).abs() < 0.001, "{low} {high}");
        assert!(part(false, 0.05, 12, 21).short() > 0.3);
        let few = part(false, 0.05, 2, 21);
        assert!(few.misses_bar() && few.short() == 0.0);
        assert!(part(true, 0.9, 30, 40).short() > 0.0 && part(true, 0.9, 35, 40).short() == 0.0);
    }

    #[test]
    fn clean_scans_that_are_called_grave_fail() {
        let mut summaries = Summaries::default();
        (summaries.parts[4].hits, summaries.parts[4].scans) = (12, 21);
        let (outcome, measured) = summaries.measure(0.0);
        assert!(measured.figure.unwrap() > 0.3 && outcome.tolerated == 0);
        assert_eq!(outcome.violations[0].place, "high or critical where never attacked");
        // Half of the attacks found warn, and no more.
        (summaries.parts[4].hits, summaries.parts[3].hits, summaries.parts[3].scans) = (0, 30, 50);
        let (outcome, measured) = summaries.measure(0.0);
        assert_eq!((measured.figure, outcome.violations.len(), outcome.tolerated), (Some(0.0), 1, 1));
    }

    #[test]
    fn a_name_is_a_whole_word() {
        let names = |subject: &str, text: &str| names_one(&BTreeSet::from([subject.to_owned()]), text);
        assert!(names("sh", "processes: sh as a user") && names("/opt/x", "by /opt/x.") && names("sh", "/bin/sh"));
        assert!(!names("sh", "sshd as root") && !names("/opt/x", "/opt/xy") && !names("x", ""));
    }
}
