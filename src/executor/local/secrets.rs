//! Reads the secrets of a stage when it starts: from the environment, a file or a service that keeps them, and from there into the stage's environment, or
//! into a file in memory that only the stage has.

use std::path::Path;
use std::sync::Arc;

use contract::FailureClass;
use contract::backend::Secret as Kept;

use crate::executor::FailureReport;
use crate::plan::{SecretSource, SecretVariable};
use crate::remote::{Remote, RemoteError, Vault};
use crate::spec::SecretForm;

/// A secret as a stage gets it.
pub(super) struct Secret {
    pub variable: String,
    pub value: String,
    pub form: SecretForm,
}

/// The secrets with their values, or why the stage cannot start.
pub(super) fn read(variables: &[SecretVariable], root: &Path, vault: &Vault) -> Result<Vec<Secret>, FailureReport> {
    // A program is started once for all of them.
    let mut opened = None;
    let mut secret = |it: &SecretVariable| -> Result<Secret, FailureReport> {
        let value = value(it, root, |kept| of_service(kept, vault, &mut opened))?;
        Ok(Secret { variable: it.variable.clone(), value, form: it.form })
    };
    variables.iter().map(&mut secret).collect()
}

/// The value of a secret that a service keeps. `opened` is whom the vault asks.
fn of_service(kept: &Kept, vault: &Vault, opened: &mut Option<Arc<Remote>>) -> Result<String, RemoteError> {
    let remote = match opened {
        Some(remote) => remote,
        None => opened.insert(vault.open()?),
    };
    remote.secret(kept)
}

fn value(
    variable: &SecretVariable,
    root: &Path,
    of_service: impl FnOnce(&Kept) -> Result<String, RemoteError>,
) -> Result<String, FailureReport> {
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
        SecretSource::Kept(kept) => match of_service(kept) {
            Ok(value) if value.is_empty() => Err(missing(format!("{kept} is empty"), "give it a value".to_owned())),
            Ok(value) if value.contains('\0') && variable.form == SecretForm::Variable => {
                Err(missing(format!("{kept} holds a NUL byte"), "give it to the stage `as: file`".to_owned()))
            }
            Ok(value) => Ok(value),
            Err(RemoteError { message, help, .. }) => Err(FailureReport { help, ..missing(message, String::new()) }),
        },
    }
}
