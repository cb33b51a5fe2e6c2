//! The test examples that are measured, and what the dataset says about them.

use std::io::{BufRead, BufReader};
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use dataset::{Message, Split};
use scan::Severity;
use serde::Deserialize;
use serde_json::Value;
use tokens::EncodedSplit;

use crate::answer;

/// The label of a token that belongs to the question.
const QUESTION: i32 = tokens::chat::IGNORED;

/// A test example.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Question and answer.
    pub ids: Vec<i32>,
    /// How many of them are the question's.
    pub question: usize,
    /// The line of the dataset it was made of.
    pub line: Line,
    /// The true answer.
    pub truth: Value,
}

/// A line of the dataset.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// The conversation; the answer comes last.
    pub messages: Vec<Message>,
    /// Its task.
    pub task: String,
}

impl Line {
    /// The last answer.
    pub fn answer(&self) -> &str {
        self.messages.last().map_or("", |message| message.content.trim())
    }

    /// The last question.
    pub fn question(&self) -> &str {
        self.messages
            .iter()
            .rev()
            .find(|message| message.role == dataset::Role::User)
            .map_or("", |message| message.content.trim())
    }
}

/// The examples at `indices` of the test split.
pub fn read(split: &EncodedSplit, lines: &[Line], indices: &[usize]) -> Result<Vec<Sample>, StageError> {
    let sample = |&index: &usize| {
        let row = split.row(index);
        let wrong = |what: &str| {
            StageError::invalid_input(format!("test example {index}, line {} of test.jsonl: {what}", row + 1))
                .help("wire the dataset that the tokens were made of")
        };
        let line = lines.get(row).ok_or_else(|| wrong("the dataset has no such line"))?.clone();
        let question = split.labels(index).iter().take_while(|label| **label == QUESTION).count();
        let ids = split.ids(index).to_vec();
        if question == 0 || question == ids.len() {
            return Err(wrong("it has no question or no answer"));
        }
        let truth = serde_json::from_str(line.answer()).map_err(|e| wrong(&format!("its answer is not JSON: {e}")))?;
        Ok(Sample { ids, question, line, truth })
    };
    indices.iter().map(sample).collect()
}

/// The lines of `split` in the dataset at `directory`.
pub fn lines(directory: &Path, split: Split) -> Result<Vec<Line>, StageError> {
    let path = directory.join(format!("{split}.jsonl"));
    let file = BufReader::new(std::fs::File::open(&path).at(&path)?);
    let parse = |(number, line): (usize, std::io::Result<String>)| {
        let wrong = |e| StageError::invalid_input(format!("{}:{}: {e}", path.display(), number + 1));
        serde_json::from_str(&line.at(&path)?).map_err(wrong)
    };
    file.lines().enumerate().map(parse).collect()
}

/// The commonest severity of `lines`, and its share of those that have one; the lower of equals.
pub fn majority(lines: &[Line]) -> Option<(Severity, f64)> {
    let severities: Vec<Severity> = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line.answer()).ok())
        .filter_map(|answer: Value| answer::severity(&answer))
        .collect();
    let count = |severity: Severity| severities.iter().filter(|found| **found == severity).count();
    let commonest = Severity::ALL.into_iter().rev().max_by_key(|severity| count(*severity))?;
    (!severities.is_empty()).then(|| (commonest, count(commonest) as f64 / severities.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(answer: &str) -> Line {
        let message = Message { role: dataset::Role::Assistant, content: answer.to_owned() };
        Line { messages: vec![message], task: "finding".to_owned() }
    }

    #[test]
    fn the_majority_is_counted_over_lines_that_have_a_severity() {
        let low = || line(r#"{"severity":"low"}"#);
        let lines = [low(), line(r#"{"severity":"high"}"#), low(), line(r#"{"PRIORITY_LEVEL":"high"}"#)];
        assert_eq!(majority(&lines), Some((Severity::Low, 2.0 / 3.0)));
        assert_eq!(majority(&lines[1..3]), Some((Severity::Low, 0.5)));
        assert_eq!(majority(&[line("no json")]), None);
    }
}
