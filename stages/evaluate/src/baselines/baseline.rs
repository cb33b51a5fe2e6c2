//! The baselines.

use std::collections::{BTreeMap, HashMap};

use super::finding::{self, history, listens, scanner, title};
use super::nearest::Nearest;
use super::training::{Trained, Training};
use super::typical;
use crate::samples::Question;

/// A way to answer without a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Baseline {
    /// What is said most often: of findings of this scanner, of a task.
    Majority,
    /// What is said most often under this first line; else the majority.
    Title,
    /// What is said about the most similar prompt.
    Nearest,
    /// For findings, a table of scanner, severity, history and LISTEN, learned by heart. Its severity is the one that the title has.
    Table,
}

impl Baseline {
    /// All.
    pub const ALL: [Baseline; 4] = [Baseline::Majority, Baseline::Title, Baseline::Nearest, Baseline::Table];

    /// The name in `metrics.json`.
    pub fn name(self) -> &'static str {
        match self {
            Baseline::Majority => "majority",
            Baseline::Title => "title",
            Baseline::Nearest => "nearest",
            Baseline::Table => "table",
        }
    }

    /// The name on pages for people.
    pub fn title(self) -> &'static str {
        match self {
            Baseline::Majority => "Majority",
            Baseline::Title => "Title lookup",
            Baseline::Nearest => "Nearest prompt",
            Baseline::Table => "Memorized table",
        }
    }
}

/// The baselines, filled from the training split.
#[derive(Debug)]
pub struct Baselines<'a> {
    tasks: BTreeMap<&'a str, OfTask<'a>>,
}

#[derive(Debug)]
struct OfTask<'a> {
    trained: &'a [Trained],
    by_scanner: Groups<&'a str>,
    by_title: Groups<&'a str>,
    table: Groups<Cell<'a>>,
    nearest: Nearest,
}

/// Scanner, severity, history, LISTEN.
type Cell<'a> = (&'a str, String, &'a str, bool);

/// The typical answer of each group.
type Groups<K> = HashMap<K, String>;

impl<'a> Baselines<'a> {
    /// Baselines for the tasks of `questions`.
    pub fn new(training: &'a Training, questions: &'a [Question]) -> Baselines<'a> {
        let mut tasks: BTreeMap<&str, OfTask<'_>> = BTreeMap::new();
        for question in questions {
            tasks
                .entry(&question.task)
                .or_insert_with(|| OfTask::new(&question.task, training.of_task(&question.task)));
        }
        Baselines { tasks }
    }

    /// Whether `baseline` is one for such questions: only findings have a table.
    pub fn answers(&self, baseline: Baseline, question: &Question) -> bool {
        let of_task = self.tasks.get(question.task.as_str());
        baseline != Baseline::Table || of_task.is_some_and(|of_task| !of_task.table.is_empty())
    }

    /// The answer of `baseline`; none where it has nothing to say about such a question.
    pub fn answer(&self, baseline: Baseline, question: &Question) -> Option<String> {
        self.tasks.get(question.task.as_str())?.answer(baseline, &question.prompt)
    }
}

impl<'a> OfTask<'a> {
    fn new(task: &str, trained: &'a [Trained]) -> OfTask<'a> {
        let is_finding = task == finding::TASK;
        // Other tasks have no scanner, and one majority.
        let of_scanner = |trained: &'a Trained| Some(if is_finding { scanner(&trained.prompt) } else { "" });
        let cell = |trained: &'a Trained| is_finding.then(|| cell(&trained.prompt, &trained.text)).flatten();
        OfTask {
            trained,
            by_scanner: groups(trained, of_scanner),
            by_title: groups(trained, |trained| Some(title(&trained.prompt))),
            table: groups(trained, cell),
            nearest: Nearest::of(trained),
        }
    }

    fn answer(&self, baseline: Baseline, prompt: &str) -> Option<String> {
        match baseline {
            Baseline::Majority => self.majority(prompt),
            Baseline::Title => self.by_title.get(title(prompt)).cloned().or_else(|| self.majority(prompt)),
            Baseline::Nearest => {
                let place = self.nearest.place(prompt);
                place.map(|place| self.trained[place].text.clone()).or_else(|| self.majority(prompt))
            }
            Baseline::Table if self.table.is_empty() => None,
            Baseline::Table => {
                let by_title = self.answer(Baseline::Title, prompt)?;
                let cell = cell(prompt, &by_title);
                cell.and_then(|cell| self.table.get(&cell).cloned()).or(Some(by_title))
            }
        }
    }

    /// A scanner that training does not know has the majority of all.
    fn majority(&self, prompt: &str) -> Option<String> {
        let known = self.by_scanner.get(scanner(prompt)).or_else(|| self.by_scanner.get("")).cloned();
        known.or_else(|| typical::answer(&self.trained.iter().collect::<Vec<_>>()))
    }
}

fn cell<'p>(prompt: &'p str, answer: &str) -> Option<Cell<'p>> {
    let answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    let severity = answer.get("severity")?.as_str()?.to_owned();
    Some((scanner(prompt), severity, history(prompt), listens(prompt)))
}

fn groups<'a, K: std::hash::Hash + Eq>(trained: &'a [Trained], key: impl Fn(&'a Trained) -> Option<K>) -> Groups<K> {
    let mut groups: HashMap<K, Vec<&Trained>> = HashMap::new();
    for trained in trained {
        if let Some(key) = key(trained) {
            groups.entry(key).or_default().push(trained);
        }
    }
    groups.into_iter().filter_map(|(key, members)| Some((key, typical::answer(&members)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Line;
    use dataset::{Message, Role};

    const LINES: [(&str, &str); 6] = [
        ("network: tcp LISTEN 22\nweb host; first scan", r#"{"risk":40,"severity":"low","rationale":"a"}"#),
        ("network: tcp LISTEN 80\nweb host; first scan", r#"{"risk":44,"severity":"low","rationale":"a"}"#),
        ("network: tcp LISTEN 80\nweb host; seen once before", r#"{"risk":30,"severity":"low","rationale":"b"}"#),
        ("network: udp port 53\nweb host; first scan", r#"{"risk":10,"severity":"info","rationale":"c"}"#),
        ("network: udp port 53\ndb host; first scan", r#"{"risk":10,"severity":"info","rationale":"c"}"#),
        ("ioc: /tmp/a\nweb host; first scan", r#"{"risk":90,"severity":"critical","rationale":"d"}"#),
    ];

    fn training() -> Training {
        let line = |(prompt, answer): (&str, &str)| Line {
            messages: [(Role::User, prompt), (Role::Assistant, answer)]
                .map(|(role, content)| Message { role, content: content.to_owned() })
                .to_vec(),
            task: Some("finding".to_owned()),
            host: None,
        };
        Training::of(&LINES.map(line)).unwrap()
    }

    fn check(baseline: Baseline, prompt: &str, expected: &str) {
        let question = Question {
            ids: Vec::new(),
            task: "finding".to_owned(),
            host: 0,
            prompt: prompt.to_owned(),
            truth: String::new(),
            json: None,
        };
        let (training, questions) = (training(), [question]);
        let answer = Baselines::new(&training, &questions).answer(baseline, &questions[0]).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(format!("{} {}", answer["severity"].as_str().unwrap(), answer["risk"]), expected, "{prompt}");
    }

    #[test]
    fn each_baseline_answers_from_training_alone() {
        let seen = "network: tcp LISTEN 80\nlb host; seen once before";
        check(Baseline::Majority, seen, "low 30");
        check(Baseline::Majority, "ioc: /tmp/b\nweb host; first scan", "critical 90");
        check(Baseline::Title, seen, "low 30");
        check(Baseline::Title, "network: tcp LISTEN 443\nweb host; first scan", "low 30");
        check(Baseline::Table, "network: tcp LISTEN 80\nlb host; first scan", "low 40");
        check(Baseline::Table, seen, "low 30");
        check(Baseline::Nearest, "network: udp port 53\ndb host; first scan; on few hosts", "info 10");
        check(Baseline::Majority, "yara: x\nweb host; first scan", "low 30");
    }

    #[test]
    fn a_dataset_without_training_lines_starves_no_baseline() {
        let error = Training::of(&[]).unwrap_err();
        assert!(error.message.contains("train.jsonl"), "{error}");
        assert!(training().has_seen(LINES[0].0) && !training().has_seen("network: tcp LISTEN 22"));
    }
}
