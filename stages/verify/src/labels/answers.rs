//! Techniques and actions in the answers of a training set, each held against the lines of its prompt that it names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use super::claims::{CLAIMS, is_technique};
use crate::check::Outcome;
use crate::report::Measure;
use crate::tally::Measured;

/// Fewer answers say nothing of what dominates.
const FEWEST: u64 = 50;
/// Techniques that a report lists.
const LISTED: usize = 12;

/// What the answers of one set say.
#[derive(Default)]
pub struct Answers {
    /// Techniques that the prompt does not show.
    pub techniques: Outcome,
    /// Actions that contradict their findings.
    pub actions: Outcome,
    bearing: BTreeMap<String, u64>,
    answers: u64,
}

#[derive(Deserialize)]
struct Joined {
    #[serde(default)]
    related_finding_ids: Vec<String>,
    #[serde(default)]
    techniques: Vec<String>,
}

#[derive(Deserialize)]
struct Action {
    title: String,
    #[serde(default)]
    finding_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    conditions: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    tags: Vec<String>,
}

impl Answers {
    /// Reads one line; an answer in another form than `transform` writes says nothing.
    pub fn read(&mut self, task: &str, prompt: &str, answer: &str, place: &dyn Fn() -> String) {
        match task {
            "correlation" => {
                let Ok(joined) = serde_json::from_str::<Vec<Joined>>(answer) else { return };
                self.joined(&joined, &named(prompt), place);
            }
            "actions" => {
                let Ok(actions) = serde_json::from_str::<Vec<Action>>(answer) else { return };
                let lines = named(prompt);
                for action in actions {
                    self.actions.items += 1;
                    let texts = action.finding_ids.iter().filter_map(|id| lines.get(id.as_str()).copied());
                    if let Some(text) = CLAIMS.contradiction(&action.title, texts) {
                        self.actions.tell(place(), "", format!("`{}` about {text:?}", action.title));
                    }
                }
            }
            "refine" => {
                let Ok(rules) = serde_json::from_str::<Vec<Rule>>(answer) else { return };
                for rule in rules {
                    let said: Vec<&str> = rule.conditions.iter().flat_map(|c| c.values()).map(String::as_str).collect();
                    for technique in rule.tags.iter().filter(|tag| is_technique(tag)) {
                        self.technique(technique, &said, place);
                    }
                }
            }
            _ => {}
        }
    }

    fn joined(&mut self, joined: &[Joined], lines: &HashMap<&str, &str>, place: &dyn Fn() -> String) {
        let mut own = BTreeSet::new();
        for Joined { related_finding_ids, techniques } in joined {
            let texts: Vec<&str> =
                related_finding_ids.iter().filter_map(|id| lines.get(id.as_str()).copied()).collect();
            techniques.iter().for_each(|technique| self.technique(technique, &texts, place));
            own.extend(techniques);
        }
        self.answers += u64::from(!own.is_empty());
        own.into_iter().for_each(|technique| *self.bearing.entry(technique.clone()).or_default() += 1);
    }

    fn technique(&mut self, technique: &str, texts: &[&str], place: &dyn Fn() -> String) {
        self.techniques.items += 1;
        if !CLAIMS.technique(technique, texts.iter().copied()) {
            self.techniques.tell(place(), "", format!("{technique}, of which {texts:?} show nothing"));
        }
    }

    /// The share of the technique that most answers bear, of those that bear any.
    pub fn dominance(&self, threshold: f64) -> (Outcome, Measured) {
        let mut outcome = Outcome { items: self.answers, ..Outcome::default() };
        if self.answers < FEWEST {
            let reason = format!("{} answers bear techniques, fewer than {FEWEST}", self.answers);
            return (outcome, Measured { figure: None, reason, measures: Vec::new() });
        }
        let share = |count: u64| count as f64 / self.answers as f64;
        let mut techniques: Vec<(&String, u64)> = self.bearing.iter().map(|(name, count)| (name, *count)).collect();
        techniques.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        let measure = |(name, count): &(&String, u64)| Measure {
            part: (*name).clone(),
            items: *count,
            value: Some(share(*count)),
            low: None,
            high: None,
            note: String::new(),
        };
        for (name, count) in techniques.iter().filter(|(_, count)| share(*count) > threshold) {
            outcome.tell(*name, "", format!("{:.3} of the answers that bear techniques bear it", share(*count)));
        }
        let figure = techniques.first().map(|(_, count)| share(*count));
        let reason = "share of the technique that most answers bear".to_owned();
        (outcome, Measured { figure, reason, measures: techniques.iter().take(LISTED).map(measure).collect() })
    }
}

/// The lines of a prompt by the names that they begin with: `f1 ioc: ...`.
fn named(prompt: &str) -> HashMap<&str, &str> {
    prompt.lines().filter_map(|line| line.split_once(' ')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(task: &str, prompt: &str, answer: &str) -> Answers {
        let mut answers = Answers::default();
        answers.read(task, prompt, answer, &|| "train.jsonl:1".to_owned());
        answers
    }

    #[test]
    fn a_technique_that_no_named_line_shows_is_told() {
        let prompt = "web host\nf1 processes: /bin/sh as a user\nf2 network: tcp LISTEN 80";
        let answer =
            |id: &str| format!(r#"[{{"title": "t", "related_finding_ids": ["{id}"], "techniques": ["T1059.004"]}}]"#);
        assert_eq!(read("correlation", prompt, &answer("f1")).techniques.violations, []);
        assert_eq!(read("correlation", prompt, &answer("f2")).techniques.violations.len(), 1);
        let rule =
            |key: &str| format!(r#"[{{"conditions": [{{"metadata_key": "{key}"}}], "tags": ["ioc", "T1574.006"]}}]"#);
        assert_eq!(read("refine", "", &rule("environment_issue")).techniques.violations, []);
        assert_eq!(read("refine", "", &rule("rule")).techniques.violations.len(), 1);
    }

    #[test]
    fn an_action_about_another_kind_of_finding_is_told() {
        let prompt = "web host\nf1 mac: apparmor off\nf2 ioc: /opt/x: deleted";
        let answer =
            |id: &str| format!(r#"[{{"title": "Turn mandatory access control on", "finding_ids": ["{id}"]}}]"#);
        assert_eq!(read("actions", prompt, &answer("f1")).actions.violations, []);
        assert_eq!(read("actions", prompt, &answer("f2")).actions.violations.len(), 1);
    }

    #[test]
    fn a_technique_that_most_answers_bear_is_told() {
        let mut answers = Answers::default();
        for number in 0..60 {
            let technique = if number % 3 == 0 { "T1105" } else { "T1059.004" };
            let answer = format!(r#"[{{"related_finding_ids": [], "techniques": ["{technique}"]}}]"#);
            answers.read("correlation", "", &answer, &String::new);
        }
        let (outcome, measured) = answers.dominance(0.5);
        assert_eq!(outcome.violations.iter().map(|v| v.place.as_str()).collect::<Vec<_>>(), ["T1059.004"]);
        assert!((measured.figure.unwrap() - 2.0 / 3.0).abs() < 1e-9);
    }
}
