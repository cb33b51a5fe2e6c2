//! Whether summaries name an attack that a correlation joins, and rate scans by it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::attacks::{Attacks, ScanKey, Standing};
use crate::check::Outcome;
use crate::report::Measure;
use crate::tally::Measured;

/// Fewer scans say nothing of a share.
const FEWEST: u64 = 40;

/// A share of scans, and the bar for it.
struct Part {
    name: &'static str,
    /// The least, or the most where it must be small.
    bar: f64,
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
        let part = |name, bar, at_least| Part { name, bar, at_least, hits: 0, scans: 0 };
        Summaries {
            parts: [
                part("attack named in prompt", 0.97, true),
                part("attack named in KEY_FINDINGS", 0.95, true),
                part("attack named in EXECUTIVE_SUMMARY", 0.90, true),
                part("high or critical where attacked", 0.90, true),
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

    /// The figure: by how much the share that misses its bar most misses it.
    pub fn measure(&self, threshold: f64) -> (Outcome, Measured) {
        let mut outcome = Outcome { items: self.parts.iter().map(|part| part.scans).sum(), ..Outcome::default() };
        let mut figure = None;
        for part in self.parts.iter().filter(|part| part.scans >= FEWEST) {
            let short = part.short();
            figure = Some(f64::max(short, figure.unwrap_or(0.0)));
            if short > 0.0 {
                let side = if part.at_least { "at least" } else { "at most" };
                let message = format!("{:.3} of {} scans, not {side} {}", part.share(), part.scans, part.bar);
                match short > threshold {
                    true => outcome.tell(part.name, "", message),
                    false => outcome.tell_tolerated(part.name, "", message),
                }
            }
        }
        let reason = match figure {
            Some(_) => "by how much the share that misses its bar most misses it".to_owned(),
            None => format!("fewer than {FEWEST} summaries of attacked scans, and of never attacked ones"),
        };
        let measure = |part: &Part| Measure {
            part: part.name.to_owned(),
            items: part.scans,
            value: (part.scans > 0).then(|| part.share()),
            low: None,
            high: None,
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

    fn short(&self) -> f64 {
        f64::max(0.0, if self.at_least { self.bar - self.share() } else { self.share() - self.bar })
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

    #[test]
    fn a_name_is_a_whole_word() {
        let names = |subject: &str, text: &str| names_one(&BTreeSet::from([subject.to_owned()]), text);
        assert!(names("sh", "processes: sh as a user") && names("/opt/x", "by /opt/x.") && names("sh", "/bin/sh"));
        assert!(!names("sh", "sshd as root") && !names("/opt/x", "/opt/xy") && !names("x", ""));
    }
}
