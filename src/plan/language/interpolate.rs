//! `${...}`: params in text, and a command's own ports. A text that is one interpolation and nothing else takes the param's
//! value with its type; within longer text a value is written out, a number as it was spelled. `$${` stands for `${`. Inserted text
//! is not interpolated again.

use std::collections::BTreeMap;

use super::instances::Instance;
use crate::spec::{Entry, Node, NodeValue, Problem, Sources, Span, suggest};

/// The label of the instance it stands in: `model[${matrix}]` is the instance with the same values.
pub const OWN_LABEL: &str = "${matrix}";

/// The ending after a port that holds many: it names the file that lists the port's paths. No port's name holds a dot.
pub const LIST: &str = ".list";

/// Bytes that all replacements of one plan may take together: a short file must not grow into a long one.
const BUDGET: usize = 64 << 20;

/// The names that an interpolation may use.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The pipeline's params, a mapping; `None` within the params themselves, which are plain values.
    pub params: Option<&'a Node>,
    /// The instance of a matrix; `None` elsewhere.
    pub matrix: Option<&'a Instance>,
    /// `in.PORT` and `out.PORT` with their paths; `None` outside a command's `run`.
    pub ports: Option<&'a BTreeMap<String, Paths>>,
}

/// The paths of a port, relative to the directory that a command runs in.
#[derive(Clone, Debug)]
pub enum Paths {
    /// Of a port that holds one artifact.
    One(String),
    /// Of a port that holds many: several words.
    Many {
        /// The paths.
        paths: Vec<String>,
        /// The word for the file that lists them.
        list: String,
    },
}

impl<'a> Scope<'a> {
    /// Params and nothing else.
    pub fn of(params: &'a Node) -> Scope<'a> {
        Scope { params: Some(params), matrix: None, ports: None }
    }

    /// No names: the scope of the params.
    pub fn nothing() -> Scope<'a> {
        Scope { params: None, matrix: None, ports: None }
    }
}

/// The state of resolving one pipeline: the sources of its texts, the problems so far, how much was copied.
#[derive(Debug)]
pub struct Resolving<'a> {
    sources: &'a Sources,
    /// The problems so far.
    pub problems: &'a mut Vec<Problem>,
    spent: usize,
    /// The names used as `in.x`, `out.y` or `in.x.list` since [`Resolving::take_used`].
    used: Vec<String>,
}

/// A piece of a text.
enum Piece<'t> {
    Text(&'t str),
    /// The inside of `${...}`.
    Name(&'t str),
    /// A `${` without end.
    Unclosed,
}

impl<'a> Resolving<'a> {
    /// One for texts out of `sources`.
    pub fn new(sources: &'a Sources, problems: &'a mut Vec<Problem>) -> Resolving<'a> {
        Resolving { sources, problems, spent: 0, used: Vec::new() }
    }

    /// The files that the texts were written in.
    pub fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// A copy of `node` with every interpolation replaced. A node that cannot be replaced is broken and has its problem.
    pub fn expand(&mut self, node: &Node, scope: &Scope<'_>) -> Node {
        let value = match &node.value {
            NodeValue::Text(text) if text.contains("${") => return self.text(node, text, scope),
            NodeValue::List(items) => NodeValue::List(items.iter().map(|item| self.expand(item, scope)).collect()),
            NodeValue::Map(entries) => {
                let entry = |e: &Entry| Entry { key: e.key.clone(), value: self.expand(&e.value, scope) };
                NodeValue::Map(entries.iter().map(entry).collect())
            }
            other => other.clone(),
        };
        Node { value, ..*node }
    }

    /// The ports that hold one artifact, and the lists, that were named since the last call.
    pub fn take_used(&mut self) -> Vec<String> {
        std::mem::take(&mut self.used)
    }

    fn text(&mut self, node: &Node, text: &str, scope: &Scope<'_>) -> Node {
        let pieces = split(text);
        if let [Piece::Name(name)] = pieces.as_slice() {
            let value = self.lookup(name, node.span, scope);
            return value
                .map_or(Node::new(NodeValue::Broken, node.span), |value| Node { via: Some(node.span), ..value });
        }
        let mut whole = String::new();
        let mut failed = false;
        let mut searched = 0;
        for piece in pieces {
            match piece {
                Piece::Text(text) => whole.push_str(text),
                Piece::Unclosed => {
                    let problem = Problem::at("bad-interpolation", node.span, "`${` without `}`");
                    self.problems.push(problem.help("close it, or write `$${` for the characters themselves"));
                    failed = true;
                }
                Piece::Name(name) => {
                    let span = self.locate(name, node.span, &mut searched);
                    match self.lookup(name, span, scope) {
                        Some(value) => {
                            failed |= !write_out(&value, name, span, self.sources, &mut whole, self.problems)
                        }
                        None => failed = true,
                    }
                }
            }
        }
        let value = if failed { NodeValue::Broken } else { NodeValue::Text(whole) };
        Node { value, ..*node }
    }

    /// A scalar as it was written: `1e-4` stays that.
    pub fn spelling(&self, node: &Node) -> String {
        self.sources.spelling(node)
    }

    /// The value that `name` stands for.
    fn lookup(&mut self, name: &str, span: Span, scope: &Scope<'_>) -> Option<Node> {
        let (head, rest) = name.split_once('.').unwrap_or((name, ""));
        match (head, scope.ports) {
            ("params", _) if !rest.is_empty() => {
                let value = self.param(rest, name, span, scope)?;
                self.spent += value.weight();
                if self.spent <= BUDGET {
                    return Some(value.clone());
                }
                let problem = Problem::at("too-many-values", span, "interpolations copy more than 64 MiB");
                self.problems.push(problem.label("the budget ends here"));
                None
            }
            ("in" | "out", Some(ports)) => {
                let text = |path: &String| Node::new(NodeValue::Text(path.clone()), span);
                match ports.get(name) {
                    Some(Paths::One(path)) => {
                        self.used.push(name.to_owned());
                        return Some(text(path));
                    }
                    Some(Paths::Many { paths, .. }) => {
                        return Some(Node::new(NodeValue::List(paths.iter().map(text).collect()), span));
                    }
                    None => {}
                }
                match name.strip_suffix(LIST).and_then(|port| Some((port, ports.get(port)?))) {
                    Some((_, Paths::Many { list, .. })) => {
                        self.used.push(name.to_owned());
                        return Some(text(list));
                    }
                    Some((port, Paths::One(_))) => {
                        let message = format!("`{port}` holds one artifact, so there is no list of its paths");
                        let problem = Problem::at("undefined-interpolation", span, message).label("not a list");
                        self.problems.push(problem.help(format!("`${{{port}}}` is its path")));
                        return None;
                    }
                    None => {}
                }
                let problem = Problem::at("undefined-interpolation", span, format!("this stage has no `{name}`"));
                self.problems.push(
                    problem.label("not a port").maybe_help(suggest::help(name, ports.keys().map(String::as_str))),
                );
                None
            }
            ("in" | "out", None) => {
                let problem = Problem::at(
                    "unsupported-interpolation",
                    span,
                    format!("`${{{name}}}` works in a command's `run` only"),
                );
                self.problems.push(problem.label("not here"));
                None
            }
            ("matrix", _) => {
                if let Some(instance) = scope.matrix {
                    return axis(instance, rest, span, self.problems);
                }
                let problem =
                    Problem::at("undefined-interpolation", span, format!("`${{{name}}}`: this stage has no matrix"));
                self.problems.push(problem.label("undefined").help("write `matrix: {AXIS: [..]}` at the stage"));
                None
            }
            ("secrets", _) => {
                let problem = Problem::at("misplaced-secret", span, "a secret is never put into text");
                let variable = if rest.is_empty() { "NAME" } else { rest };
                self.problems.push(problem.label("not here").help(format!(
                    "give the stage a variable that holds it: `secrets: {{{}: {variable}}}`",
                    variable.to_uppercase().replace('-', "_")
                )));
                None
            }
            ("stages" | "env" | "run" | "pipeline", _) => {
                let problem =
                    Problem::at("unsupported-interpolation", span, format!("`${{{name}}}` cannot be read here"));
                self.problems.push(problem.label("not here").help(
                    "there is `${params.NAME}`, `${matrix.AXIS}`, and in a command's `run` `${in.PORT}` and `${out.PORT}`; metrics of stages stand in `when`",
                ));
                None
            }
            _ => {
                let problem = Problem::at("undefined-interpolation", span, format!("`${{{name}}}` names nothing"));
                let help = match suggest::nearest(rest, names(scope)) {
                    Some(param) => format!("did you mean `${{params.{param}}}`?"),
                    None if head == "params" => "name a param: `${params.NAME}`".to_owned(),
                    None => match suggest::nearest(head, names(scope)) {
                        Some(param) => format!("did you mean `${{params.{param}}}`?"),
                        None => format!("write `$${{{name}}}` if it is meant for the shell"),
                    },
                };
                self.problems.push(problem.label("undefined").help(help));
                None
            }
        }
    }

    fn param<'s>(&mut self, path: &str, name: &str, span: Span, scope: &Scope<'s>) -> Option<&'s Node> {
        let Some(mut node) = scope.params else {
            let message = format!("a param reads another one, `{path}`: the value of a param is plain");
            let problem = Problem::at("unsupported-interpolation", span, message).label("not here");
            self.problems.push(problem.help("write both where they are used: `\"${params.a}/${params.b}\"`"));
            return None;
        };
        for step in path.split('.') {
            match node.get(step) {
                Some(value) => node = value,
                None => {
                    let problem = Problem::at("undefined-interpolation", span, format!("there is no param `{path}`"));
                    let help = suggest::help(step, top_names(node)).unwrap_or("add it under `params`".to_owned());
                    self.problems.push(problem.label(format!("`{name}` is undefined")).help(help));
                    return None;
                }
            }
        }
        Some(node)
    }

    /// The place of `${name}` within a scalar, when the source spells it out; else the scalar's.
    fn locate(&self, name: &str, span: Span, searched: &mut usize) -> Span {
        let written = format!("${{{name}}}");
        let source = self.sources.slice(span);
        match source.get(*searched..).and_then(|rest| rest.find(&written)) {
            Some(at) => {
                let start = *searched + at;
                *searched = start + written.len();
                span.part(start, written.len())
            }
            None => span,
        }
    }
}

/// The value of an axis, or the label of the whole instance.
fn axis(instance: &Instance, name: &str, span: Span, problems: &mut Vec<Problem>) -> Option<Node> {
    if name.is_empty() {
        return Some(Node::new(NodeValue::Text(instance.label.clone()), span));
    }
    let value = instance.values.get(name);
    if value.is_none() {
        let problem = Problem::at("undefined-interpolation", span, format!("the matrix has no axis `{name}`"));
        problems.push(problem.label("undefined").maybe_help(suggest::help(name, top_names(&instance.values))));
    }
    value.cloned()
}

fn top_names(node: &Node) -> impl Iterator<Item = &str> {
    let entries: &[Entry] = if let NodeValue::Map(entries) = &node.value { entries } else { &[] };
    entries.iter().map(|e| e.key.value.as_str())
}

/// Appends a value to text; a problem when it has no one text.
fn write_out(
    value: &Node,
    name: &str,
    span: Span,
    sources: &Sources,
    whole: &mut String,
    problems: &mut Vec<Problem>,
) -> bool {
    match &value.value {
        NodeValue::Text(_) | NodeValue::Bool(_) | NodeValue::Number(_) => whole.push_str(&sources.spelling(value)),
        NodeValue::Broken => return false,
        // Within a script several paths are several words.
        NodeValue::List(paths) if name.starts_with("in.") => {
            let words: Vec<String> = paths.iter().filter_map(Node::as_text).map(shell_word).collect();
            whole.push_str(&words.join(" "));
        }
        NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) => {
            let problem = Problem::at(
                "bad-interpolation",
                span,
                format!("`{name}` is {}, which cannot stand within text", value.describe()),
            );
            let help = match value.value {
                NodeValue::Null => Some(format!("give `{name}` a value, there or by -S and --params")),
                _ => None,
            };
            let problem = problem.label("not text, a number or a boolean").related(value.span, "its value");
            problems.push(problem.maybe_help(help));
            return false;
        }
    }
    true
}

/// The names of the params that can be read in `scope`.
fn names<'s>(scope: &Scope<'s>) -> impl Iterator<Item = &'s str> {
    scope.params.into_iter().flat_map(top_names)
}

/// A path as one word of a shell's text.
pub fn shell_word(path: &str) -> String {
    if read_by_shell(path).is_none() { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// The first character of `path` that a shell does not take as it is, where it stands: in the middle of a word `~` and `#` are
/// plain. Non-ASCII characters are plain everywhere.
pub fn read_by_shell(path: &str) -> Option<char> {
    let special = |(at, c): &(usize, char)| match c {
        // Home directories: also behind these two, in something that looks like an assignment.
        '~' => *at == 0 || path[..*at].ends_with([':', '=']),
        '#' => *at == 0,
        '!' => path.len() == 1,
        ']' => path[..*at].contains('['),
        '/' | '.' | '_' | '-' | '+' | '=' | ',' | ':' | '@' | '%' | '^' => false,
        c => c.is_ascii() && !c.is_ascii_alphanumeric(),
    };
    path.char_indices().find(special).map(|(_, c)| c)
}

fn split(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            pieces.push(Piece::Text(&rest[..at - 1]));
            pieces.push(Piece::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let inner = &rest[at + 2..];
        match inner.find('}').filter(|end| !inner[..*end].contains("${")) {
            Some(end) => {
                pieces.push(Piece::Name(inner[..end].trim()));
                rest = &inner[end + 1..];
            }
            None => {
                pieces.push(Piece::Unclosed);
                rest = inner;
            }
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}
