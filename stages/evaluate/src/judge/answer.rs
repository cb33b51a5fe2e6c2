//! One answer judged.

use std::collections::BTreeMap;

use policy::{facts, schema};
use scan::Severity;
use serde_json::Value;

use super::form;
use super::overlap::{f1, joined, texts, values, words};
use crate::measure::{Measure, Sums, classified, one};
use crate::samples::Question;

/// An answer as it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// Its text.
    pub text: String,
    /// Whether the model ended it.
    pub terminated: bool,
    /// The smallest probability that the model gave to one of its tokens, the last one included.
    pub confidence: f64,
    /// Its tokens.
    pub tokens: usize,
}

impl Text {
    /// An answer that stands without a model.
    pub fn sure(text: String) -> Text {
        Text { text, terminated: true, confidence: 1.0, tokens: 0 }
    }
}

/// What an answer is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Its part of each figure that its task has.
    pub sums: Vec<(Measure, Sums)>,
    /// The true severity and the answered one.
    pub severity: Option<(Severity, Option<Severity>)>,
    /// Its faults, the gravest first.
    pub faults: Vec<String>,
}

/// Judges answers.
#[derive(Debug, Default)]
pub struct Judge {
    schemas: BTreeMap<String, Option<Value>>,
}

impl Judge {
    /// Judges `text` as the answer to `question`. An answer that cannot be read is wrong in everything.
    pub fn judge(&mut self, question: &Question, text: &Text) -> Judgement {
        let mut judged = Judgement { sums: Vec::new(), severity: None, faults: Vec::new() };
        judged.check(Measure::Terminated, text.terminated, "it does not end");
        let Some(truth) = &question.json else {
            let exact = text.text.trim() == question.truth;
            judged.check(Measure::Exact, exact, "another text");
            judged.add(Measure::WordF1, one(f1(words(&text.text), words(&question.truth))));
            return judged;
        };
        let found: Option<Value> = serde_json::from_str(&text.text).ok();
        judged.check(Measure::ValidJson, found.is_some(), "no JSON");
        let schema = self.schemas.entry(question.task.clone()).or_insert_with(|| schema::of_task(&question.task));
        // A dataset of somebody else may call its tasks by our names.
        let conforms = |found: &Value| match schema.as_ref().filter(|schema| schema::keeps(truth, schema)) {
            Some(schema) => schema::keeps(found, schema),
            None => form::same_form(found, truth),
        };
        let found = match found {
            Some(found) => {
                let conforms = conforms(&found);
                judged.check(Measure::SchemaConformance, conforms, "not of the task's schema");
                conforms.then_some(found)
            }
            None => {
                judged.add(Measure::SchemaConformance, one(0));
                None
            }
        };
        judged.add(Measure::Exact, one(u8::from(found.as_ref() == Some(truth))));
        judged.ratings(found.as_ref(), truth);
        judged.contents(found.as_ref(), truth, question);
        judged
    }
}

impl Judgement {
    /// Whether it is of the schema of its task, where there is one.
    pub fn keeps_schema(&self) -> bool {
        self.sums.iter().any(|(measure, sums)| *measure == Measure::SchemaConformance && sums[0] > 0.0)
    }

    fn add(&mut self, measure: Measure, sums: Sums) {
        self.sums.push((measure, sums));
    }

    fn check(&mut self, measure: Measure, holds: bool, fault: &str) {
        self.add(measure, one(u8::from(holds)));
        if !holds {
            self.faults.push(fault.to_owned());
        }
    }

    fn ratings(&mut self, found: Option<&Value>, truth: &Value) {
        if let Some(expected) = severity(truth) {
            let answered = found.and_then(severity);
            self.severity = Some((expected, answered));
            self.add(Measure::SeverityAccuracy, one(u8::from(answered == Some(expected))));
            self.add(Measure::SeverityMacroF1, classified(expected, answered));
            for (class, measure) in
                [(Severity::High, Measure::HighRecall), (Severity::Critical, Measure::CriticalRecall)]
            {
                if expected == class {
                    self.add(measure, one(u8::from(answered == Some(class))));
                }
            }
            self.differs("severity", answered, expected);
        }
        if let Some(expected) = level(truth) {
            let answered = found.and_then(level);
            self.add(Measure::LevelAccuracy, one(u8::from(answered == Some(expected))));
            self.add(Measure::LevelMacroF1, classified(expected, answered));
            self.differs("level", answered, expected);
        }
        if let Some(expected) = risk(truth) {
            let answered = found.and_then(risk);
            // One without a risk is as wrong as can be: leaving it out would reward it.
            let error = answered.map_or(expected.max(100.0 - expected), |answered| (answered - expected).abs());
            self.add(Measure::RiskError, one(error));
            self.add(Measure::RiskWithin5, one(u8::from(error <= 5.0)));
            self.add(Measure::RiskExact, one(u8::from(error == 0.0)));
            if answered.is_some() && error > 0.0 {
                self.faults.push(format!("risk {} for {expected}", answered.unwrap_or_default()));
            }
        }
    }

    fn differs(&mut self, what: &str, answered: Option<Severity>, expected: Severity) {
        if let Some(answered) = answered.filter(|answered| *answered != expected) {
            self.faults.push(format!("{what} {answered} for {expected}"));
        }
    }

    fn contents(&mut self, found: Option<&Value>, truth: &Value, question: &Question) {
        let share = |of: &dyn Fn(&Value) -> f64| one(found.map_or(0.0, of));
        self.add(Measure::ContentF1, share(&|found| f1(values(found), values(truth))));
        if question.task == "correlation" {
            let techniques = |found: &Value| f1(texts(found, "techniques"), texts(truth, "techniques"));
            let findings =
                |found: &Value| f1(joined(found, "related_finding_ids"), joined(truth, "related_finding_ids"));
            self.add(Measure::TechniqueF1, share(&techniques));
            self.add(Measure::CorrelationF1, share(&findings));
            if found.is_some_and(|found| findings(found) < 1.0) {
                self.faults.push("other findings joined".to_owned());
            }
        }
        if truth.is_object() {
            self.facts(found, truth, question);
        }
        if self.faults.is_empty() && found != Some(truth) {
            self.faults.push("other wording".to_owned());
        }
    }

    /// Facts are looked for where the task is to report what the question shows: where the true answer states any.
    fn facts(&mut self, found: Option<&Value>, truth: &Value, question: &Question) {
        if facts::stated(truth).is_empty() {
            return;
        }
        let Some(found) = found else { return self.add(Measure::FactsSupported, one(0)) };
        let prompt = question.prompt.to_lowercase();
        let stated = facts::stated(found);
        let invented: Vec<&String> = stated.iter().filter(|fact| !facts::is_shown(fact, &prompt)).collect();
        self.add(Measure::FactsSupported, vec![(stated.len() - invented.len()) as f64, stated.len() as f64]);
        if let Some(first) = invented.first() {
            self.faults.push(format!("{} of {} facts are not in the question: {first}", invented.len(), stated.len()));
        }
    }
}

/// The severity in an answer.
pub fn severity(answer: &Value) -> Option<Severity> {
    rank(answer.get("severity")?)
}

/// The priority of a triage, or the level in a summary.
fn level(answer: &Value) -> Option<Severity> {
    rank(answer.get("PRIORITY_LEVEL").or_else(|| answer.pointer("/RISK_ASSESSMENT/level"))?)
}

/// The risk of a finding, or the highest in a summary.
fn risk(answer: &Value) -> Option<f64> {
    answer.get("risk").or_else(|| answer.pointer("/RISK_ASSESSMENT/highest_risk"))?.as_f64()
}

fn rank(value: &Value) -> Option<Severity> {
    let name = value.as_str()?;
    Severity::ALL.into_iter().find(|severity| severity.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(task: &str, truth: &str, prompt: &str) -> Question {
        Question {
            ids: Vec::new(),
            task: task.to_owned(),
            host: 0,
            prompt: prompt.to_owned(),
            truth: truth.to_owned(),
            json: serde_json::from_str(truth).ok(),
        }
    }

    fn judged(question: &Question, text: &str) -> Judgement {
        Judge::default().judge(question, &Text::sure(text.to_owned()))
    }

    fn value(judgement: &Judgement, measure: Measure) -> Option<f64> {
        judgement.sums.iter().find(|(of, _)| *of == measure).and_then(|(of, sums)| of.of(sums))
    }

    const FINDING: &str = r#"{"risk":30,"severity":"low","rationale":"first scan"}"#;

    #[test]
    fn an_answer_is_judged_by_form_severity_and_risk() {
        let question = question("finding", FINDING, "");
        let right = judged(&question, FINDING);
        assert_eq!((value(&right, Measure::Exact), right.faults.len()), (Some(1.0), 0));
        let wrong = judged(&question, r#"{"risk":36,"severity":"high","rationale":"first scan"}"#);
        assert_eq!(wrong.faults, ["severity high for low", "risk 36 for 30"]);
        assert_eq!(value(&wrong, Measure::RiskError), Some(6.0));
        assert_eq!(value(&wrong, Measure::RiskWithin5), Some(0.0));
        assert_eq!(value(&wrong, Measure::SchemaConformance), Some(1.0));
        assert!((value(&wrong, Measure::ContentF1).unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_wrong_in_everything() {
        let question = question("finding", FINDING, "");
        for text in ["", r#"{"risk":30,"severity":"low""#, r#"{"risk":30,"severity":"low"}"#] {
            let judgement = judged(&question, text);
            assert_eq!(value(&judgement, Measure::SeverityMacroF1), Some(0.0), "{text}");
            assert_eq!(value(&judgement, Measure::RiskError), Some(70.0), "{text}");
            assert_eq!(value(&judgement, Measure::ContentF1), Some(0.0), "{text}");
        }
    }

    #[test]
    fn a_summary_may_state_what_the_question_shows_and_nothing_else() {
        let summary = |fact: &str| {
            json!({"EXECUTIVE_SUMMARY": format!("It runs {fact}."), "KEY_FINDINGS": [], "RECOMMENDATIONS": [],
                "RISK_ASSESSMENT": {"level": "high", "highest_risk": 80, "trend": "none"}})
            .to_string()
        };
        let question = question("summary", &summary("/tmp/a"), "web host\nf1 ioc: /tmp/a");
        assert_eq!(value(&judged(&question, &summary("/tmp/a")), Measure::FactsSupported), Some(1.0));
        let invented = judged(&question, &summary("/tmp/b"));
        assert_eq!(value(&invented, Measure::FactsSupported), Some(0.0));
        assert_eq!(invented.faults, ["1 of 1 facts are not in the question: /tmp/b"]);
        assert_eq!(value(&invented, Measure::LevelAccuracy), Some(1.0));
    }

    #[test]
    fn joined_findings_and_techniques_are_those_of_correlations() {
        let truth = json!([{"title": "t", "related_finding_ids": ["f1", "f2"], "techniques": ["T1"]}]).to_string();
        let question = question("correlation", &truth, "");
        let answer = json!([{"title": "u", "related_finding_ids": ["f1"], "techniques": []}]).to_string();
        let judgement = judged(&question, &answer);
        // One of the pairs 1-1, 1-2, 2-2.
        assert_eq!(value(&judgement, Measure::CorrelationF1), Some(0.5));
        assert_eq!(value(&judgement, Measure::TechniqueF1), Some(0.0));
        assert_eq!(value(&judged(&question, "[]"), Measure::CorrelationF1), Some(0.0));
    }

    #[test]
    fn an_answer_that_is_no_json_is_judged_by_its_words() {
        let question = question("text", "The port is open.", "");
        assert_eq!(value(&judged(&question, "the port is closed"), Measure::WordF1), Some(0.75));
        assert_eq!(value(&judged(&question, "The port is open."), Measure::Exact), Some(1.0));
        assert_eq!(value(&judged(&question, "x"), Measure::ValidJson), None);
    }
}
