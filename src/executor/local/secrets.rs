//! Reads the secrets of a stage when it starts: from the environment or a file, and from there into the stage's environment, or
//! into a file in memory that only the stage has.

use std::path::Path;

use contract::FailureClass;

use crate::executor::FailureReport;
use crate::plan::{SecretSource, SecretVariable};
use crate::spec::SecretForm;

/// A secret as a stage gets it.
pub(super) struct Secret {
    pub variable: String,
    pub value: String,
    pub form: SecretForm,
}

/// The secrets with their values, or why the stage cannot start.
pub(super) fn read(variables: &[SecretVariable], root: &Path) -> Result<Vec<Secret>, FailureReport> {
    let secret =
        |it: &SecretVariable| Ok(Secret { variable: it.variable.clone(), value: value(it, root)?, form: it.form });
    variables.iter().map(secret).collect()
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
            // A reader of a file may want its last line ended, as ssh does for a key.
            Ok(text) if variable.form == SecretForm::File => Ok(text),
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
