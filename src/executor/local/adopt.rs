//! From the private directory of a stage that ended well into the store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::types::Form;
use contract::{FailureClass, Type};

use super::figures;
use super::place::Site;
use crate::action::ActionWork;
use crate::backend::redacted;
use crate::executor::{ExecutorError, FailureReport, Order, fault};
use crate::plan::PlannedOutput;
use crate::store::{Artifact, StoreError, StoreErrorKind};

/// Outputs and metrics by name.
type Given = (BTreeMap<String, Artifact>, BTreeMap<String, f64>);

/// Takes the outputs, which lie at `paths`, into the store, and reads the metrics that are in them. Texts in `hidden` appear in no metric
/// and no message.
pub(super) fn adopt(
    site: &Site,
    order: &Order,
    paths: &[PathBuf],
    hidden: &[String],
) -> Result<Result<Given, FailureReport>, ExecutorError> {
    let mut outputs = BTreeMap::new();
    for (output, path) in order.outputs.iter().zip(paths) {
        let artifact = match site.store.adopt(path, output.artifact.form()) {
            Ok(artifact) => artifact,
            Err(error) => return unfit(site, order, output, path, error).map(Err),
        };
        outputs.insert(output.port.as_str().to_owned(), artifact);
    }
    Ok(match figures::read(order, &outputs, &site.store)? {
        Ok(figures) => {
            let shown = figures.into_iter().map(|(name, value)| (redacted(name, hidden), value));
            let metrics = shown.collect();
            Ok((outputs, metrics))
        }
        Err(failure) => Err(FailureReport { message: redacted(failure.message, hidden), ..failure }),
    })
}

/// An output that a program left cannot be kept: the stage's failure, unless the store itself broke.
fn unfit(
    site: &Site,
    order: &Order,
    output: &PlannedOutput,
    path: &Path,
    error: StoreError,
) -> Result<FailureReport, ExecutorError> {
    if !fault::is_of_stage(&site.store, Some(path), &error) {
        return Err(error.into());
    }
    let inside = error.path.strip_prefix(path).unwrap_or(&error.path).to_string_lossy();
    let found = match &error.kind {
        StoreErrorKind::NotFound if inside.is_empty() => "nothing lies there".to_owned(),
        StoreErrorKind::NotFile { found } | StoreErrorKind::NotDirectory { found } if inside.is_empty() => {
            format!("{found} lies there")
        }
        kind if inside.is_empty() => format!("of what lies there: {kind}"),
        kind => format!("of `{}` in it: {kind}", fault::shortened(&inside)),
    };
    let form = if output.artifact.form() == Form::Dir { "directory" } else { "file" };
    Ok(FailureReport {
        class: FailureClass::InvalidInput,
        message: format!(
            "output `{}` should be a {form} at {}, but {found}",
            output.port,
            output.destination.display()
        ),
        help: Some(unlike(order, output, path)),
    })
}

/// Advice about an output that is no file, or no directory, though it was declared to be one.
fn unlike(order: &Order, output: &PlannedOutput, path: &Path) -> String {
    let (port, place) = (&output.port, output.destination.display());
    let is_command = matches!(order.action.work, ActionWork::Command { .. });
    match (output.artifact, path.symlink_metadata()) {
        (Type::FILE, Ok(found)) if found.is_dir() && is_command => {
            format!(
                "if a directory is meant, write `out: {{{port}: {{path: {place}, type: dir}}}}`; declared at {}",
                order.location
            )
        }
        (Type::DIR, Ok(found)) if found.is_file() && is_command => {
            format!("if a file is meant, leave out `type: dir`; declared at {}", order.location)
        }
        _ => "the program ended well but did not write it like that; see its log".to_owned(),
    }
}
