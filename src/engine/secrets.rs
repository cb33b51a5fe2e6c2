//! Reads the secrets of a stage when it starts: from the environment or a file, and from there into the stage's environment alone.

use std::path::Path;

use contract::FailureClass;

use super::outcome::FailureReport;
use crate::plan::{SecretSource, SecretVariable};

/// Variables with their values, or why the stage cannot start.
pub(super) fn read(variables: &[SecretVariable], root: &Path) -> Result<Vec<(String, String)>, FailureReport> {
    variables.iter().map(|variable| Ok((variable.variable.clone(), value(variable, root)?))).collect()
}

fn value(variable: &SecretVariable, root: &Path) -> Result<String, FailureReport> {
    let name = &variable.secret;
    let missing = |why: String, help: String| FailureReport {
        class: FailureClass::InvalidInput,
        message: format!("the secret `{name}` cannot be read: {why}"),
        help: Some(help),
    };
    match &variable.source {
        SecretSource::Environment(from) => match std::env::var(from) {
            Ok(value) if !value.is_empty() => Ok(value),
            Ok(_) => Err(missing(format!("the variable {from} is empty"), format!("set {from} where pipe runs"))),
            Err(std::env::VarError::NotPresent) => {
                Err(missing(format!("the variable {from} is not set"), format!("set {from} where pipe runs")))
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(missing(format!("the value of {from} is not UTF-8"), format!("set {from} to text")))
            }
        },
        SecretSource::File(path) => match std::fs::read_to_string(root.join(path)) {
            // An editor ends the last line; the secret does not.
            Ok(text) => {
                Ok(text.strip_suffix('\n').map_or(text.as_str(), |text| text.trim_end_matches('\r')).to_owned())
            }
            Err(error) => {
                Err(missing(format!("{}: {error}", path.display()), "put the value alone into that file".to_owned()))
            }
        },
    }
}
