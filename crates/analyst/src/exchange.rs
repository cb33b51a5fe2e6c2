//! Questions and answers as lines of JSON, for runtimes that are other programs.
//!
//! The first line of both names the questions by a digest of their lines, and the model by that of its file: answers to other questions,
//! or of another model, are refused.

use std::collections::BTreeMap;

use contract::{Digest, StageError, clean};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use transform::tasks::answers::AnswerSchema;
use transform::tasks::task::Task;

use crate::question::Question;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The digest of the lines of questions.
    pub questions: String,
    /// The digest of the model's file; null where none is named.
    pub model: Option<String>,
}

impl Head {
    /// The first line, with its end.
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("plain data");
        line.push(b'\n');
        line
    }
}

/// What a model adds to a question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asking {
    /// The whole prompt as token ids, up to where the answer begins. Text of a report is text in it, whatever it spells.
    pub tokens: Option<Vec<u32>>,
    /// Why there are none, where a model is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The most tokens of an answer.
    pub limit: Option<u32>,
    /// The tokens that end it.
    pub stop: Vec<u32>,
}

impl Asking {
    /// The question `id` as a runtime reads it.
    pub fn asked(&self, id: usize) -> Asked {
        Asked { id, tokens: self.tokens.clone(), limit: self.limit, stop: self.stop.clone() }
    }
}

#[derive(Serialize)]
struct Line<'q> {
    id: usize,
    task: &'static str,
    findings: &'q [String],
    system: &'static str,
    prompt: &'q str,
    tokens: &'q Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: &'q Option<String>,
    limit: Option<u32>,
    stop: &'q [u32],
    schema: &'q AnswerSchema,
    rule: &'q RawValue,
}

/// A question as a runtime reads it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Asked {
    /// Its id.
    pub id: usize,
    /// The whole prompt; none where it is not asked.
    pub tokens: Option<Vec<u32>>,
    /// The most tokens of an answer.
    pub limit: Option<u32>,
    /// The tokens that end it.
    pub stop: Vec<u32>,
}

/// What a runtime said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The question's id.
    pub id: usize,
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// The smallest probability, before any mask, of its tokens and of the one that ended it.
    pub confidence: Option<f64>,
    /// How many tokens it has, where the runtime says so. It is shown, and decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model ended it.
    Stop,
    /// It reached its limit.
    Length,
}

/// The lines of questions, with the head that names them. `asking` has what a model adds to each of them.
pub fn lines(questions: &[Question], asking: &[Asking], model: Option<&str>) -> Result<(Head, Vec<u8>), StageError> {
    // With their keys in trained order: a runtime forces the order of a schema.
    let schemas: BTreeMap<Task, AnswerSchema> =
        Task::ALL.into_iter().map(|task| (task, AnswerSchema::of(task))).collect();
    let mut lines = Vec::new();
    for (id, (question, asking)) in questions.iter().zip(asking).enumerate() {
        let line = Line {
            id,
            task: question.task.name(),
            findings: &question.findings,
            system: question.task.instruction(),
            prompt: &question.prompt,
            tokens: &asking.tokens,
            skipped: &asking.skipped,
            limit: asking.limit,
            stop: &asking.stop,
            schema: &schemas[&question.task],
            rule: &RawValue::from_string(question.rule.clone()).map_err(bug)?,
        };
        serde_json::to_writer(&mut lines, &line).map_err(bug)?;
        lines.push(b'\n');
    }
    Ok((Head { questions: Digest::of(&lines).to_string(), model: model.map(str::to_owned) }, lines))
}

fn bug(error: serde_json::Error) -> StageError {
    StageError::bug(format!("a question is no JSON: {error}"))
}

/// Reads questions, as a runtime does.
pub fn asked(text: &str) -> Result<(Head, Vec<Asked>), StageError> {
    let wrong = |(line, error): (usize, serde_json::Error)| {
        StageError::invalid_input(format!("line {line} of the questions: {error}"))
    };
    let mut lines = (1..).zip(text.lines());
    let (number, head) = lines.next().ok_or_else(|| StageError::invalid_input("there are no questions"))?;
    let head = serde_json::from_str(head).map_err(|error| wrong((number, error)))?;
    let asked = lines.map(|(number, line)| serde_json::from_str(line).map_err(|error| wrong((number, error))));
    Ok((head, asked.collect::<Result<_, _>>()?))
}

/// The tokens of an answer as a runtime wrote it; 0 where the line does not say.
pub fn tokens(line: &[u8]) -> u64 {
    let said: Result<Said, _> = serde_json::from_slice(line);
    said.ok().and_then(|said| said.tokens).unwrap_or(0)
}

/// Reads what a runtime said, by the ids of questions. Its head must be `expected`.
pub fn said(text: &str, name: &str, expected: &Head, questions: usize) -> Result<BTreeMap<usize, Said>, StageError> {
    let wrong = |line: usize, what: String| {
        StageError::invalid_input(format!("{}:{line}: {what}", clean::line(name)))
            .help("its first line is that of --prompts, and each further line is {\"id\", \"text\", \"finish\", \"confidence\"}")
    };
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let (number, head) = lines.next().ok_or_else(|| wrong(1, "it is empty".to_owned()))?;
    let head: Head = serde_json::from_str(head).map_err(|error| wrong(number, error.to_string()))?;
    if head != *expected {
        let what = if head.questions == expected.questions {
            "the answers of another model"
        } else {
            "answers to other questions"
        };
        return Err(StageError::invalid_input(format!("{}: these are {what}", clean::line(name)))
            .help("give the same reports, the same model and the same flags as to --prompts"));
    }
    let mut all = BTreeMap::new();
    for (number, line) in lines {
        let said: Said = serde_json::from_str(line).map_err(|error| wrong(number, error.to_string()))?;
        if said.id >= questions {
            return Err(wrong(number, format!("there is no question {}", said.id)));
        }
        let id = said.id;
        if all.insert(id, said).is_some() {
            return Err(wrong(number, format!("question {id} is answered twice")));
        }
    }
    Ok(all)
}
