//! The tasks by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an example teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One finding: its severity, its risk and why.
    Finding,
    /// Findings of one scan: what is joined.
    Correlation,
    /// Findings of one scan: what to do about them.
    Actions,
    /// One scan of one host: its summary.
    Summary,
    /// One scan of one host: what to look at first.
    Triage,
    /// Suggested rules: better ones.
    Refine,
}

impl Task {
    /// Every task.
    pub const ALL: [Task; 6] =
        [Task::Finding, Task::Correlation, Task::Actions, Task::Summary, Task::Triage, Task::Refine];

    /// The system message. Short, because every example pays for it.
    pub fn instruction(self) -> &'static str {
        match self {
            Task::Finding => "Rate the finding as JSON.",
            Task::Correlation => "Join the findings as JSON.",
            Task::Actions => "List the actions as JSON.",
            Task::Summary => "Summarize the host as JSON.",
            Task::Triage => "Triage the host as JSON.",
            Task::Refine => "Refine the rules as JSON.",
        }
    }

    /// The name in datasets.
    pub fn name(self) -> &'static str {
        match self {
            Task::Finding => "finding",
            Task::Correlation => "correlation",
            Task::Actions => "actions",
            Task::Summary => "summary",
            Task::Triage => "triage",
            Task::Refine => "refine",
        }
    }
}
