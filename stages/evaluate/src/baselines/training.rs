//! The questions and answers of the training split, by task.

use std::collections::{BTreeMap, HashSet};

use contract::StageError;
use serde_json::Value;

use crate::samples::Line;

/// What a model could have learned by heart.
#[derive(Debug)]
pub struct Training {
    tasks: BTreeMap<String, Vec<Trained>>,
    prompts: HashSet<String>,
}

/// A question and its answer.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The user's last message.
    pub prompt: String,
    /// The answer.
    pub text: String,
    /// The same as JSON, where it is that.
    pub json: Option<Value>,
}

impl Training {
    /// Of the lines of the training split. A split without lines is refused: baselines that know nothing are beaten by anything.
    pub fn of(lines: &[Line]) -> Result<Training, StageError> {
        let mut tasks: BTreeMap<String, Vec<Trained>> = BTreeMap::new();
        for line in lines {
            let trained = line.turns().map(|turn| Trained {
                prompt: turn.prompt().to_owned(),
                text: turn.answer.to_owned(),
                json: serde_json::from_str(turn.answer).ok(),
            });
            tasks.entry(line.task().to_owned()).or_default().extend(trained);
        }
        if tasks.values().all(Vec::is_empty) {
            return Err(StageError::invalid_input(
                "train.jsonl of the dataset has no answer, so no baseline can be made",
            )
            .help("wire the dataset that the model was trained on, with its training split"));
        }
        let prompts = tasks.values().flatten().map(|trained| trained.prompt.clone()).collect();
        Ok(Training { tasks, prompts })
    }

    /// The examples of `task`.
    pub fn of_task(&self, task: &str) -> &[Trained] {
        self.tasks.get(task).map_or(&[], Vec::as_slice)
    }

    /// Whether `prompt` was a question of training, of whatever task.
    pub fn has_seen(&self, prompt: &str) -> bool {
        self.prompts.contains(prompt)
    }
}
