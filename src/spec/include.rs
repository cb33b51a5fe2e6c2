//! `include:` as it was typed: other pipeline files by the prefix that their stages and params get.

use std::path::PathBuf;

use super::keys::{self, mapping};
use super::node::{Entry, Node, NodeValue};
use super::problem::Problem;
use super::read::{check_name, word};
use super::span::Spanned;

/// One entry of `include:`.
#[derive(Clone, Debug)]
pub struct IncludeSpec {
    /// The prefix of its stages and params: `prefix/stage`, `prefix.param`.
    pub prefix: Spanned<String>,
    /// The file, relative to the one that includes it.
    pub file: Spanned<PathBuf>,
    /// Params that the including file sets, a mapping.
    pub params: Option<Node>,
}

/// Reads `include:`.
pub fn includes(node: &Node, problems: &mut Vec<Problem>) -> Vec<IncludeSpec> {
    mapping(node, "`include`", problems).iter().filter_map(|entry| include(entry, problems)).collect()
}

fn include(entry: &Entry, problems: &mut Vec<Problem>) -> Option<IncludeSpec> {
    let named = check_name(&entry.key, "prefix", problems);
    let what = format!("include `{}`", entry.key.value);
    let (file, params) = match &entry.value.value {
        NodeValue::Map(_) => {
            let known = keys::known(&entry.value, keys::INCLUDE, &what, problems);
            let value = |key: &str| known.iter().find(|(name, _)| *name == key).map(|(_, entry)| &entry.value);
            let file = match value("file") {
                Some(file) => word(file, &format!("the file of {what}"), problems),
                None if keys::misspelt(&entry.value, keys::INCLUDE, "file") => None,
                None => {
                    problems.push(Problem::at("missing-key", entry.value.span, format!("{what} needs the key `file`")));
                    None
                }
            };
            let params = value("params").filter(|node| {
                mapping(node, "`params`", problems);
                matches!(node.value, NodeValue::Map(_))
            });
            (file, params.cloned())
        }
        _ => (word(&entry.value, &format!("the file of {what}"), problems), None),
    };
    let file = file.filter(|_| named)?;
    let file = Spanned { value: PathBuf::from(file.value), span: file.span };
    Some(IncludeSpec { prefix: entry.key.clone(), file, params })
}
