//! `-S path=value`: sets a param that the pipeline already has. The value is a strict YAML scalar. Each override is a source of its
//! own, so that its problems have a caret and `why` can say that a value came from the command line.

use std::path::Path;

use crate::spec::scalar::{self, ScalarError};
use crate::spec::{Node, NodeValue, Problem, Sources, Span, load, suggest};

/// The name under which an override is shown.
pub const SOURCE: &str = "-S";

/// Applies each override to `params`.
pub fn apply(overrides: &[String], params: &mut Node, sources: &mut Sources, problems: &mut Vec<Problem>) {
    for text in overrides {
        let source = sources.add(Path::new(SOURCE), text.clone());
        let whole = Span { source, start: 0, end: text.len() as u32 };
        let Some((path, value)) = text.split_once('=') else {
            let problem = Problem::at("bad-override", whole, "an override has the form PARAM=VALUE");
            problems.push(problem.label("no `=`"));
            continue;
        };
        let place = whole.part(0, path.len());
        let value = read_value(value, whole.part(path.len() + 1, value.len()), problems);
        if let (Some(slot), Some(value)) = (find(params, path, place, problems), value) {
            *slot = value;
        }
    }
}

/// The scalar param at `path`.
fn find<'n>(params: &'n mut Node, path: &str, place: Span, problems: &mut Vec<Problem>) -> Option<&'n mut Node> {
    let mut node = params;
    // `params.seed` is how the pipeline spells it; both forms are understood.
    for step in path.strip_prefix("params.").unwrap_or(path).split('.') {
        let names: Vec<String> = match &node.value {
            NodeValue::Map(entries) => entries.iter().map(|e| e.key.value.clone()).collect(),
            _ => Vec::new(),
        };
        let NodeValue::Map(entries) = &mut node.value else {
            problems.push(unknown(path, step, &names, place));
            return None;
        };
        match entries.iter_mut().find(|e| e.key.value == step) {
            Some(entry) => node = &mut entry.value,
            None => {
                problems.push(unknown(path, step, &names, place));
                return None;
            }
        }
    }
    if let NodeValue::List(_) | NodeValue::Map(_) = node.value {
        let problem =
            Problem::at("bad-override", place, format!("param `{path}` is {}, not one value", node.describe()));
        problems
            .push(problem.related(node.span, "written here").help("set one of its values, or change it in the file"));
        return None;
    }
    Some(node)
}

fn unknown(path: &str, step: &str, names: &[String], place: Span) -> Problem {
    let help = suggest::help(step, names.iter().map(String::as_str));
    Problem::at("unknown-param", place, format!("the pipeline has no param `{path}`"))
        .label("unknown param")
        .help(help.unwrap_or("an override sets a param that stands under `params`".to_owned()))
}

fn read_value(text: &str, span: Span, problems: &mut Vec<Problem>) -> Option<Node> {
    let refuse = |message: &str| Problem::at("bad-override", span, message).label("not one value");
    let value = match text.as_bytes().first() {
        Some(b'"' | b'\'') => {
            // Through a source of its own: spans of the loader would point into another text.
            let mut scratch = Sources::default();
            let source = scratch.add(Path::new(SOURCE), text.to_owned());
            match load::parse(source, &scratch, &mut Vec::new()).map(|node| node.value) {
                Some(NodeValue::Text(text)) => NodeValue::Text(text),
                _ => {
                    problems.push(refuse("the value is not one quoted text"));
                    return None;
                }
            }
        }
        Some(b'[' | b'{' | b'&' | b'*' | b'!' | b'|' | b'>' | b'@' | b'`' | b'#' | b'%') => {
            problems.push(refuse("the value is not a plain scalar").help("quote it if it is text: \"...\""));
            return None;
        }
        _ => match scalar::resolve(text) {
            Ok(value) => value,
            Err(error) => {
                problems.push(refuse(match error {
                    ScalarError::LeadingZero => "YAML versions disagree on a number with a leading zero",
                    ScalarError::OutOfRange => "the number does not fit 64 bits",
                    ScalarError::NotFinite => "the number is not finite",
                }));
                return None;
            }
        },
    };
    Some(Node::new(value, span))
}
