//! Encodes the conversations of a split, on several threads.

use contract::StageError;
use dataset::trim::trim;
use dataset::{Message, Split};
use serde_json::json;
use tokens::chat::{Fitted, IGNORED};
use tokens::manifest::{Lengths, SplitFigures};
use tokens::{ChatEncoder, EncodedSplit, Learn};

/// What becomes of a conversation.
#[derive(Clone, Copy)]
pub(crate) struct Fit {
    pub(crate) learn: Learn,
    pub(crate) max_length: usize,
}

/// A split as ids.
pub(crate) struct Encoded {
    pub(crate) split: EncodedSplit,
    pub(crate) figures: SplitFigures,
    /// The lines that did not fit as they were, in file order.
    pub(crate) cuts: Vec<Cut>,
}

/// A line that did not fit.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    /// The line, from 0.
    pub(crate) row: usize,
    /// Its tokens before the cut.
    pub(crate) tokens: usize,
    /// The tokens of its question that were cut; `None` where it was left out.
    pub(crate) cut: Option<usize>,
}

impl Cut {
    /// Its line of `cut.jsonl`.
    pub(crate) fn to_line(self, split: Split) -> String {
        let (line, tokens) = (self.row + 1, self.tokens);
        let document = match self.cut {
            Some(cut) => json!({"split": split, "line": line, "tokens": tokens, "cut": cut}),
            None => json!({"split": split, "line": line, "tokens": tokens, "left_out": true}),
        };
        format!("{document}\n")
    }
}

/// Encodes `lines` on `threads` threads; the result does not depend on how many. An error comes with the line's place, from 0.
pub(crate) fn encode(
    encoder: &ChatEncoder,
    lines: &[Vec<Message>],
    fit: Fit,
    threads: usize,
) -> Result<Encoded, (usize, StageError)> {
    let share = lines.len().div_ceil(threads).max(1);
    let fit_all = |start: usize, lines: &[Vec<Message>]| {
        let fitted = lines.iter().enumerate().map(|(index, messages)| {
            encoder.fit(messages, fit.learn, fit.max_length).map_err(|error| (start + index, error))
        });
        fitted.collect::<Result<Vec<_>, _>>()
    };
    let fit_all = &fit_all;
    let shares = std::thread::scope(|scope| {
        let chunks = lines.chunks(share).enumerate();
        let workers: Vec<_> = chunks.map(|(index, lines)| scope.spawn(move || fit_all(index * share, lines))).collect();
        workers.into_iter().map(|worker| worker.join().expect("encoding does not panic")).collect::<Result<Vec<_>, _>>()
    })?;
    let (mut split, mut cuts, mut uncut) = (EncodedSplit::new(), Vec::new(), Vec::with_capacity(lines.len()));
    for (row, fitted) in shares.iter().flatten().enumerate() {
        let tokens = match fitted {
            Fitted::Whole(example) => {
                split.push(row, example);
                example.ids.len()
            }
            Fitted::Truncated { example, cut } => {
                split.push(row, example);
                let tokens = example.ids.len() + cut;
                cuts.push(Cut { row, tokens, cut: Some(*cut) });
                tokens
            }
            Fitted::TooLong { tokens } => {
                cuts.push(Cut { row, tokens: *tokens, cut: None });
                *tokens
            }
        };
        uncut.push(tokens);
    }
    uncut.sort_unstable();
    let figures = figures(&split, lines, &cuts, Lengths::of(&uncut));
    Ok(Encoded { split, figures, cuts })
}

fn figures(split: &EncodedSplit, lines: &[Vec<Message>], cuts: &[Cut], uncut: Lengths) -> SplitFigures {
    let examples = 0..split.len();
    let mut lengths: Vec<usize> = examples.clone().map(|index| split.ids(index).len()).collect();
    lengths.sort_unstable();
    let messages = examples.clone().flat_map(|index| &lines[split.row(index)]);
    let bytes: usize = messages.map(|message| trim(&message.content).len()).sum();
    let targets = |index: usize| split.labels(index).iter().filter(|label| **label != IGNORED).count();
    let dropped = cuts.iter().filter(|cut| cut.cut.is_none()).count();
    SplitFigures {
        lines: lines.len(),
        examples: split.len(),
        truncated: cuts.len() - dropped,
        dropped,
        tokens: split.tokens(),
        targets: examples.map(targets).sum(),
        lengths: Lengths::of(&lengths),
        uncut,
        bytes_per_token: bytes as f64 / split.tokens().max(1) as f64,
    }
}
