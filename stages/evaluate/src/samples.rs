//! The test examples that likelihoods are measured on, and the questions that the models answer.
//!
//! A conversation with several answers gives several questions: each answer is asked for behind the true turns before it.
//! Questions are drawn task by task, so that a task with few lines is not lost among the others.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use dataset::{Message, Role, Split};
use serde::Deserialize;
use serde_json::Value;
use tokens::EncodedSplit;

/// The label of a token that is not the answer's.
const QUESTION: i32 = tokens::chat::IGNORED;

/// Whether a token with this label is an answer's.
pub fn is_answer(label: i32) -> bool {
    label != QUESTION
}

/// The task of lines that name none.
pub const TEXT: &str = "text";

/// A line of the dataset.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Its task, where the dataset has tasks.
    #[serde(default)]
    pub task: Option<String>,
    /// The host that it is about, where the dataset has hosts.
    #[serde(default)]
    pub host: Option<String>,
}

/// An answer of a line, and what stands before it.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The messages before the answer.
    pub before: &'a [Message],
    /// The answer.
    pub answer: &'a str,
}

impl<'a> Turn<'a> {
    /// The user's last message before it.
    pub fn prompt(&self) -> &'a str {
        self.before.iter().rev().find(|message| message.role == Role::User).map_or("", |message| message.content.trim())
    }
}

impl Line {
    /// Its task.
    pub fn task(&self) -> &str {
        self.task.as_deref().unwrap_or(TEXT)
    }

    /// Its answers, in their order.
    pub fn turns(&self) -> impl Iterator<Item = Turn<'_>> {
        let answers = self.messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
        answers.map(|(place, message)| Turn { before: &self.messages[..place], answer: message.content.trim() })
    }
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

/// Numbers of hosts. A line without a host counts as one of its own: nothing is known to correlate it with others.
#[derive(Debug, Default)]
pub struct Hosts {
    known: BTreeMap<String, usize>,
    count: usize,
}

impl Hosts {
    /// The number of the host of `line`.
    pub fn of(&mut self, line: &Line) -> usize {
        let next = self.count;
        let number = match &line.host {
            Some(host) => *self.known.entry(host.clone()).or_insert(next),
            None => next,
        };
        self.count = self.count.max(number + 1);
        number
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }
}

/// A test example as ids.
#[derive(Clone, Debug)]
pub struct Example {
    /// Token ids of the whole conversation.
    pub ids: Vec<i32>,
    /// Whether each of them belongs to an answer.
    pub answer: Vec<bool>,
    /// The number of its host.
    pub host: usize,
    /// The line of the dataset.
    pub line: usize,
}

impl Example {
    /// Where its answers lie.
    fn spans(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        let runs = self.answer.chunk_by(|a, b| a == b).map(|run| {
            let span = start..start + run.len();
            start = span.end;
            span
        });
        runs.filter(|span| self.answer[span.start]).collect()
    }
}

/// A question as ids, and its true answer.
#[derive(Clone, Debug)]
pub struct Question {
    /// Token ids up to where the answer begins.
    pub ids: Vec<i64>,
    /// Its task.
    pub task: String,
    /// The number of its host.
    pub host: usize,
    /// The user's last message.
    pub prompt: String,
    /// The true answer.
    pub truth: String,
    /// The same as JSON, where it is an object or a list.
    pub json: Option<Value>,
}

impl Question {
    /// The question of one answer, whose encoded prompt is `ids`.
    pub fn new(ids: Vec<i64>, line: &Line, turn: Turn<'_>, host: usize) -> Question {
        let json = serde_json::from_str(turn.answer).ok().filter(|json: &Value| json.is_object() || json.is_array());
        let (prompt, truth) = (turn.prompt().to_owned(), turn.answer.to_owned());
        Question { ids, task: line.task().to_owned(), host, prompt, truth, json }
    }
}

/// The examples at `indices` of the test split.
pub fn examples(
    split: &EncodedSplit,
    lines: &[Line],
    indices: &[usize],
    hosts: &mut Hosts,
) -> Result<Vec<Example>, StageError> {
    let mut example = |&index: &usize| {
        let row = split.row(index);
        let wrong = |what: &str| {
            let message = format!("test example {index}, line {} of test.jsonl: {what}", row + 1);
            StageError::invalid_input(message).help("wire the dataset that the tokens were made of")
        };
        let line = lines.get(row).ok_or_else(|| wrong("the dataset has no such line"))?;
        let answer: Vec<bool> = split.labels(index).iter().map(|label| is_answer(*label)).collect();
        if answer.first() != Some(&false) || !answer.contains(&true) {
            return Err(wrong("it has no question or no answer"));
        }
        let example = Example { ids: split.ids(index).to_vec(), answer, host: hosts.of(line), line: row };
        match example.spans().len() == line.turns().count() {
            true => Ok(example),
            false => Err(wrong("the dataset has another number of answers there")),
        }
    };
    indices.iter().map(&mut example).collect()
}

/// Of `order`, the first `examples` and as many more as `questions` could take: no task needs more lines than questions are drawn.
pub fn chosen(split: &EncodedSplit, lines: &[Line], order: &[usize], examples: usize, questions: usize) -> Vec<usize> {
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut chosen = Vec::new();
    for (place, &index) in order.iter().enumerate() {
        // A line that is not there is chosen too: reading it names it.
        let wanted = lines.get(split.row(index)).is_none_or(|line| {
            let drawn = answers.entry(line.task()).or_default();
            let wanted = *drawn < questions;
            *drawn += line.turns().count();
            wanted
        });
        if wanted || place < examples {
            chosen.push(index);
        }
    }
    chosen
}

/// At most `count` questions of `examples`, as many of each task as there are.
pub fn questions(examples: &[Example], lines: &[Line], count: usize) -> Vec<Question> {
    evenly(by_task(examples, lines, count), count).into_iter().map(|(_, question)| question).collect()
}

/// The questions of `examples`, at most `count` of each task.
pub fn by_task(examples: &[Example], lines: &[Line], count: usize) -> BTreeMap<String, Vec<Question>> {
    let mut tasks: BTreeMap<String, Vec<Question>> = BTreeMap::new();
    for example in examples {
        let line = &lines[example.line];
        let drawn = tasks.entry(line.task().to_owned()).or_default();
        for (span, turn) in example.spans().into_iter().zip(line.turns()).take(count.saturating_sub(drawn.len())) {
            let ids = example.ids[..span.start].iter().map(|&id| id.into()).collect();
            drawn.push(Question::new(ids, line, turn, example.host));
        }
    }
    tasks
}

/// At most `count` of the members of several groups: in turns, until enough are drawn or none is left.
pub fn evenly<T>(groups: BTreeMap<String, Vec<T>>, count: usize) -> Vec<(String, T)> {
    let shares = shares(&groups.values().map(Vec::len).collect::<Vec<_>>(), count);
    let of_group = |((name, members), share): ((String, Vec<T>), usize)| {
        members.into_iter().take(share).map(move |member| (name.clone(), member)).collect::<Vec<_>>()
    };
    groups.into_iter().zip(shares).flat_map(of_group).collect()
}

/// How much of `count` each of several gets that can take so much: all the same, but for those that cannot take it.
fn shares(most: &[usize], count: usize) -> Vec<usize> {
    let mut shares = vec![0; most.len()];
    let mut left = count;
    while left > 0 && shares.iter().zip(most).any(|(share, most)| share < most) {
        for (share, most) in shares.iter_mut().zip(most) {
            if *share < *most && left > 0 {
                *share += 1;
                left -= 1;
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message { role, content: content.to_owned() }
    }

    fn line(task: &str, answers: &[&str]) -> Line {
        let turn = |answer: &&str| [message(Role::User, &format!("ask {answer}")), message(Role::Assistant, answer)];
        let messages = answers.iter().flat_map(turn).collect();
        Line { messages, task: Some(task.to_owned()), host: Some("h".to_owned()) }
    }

    /// Two ids a message.
    fn example(line: usize, answers: usize) -> Example {
        let answer = (0..answers).flat_map(|_| [false, false, true, true]).collect();
        Example { ids: (0..4 * answers as i32).collect(), answer, host: 0, line }
    }

    #[test]
    fn a_rare_task_is_asked_as_often_as_a_frequent_one() {
        assert_eq!(shares(&[100, 3, 60], 60), [29, 3, 28]);
        assert_eq!(shares(&[1, 1], 60), [1, 1]);
        assert!(shares(&[], 5).is_empty());
        let lines = [line("a", &["1"]), line("a", &["2"]), line("a", &["3"]), line("b", &["4"])];
        let examples: Vec<Example> = (0..4).map(|row| example(row, 1)).collect();
        let drawn = questions(&examples, &lines, 3);
        assert_eq!(drawn.iter().map(|q| q.truth.as_str()).collect::<Vec<_>>(), ["1", "2", "4"]);
    }

    #[test]
    fn each_answer_of_a_conversation_is_asked_for_behind_the_true_turns_before_it() {
        let lines = [line("chat", &["{\"n\":1}", "two"])];
        let drawn = questions(&[example(0, 2)], &lines, 9);
        let told: Vec<_> = drawn.iter().map(|q| (q.prompt.as_str(), q.truth.as_str(), q.ids.len())).collect();
        assert_eq!(told, [("ask {\"n\":1}", "{\"n\":1}", 2), ("ask two", "two", 6)]);
        assert!(drawn[0].json.is_some() && drawn[1].json.is_none());
    }

    #[test]
    fn lines_without_a_host_are_hosts_of_their_own() {
        let mut hosts = Hosts::default();
        let (known, unknown) = (line("a", &["1"]), Line { host: None, ..line("a", &["1"]) });
        let numbers = [&known, &unknown, &unknown, &known].map(|line| hosts.of(line));
        assert_eq!((numbers, hosts.count()), ([0, 1, 2, 0], 3));
    }
}
