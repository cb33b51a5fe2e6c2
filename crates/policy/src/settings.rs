//! What a model knows of its own use: `analyst.json` beside its weights, or a string in the metadata of its GGUF.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version that is written and read.
const VERSION: u32 = 1;

/// For which prompts a model was made, and how sure it must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Of this form.
    version: u32,
    /// Tokens of prompt and answer together.
    pub context: u32,
    /// The digest of the dataset that it was trained on.
    pub dataset: String,
    /// What it was trained for, by name.
    pub tasks: BTreeMap<String, TaskSettings>,
}

/// How a model is asked for one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSettings {
    /// The system message.
    pub system: String,
    /// Tokens that an answer has at most.
    pub limit: u32,
    /// The smallest confidence that is taken; none: no answer is.
    pub gate: Option<f64>,
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// They are not of the form of any version.
    #[error("the model's settings cannot be read: {0}")]
    Form(String),
    /// They are of another version.
    #[error("the model's settings are of version {0}, and this program reads version {VERSION}")]
    Version(u32),
    /// A gate is no probability.
    #[error("the model's gate for task {0:?} is no probability: export the model anew")]
    Gate(String),
    /// They have a task that is not known.
    #[error("this model was made for another program: it answers a task {0:?}, which is not known here")]
    Task(String),
    /// The system message of a task is another one.
    #[error(
        "this model was made for other prompts: task {task:?} begins with {made:?}, today's with {today:?}; train it anew"
    )]
    Prompt {
        /// The task.
        task: String,
        /// What the model was trained with.
        made: String,
        /// What prompts begin with now.
        today: String,
    },
}

impl Settings {
    /// The name of the file in a model's directory.
    pub const FILE: &'static str = "analyst.json";
    /// The key in the metadata of a GGUF.
    pub const GGUF_KEY: &'static str = "pipe.analyst";

    /// Settings of the version that is written.
    pub fn new(context: u32, dataset: String, tasks: BTreeMap<String, TaskSettings>) -> Settings {
        Settings { version: VERSION, context, dataset, tasks }
    }

    /// Reads them.
    pub fn parse(text: &str) -> Result<Settings, SettingsError> {
        let form = |e: serde_json::Error| SettingsError::Form(e.to_string());
        // The version first: another one may have other fields.
        let value: serde_json::Value = serde_json::from_str(text).map_err(form)?;
        if let Some(version) = value.get("version").and_then(serde_json::Value::as_u64)
            && version != u64::from(VERSION)
        {
            return Err(SettingsError::Version(u32::try_from(version).unwrap_or(u32::MAX)));
        }
        let settings: Settings = serde_json::from_value(value).map_err(form)?;
        let wrong = |task: &TaskSettings| task.gate.is_some_and(|gate| !(0.0..=1.0).contains(&gate));
        match settings.tasks.iter().find(|(_, task)| wrong(task)) {
            Some((name, _)) => Err(SettingsError::Gate(name.clone())),
            None => Ok(settings),
        }
    }

    /// Writes them, for the file and for the metadata alike.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }

    /// Refuses settings for other prompts: `today` gives the system message of a task, where the task is known.
    pub fn check<'a>(&self, today: impl Fn(&str) -> Option<&'a str>) -> Result<(), SettingsError> {
        for (name, task) in &self.tasks {
            let today = today(name).ok_or_else(|| SettingsError::Task(name.clone()))?;
            if today != task.system {
                let (made, today) = (task.system.clone(), today.to_owned());
                return Err(SettingsError::Prompt { task: name.clone(), made, today });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"version":1,"context":512,"dataset":"ab","tasks":{"finding":{"system":"Rate.","limit":96,"gate":0.93},"summary":{"system":"Sum.","limit":320,"gate":null}}}"#;

    #[test]
    fn settings_are_written_as_they_are_read() {
        let settings = Settings::parse(TEXT).unwrap();
        assert_eq!(Settings::parse(&settings.to_json()).unwrap(), settings);
        assert_eq!((settings.tasks["finding"].gate, settings.tasks["summary"].gate), (Some(0.93), None));
    }

    #[test]
    fn settings_of_another_form_or_version_are_refused_by_name() {
        let told = |from: &str, to: &str| Settings::parse(&TEXT.replace(from, to)).unwrap_err().to_string();
        assert!(told("\"version\":1", "\"version\":2,\"more\":1").contains("version 2"));
        assert!(told("0.93", "1.5").contains("\"finding\" is no probability"));
        assert!(told("\"limit\"", "\"limits\"").contains("limits"));
        assert!(told("\"version\":1,", "").contains("version"));
        assert!(told("{", "").contains("cannot be read"));
    }

    #[test]
    fn a_model_for_other_prompts_is_refused() {
        let settings = Settings::parse(TEXT).unwrap();
        let check = |finding: &'static str, summary: Option<&'static str>| {
            settings.check(|task| if task == "finding" { Some(finding) } else { summary })
        };
        assert_eq!(check("Rate.", Some("Sum.")), Ok(()));
        let told = check("Judge.", Some("Sum.")).unwrap_err().to_string();
        assert!(told.contains("made for other prompts") && told.contains("\"Rate.\"") && told.contains("\"Judge.\""));
        assert_eq!(check("Rate.", None), Err(SettingsError::Task("summary".to_owned())));
    }
}
