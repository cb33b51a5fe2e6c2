//! Params set from outside: by `-S path=value`, by files of params, and by including files. Only existing params can be set,
//! and each keeps its type: a text stays the text that was typed (`-S name=007`), a number takes no text. Each `-S` is a source of its own, so that its problems have a caret and `why` can say that a value came from the command line.

use std::path::{Path, PathBuf};

use crate::spec::scalar::{self, ScalarError};
use crate::spec::{Entry, Node, NodeValue, Problem, Sources, Span, file, load, suggest};

/// The name under which an override is shown.
pub(crate) const SOURCE: &str = "-S";

/// One param to set.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    /// The way to it, with where each step was written.
    pub steps: Vec<(String, Span)>,
    /// The value.
    pub value: Node,
    /// The values it may replace.
    pub reach: Reach,
}

/// The values that an override may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One plain value, given as the text that was typed after `=`: its meaning depends on the value that it replaces.
    Value,
    /// Anything; a mapping sets the params that it names and leaves the rest.
    Any,
}

impl Override {
    /// The same one step further in: the value that an include is to set.
    pub(crate) fn below(mut self) -> Vec<Override> {
        if self.steps.len() > 1 {
            self.steps.remove(0);
            return vec![self];
        }
        match &self.value.value {
            NodeValue::Map(_) => of_mapping(&self.value),
            // A whole include is no param: left with the step, it is reported as unknown there.
            _ => vec![self],
        }
    }
}

/// The overrides of `-S` texts.
pub(crate) fn of_texts(texts: &[String], sources: &mut Sources, problems: &mut Vec<Problem>) -> Vec<Override> {
    texts.iter().filter_map(|text| of_text(text, sources, problems)).collect()
}

fn of_text(text: &str, sources: &mut Sources, problems: &mut Vec<Problem>) -> Option<Override> {
    let source = sources.add(Path::new(SOURCE), text.to_owned());
    let whole = Span { source, start: 0, end: text.len() as u32 };
    let Some((path, value)) = text.split_once('=') else {
        let problem = Problem::at("bad-override", whole, "an override has the form PARAM=VALUE");
        problems.push(problem.label("no `=`"));
        return None;
    };
    let place = whole.part(0, path.len());
    let value = Node::new(NodeValue::Text(value.to_owned()), whole.part(path.len() + 1, value.len()));
    // `params.seed` is how the pipeline spells it; both forms are understood.
    let steps = path.strip_prefix("params.").unwrap_or(path).split('.');
    Some(Override { steps: steps.map(|step| (step.to_owned(), place)).collect(), value, reach: Reach::Value })
}

/// The overrides of files of params, in their order.
pub(crate) fn of_files(files: &[PathBuf], sources: &mut Sources, problems: &mut Vec<Problem>) -> Vec<Override> {
    let mut overrides = Vec::new();
    for path in files {
        let before = problems.len();
        let Some(tree) = file::read(path, sources, problems) else {
            let empty = problems[before..].iter_mut().filter(|problem| problem.message == load::EMPTY);
            empty.for_each(|problem| problem.help = Some("write the params to set, `NAME: VALUE` a line".to_owned()));
            continue;
        };
        crate::spec::keys::mapping(&tree, "a file of params", problems);
        overrides.extend(of_mapping(&tree));
    }
    overrides
}

/// One override for each entry of a mapping.
pub(crate) fn of_mapping(node: &Node) -> Vec<Override> {
    let NodeValue::Map(entries) = &node.value else { return Vec::new() };
    let of_entry = |Entry { key, value }: &Entry| Override {
        steps: vec![(key.value.clone(), key.span)],
        value: value.clone(),
        reach: Reach::Any,
    };
    entries.iter().map(of_entry).collect()
}

/// Makes the problem of a param that does not exist, from its path, the names there are, and where it was written.
pub(crate) type Unknown<'u> = &'u mut dyn FnMut(&str, Vec<String>, Span) -> Problem;

/// Applies each override to `params`.
pub(crate) fn apply(
    overrides: &[Override],
    params: &mut Node,
    sources: &Sources,
    unknown: Unknown<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut pending: Vec<Override> = overrides.iter().rev().cloned().collect();
    while let Some(set) = pending.pop() {
        let Some(slot) = find(params, &set, unknown, problems) else { continue };
        match (&mut slot.value, &set.value.value, set.reach) {
            (NodeValue::Map(_), NodeValue::Map(_), Reach::Any) => {
                let inner = of_mapping(&set.value).into_iter().rev();
                pending.extend(
                    inner.map(|inner| Override { steps: [&set.steps[..], &inner.steps[..]].concat(), ..inner }),
                );
            }
            (NodeValue::List(_) | NodeValue::Map(_), _, Reach::Value) => {
                let path = path_of(&set);
                let message = format!("param `{path}` is {}, not one value", slot.describe());
                let problem = Problem::at("bad-override", place_of(&set), message).related(slot.span, "written here");
                problems.push(problem.help("set one of its values, or give a file: --params FILE"));
            }
            _ => {
                let span = set.value.span;
                match of_declared_type(&set, slot, sources, problems) {
                    Some(value) => *slot = Node { via: set.value.via, ..Node::new(value, span) },
                    // A wrong value is said once, not again where it is used.
                    None => *slot = Node::new(NodeValue::Broken, span),
                }
            }
        }
    }
}

/// The value of `set` in place of `slot`, of whose type it must be. A param declared as nothing takes anything.
fn of_declared_type(set: &Override, slot: &Node, sources: &Sources, problems: &mut Vec<Problem>) -> Option<NodeValue> {
    use NodeValue::{Bool, Broken, List, Map, Null, Number, Text};
    let is_text = matches!(slot.value, Text(_));
    let value = match (&set.value.value, set.reach) {
        (Text(typed), Reach::Value) if is_text => Text(quoted(typed).unwrap_or_else(|| typed.clone())),
        (Text(typed), Reach::Value) => read_value(typed, set.value.span, problems)?,
        (value, _) => value.clone(),
    };
    match (&slot.value, &value) {
        // A file's number that YAML versions disagree on is no question where text is declared.
        (Text(_), Broken) => Some(
            take_ambiguous(set.value.span, problems)
                .map_or(Broken, |()| Text(sources.slice(set.value.span).to_owned())),
        ),
        (Null | Broken, _)
        | (_, Broken)
        | (Text(_), Text(_))
        | (Number(_), Number(_))
        | (Bool(_), Bool(_))
        | (List(_), List(_))
        | (Map(_), Map(_)) => Some(value),
        // As it is written in the file: `1.10` is not `1.1`.
        (Text(_), Number(_) | Bool(_)) => Some(Text(sources.spelling(&set.value))),
        _ => {
            let path = path_of(set);
            let found = Node::new(value, set.value.span).describe();
            let message = format!("param `{path}` is {}, found {found}", type_of(&slot.value));
            let problem = Problem::at("bad-override", set.value.span, message).label("of another type");
            problems.push(problem.related(slot.span, "written here"));
            None
        }
    }
}

/// Withdraws the problem of a number at `span` that has no one meaning, if that is its problem.
fn take_ambiguous(span: Span, problems: &mut Vec<Problem>) -> Option<()> {
    let of_number =
        |problem: &Problem| problem.span == Some(span) && matches!(problem.code, "ambiguous-number" | "number-range");
    let at = problems.iter().position(of_number)?;
    problems.remove(at);
    Some(())
}

fn type_of(value: &NodeValue) -> &'static str {
    match value {
        NodeValue::Broken | NodeValue::Null => "nothing",
        NodeValue::Bool(_) => "true or false",
        NodeValue::Number(_) => "a number",
        NodeValue::Text(_) => "text",
        NodeValue::List(_) => "a list",
        NodeValue::Map(_) => "a mapping",
    }
}

/// The param that `set` names.
fn find<'n>(
    params: &'n mut Node,
    set: &Override,
    unknown: Unknown<'_>,
    problems: &mut Vec<Problem>,
) -> Option<&'n mut Node> {
    let mut node = params;
    for (step, place) in &set.steps {
        let names: Vec<String> = match &node.value {
            NodeValue::Map(entries) => entries.iter().map(|e| e.key.value.clone()).collect(),
            _ => Vec::new(),
        };
        let found = match &mut node.value {
            NodeValue::Map(entries) => entries.iter_mut().find(|e| e.key.value == *step),
            _ => None,
        };
        match found {
            Some(entry) => node = &mut entry.value,
            None => {
                problems.push(unknown(&path_of(set), names, *place));
                return None;
            }
        }
    }
    Some(node)
}

fn path_of(set: &Override) -> String {
    set.steps.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>().join(".")
}

fn place_of(set: &Override) -> Span {
    set.steps.last().map_or(set.value.span, |(_, place)| *place)
}

/// The problem of a param that the pipeline does not have.
pub(crate) fn unknown(path: &str, names: &[String], place: Span) -> Problem {
    let step = path.rsplit('.').next().unwrap_or(path);
    let help = suggest::help(step, names.iter().map(String::as_str));
    Problem::at("unknown-param", place, format!("the pipeline has no param `{path}`"))
        .label("unknown param")
        .help(help.unwrap_or("an override sets a param that stands under `params`".to_owned()))
}

/// The value of a text after `=` where no text is declared.
fn read_value(text: &str, span: Span, problems: &mut Vec<Problem>) -> Option<NodeValue> {
    let mut refuse = |message: &str, help: Option<&str>| {
        let problem = Problem::at("bad-override", span, message).label("not one value");
        problems.push(problem.maybe_help(help.map(str::to_owned)));
        None
    };
    match text.as_bytes().first() {
        Some(b'"' | b'\'') => match quoted(text) {
            Some(text) => Some(NodeValue::Text(text)),
            None => refuse("the value is not one quoted text", None),
        },
        Some(b'[' | b'{' | b'&' | b'*' | b'!' | b'|' | b'>' | b'@' | b'`' | b'#' | b'%') => {
            refuse("the value is not a plain scalar", Some("quote it if it is text: \"...\""))
        }
        _ => match scalar::resolve(text) {
            Ok(value) => Some(value),
            Err(ScalarError::LeadingZero) => refuse("YAML versions disagree on a number with a leading zero", None),
            Err(ScalarError::OutOfRange) => refuse("the number does not fit 64 bits", None),
            Err(ScalarError::NotFinite) => refuse("the number is not finite", None),
        },
    }
}

/// The text inside, when `text` is one quoted text and nothing else.
fn quoted(text: &str) -> Option<String> {
    if !text.starts_with(['"', '\'']) {
        return None;
    }
    // Through a source of its own: spans of the loader would point into another text.
    let mut scratch = Sources::default();
    let source = scratch.add(Path::new(SOURCE), text.to_owned());
    let mut problems = Vec::new();
    match load::parse(source, &scratch, &mut problems)?.value {
        NodeValue::Text(inner) if problems.is_empty() => Some(inner),
        _ => None,
    }
}
