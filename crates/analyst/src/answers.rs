//! The answers of a scan: the rules' own, or what was taken of a model's.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use policy::Settings;
use scan::Severity;
use serde::Serialize;
use serde_json::Value;
use transform::redaction::Pseudonyms;

use crate::exchange::{Asking, Finish, Said};
use crate::host::Latest;
use crate::question::Question;

/// Who an answer is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The text is a model's; severity, risk, ids, counts and techniques are the rules' all the same.
    Model,
    /// All of it follows from rules.
    Rule,
}

/// One answer, with names as the host has them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// What was asked.
    pub task: &'static str,
    /// About which findings.
    pub findings: Vec<String>,
    /// Who it is from.
    pub source: Origin,
    /// Why it is from there.
    pub why: String,
    /// The smallest probability that a model gave to a token of its own answer, whether or not that was taken.
    pub confidence: Option<f64>,
    /// The answer.
    pub answer: Value,
    /// A model's severity where it differs from the rules'. It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_opinion: Option<Severity>,
}

/// How many answers a task has, and from whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Questions.
    pub asked: u64,
    /// Answers with a model's text.
    pub model: u64,
    /// Answers of the rules.
    pub rule: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.asked += other.asked;
        self.model += other.model;
        self.rule += other.rule;
    }
}

impl Tally {
    /// That of some answers, by task.
    pub fn of(answers: &[Answer]) -> BTreeMap<&'static str, Tally> {
        let mut by_task: BTreeMap<&'static str, Tally> = BTreeMap::new();
        for answer in answers {
            let tally = by_task.entry(answer.task).or_default();
            tally.asked += 1;
            match answer.source {
                Origin::Model => tally.model += 1,
                Origin::Rule => tally.rule += 1,
            }
        }
        by_task
    }
}

impl Latest {
    /// The rules' answers, where no model is asked.
    pub fn by_rules(&self, questions: &[Question], why: &str) -> Vec<Answer> {
        questions.iter().map(|question| self.by_rule(question, why)).collect()
    }

    /// The answers where `model` was asked: its own where they are taken. `said` holds what it said, by the places of questions, and
    /// `asking` how it was asked.
    pub fn judged(
        &self,
        questions: &[Question],
        asking: &[Asking],
        said: &BTreeMap<usize, Said>,
        settings: &Settings,
    ) -> Vec<Answer> {
        let one = |(place, (question, asking)): (usize, (&Question, &Asking))| match (&asking.skipped, said.get(&place))
        {
            (Some(why), _) => self.by_rule(question, why.as_str()),
            (None, None) => self.by_rule(question, "the model gave no answer"),
            (None, Some(said)) => self.judge(question, said, settings),
        };
        questions.iter().zip(asking).enumerate().map(one).collect()
    }

    fn judge(&self, question: &Question, said: &Said, settings: &Settings) -> Answer {
        let Some(confidence) = said.confidence else {
            return self.by_rule(question, "the program that asked the model gave no probability");
        };
        let rule = question.rule();
        let asked = policy::Question { task: question.task.name(), prompt: &question.prompt, rule: &rule };
        let reply = policy::Reply { text: said.text.clone(), finished: said.finish == Finish::Stop, confidence };
        let own = self.by_rule(question, String::new());
        let confidence = Some(confidence);
        match policy::judge(&asked, &reply, settings) {
            Err(refusal) => Answer { why: self.hidden.pseudonyms.undo(&refusal.to_string()), confidence, ..own },
            Ok(taken) => Answer {
                source: Origin::Model,
                why: "the text is shown by the question, says what the rules found and is sure enough".to_owned(),
                confidence,
                answer: undone(policy::settle(&asked, &taken), &self.hidden.pseudonyms),
                model_opinion: policy::opinion(&asked, &taken),
                ..own
            },
        }
    }

    pub(crate) fn by_rule(&self, question: &Question, why: impl Into<String>) -> Answer {
        Answer {
            task: question.task.name(),
            findings: question.findings.clone(),
            source: Origin::Rule,
            why: why.into(),
            confidence: None,
            answer: undone(question.rule(), &self.hidden.pseudonyms),
            model_opinion: None,
        }
    }
}

/// A value with what pseudonyms stand for. Keys are ours and hold none.
pub(crate) fn undone(value: Value, pseudonyms: &Pseudonyms) -> Value {
    match value {
        Value::String(text) => Value::String(pseudonyms.undo(&text)),
        Value::Array(items) => items.into_iter().map(|item| undone(item, pseudonyms)).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, undone(value, pseudonyms))).collect(),
        other => other,
    }
}
