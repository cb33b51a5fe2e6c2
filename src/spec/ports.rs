//! `in`, `out` and `env` of a stage as they were typed.

use contract::Type;

use super::keys::{self, mapping};
use super::name::PortName;
use super::node::{Entry, Node, NodeValue};
use super::pipeline::{InputSpec, LinkRule, OutputSpec, Variable, Wire};
use super::problem::Problem;
use super::read::{check_name, word};
use super::span::Spanned;
use super::suggest;

/// Variables that the engine sets for every command.
const ENGINE_VARIABLES: [&str; 2] = ["TMPDIR", "MAKEFLAGS"];

/// Reads `in:`.
pub fn inputs(node: &Node, problems: &mut Vec<Problem>) -> Vec<InputSpec> {
    mapping(node, "`in`", problems).iter().map(|entry| input(entry, problems)).collect()
}

fn input(entry: &Entry, problems: &mut Vec<Problem>) -> InputSpec {
    let wire = match &entry.value.value {
        NodeValue::List(items) => {
            let wires = items.iter().map(|item| wire(&entry.key.value, item, problems)).collect();
            Wire::List(wires, entry.value.span)
        }
        _ => wire(&entry.key.value, &entry.value, problems),
    };
    InputSpec { port: port(entry, problems), wire }
}

/// One wire of the input `name`.
fn wire(name: &str, node: &Node, problems: &mut Vec<Problem>) -> Wire {
    match &node.value {
        NodeValue::Broken => Wire::Broken,
        NodeValue::Map(_) => {
            let what = format!("input `{name}`");
            let known = keys::known(node, keys::INPUT, &what, problems);
            let follow = known.iter().find(|(key, _)| *key == "follow").map(|(_, entry)| &entry.value);
            let links = follow.map_or(LinkRule::Keep, |node| link_rule(node, &what, problems));
            path(node, known, &what, problems).map_or(Wire::Broken, |node| Wire::Path(node.clone(), links))
        }
        // An instance of a matrix names its fellow of another one by `[${matrix}]`; nothing else is put into a reference.
        NodeValue::Text(text) if text.contains("[${matrix}]") && text.matches("${").count() == 1 => {
            Wire::Reference(Spanned { value: text.clone(), span: node.span })
        }
        NodeValue::Text(text) if text.contains("${") => {
            let message = "a reference to a stage cannot hold an interpolation";
            let problem = Problem::at("unsupported-interpolation", node.span, message).label("must be written out");
            problems.push(problem.help(
                "an instance of a matrix is `stage[lr=0.1].port`; in a matrix, `stage[${matrix}].port` is the instance with the same values",
            ));
            Wire::Broken
        }
        NodeValue::Text(_) => word(node, "a reference to a stage", problems).map_or(Wire::Broken, Wire::Reference),
        _ => {
            let message = format!("input `{name}` must name a stage, found {}", node.describe());
            let problem = Problem::at("wrong-type", node.span, message);
            problems.push(problem.help("write `stage.port`, `stage`, {path: data/file}, or a list of these"));
            Wire::Broken
        }
    }
}

fn link_rule(node: &Node, what: &str, problems: &mut Vec<Problem>) -> LinkRule {
    match &node.value {
        NodeValue::Bool(true) => LinkRule::Follow,
        NodeValue::Bool(false) | NodeValue::Broken => LinkRule::Keep,
        _ => {
            let message = format!("`follow` of {what} must be `true` or `false`, found {}", node.describe());
            problems.push(Problem::at("wrong-type", node.span, message).label("not possible"));
            LinkRule::Keep
        }
    }
}

/// Reads `out:`.
pub fn outputs(node: &Node, problems: &mut Vec<Problem>) -> Vec<OutputSpec> {
    mapping(node, "`out`", problems).iter().map(|entry| output(entry, problems)).collect()
}

fn output(entry: &Entry, problems: &mut Vec<Problem>) -> OutputSpec {
    let mut output = OutputSpec { port: port(entry, problems), path: None, artifact: Type::FILE };
    let what = format!("output `{}`", entry.key.value);
    match &entry.value.value {
        NodeValue::Broken => {}
        NodeValue::Text(_) => output.path = Some(entry.value.clone()),
        NodeValue::Map(_) => {
            let known = keys::known(&entry.value, keys::OUTPUT, &what, problems);
            if let Some((_, entry)) = known.iter().find(|(key, _)| *key == "type") {
                output.artifact = artifact(&entry.value, problems);
            }
            output.path = path(&entry.value, known, &what, problems).cloned();
        }
        _ => {
            let message = format!("{what} must be a path, found {}", entry.value.describe());
            let problem = Problem::at("wrong-type", entry.value.span, message);
            problems.push(problem.help("write `out/file`, or {path: out/dir, type: dir}"));
        }
    }
    output
}

fn artifact(node: &Node, problems: &mut Vec<Problem>) -> Type {
    let Some(text) = word(node, "`type`", problems) else { return Type::FILE };
    text.value.parse().unwrap_or_else(|()| {
        let problem = Problem::at("unknown-type", text.span, format!("there is no artifact type `{}`", text.value));
        // As other tools name a directory.
        let help = match text.value.as_str() {
            "directory" | "folder" => Some("write `type: dir`".to_owned()),
            other => suggest::help(other, Type::ALL.map(Type::name)),
        };
        problems.push(problem.label("unknown type").maybe_help(help));
        Type::FILE
    })
}

fn path<'n>(
    node: &Node,
    known: Vec<(&'static str, &'n Entry)>,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Option<&'n Node> {
    let found = known.into_iter().find(|(key, _)| *key == "path").map(|(_, entry)| &entry.value);
    match found {
        Some(value) if value.as_text().is_some() => Some(value),
        Some(value) if value.is_broken() => None,
        Some(value) => {
            let message = format!("the path of {what} must be text, found {}", value.describe());
            let help = "write the path, relative to the project root";
            problems.push(Problem::at("wrong-type", value.span, message).label("not text").help(help));
            None
        }
        None if keys::misspelt(node, keys::OUTPUT, "path") => None,
        None => {
            problems.push(Problem::at("missing-key", node.span, format!("{what} needs the key `path`")));
            None
        }
    }
}

fn port(entry: &Entry, problems: &mut Vec<Problem>) -> Spanned<PortName> {
    check_name(&entry.key, "port", problems);
    Spanned { value: PortName::new(entry.key.value.clone()), span: entry.key.span }
}

/// Reads `env:`: a list of names that are passed on, or a mapping in which a name without value is passed on.
pub fn environment(node: &Node, problems: &mut Vec<Problem>) -> Vec<Variable> {
    let mut variables: Vec<Variable> = match &node.value {
        NodeValue::List(items) => {
            let names = items.iter().filter_map(|item| word(item, "a variable of `env`", problems));
            names.map(|name| Variable { name, value: None }).collect()
        }
        NodeValue::Map(entries) => entries.iter().filter_map(|entry| variable(entry, problems)).collect(),
        NodeValue::Broken => Vec::new(),
        _ => {
            let message = format!("`env` must be a list of names or a mapping, found {}", node.describe());
            problems
                .push(Problem::at("wrong-type", node.span, message).help("write `env: [LANG]` or `env: {LANG: C}`"));
            Vec::new()
        }
    };
    variables.retain(|variable| check_variable(&variable.name, problems));
    variables
}

fn variable(entry: &Entry, problems: &mut Vec<Problem>) -> Option<Variable> {
    let value = match &entry.value.value {
        NodeValue::Null => None,
        NodeValue::Broken => return None,
        NodeValue::List(_) | NodeValue::Map(_) => {
            let message = format!("variable `{}` must be text, found {}", entry.key.value, entry.value.describe());
            problems.push(Problem::at("wrong-type", entry.value.span, message).label("not text"));
            return None;
        }
        _ => Some(entry.value.clone()),
    };
    Some(Variable { name: entry.key.clone(), value })
}

/// Whether `name` may name a variable of a stage; reports one that may not.
pub fn check_variable(name: &Spanned<String>, problems: &mut Vec<Problem>) -> bool {
    let text = name.value.as_str();
    let shaped =
        text.bytes().enumerate().all(|(at, b)| b == b'_' || b.is_ascii_alphabetic() || (at > 0 && b.is_ascii_digit()));
    if !shaped || text.is_empty() {
        problems.push(
            Problem::at("invalid-name", name.span, format!("{text:?} cannot name a variable")).label("not a name"),
        );
        return false;
    }
    if text.starts_with("PIPE_") || ENGINE_VARIABLES.contains(&text) {
        let problem = Problem::at("invalid-name", name.span, format!("`{text}` is set by the engine"));
        problems.push(problem.help("leave it out: a command always sees it, and it is not part of the key"));
        return false;
    }
    true
}
