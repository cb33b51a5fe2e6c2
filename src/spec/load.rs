//! YAML to [`Node`]s. The only module that knows YAML, so every rule of strictness stands here.
//!
//! Stricter than YAML 1.2: keys are scalars and unique, one document, no tags, no merge keys (`<<`). Anchors and aliases work;
//! their copies are charged to the same budgets as written text, so no short file grows into a long one.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, StructureStyle};

use super::node::{Entry, Node, NodeValue};
use super::problem::Problem;
use super::scalar::{self, ScalarError};
use super::span::{SourceId, Sources, Span, Spanned};

/// The deepest nesting; the limit also makes recursion over a tree safe.
pub const MAX_DEPTH: usize = 64;
/// The most values, copies by aliases included.
pub const MAX_NODES: usize = 100_000;
/// The most bytes of text, copies by aliases included.
pub const MAX_TEXT: usize = 4 << 20;

/// The message about a file without a value.
pub const EMPTY: &str = "the file is empty";

/// Parses a source. `None` when there is no tree to go on with; the problems say why.
pub fn parse(source: SourceId, sources: &Sources, problems: &mut Vec<Problem>) -> Option<Node> {
    let text = &sources.get(source).text;
    let mut builder = Builder {
        source,
        problems,
        stack: Vec::new(),
        anchors: HashMap::new(),
        cost: Cost { nodes: 0, text: 0 },
        documents: 0,
        root: None,
    };
    match builder.run(text) {
        Ok(()) => builder.root.or_else(|| {
            let span = Span { source, start: 0, end: 0 };
            problems.push(Problem::at("syntax", span, EMPTY).help("a pipeline starts with `pipeline: NAME`"));
            None
        }),
        Err(problem) => {
            problems.push(*problem);
            None
        }
    }
}

struct Builder<'a> {
    source: SourceId,
    problems: &'a mut Vec<Problem>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchor>,
    cost: Cost,
    documents: usize,
    root: Option<Node>,
}

/// A collection whose end has not come yet.
struct Frame {
    items: Items,
    span: Span,
    style: StructureStyle,
    anchor: usize,
    before: Cost,
    /// Levels of nesting inside it so far.
    height: usize,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashMap<String, Span>, key: Option<Spanned<String>> },
}

struct Anchor {
    node: Node,
    cost: Cost,
    height: usize,
}

#[derive(Clone, Copy)]
struct Cost {
    nodes: usize,
    text: usize,
}

impl Builder<'_> {
    fn run(&mut self, text: &str) -> Result<(), Box<Problem>> {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        for next in Parser::new_from_str_with_options(text, options) {
            let (event, place) = next.map_err(|error| Box::new(self.scan_problem(&error, text)))?;
            let span = self.span(&place);
            if event.tag().is_some() {
                let at = place.tag_span().map_or(span, |tag| self.span(&tag));
                return Err(Problem::at("tag", at, "tags are not supported")
                    .help("quote a value to make it text")
                    .into());
            }
            match event {
                Event::DocumentStart(..) => {
                    self.documents += 1;
                    if self.documents > 1 {
                        return Err(Problem::at("multiple-documents", span, "more than one document in the file")
                            .help("put each pipeline into a file of its own")
                            .into());
                    }
                }
                Event::Scalar(value, style, anchor, _) => self.scalar(&value, style, anchor, span)?,
                Event::SequenceStart(style, anchor, _) => self.open(Items::List(Vec::new()), style, anchor, span)?,
                Event::MappingStart(style, anchor, _) => {
                    let items = Items::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                    self.open(items, style, anchor, span)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
                Event::Alias(id) => self.alias(id, span)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, span: Span) -> Result<(), Box<Problem>> {
        self.charge(Cost { nodes: 1, text: text.len() }, span)?;
        if text.contains('\0') {
            return Err(Problem::at("control-character", span, "a NUL character in text").into());
        }
        let mut span = span;
        if let Some(Frame { items: Items::Map { key, .. }, .. }) = self.stack.last() {
            match key {
                None => return self.key(text, style, anchor, span),
                // A missing value has no place of its own.
                Some(key) if text.is_empty() && span.start == span.end => span = key.span,
                Some(_) => {}
            }
        }
        let value = match style {
            ScalarStyle::Plain => scalar::resolve(text).unwrap_or_else(|error| {
                self.problems.push(scalar_problem(text, &error, span));
                NodeValue::Broken
            }),
            _ => NodeValue::Text(text.to_owned()),
        };
        let node = Node::new(value, span);
        self.keep(anchor, &node, Cost { nodes: 1, text: text.len() }, 0)?;
        self.attach(node, 0);
        Ok(())
    }

    fn key(&mut self, text: &str, style: ScalarStyle, anchor: usize, span: Span) -> Result<(), Box<Problem>> {
        if text == "<<" && style == ScalarStyle::Plain {
            return Err(Problem::at("merge-key", span, "merge keys (`<<`) are not supported")
                .help("write the keys out, or give the whole mapping by an alias")
                .into());
        }
        if anchor != 0 {
            let node = Node::new(NodeValue::Text(text.to_owned()), span);
            self.keep(anchor, &node, Cost { nodes: 1, text: text.len() }, 0)?;
        }
        if let Some(Frame { items: Items::Map { key, .. }, .. }) = self.stack.last_mut() {
            *key = Some(Spanned { value: text.to_owned(), span });
        }
        Ok(())
    }

    fn open(&mut self, items: Items, style: StructureStyle, anchor: usize, span: Span) -> Result<(), Box<Problem>> {
        let before = self.cost;
        self.charge(Cost { nodes: 1, text: 0 }, span)?;
        if self.awaits_key() {
            return Err(complex_key(span).into());
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(too_deep(span).into());
        }
        self.stack.push(Frame { items, span, style, anchor, before, height: 0 });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Box<Problem>> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let value = match frame.items {
            Items::List(items) => NodeValue::List(items),
            Items::Map { entries, .. } => NodeValue::Map(entries),
        };
        let span = match (frame.style, self.stack.last()) {
            (StructureStyle::Flow, _) => Span { end: end.end.max(frame.span.end), ..frame.span },
            (_, Some(Frame { items: Items::Map { key: Some(key), .. }, .. })) => key.span,
            _ => frame.span,
        };
        let node = Node::new(value, span);
        let cost = Cost { nodes: self.cost.nodes - frame.before.nodes, text: self.cost.text - frame.before.text };
        let height = frame.height + 1;
        self.keep(frame.anchor, &node, cost, height)?;
        self.attach(node, height);
        Ok(())
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Box<Problem>> {
        if self.awaits_key() {
            return Err(complex_key(span).into());
        }
        let Some(Anchor { node, cost, height }) = self.anchors.get(&id) else {
            return Err(Problem::at("recursive-alias", span, "the alias stands inside the value it names").into());
        };
        let (mut node, cost, height) = (Node { via: Some(span), ..node.clone() }, *cost, *height);
        if self.stack.len() + height > MAX_DEPTH {
            return Err(too_deep(span).into());
        }
        self.charge(cost, span).map_err(|p| Box::new(Problem { code: "alias-bomb", ..*p }))?;
        node.via = Some(span);
        self.attach(node, height);
        Ok(())
    }

    /// Remembers an anchored value. The copy is charged too, or nested anchors would multiply the tree unseen.
    fn keep(&mut self, anchor: usize, node: &Node, cost: Cost, height: usize) -> Result<(), Box<Problem>> {
        if anchor != 0 {
            self.charge(cost, node.span)?;
            self.anchors.insert(anchor, Anchor { node: node.clone(), cost, height });
        }
        Ok(())
    }

    fn attach(&mut self, node: Node, height: usize) {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.height = frame.height.max(height);
        match &mut frame.items {
            Items::List(items) => items.push(node),
            Items::Map { entries, seen, key } => {
                let Some(key) = key.take() else { return };
                match seen.get(&key.value) {
                    Some(first) => {
                        let problem = Problem::at("duplicate-key", key.span, format!("`{}` is given twice", key.value));
                        self.problems
                            .push(problem.label("again here").related(*first, "first here").help("remove one of them"));
                    }
                    None => {
                        seen.insert(key.value.clone(), key.span);
                        entries.push(Entry { key, value: node });
                    }
                }
            }
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { items: Items::Map { key: None, .. }, .. }))
    }

    fn charge(&mut self, cost: Cost, span: Span) -> Result<(), Box<Problem>> {
        self.cost.nodes += cost.nodes;
        self.cost.text += cost.text;
        if self.cost.nodes > MAX_NODES || self.cost.text > MAX_TEXT {
            let message = format!("more than {MAX_NODES} values or {MAX_TEXT} bytes of text, aliases followed");
            return Err(Problem::at("too-many-values", span, message).label("the budget ends here").into());
        }
        Ok(())
    }

    fn span(&self, place: &granit_parser::Span) -> Span {
        let range = place.byte_range().unwrap_or(0..0);
        Span { source: self.source, start: range.start as u32, end: range.end.max(range.start) as u32 }
    }

    fn scan_problem(&self, error: &granit_parser::ScanError, text: &str) -> Problem {
        let start = text.floor_char_boundary(error.marker().byte_offset().unwrap_or(text.len()));
        let width = text[start..].chars().next().map_or(0, char::len_utf8);
        let span = Span { source: self.source, start: start as u32, end: (start + width) as u32 };
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => too_deep(span),
            _ => Problem::at("syntax", span, format!("not valid YAML: {}", error.info())),
        }
    }
}

fn too_deep(span: Span) -> Problem {
    Problem::at("too-deep", span, format!("nested more than {MAX_DEPTH} levels deep"))
}

fn complex_key(span: Span) -> Problem {
    Problem::at("complex-key", span, "a key must be a plain or quoted word")
}

fn scalar_problem(text: &str, error: &ScalarError, span: Span) -> Problem {
    match error {
        ScalarError::LeadingZero => {
            Problem::at("ambiguous-number", span, format!("YAML versions disagree on what `{text}` is"))
                .help(format!("remove the leading zero, or quote it: \"{text}\""))
        }
        ScalarError::OutOfRange => Problem::at("number-range", span, format!("`{text}` does not fit 64 bits")),
        ScalarError::NotFinite => Problem::at("number-range", span, format!("`{text}` is not a finite number"))
            .help(format!("quote it if it is text: \"{text}\"")),
    }
}

#[cfg(test)]
mod tests;
