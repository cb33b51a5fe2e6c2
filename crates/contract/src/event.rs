//! Events: what a worker says while it runs, one JSON object a line, on the descriptor named by `PIPE_EVENTS_FD`.
//!
//! stdout and stderr stay free for the log. A worker that ends without [`Event::Finished`] has failed.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The environment variable that names the descriptor.
pub const EVENTS_FD: &str = "PIPE_EVENTS_FD";

/// One line of the stream; the single key says which event it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The worker has read its job.
    Started {
        /// The kind it runs.
        kind: String,
        /// The card version it implements.
        version: u32,
    },
    /// How far it is.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all, when known.
        total: Option<u64>,
        /// What is counted: `hosts`, `steps`, `tokens`.
        unit: String,
    },
    /// A figure worth keeping; the last value of a name is stored in the record.
    Metric {
        /// Its name: `loss`.
        name: String,
        /// The training step or other index it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<u64>,
        /// Its value, finite.
        value: f64,
    },
    /// A message for the log.
    Log {
        /// How serious.
        level: Level,
        /// The text.
        message: String,
    },
    /// State that a later attempt can start from.
    Checkpoint {
        /// A file or directory under the job's `checkpoints`.
        path: PathBuf,
        /// The step it was taken at.
        step: u64,
    },
    /// Every output is in place.
    Finished {},
    /// It could not be done.
    Failed {
        /// Whose turn it is to act.
        class: FailureClass,
        /// What went wrong, and where.
        message: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        help: Option<String>,
    },
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Detail.
    Info,
    /// Worth reading.
    Warning,
    /// Explains a failure.
    Error,
}

/// Why a stage failed, by what the reader can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// An input or a param is wrong: mend it.
    InvalidInput,
    /// The stage itself is wrong: report it.
    StageBug,
    /// Memory, disk or another resource ran out: give more, or ask for less.
    Resources,
    /// It was asked to stop.
    Interrupted,
    /// This build of the worker cannot do it.
    NotBuilt,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_one_key_per_event() {
        let line = serde_json::to_string(&Event::Progress { done: 3, total: Some(8), unit: "hosts".into() }).unwrap();
        assert_eq!(line, r#"{"progress":{"done":3,"total":8,"unit":"hosts"}}"#);
        assert_eq!(serde_json::from_str::<Event>(r#"{"finished":{}}"#).unwrap(), Event::Finished {});
        let failed = r#"{"failed":{"class":"invalid_input","message":"no host"}}"#;
        assert!(matches!(serde_json::from_str(failed).unwrap(), Event::Failed { help: None, .. }));
    }
}
