//! Which lines of a pipeline file the lines of a script are, so that an error of the script names a line that an editor finds.

use crate::spec::{Node, Sources, Span};

/// The line of the file of `stage` that is the first line of `script`, which was made from `run`. `None` when the script's lines
/// are no lines of that file: folded text, a value with line ends that was put in, or a param of another file.
pub(super) fn first_line(script: &Node, run: &Node, stage: Span, sources: &Sources) -> Option<u32> {
    let text = script.as_text()?;
    // A script that is one interpolation stands where its param does.
    let written = if script.span == run.span { run.as_text()? } else { text };
    let span = script.span;
    if span.source != stage.source || lines(text) != lines(written) {
        return None;
    }
    let line = sources.locate(span).line;
    if lines(written) <= 1 && !is_block(sources.slice(span)) {
        return Some(line);
    }
    // The mark of a block scalar stands above its text, and blank lines that it begins with may stand above its place.
    let blank = written.lines().take_while(|line| line.trim().is_empty()).count() as u32;
    let firsts = [line, line + 1, line.saturating_sub(blank).max(1)];
    firsts.into_iter().find(|first| stand_at(*first, written, span, sources))
}

fn lines(text: &str) -> usize {
    text.trim_end_matches('\n').lines().count()
}

fn is_block(written: &str) -> bool {
    written.starts_with(['|', '>'])
}

/// Whether the lines of `text` are those of the source from line `first` on, indentation aside.
fn stand_at(first: u32, text: &str, span: Span, sources: &Sources) -> bool {
    let source = &sources.get(span.source).text;
    let begun = sources.locate(span).line;
    let mut start = line_start(source, span.start as usize);
    for _ in first..begun {
        start = line_start(source, start.saturating_sub(1));
    }
    let mut below = source[start..].lines().skip(first.saturating_sub(begun) as usize);
    text.trim_end_matches('\n').lines().all(|line| below.next().is_some_and(|written| written.trim() == line.trim()))
}

/// Where the line begins that byte `at` lies in.
fn line_start(source: &str, at: usize) -> usize {
    source[..source.floor_char_boundary(at)].rfind('\n').map_or(0, |end| end + 1)
}
