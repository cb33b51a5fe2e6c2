//! Where something was written: sources and byte ranges in them.

use std::path::{Path, PathBuf};

use super::node::{Node, NodeValue};
use super::scalar;

/// A file that was read, kept for messages.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user gave it or as it was resolved; shown in messages.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// First byte of each line: thousands of places are located in one plan.
    lines: Vec<u32>,
}

/// Which source a span lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A byte range of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The source.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl Span {
    /// The span of `length` bytes that starts `offset` bytes into this one.
    pub fn part(self, offset: usize, length: usize) -> Span {
        let start = self.start + offset as u32;
        Span { source: self.source, start, end: start + length as u32 }
    }
}

/// `file:line:column`, both counted from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Every source read so far.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Keeps a source.
    pub fn add(&mut self, path: &Path, text: String) -> SourceId {
        let after_breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at as u32 + 1);
        let lines = std::iter::once(0).chain(after_breaks).collect();
        self.0.push(Source { path: path.to_owned(), text, lines });
        SourceId(self.0.len() as u32 - 1)
    }

    /// Every source, in the order read.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// The source with this id.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.0[id.0 as usize]
    }

    /// The text under `span`; empty when the span does not lie on character boundaries.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// A scalar as it was written, where its place holds it and nothing else: `1e-4`, `0.10`. Otherwise in its plainest form.
    pub fn spelling(&self, node: &Node) -> String {
        match &node.value {
            NodeValue::Number(number) => {
                let written = self.slice(node.span);
                let same = matches!(scalar::resolve(written), Ok(NodeValue::Number(read)) if read == *number);
                if same { written.to_owned() } else { number.to_string() }
            }
            NodeValue::Bool(flag) => flag.to_string(),
            NodeValue::Text(text) => text.clone(),
            NodeValue::Broken | NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) => String::new(),
        }
    }

    /// The `length` bytes at `at`; `None` where it lies in no source.
    pub fn span(&self, at: &Location, length: usize) -> Option<Span> {
        let id = self.0.iter().position(|source| source.path == at.file)?;
        let source = &self.0[id];
        let line = source.text.get(*source.lines.get(at.line.checked_sub(1)? as usize)? as usize..)?;
        let (offset, _) = line.char_indices().nth(at.column.checked_sub(1)? as usize)?;
        let start = (source.text.len() - line.len() + offset) as u32;
        Some(Span { source: SourceId(id as u32), start, end: start + length as u32 })
    }

    /// File, line and column of the first byte of `span`.
    pub fn locate(&self, span: Span) -> Location {
        let source = self.get(span.source);
        let line = source.lines.partition_point(|start| *start <= span.start);
        let line_start = source.lines[line - 1] as usize;
        let at = source.text.floor_char_boundary(span.start as usize);
        let column = source.text[line_start..at.max(line_start)].chars().count() as u32 + 1;
        Location { file: source.path.clone(), line: line as u32, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_start_after_each_break() {
        let mut sources = Sources::default();
        let source = sources.add(Path::new("a.yaml"), "a\näöx\n".to_owned());
        let at = |start| sources.locate(Span { source, start, end: start }).to_string();
        assert_eq!(at(0), "a.yaml:1:1");
        assert_eq!(at(2), "a.yaml:2:1");
        assert_eq!(at(6), "a.yaml:2:3");
        assert_eq!(at(8), "a.yaml:3:1");
        assert_eq!(at(99), "a.yaml:3:1");
    }
}
