//! Training examples in chat form, and the answers of task `finding`.

use findings::EnrichedFinding;
use scan::Severity;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use crate::advice::ActionsAnswer;
use crate::briefing::SummaryAnswer;
use crate::correlation::CorrelationAnswer;
use crate::refine::RefineAnswer;
use crate::shorten::clipped_to_words;
use crate::triage::TriageAnswer;
use crate::visible::Visible;

/// Tokens that Llama 3's chat form adds to three messages are fewer.
const CHAT_TOKENS: usize = 48;
/// Bytes of a `finding` example: 512 tokens for every byte-level BPE, which gives at most a token a byte.
pub const FINDING_BYTES: usize = 512 - CHAT_TOKENS;
/// Bytes of a `summary` example: 4,096 tokens.
pub const SUMMARY_BYTES: usize = 4_096 - CHAT_TOKENS;

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

    /// The schema of its answers: `schemas/answers/<task>.json`.
    pub fn answer_schema(self) -> Schema {
        match self {
            Task::Finding => schema_for!(FindingAnswer),
            Task::Correlation => schema_for!(CorrelationAnswer),
            Task::Actions => schema_for!(ActionsAnswer),
            Task::Summary => schema_for!(SummaryAnswer),
            Task::Triage => schema_for!(TriageAnswer),
            Task::Refine => schema_for!(RefineAnswer),
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

/// An example before a split takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it teaches.
    pub task: Task,
    /// The class that is balanced: the severity, or the priority's place.
    pub class: Severity,
    /// Examples with equal answers but for the words share a template.
    pub template: String,
    /// The user's message.
    pub prompt: String,
    /// The assistant's message.
    pub answer: String,
}

/// The answer of task `finding`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingAnswer {
    /// 0..=100.
    #[schemars(range(max = 100))]
    pub risk: u8,
    /// As the scanner rates it.
    pub severity: Severity,
    /// Why.
    pub rationale: String,
}

#[derive(Serialize)]
struct Line<'a> {
    messages: [Message<'a>; 3],
    task: Task,
    host: &'a str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl Example {
    /// The example of one finding; none where the answer does not follow from what can be seen, or it is too long.
    pub fn of_finding(finding: &EnrichedFinding, visible: &Visible) -> Option<Example> {
        if !visible.determined || finding.operational_error {
            return None;
        }
        let answer = |rationale: &str| {
            let (risk, severity, rationale) = (finding.risk_score, finding.severity, rationale.to_owned());
            serde_json::to_string(&FindingAnswer { risk, severity, rationale }).expect("plain data")
        };
        let rationale = visible.rationale();
        let mut example = Example {
            task: Task::Finding,
            class: finding.severity,
            template: format!("{} {} {}", finding.scanner, finding.severity, finding.risk_score),
            prompt: visible.prompt(),
            answer: answer(&rationale),
        };
        if !example.fits(FINDING_BYTES) {
            // Escapes make the answer longer than what it says, never shorter.
            let excess = example.bytes() - FINDING_BYTES;
            let left = clipped_to_words(&rationale, rationale.len().saturating_sub(excess));
            example.answer = answer(left.trim_end_matches([';', ',', ' ']));
        }
        example.fits(FINDING_BYTES).then_some(example)
    }

    /// Bytes of its three messages.
    pub fn bytes(&self) -> usize {
        self.task.instruction().len() + self.prompt.len() + self.answer.len()
    }

    /// Whether its messages have at most `limit` bytes.
    pub fn fits(&self, limit: usize) -> bool {
        self.bytes() <= limit
    }

    /// The line of a dataset file, for an example of `host`.
    pub fn line(&self, host: &str) -> String {
        let message = |role, content| Message { role, content };
        let line = Line {
            messages: [
                message("system", self.task.instruction()),
                message("user", &self.prompt),
                message("assistant", &self.answer),
            ],
            task: self.task,
            host,
        };
        serde_json::to_string(&line).expect("plain data") + "\n"
    }
}
