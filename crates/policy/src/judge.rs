//! One answer of a model: taken or refused.

use serde_json::Value;
use thiserror::Error;

use crate::form::Form;
use crate::settings::Settings;
use crate::{complete, grounding, schema};

/// What a model was asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The task's name.
    pub task: &'a str,
    /// The user's message.
    pub prompt: &'a str,
    /// The rule's answer.
    pub rule: &'a Value,
}

/// What it said.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The text.
    pub text: String,
    /// Whether the model ended it by itself.
    pub finished: bool,
    /// The smallest probability that the model gave, before any mask, to a token of the text and to the one that ended it.
    pub confidence: f64,
}

/// Why an answer is not taken.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    /// The model was not trained for the task.
    #[error("the model was not trained for this task")]
    NotAsked,
    /// The answer was cut off.
    #[error("the answer does not end within the tokens that it may have")]
    Unfinished,
    /// It is no JSON.
    #[error("the answer is no JSON")]
    NotJson,
    /// It is not of the task's form.
    #[error("the answer is not of the task's form: {0}")]
    Schema(String),
    /// It says what the question does not show.
    #[error("the answer says what the question does not show: {0}")]
    Ungrounded(String),
    /// It leaves out what it must say.
    #[error("the answer leaves out what the rules found: {0}")]
    Incomplete(String),
    /// It joins, lists or refines nothing: nothing of it is the model's to write.
    #[error("the answer has no text")]
    Silent,
    /// The model is not sure enough.
    #[error("the model is not sure enough: {confidence:.4}, where {gate:.4} is asked for")]
    Doubt {
        /// How sure it is.
        confidence: f64,
        /// How sure it must be.
        gate: f64,
    },
    /// No confidence is enough.
    #[error("no gate of this model keeps its errors in this task rare enough")]
    NoGate,
}

impl Refusal {
    /// Its name in figures.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::NotAsked => "not asked",
            Refusal::Unfinished => "unfinished",
            Refusal::NotJson => "no json",
            Refusal::Schema(_) => "schema",
            Refusal::Ungrounded(_) => "ungrounded",
            Refusal::Incomplete(_) => "incomplete",
            Refusal::Silent => "silent",
            Refusal::Doubt { .. } => "doubt",
            Refusal::NoGate => "no gate",
        }
    }
}

/// The model's answer, when it is taken. [`settle`](crate::settle()) makes of it what is shown.
pub fn judge(question: &Question<'_>, reply: &Reply, settings: &Settings) -> Result<Value, Refusal> {
    let task = settings.tasks.get(question.task).ok_or(Refusal::NotAsked)?;
    let answer = examine(question, reply)?;
    let gate = task.gate.ok_or(Refusal::NoGate)?;
    // So that a confidence that is no number is refused.
    if reply.confidence >= gate { Ok(answer) } else { Err(Refusal::Doubt { confidence: reply.confidence, gate }) }
}

/// The same whatever the confidence is: what gates are chosen among.
pub fn examine(question: &Question<'_>, reply: &Reply) -> Result<Value, Refusal> {
    let (Some(form), Some(schema)) = (Form::of(question.task), schema::of_task(question.task)) else {
        return Err(Refusal::NotAsked);
    };
    if !reply.finished {
        return Err(Refusal::Unfinished);
    }
    let answer: Value = serde_json::from_str(&reply.text).map_err(|_| Refusal::NotJson)?;
    if let Some(fault) = schema::fault(&answer, &schema) {
        return Err(Refusal::Schema(fault));
    }
    grounding::check(question, form, &answer).map_err(Refusal::Ungrounded)?;
    complete::check(question, form, &answer).map_err(Refusal::Incomplete)?;
    if form.texts(&answer).is_empty() { Err(Refusal::Silent) } else { Ok(answer) }
}
