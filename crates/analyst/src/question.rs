//! What is asked about a scan: prompts as a training set has them, the findings that each stands for, and the rules' answer.

use std::collections::HashMap;

use contract::StageError;
use serde_json::Value;
use transform::tasks::example::Example;
use transform::tasks::task::Task;
use transform::view::View;

use crate::host::Latest;

/// One prompt and the rules' answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its task.
    pub task: Task,
    /// The findings that it shows, by the ids of the enriched report: prompt and answer call the first f1. Findings that read alike share a
    /// question about one.
    pub findings: Vec<String>,
    /// The user's message, with pseudonyms.
    pub prompt: String,
    /// The rules' answer in the form that a model is trained on, with pseudonyms: JSON.
    pub rule: String,
}

/// What is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The tasks.
    pub tasks: Vec<Task>,
    /// Whether every finding is rated, and not only those that no rule settles.
    pub rate_all: bool,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { tasks: Task::ALL.to_vec(), rate_all: false }
    }
}

impl Question {
    /// The rules' answer as a value.
    pub fn rule(&self) -> Value {
        serde_json::from_str(&self.rule).expect("an example's answer is JSON")
    }
}

impl Latest {
    /// The questions about this scan. The same reports give the same ones in the same order.
    pub fn questions(&self, wanted: &Wanted) -> Vec<Question> {
        let view = View::of(&self.hidden.findings, &self.hidden.correlations);
        let mut questions = Questions { latest: self, places: HashMap::new(), all: Vec::new() };
        let settled = |task: &&Task| **task != Task::Finding || wanted.rate_all;
        let tasks: Vec<Task> = wanted.tasks.iter().filter(settled).copied().collect();
        let asked: Result<u64, StageError> = view.each_example(&tasks, |example| {
            questions.add(example);
            Ok(())
        });
        debug_assert!(asked.is_ok(), "nothing above can fail");
        if wanted.tasks.contains(&Task::Finding) {
            view.unsettled().for_each(|example| questions.add(example));
        }
        questions.all
    }
}

struct Questions<'l> {
    latest: &'l Latest,
    /// Of questions about one finding, by prompt and answer.
    places: HashMap<(String, String), usize>,
    all: Vec<Question>,
}

impl Questions<'_> {
    fn add(&mut self, Example { task, findings, prompt, answer, .. }: Example) {
        let ids = &self.latest.hidden.ids;
        let findings = findings.into_iter().map(|id| ids.get(&id).cloned().unwrap_or(id));
        // What lists several findings gives them names: f1 cannot be two of them.
        if task != Task::Finding {
            self.all.push(Question { task, findings: findings.collect(), prompt, rule: answer });
            return;
        }
        let key = (prompt, answer);
        match self.places.get(&key) {
            Some(place) => self.all[*place].findings.extend(findings),
            None => {
                let (prompt, rule) = key.clone();
                self.all.push(Question { task, findings: findings.collect(), prompt, rule });
                self.places.insert(key, self.all.len() - 1);
            }
        }
    }
}
