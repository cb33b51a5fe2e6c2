//! What the user is told of a split: how long its examples are, what was cut, and why one without examples is refused.

use std::path::Path;

use contract::{Context, StageError};
use dataset::Split;
use tokens::manifest::{Lengths, SplitFigures};

use crate::encode::{Cut, Encoded};
use crate::stage::{MayBeEmpty, TokenizeParams};

/// Lines that a warning names; `cut.jsonl` has all.
const NAMED: usize = 5;

/// Whether the pipeline may do without examples in `split`.
pub(crate) fn may_be_empty(split: Split, params: &TokenizeParams) -> bool {
    let allowed = match split {
        Split::Train => return false,
        Split::Validation => MayBeEmpty::Validation,
        Split::Test => MayBeEmpty::Test,
        Split::Calibration => MayBeEmpty::Calibration,
    };
    params.may_be_empty.contains(&allowed)
}

/// Refuses a split without lines where a later stage may need it: that stage would say so after training.
pub(crate) fn refuse_empty(
    lines: usize,
    (source, split): (&Path, Split),
    params: &TokenizeParams,
) -> Result<(), StageError> {
    if lines > 0 || may_be_empty(split, params) {
        return Ok(());
    }
    let message = format!("{} has no lines, and {}", place(source, split), need(split));
    Err(StageError::invalid_input(message).help(remedy(split, "add lines")))
}

/// Refuses a split whose every line was left out.
pub(crate) fn refuse_all_left_out(
    figures: &SplitFigures,
    (source, split): (&Path, Split),
    params: &TokenizeParams,
) -> Result<(), StageError> {
    if figures.examples > 0 || figures.lines == 0 || may_be_empty(split, params) {
        return Ok(());
    }
    let message = format!(
        "{}: no line fits max_length {} (they have {} to {} tokens), and {}",
        place(source, split),
        params.max_length,
        figures.uncut.min,
        figures.uncut.max,
        need(split)
    );
    Err(StageError::invalid_input(message).help(remedy(split, "raise max_length")))
}

fn need(split: Split) -> &'static str {
    match split {
        Split::Train => "nothing can be learned without examples",
        Split::Validation => "`train` measures its progress on that split",
        Split::Test => "`evaluate` needs that split",
        Split::Calibration => "`quantize` needs that split",
    }
}

fn remedy(split: Split, first: &str) -> String {
    match split {
        Split::Train => first.to_owned(),
        _ => format!("{first}, or write `may_be_empty: [{split}]` where no later stage reads it"),
    }
}

/// Tells how long the examples are, and every kind of cut.
pub(crate) fn say(context: &Context, (source, split): (&Path, Split), encoded: &Encoded, params: &TokenizeParams) {
    let SplitFigures { examples, tokens, targets, uncut, lines, .. } = &encoded.figures;
    context.metric(&format!("{split}_examples"), *examples as f64);
    context.metric(&format!("{split}_tokens"), *tokens as f64);
    context.metric(&format!("{split}_targets"), *targets as f64);
    context.metric(&format!("{split}_longest"), uncut.max as f64);
    let Lengths { min, p50, p90, p99, max } = uncut;
    context.info(format!(
        "{split}: {examples} examples, {tokens} tokens, {targets} of them learned; a line has {min} to {max} tokens, half of them at \
         most {p50}, 90 % at most {p90}, 99 % at most {p99}"
    ));
    let (cut, left_out): (Vec<Cut>, Vec<Cut>) = encoded.cuts.iter().partition(|cut| cut.cut.is_some());
    for (cuts, what) in [
        (cut, "are cut: their last question is shortened"),
        (left_out, "are left out: too long without their last question too"),
    ] {
        if cuts.is_empty() {
            continue;
        }
        let longest = cuts.iter().map(|cut| cut.tokens).max().unwrap_or(0);
        context.warn(format!(
            "{}: {} of {lines} lines {what} (max_length {}; the longest has {longest} tokens): {}",
            place(source, split),
            cuts.len(),
            params.max_length,
            named(&cuts)
        ));
    }
}

fn named(cuts: &[Cut]) -> String {
    let mut text: Vec<String> = cuts.iter().take(NAMED).map(|cut| (cut.row + 1).to_string()).collect();
    if cuts.len() > NAMED {
        text.push("..; cut.jsonl has all".to_owned());
    }
    format!("{} {}", if cuts.len() == 1 { "line" } else { "lines" }, text.join(", "))
}

fn place(source: &Path, split: Split) -> String {
    source.join(format!("{split}.jsonl")).display().to_string()
}
