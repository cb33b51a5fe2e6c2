//! `tools:` as it was typed: directories of the project that commands use without reading them as inputs.

use super::keys;
use super::node::{Node, NodeValue};
use super::problem::Problem;
use super::read::word;
use super::span::Spanned;

/// One entry of `tools:`.
#[derive(Clone, Debug)]
pub struct ToolSpec {
    /// The directory, relative to the project root.
    pub path: Spanned<String>,
    /// The file whose content stands for it in keys, relative to the project root.
    pub key: Option<Spanned<String>>,
}

/// Reads `tools:`: a directory, `{path: DIRECTORY, key: FILE}`, or a list of these.
pub fn tools(node: &Node, problems: &mut Vec<Problem>) -> Vec<ToolSpec> {
    let items = match &node.value {
        NodeValue::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    items.iter().filter_map(|item| tool(item, problems)).collect()
}

fn tool(node: &Node, problems: &mut Vec<Problem>) -> Option<ToolSpec> {
    let NodeValue::Map(_) = &node.value else {
        if node.as_text().is_none() && !node.is_broken() {
            let message = format!("`tools` must name directories of the project, found {}", node.describe());
            let problem = Problem::at("wrong-type", node.span, message).label("not a directory's path");
            problems.push(problem.help("write `tools: [.venv, node_modules]`, or {path: .venv, key: uv.lock}"));
            return None;
        }
        return Some(ToolSpec { path: word(node, "an entry of `tools`", problems)?, key: None });
    };
    let (mut path, mut key) = (None, None);
    for (name, entry) in keys::known(node, keys::TOOL, "an entry of `tools`", problems) {
        let text = word(&entry.value, &format!("`{name}` of `tools`"), problems);
        if name == "path" { path = Some(text) } else { key = text }
    }
    if path.is_none() && !keys::misspelt(node, keys::TOOL, "path") {
        let problem = Problem::at("missing-key", node.span, "an entry of `tools` needs the key `path`");
        problems.push(problem.help("write {path: .venv, key: uv.lock}"));
    }
    Some(ToolSpec { path: path??, key })
}
