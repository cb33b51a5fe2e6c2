//! Params, card and run of the stage.

use std::collections::BTreeMap;
use std::path::Path;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use dataset::{Message, Split, split};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokens::chat::{Fitted, IGNORED};
use tokens::manifest::{Lengths, SplitFigures};
use tokens::{ChatEncoder, EncodedSplit, Manifest, template};

use crate::vocabulary;

/// Trains a byte-level BPE tokenizer and encodes the dataset.
pub struct Tokenize;

/// Params of `tokenize`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizeParams {
    /// Tokens in the vocabulary at most, special ones included.
    #[schemars(range(min = 261, max = 131072))]
    pub vocab_size: u32,
    /// Longest example in tokens. Questions are cut to it, answers never.
    #[schemars(range(min = 16, max = 131072))]
    pub max_length: u32,
}

impl Default for TokenizeParams {
    fn default() -> TokenizeParams {
        TokenizeParams { vocab_size: 2048, max_length: 512 }
    }
}

impl Stage for Tokenize {
    type Params = TokenizeParams;

    fn card() -> Card {
        Card::new("tokenize", 1)
            .summary("Trains a byte-level BPE tokenizer on the training split and encodes every split")
            .worker("pipe-torch")
            .input("dataset", Type::DATASET, "chat-form JSONL splits")
            .output("tokens", Type::TOKENS, "tokenizer files, encoded splits with prompt-masked labels, manifest.json")
            .resources(2, 1 << 30)
    }

    fn run(params: TokenizeParams, context: &Context) -> Result<(), StageError> {
        let source = context.input("dataset")?;
        let splits = Split::ALL.map(|split| split::read(source, split).map(|lines| (split, lines)));
        let splits = splits.into_iter().collect::<Result<Vec<_>, _>>()?;
        let lines: usize = splits.iter().map(|(_, lines)| lines.len()).sum();
        context.progress(0, lines as u64, "examples");
        let (_, training) = &splits[0];
        if training.is_empty() {
            return Err(StageError::invalid_input(format!("{}: train.jsonl is empty", source.display())));
        }
        let tokenizer = vocabulary::train(training, params.vocab_size as usize)?;
        let vocab_size = tokenizer.get_vocab_size(true);
        let directory = context.output_dir("tokens")?;
        let path = directory.join("tokenizer.json");
        std::fs::write(&path, tokenizer.to_string(true).map_err(|e| StageError::bug(e.to_string()))? + "\n")
            .at(&path)?;
        let path = directory.join("chat_template.jinja");
        std::fs::write(&path, template::CHAT_TEMPLATE).at(&path)?;
        for (name, content) in template::companions(params.max_length) {
            write_json(&directory.join(name), &content)?;
        }
        let encoder = ChatEncoder::new(tokenizer);
        let mut manifest = Manifest { vocab_size, max_length: params.max_length, splits: BTreeMap::new() };
        let mut done = 0;
        for (split, lines) in &splits {
            context.check_cancelled()?;
            let (encoded, figures) = encode(&encoder, lines, params.max_length as usize, context.threads())?;
            encoded.save(directory, *split)?;
            report(context, *split, &figures, params.max_length);
            manifest.splits.insert(*split, figures);
            done += lines.len() as u64;
            context.progress(done, splits.iter().map(|(_, lines)| lines.len() as u64).sum::<u64>(), "examples");
        }
        context.metric("vocab_size", vocab_size as f64);
        write_json(&directory.join("manifest.json"), &manifest)
    }
}

/// Encodes `lines` on `threads` threads; the result does not depend on how many.
fn encode(
    encoder: &ChatEncoder,
    lines: &[Vec<Message>],
    max_length: usize,
    threads: usize,
) -> Result<(EncodedSplit, SplitFigures), StageError> {
    let share = lines.len().div_ceil(threads).max(1);
    let fit_all = |lines: &[Vec<Message>]| {
        lines.iter().map(|messages| encoder.fit(messages, max_length)).collect::<Result<Vec<_>, _>>()
    };
    let shares = std::thread::scope(|scope| {
        let workers: Vec<_> = lines.chunks(share).map(|lines| scope.spawn(move || fit_all(lines))).collect();
        workers.into_iter().map(|worker| worker.join().expect("encoding does not panic")).collect::<Result<Vec<_>, _>>()
    })?;
    let mut encoded = EncodedSplit::new();
    let (mut truncated, mut dropped) = (0, 0);
    for (row, fitted) in shares.iter().flatten().enumerate() {
        match fitted {
            Fitted::Whole(example) => encoded.push(row, example),
            Fitted::Truncated(example) => {
                truncated += 1;
                encoded.push(row, example);
            }
            Fitted::TooLong => dropped += 1,
        }
    }
    let figures = figures(&encoded, lines, truncated, dropped);
    Ok((encoded, figures))
}

fn figures(encoded: &EncodedSplit, lines: &[Vec<Message>], truncated: usize, dropped: usize) -> SplitFigures {
    let examples = 0..encoded.len();
    let mut lengths: Vec<usize> = examples.clone().map(|index| encoded.ids(index).len()).collect();
    lengths.sort_unstable();
    let bytes: usize =
        examples.clone().flat_map(|index| &lines[encoded.row(index)]).map(|message| message.content.trim().len()).sum();
    let targets =
        examples.map(|index| encoded.labels(index).iter().filter(|label| **label != IGNORED).count()).sum::<usize>();
    SplitFigures {
        lines: lines.len(),
        examples: encoded.len(),
        truncated,
        dropped,
        tokens: encoded.tokens(),
        targets,
        lengths: Lengths::of(&lengths),
        bytes_per_token: bytes as f64 / encoded.tokens().max(1) as f64,
    }
}

/// Lines that were cut or left out are always said aloud.
fn report(context: &Context, split: Split, figures: &SplitFigures, max_length: u32) {
    context.metric(&format!("{split}_examples"), figures.examples as f64);
    context.metric(&format!("{split}_tokens"), figures.tokens as f64);
    let SplitFigures { lines, truncated, dropped, .. } = figures;
    if *truncated > 0 {
        context.warn(format!("{split}: {truncated} of {lines} questions were cut to fit max_length {max_length}"));
    }
    if *dropped > 0 {
        context.warn(format!(
            "{split}: {dropped} of {lines} lines left out, their answer does not fit max_length {max_length}"
        ));
    }
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StageError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| StageError::bug(format!("{}: {e}", path.display())))?;
    std::fs::write(path, text + "\n").at(path)
}
