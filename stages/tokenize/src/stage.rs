//! Params, card and run of the stage.

use std::collections::BTreeMap;
use std::path::Path;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use dataset::{Message, Split, lines};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokens::template::Special;
use tokens::{ChatEncoder, ChatTemplate, Learn, Manifest, template};

use crate::base::Base;
use crate::encode::{self, Fit};
use crate::{report, vocabulary};

/// Encodes the dataset, with a tokenizer that it trains or that of a base model.
pub struct Tokenize;

/// Params of `tokenize`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizeParams {
    /// Tokens in the trained vocabulary at most, special ones included; null = 2048. Not with a `base`, which has its own.
    #[schemars(range(min = 261, max = 131072))]
    pub vocab_size: Option<u32>,
    /// Longest example in tokens. Questions are cut to it, answers never.
    #[schemars(range(min = 16, max = 131072))]
    pub max_length: u32,
    /// Which answers of a conversation are learned.
    pub learn: Learn,
    /// Splits that may have no examples, or no file: those that no later stage reads. `train` is always needed.
    pub may_be_empty: Vec<MayBeEmpty>,
}

/// A split that a pipeline may do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MayBeEmpty {
    /// `train` then measures nothing while it trains.
    Validation,
    /// `evaluate` reads it.
    Test,
    /// `quantize` reads it.
    Calibration,
}

impl Default for TokenizeParams {
    fn default() -> TokenizeParams {
        TokenizeParams { vocab_size: None, max_length: 512, learn: Learn::All, may_be_empty: Vec::new() }
    }
}

/// The vocabulary of a trained tokenizer where the param is null.
const VOCABULARY: u32 = 2048;

impl Stage for Tokenize {
    type Params = TokenizeParams;

    fn card() -> Card {
        Card::new("tokenize", 2)
            .summary("Encodes every split of a chat dataset, with the tokenizer of a base model or one that it trains")
            .worker("pipe-torch")
            .input("dataset", Type::DATASET, "chat-form JSONL splits")
            .optional_input(
                "base",
                Type::HF_MODEL,
                "a model whose tokenizer and chat template are taken; else a byte-level BPE is trained",
            )
            .output(
                "tokens",
                Type::TOKENS,
                "tokenizer files, encoded splits with prompt-masked labels, manifest.json, cut.jsonl",
            )
            .resources(2, 1 << 30)
    }

    fn run(params: TokenizeParams, context: &Context) -> Result<(), StageError> {
        let source = context.input("dataset")?;
        let base = base(&params, context)?;
        let splits = Split::ALL.map(|split| Ok((split, read(source, split, &params)?)));
        let splits = splits.into_iter().collect::<Result<Vec<_>, StageError>>()?;
        let total: u64 = splits.iter().map(|(_, lines)| lines.len() as u64).sum();
        context.progress(0, total, "examples");
        for (split, lines) in &splits {
            report::refuse_empty(lines.len(), (source, *split), &params)?;
        }
        let directory = context.output_dir("tokens")?;
        let (encoder, mut manifest) = match base {
            Some(base) => {
                base.save(directory)?;
                let manifest = manifest(&params, base.vocab_size, (base.bos, base.stop, base.pad));
                (base.encoder, manifest)
            }
            None => trained(&params, &splits[0].1, directory)?,
        };
        if !encoder.prompts_as_it_teaches()? {
            context.warn("the chat template does not end its prompt for an answer where answers begin, so the model will be asked in another way than it is taught");
        }
        let fit = Fit { learn: params.learn, max_length: params.max_length as usize };
        let (mut cut, mut done) = (String::new(), 0);
        for (split, lines) in &splits {
            context.check_cancelled()?;
            let encoded = encode::encode(&encoder, lines, fit, context.threads())
                .map_err(|(line, error)| in_line(source, *split, line, error))?;
            report::refuse_all_left_out(&encoded.figures, (source, *split), &params)?;
            encoded.split.save(directory, *split)?;
            report::say(context, (source, *split), &encoded, &params);
            encoded.cuts.iter().for_each(|of_line| cut.push_str(&of_line.to_line(*split)));
            manifest.splits.insert(*split, encoded.figures);
            done += lines.len() as u64;
            context.progress(done, total, "examples");
        }
        let path = directory.join("cut.jsonl");
        std::fs::write(&path, cut).at(&path)?;
        context.metric("vocab_size", manifest.vocab_size as f64);
        write_json(&directory.join("manifest.json"), &manifest)
    }
}

/// The base that is wired, if one is.
fn base(params: &TokenizeParams, context: &Context) -> Result<Option<Base>, StageError> {
    let Some(path) = context.optional_input("base") else { return Ok(None) };
    if let Some(size) = params.vocab_size {
        return Err(StageError::invalid_input(format!(
            "vocab_size is {size}, and the input `base` has a vocabulary of its own"
        ))
        .help("leave `vocab_size` out to take the base's tokenizer, or unwire `base` to train one"));
    }
    let base = Base::read(path)?;
    base.notes.iter().for_each(|note| context.warn(note));
    if i64::from(params.max_length) > base.context {
        let message = format!("max_length is {}, and the base sees {} tokens at most", params.max_length, base.context);
        return Err(StageError::invalid_input(message).help("lower max_length, or take a base with a longer context"));
    }
    Ok(Some(base))
}

/// The conversations of `split`. A file that is not there has none, where the pipeline may do without.
fn read(source: &Path, split: Split, params: &TokenizeParams) -> Result<Vec<Vec<Message>>, StageError> {
    if report::may_be_empty(split, params) && !source.join(format!("{split}.jsonl")).exists() {
        return Ok(Vec::new());
    }
    lines::read(source, split)
}

/// Trains a tokenizer on `training` and writes it into `directory`.
fn trained(
    params: &TokenizeParams,
    training: &[Vec<Message>],
    directory: &Path,
) -> Result<(ChatEncoder, Manifest), StageError> {
    let tokenizer = vocabulary::train(training, params.vocab_size.unwrap_or(VOCABULARY) as usize)?;
    let vocab_size = tokenizer.get_vocab_size(true);
    let path = directory.join("tokenizer.json");
    std::fs::write(&path, tokenizer.to_string(true).map_err(|e| StageError::bug(e.to_string()))? + "\n").at(&path)?;
    let path = directory.join("chat_template.jinja");
    std::fs::write(&path, template::CHAT_TEMPLATE).at(&path)?;
    for (name, content) in template::companions(params.max_length) {
        write_json(&directory.join(name), &content)?;
    }
    let special = (Some(Special::BeginOfText.id()), vec![Special::EndOfTurn.id()], Special::Pad.id());
    Ok((ChatEncoder::new(tokenizer, ChatTemplate::shipped())?, manifest(params, vocab_size, special)))
}

/// A manifest without splits yet.
fn manifest(params: &TokenizeParams, vocab_size: usize, (bos, stop, pad): (Option<u32>, Vec<u32>, u32)) -> Manifest {
    let TokenizeParams { max_length, learn, .. } = *params;
    Manifest { vocab_size, bos, stop, pad, learn, max_length, splits: BTreeMap::new() }
}

/// An error about one conversation, with its place.
fn in_line(source: &Path, split: Split, row: usize, error: StageError) -> StageError {
    let place = source.join(format!("{split}.jsonl"));
    StageError { message: format!("{}:{}: {}", place.display(), row + 1, error.message), ..error }
}

pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StageError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| StageError::bug(format!("{}: {e}", path.display())))?;
    std::fs::write(path, text + "\n").at(path)
}
