//! Problems as people and programs read them: rustc's look with file, line and caret, and one JSON object each.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::clean::{self, cell, escaped};
use super::units;
use crate::spec::{Invalid, Problem, Source, SourceId, Sources, Span};

/// Problems shown in full; a file that is wrong from top to bottom is not shown twice over.
const SHOWN: usize = 100;

/// Every problem with its place, then how many there are.
pub fn render(invalid: &Invalid, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    // Rendered text is clean, so every escape in it is a colour.
    let mark = |rendered: String| if color { rendered.replace('\u{1b}', clean::mark()) } else { rendered };
    let mut text = String::new();
    for problem in invalid.problems.iter().take(SHOWN) {
        text.push_str(&mark(renderer.render(&report(problem, &invalid.sources))));
        text.push_str("\n\n");
    }
    let count = invalid.problems.len();
    text.push_str(&units::count(count, "problem"));
    if count > SHOWN {
        text.push_str(&format!(", the first {SHOWN} shown"));
    }
    text.push('\n');
    text
}

/// Every problem as `{code, message, file, line, column, label, related, help}`.
pub fn json(invalid: &Invalid) -> Value {
    let problem = |problem: &Problem| {
        let place = problem.span.map(|span| invalid.sources.locate(span));
        let related = problem.related.iter().map(|(span, text)| {
            let place = invalid.sources.locate(*span);
            json!({"message": text, "file": place.file, "line": place.line, "column": place.column})
        });
        json!({
            "code": problem.code,
            "message": problem.message,
            "file": place.as_ref().map(|place| &place.file),
            "line": place.as_ref().map(|place| place.line),
            "column": place.as_ref().map(|place| place.column),
            "label": problem.label,
            "related": related.collect::<Vec<_>>(),
            "help": problem.help,
        })
    };
    invalid.problems.iter().map(problem).collect()
}

fn report<'a>(problem: &'a Problem, sources: &'a Sources) -> Vec<Group<'a>> {
    let title = Level::ERROR.primary_title(escaped(&problem.message)).id(problem.code);
    let mut group = match problem.span {
        Some(span) => title.elements(snippets(problem, span, sources)),
        None => Group::with_title(title),
    };
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(escaped(help)));
    }
    vec![group]
}

/// One snippet a source, the problem's own first.
fn snippets<'a>(problem: &'a Problem, span: Span, sources: &'a Sources) -> Vec<Snippet<'a, Annotation<'a>>> {
    let mut marks = vec![Mark { span, label: problem.label.as_deref(), kind: AnnotationKind::Primary }];
    let related = problem.related.iter().filter(|(at, _)| *at != span);
    marks.extend(related.map(|(span, text)| Mark { span: *span, label: Some(text), kind: AnnotationKind::Context }));
    let mut order: Vec<SourceId> = Vec::new();
    for mark in &marks {
        if !order.contains(&mark.span.source) {
            order.push(mark.span.source);
        }
    }
    let of = |id: &SourceId| snippet(sources.get(*id), marks.iter().filter(|mark| mark.span.source == *id).copied());
    order.iter().map(of).collect()
}

#[derive(Clone, Copy)]
struct Mark<'a> {
    span: Span,
    label: Option<&'a str>,
    kind: AnnotationKind,
}

/// The lines that `marks` stand on, and no more of a file than lies between them.
fn snippet<'a>(source: &'a Source, marks: impl Iterator<Item = Mark<'a>>) -> Snippet<'a, Annotation<'a>> {
    let text = source.text.as_str();
    let ranges: Vec<(Range<usize>, Mark<'a>)> = marks.map(|mark| (one_line(text, mark.span), mark)).collect();
    let first = ranges.iter().map(|(range, _)| range.start).min().unwrap_or(0);
    let last = ranges.iter().map(|(range, _)| range.end).max().unwrap_or(0);
    let start = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
    let line = text[..start].bytes().filter(|b| *b == b'\n').count() + 1;
    let shown = Shown::of(&text[start..end]);
    let annotation = |(range, mark): (Range<usize>, Mark<'a>)| {
        mark.kind.span(shown.at(range.start - start)..shown.at(range.end - start)).label(mark.label.map(escaped))
    };
    let path = cell(&source.path.to_string_lossy()).into_owned();
    Snippet::source(shown.text.clone()).line_start(line).path(path).annotations(ranges.into_iter().map(annotation))
}

/// Lines of a file as they are shown.
struct Shown<'a> {
    text: Cow<'a, str>,
    /// Where the lines had a character that is shown as several, and how many bytes more those are.
    longer: Vec<(usize, usize)>,
}

impl Shown<'_> {
    fn of(lines: &str) -> Shown<'_> {
        let text = escaped(lines);
        if let Cow::Borrowed(_) = text {
            return Shown { text, longer: Vec::new() };
        }
        let (mut text, mut longer) = (String::new(), Vec::new());
        for (at, c) in lines.char_indices() {
            let piece = &lines[at..at + c.len_utf8()];
            // The end of a line as Windows writes it; without it, the caret stands right all the same.
            let ends = c == '\r' && lines[at + 1..].starts_with('\n');
            let escape = if ends { Cow::Borrowed(" ") } else { escaped(piece) };
            if escape.len() > piece.len() {
                longer.push((at, escape.len() - piece.len()));
            }
            text.push_str(&escape);
        }
        Shown { text: text.into(), longer }
    }

    /// Where what stood at `at` is shown.
    fn at(&self, at: usize) -> usize {
        at + self.longer.iter().take_while(|(escaped, _)| *escaped < at).map(|(_, more)| more).sum::<usize>()
    }
}

/// The part of `span` on its first line, at least one character where there is one.
fn one_line(text: &str, span: Span) -> Range<usize> {
    let start = text.floor_char_boundary((span.start as usize).min(text.len()));
    let end = text.floor_char_boundary((span.end as usize).clamp(start, text.len()));
    let end = text[start..end].find('\n').map_or(end, |at| start + at);
    let widened = if end > start {
        end
    } else {
        start + text[start..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8)
    };
    start..widened
}
