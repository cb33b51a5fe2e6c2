//! The metrics of a command that are no events: those of its outputs of type `metrics`, JSON objects of numbers. A nested number is called
//! by the way to it: `{"top": {"k1": 0.9}}` is the metric `top.k1`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

use contract::{FailureClass, Type};
use serde_json::Value;

use crate::action::ActionWork;
use crate::backend::{LONGEST_METRIC, METRICS};
use crate::executor::{ExecutorError, FailureReport, Order};
use crate::plan::PlannedOutput;
use crate::store::{Artifact, Store};

/// Bytes of the largest file that is read.
const LARGEST: u64 = 1 << 20;

/// The metrics of a command in its `outputs`, by port. Of one name in two files the last one counts. Or why such a file holds
/// none.
pub(super) fn read(
    order: &Order,
    outputs: &BTreeMap<String, Artifact>,
    store: &Store,
) -> Result<Result<BTreeMap<String, f64>, FailureReport>, ExecutorError> {
    let mut figures = BTreeMap::new();
    if matches!(order.action.work, ActionWork::Card { .. }) {
        return Ok(Ok(figures));
    }
    for output in order.outputs.iter().filter(|output| output.artifact == Type::METRICS) {
        let Some(artifact) = outputs.get(output.port.as_str()) else { continue };
        let bytes = bytes(store, artifact).map_err(|e| ExecutorError::system("reading the metrics of a stage", e))?;
        if let Err(why) = parse(bytes, &mut figures) {
            return Ok(Err(unfit(output, &why)));
        }
    }
    Ok(Ok(figures))
}

/// The content; nothing where it is too large.
fn bytes(store: &Store, artifact: &Artifact) -> io::Result<Option<Vec<u8>>> {
    if artifact.size > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(store.object(artifact))?.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn parse(bytes: Option<Vec<u8>>, figures: &mut BTreeMap<String, f64>) -> Result<(), String> {
    let bytes = bytes.ok_or_else(|| format!("it is larger than {LARGEST} bytes"))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if !value.is_object() {
        return Err(format!("it is {}", describe(&value)));
    }
    flatten(&value, "", figures)?;
    if figures.len() > METRICS {
        return Err(format!("it has more than {METRICS} of them"));
    }
    Ok(())
}

fn flatten(value: &Value, name: &str, figures: &mut BTreeMap<String, f64>) -> Result<(), String> {
    match value {
        Value::Object(entries) => {
            let inner = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
            entries.iter().try_for_each(|(key, value)| flatten(value, &inner(key), figures))
        }
        Value::Number(number) if name.len() <= LONGEST_METRIC => {
            figures.insert(name.to_owned(), number.as_f64().unwrap_or(f64::MAX));
            Ok(())
        }
        Value::Number(_) => Err(format!("the name `{}..` has more than {LONGEST_METRIC} bytes", shown(name))),
        other => Err(format!("`{}` is {}", shown(name), describe(other))),
    }
}

fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn unfit(output: &PlannedOutput, why: &str) -> FailureReport {
    FailureReport {
        class: FailureClass::InvalidInput,
        message: format!(
            "output `{}` of type `metrics` should be a JSON object of numbers at {}, but {why}",
            output.port,
            output.destination.display()
        ),
        help: Some("write {\"loss\": 0.5, \"top\": {\"k1\": 0.9}}, or leave `type: metrics` out".to_owned()),
    }
}
