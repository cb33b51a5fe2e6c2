//! The names in a pipeline: its stages and its params. Read as far as possible, in spite of errors, and without a card: a command
//! line is completed from it while the file is still being written.

use std::collections::BTreeSet;

use super::language::interpolate::Resolving;
use super::language::{instances, modules, overrides};
use super::request::Request;
use crate::spec::{Node, NodeValue, Sources};

/// The names in a pipeline.
#[derive(Debug)]
pub struct Outline {
    /// Every stage in the order written, an instance of a matrix each for itself.
    pub stages: Vec<OutlinedStage>,
    /// The prefixes of included files, `data/`.
    pub prefixes: Vec<String>,
    /// The params that `-S` can set, with the value that each has now.
    pub params: Vec<(String, String)>,
}

/// A stage.
#[derive(Debug)]
pub struct OutlinedStage {
    /// Its full name.
    pub name: String,
    /// Its kind, as written.
    pub kind: String,
    /// Of an instance: the name of its stage.
    pub family: Option<String>,
}

/// The outline of the pipeline that `request` names; `None` when its file is no YAML at all.
pub fn outline(request: &Request) -> Option<Outline> {
    let mut sources = Sources::default();
    // Problems are left to `check`.
    let problems = &mut Vec::new();
    let modules = modules::load(&request.file, &mut sources, problems)?;
    let mut set = overrides::of_files(&request.params, &mut sources, problems);
    set.extend(overrides::of_texts(&request.overrides, &mut sources, problems));
    let mut resolving = Resolving::new(&sources, problems);
    let scopes = modules::scopes(&modules, set, &mut resolving);
    let units = instances::units(&modules, &scopes, &mut resolving);
    let stages = units.into_iter().map(|unit| OutlinedStage {
        name: unit.spec.name.value.to_string(),
        kind: unit.spec.uses.map(|uses| uses.value).unwrap_or_default(),
        family: unit.instance.map(|instance| instance.family),
    });
    let prefixes: BTreeSet<String> =
        modules.iter().map(|module| module.prefix.clone()).filter(|prefix| !prefix.is_empty()).collect();
    Some(Outline {
        stages: stages.collect(),
        prefixes: prefixes.into_iter().collect(),
        params: values(&modules::combined(&modules, &scopes)),
    })
}

/// Every single value below `params` by its path, in the order written: lists cannot be set on a command line.
fn values(params: &Node) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![(String::new(), params)];
    while let Some((path, node)) = pending.pop() {
        let text = match &node.value {
            NodeValue::Map(entries) => {
                let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                pending.extend(entries.iter().rev().map(|entry| (below(&entry.key.value), &entry.value)));
                continue;
            }
            NodeValue::List(_) | NodeValue::Broken => continue,
            NodeValue::Null => "null".to_owned(),
            NodeValue::Bool(value) => value.to_string(),
            NodeValue::Number(number) => number.to_string(),
            NodeValue::Text(text) => text.clone(),
        };
        if !path.is_empty() {
            found.push((path, text));
        }
    }
    found
}
