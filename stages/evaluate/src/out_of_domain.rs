//! A plain-English text, of which no training set of this project has a word: how quantization moves the model where it was not
//! calibrated.

use contract::{Context, StageError};
use llama::Llama;
use tokenizers::Tokenizer;

use crate::likelihood::{self, Part};
use crate::metrics::OutOfDomain;
use crate::samples::Example;
use crate::scores::Resamples;

const TEXT: &str = include_str!("../data/plain_english.txt");

/// What it is; `data/NOTICE` says more.
const NAME: &str = "American founding documents, 1776 to 1863, plain English";

/// Tokens of a window, unless the model sees fewer.
const WINDOW: usize = 512;

/// Measures both models on it.
pub fn measure(
    models: [&Llama; 2],
    tokenizer: &Tokenizer,
    seed: u64,
    context: &Context,
) -> Result<OutOfDomain, StageError> {
    let windows = windows(models[0], tokenizer)?;
    let traces = likelihood::traces(models[0], models[1], &windows, context)?;
    let resamples = Resamples::new(seed, windows.len());
    let of = |loss| likelihood::likelihood((&windows, &traces), (loss, Part::All), tokenizer, &resamples);
    Ok(OutOfDomain {
        text: NAME.to_owned(),
        original: of(|trace| &trace.original)?,
        quantized: of(|trace| &trace.quantized)?,
        drift: likelihood::drift_of(&traces, Part::All),
    })
}

/// The text as windows that the model can see, none of them an answer. Each counts as a host.
fn windows(model: &Llama, tokenizer: &Tokenizer) -> Result<Vec<Example>, StageError> {
    let encoding =
        tokenizer.encode_fast(TEXT, false).map_err(|e| StageError::bug(format!("the plain text: tokenizers: {e}")))?;
    let begin: Vec<i32> = model.config.bos_token_id.into_iter().map(|id| id as i32).collect();
    let length = WINDOW.min(model.config.max_position_embeddings as usize).saturating_sub(begin.len()).max(2);
    let window = |(host, ids): (usize, &[u32])| {
        let ids: Vec<i32> = begin.iter().copied().chain(ids.iter().map(|id| *id as i32)).collect();
        Example { answer: vec![false; ids.len()], ids, host, line: 0 }
    };
    // A window of one token predicts nothing.
    let chunks = encoding.get_ids().chunks(length).filter(|ids| ids.len() > 1);
    Ok(chunks.enumerate().map(window).collect())
}
