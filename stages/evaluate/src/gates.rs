//! Gates: from which confidence on the answers of a model are taken, task by task.
//!
//! They are chosen on hosts of the validation split, so that the test split can show what they let through. Real reports never choose one.

use std::collections::BTreeMap;

use policy::{Reply, agrees, examine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statistics::binomial;

use crate::judge::Text;
use crate::samples::Question;

/// Share of errors among the answers that are taken.
const MOST_ERRORS: f64 = 0.01;
/// How sure that is.
const CONFIDENCE: f64 = 0.95;
/// The fewest answers that make it sure, when none of them is an error: .99^299 is below .05.
pub const LEAST: usize = 299;

/// The tasks of which `count` questions in all can choose gates. Of the others, how many questions there are.
///
/// Asking fewer than [`LEAST`] cannot give a gate, however right the answers are.
pub fn enough<T>(
    mut tasks: BTreeMap<String, Vec<T>>,
    count: usize,
) -> (BTreeMap<String, Vec<T>>, BTreeMap<String, usize>) {
    let mut too_few = BTreeMap::new();
    loop {
        let fewest = tasks.iter().map(|(task, drawn)| (drawn.len(), task.clone())).min();
        match fewest {
            Some((drawn, task)) if drawn < LEAST || count / tasks.len() < LEAST => {
                tasks.remove(&task);
                too_few.insert(task, drawn);
            }
            _ => return (tasks, too_few),
        }
    }
}

/// The gate of one model in one task, and what it lets through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateFigures {
    /// The smallest confidence that is taken; null: no answer is, as none keeps errors rare enough.
    pub gate: Option<f64>,
    /// Upper 95 % bound of the share of errors among the answers of the validation split that the gate lets through, by Clopper and Pearson.
    pub bound: Option<f64>,
    /// How many questions the validation split has, where they or `gate_samples` are too few to choose a gate by: none is asked then.
    pub too_few: Option<usize>,
    /// What it lets through of the validation split, by which it was chosen.
    pub validation: Taken,
    /// What it lets through of the test split.
    pub test: Taken,
    /// What it lets through of the real reports.
    pub reports: Option<Taken>,
}

/// What becomes of answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Questions asked.
    pub questions: usize,
    /// Answers that are finished, of the schema, grounded and complete.
    pub sound: usize,
    /// Of these, those whose facts are not the rule's.
    pub sound_errors: usize,
    /// Of the sound ones, those that the gate lets through.
    pub taken: usize,
    /// Of these, those whose facts are not the rule's.
    pub errors: usize,
    /// The others, by why they are refused.
    pub refused: BTreeMap<String, usize>,
}

/// An answer that is taken when it is sure enough.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sound {
    confidence: f64,
    error: bool,
}

/// The answers of one model to the questions of one task.
#[derive(Debug, Default)]
pub struct Judged {
    questions: usize,
    sound: Vec<Sound>,
    refused: BTreeMap<String, usize>,
}

impl Judged {
    /// Judges the answers to those questions that are of `task`. One with more than `limit` tokens would not have been finished.
    pub fn of<'a>(task: &str, limit: u32, answers: impl IntoIterator<Item = (&'a Question, &'a Text)>) -> Judged {
        let mut judged = Judged::default();
        for (question, text) in answers.into_iter().filter(|(question, _)| question.task == task) {
            let Some(rule) = &question.json else { continue };
            let asked = policy::Question { task, prompt: &question.prompt, rule };
            let finished = text.terminated && text.tokens <= limit as usize;
            let reply = Reply { text: text.text.clone(), finished, confidence: text.confidence };
            judged.questions += 1;
            match examine(&asked, &reply) {
                Ok(answer) => {
                    judged.sound.push(Sound { confidence: text.confidence, error: !agrees(&asked, &answer) });
                }
                Err(why) => *judged.refused.entry(why.name().to_owned()).or_default() += 1,
            }
        }
        judged.sound.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        judged
    }

    /// The smallest confidence from which on errors are rare enough, with the bound.
    pub fn gate(&self) -> Option<(f64, f64)> {
        let (mut taken, mut errors, mut gate) = (0, 0, None);
        // Equally sure answers are taken together.
        for equal in self.sound.chunk_by(|a, b| a.confidence == b.confidence) {
            taken += equal.len();
            errors += equal.iter().filter(|sound| sound.error).count();
            if errors as f64 <= MOST_ERRORS * taken as f64 {
                let bound = binomial::upper_bound(errors, taken, CONFIDENCE);
                gate = (bound <= MOST_ERRORS).then_some((equal[0].confidence, bound)).or(gate);
            }
        }
        gate
    }

    /// What `gate` lets through.
    pub fn taken(&self, gate: Option<f64>) -> Taken {
        let errors = |sound: &mut dyn Iterator<Item = &Sound>| sound.filter(|sound| sound.error).count();
        let passes = |sound: &&Sound| gate.is_some_and(|gate| sound.confidence >= gate);
        let mut refused = self.refused.clone();
        let taken = self.sound.iter().filter(passes).count();
        if taken < self.sound.len() {
            let name = if gate.is_some() { "doubt" } else { "no gate" };
            refused.insert(name.to_owned(), self.sound.len() - taken);
        }
        Taken {
            questions: self.questions,
            sound: self.sound.len(),
            sound_errors: errors(&mut self.sound.iter()),
            taken,
            errors: errors(&mut self.sound.iter().filter(passes)),
            refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(sound: &[(f64, bool, usize)]) -> Judged {
        let sound = sound.iter().flat_map(|(confidence, error, count)| {
            std::iter::repeat_n(Sound { confidence: *confidence, error: *error }, *count)
        });
        let sound: Vec<Sound> = sound.collect();
        Judged { questions: sound.len(), sound, refused: BTreeMap::new() }
    }

    #[test]
    fn a_gate_is_the_smallest_confidence_whose_errors_are_surely_rare() {
        assert_eq!(judged(&[(0.9, false, 298)]).gate(), None, "too few to say so");
        assert_eq!(judged(&[(0.9, false, 299)]).gate().map(|(gate, _)| gate), Some(0.9));
        // An error below it ends it, and many right ones further down take it back.
        let some = [(0.9, false, 299), (0.8, true, 1), (0.7, false, 10)];
        assert_eq!(judged(&some).gate().map(|(gate, _)| gate), Some(0.9));
        let many = [(0.9, false, 299), (0.8, true, 1), (0.7, false, 300)];
        assert_eq!(judged(&many).gate().map(|(gate, _)| gate), Some(0.7));
        assert_eq!(judged(&[(0.9, true, 1), (0.8, false, 100)]).gate(), None);
        assert_eq!(judged(&[]).gate(), None);
    }

    #[test]
    fn the_fewest_answers_that_can_give_a_gate_do() {
        assert!(binomial::upper_bound(0, LEAST, CONFIDENCE) <= MOST_ERRORS);
        assert!(binomial::upper_bound(0, LEAST - 1, CONFIDENCE) > MOST_ERRORS);
    }

    #[test]
    fn tasks_that_can_have_no_gate_are_not_asked() {
        let drawn = |counts: &[(&str, usize)], count| {
            let tasks = counts.iter().map(|(task, drawn)| ((*task).to_owned(), vec![(); *drawn])).collect();
            let (tasks, too_few) = enough(tasks, count);
            (tasks.into_keys().collect::<Vec<_>>(), too_few.into_iter().collect::<Vec<_>>())
        };
        let named = |name: &str, count: usize| (name.to_owned(), count);
        assert_eq!(drawn(&[("a", 299), ("b", 298)], 900), (vec!["a".to_owned()], vec![named("b", 298)]));
        // Of two there are enough, but the questions that are asked are enough for one.
        assert_eq!(drawn(&[("a", 900), ("b", 500)], 500), (vec!["a".to_owned()], vec![named("b", 500)]));
        assert_eq!(drawn(&[("a", 900)], 298), (vec![], vec![named("a", 900)]));
        assert_eq!(drawn(&[], 900), (vec![], vec![]));
    }

    #[test]
    fn what_a_gate_lets_through_is_counted_with_its_errors() {
        let judged = judged(&[(0.9, false, 5), (0.8, true, 1), (0.7, true, 2)]);
        let taken = judged.taken(Some(0.8));
        assert_eq!((taken.sound, taken.sound_errors, taken.taken, taken.errors), (8, 3, 6, 1));
        assert_eq!(taken.refused, [("doubt".to_owned(), 2)].into());
        let none = judged.taken(None);
        assert_eq!((none.taken, none.errors, none.refused["no gate"]), (0, 0, 8));
    }
}
