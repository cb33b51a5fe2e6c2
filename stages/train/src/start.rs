//! The model that a training begins with: fresh weights of a size, or the input `base`.

use std::collections::HashMap;
use std::path::Path;

use contract::{Context, StageError};
use formats::{Config, ModelSource};
use llama::{Dropout, Llama, Placement};
use serde::Deserialize;
use tch::Kind;

use crate::data::Data;
use crate::machine;
use crate::memory::{Demand, Trains};
use crate::params::{Keep, OptimizerParams, TrainParams};
use crate::preset::ModelSize;

/// Above this rate, full fine-tuning of a base with Lion tends to undo what the base knows (arXiv 2302.06675 takes a third to a
/// tenth of AdamW's rate, which is about 2e-5 there).
const HOT_FOR_LION: f64 = 2e-5;

/// A model before its first step.
#[derive(Debug)]
pub struct Start {
    /// The model, with adapters where those are trained. Weights that are trained are in fp32.
    pub model: Llama,
    /// Where it is trained and in what it then computes.
    pub placement: Placement,
    /// The base that it was read from.
    pub base: Option<ModelSource>,
    /// Says what is dropped before adapters; absent where there are none.
    pub dropout: Option<Dropout>,
}

impl Start {
    /// What `params` and the input `base` ask for, for examples of `data`.
    pub fn open(params: &TrainParams, data: &Data, context: &Context) -> Result<Start, StageError> {
        let base = context.optional_input("base");
        refuse_disagreement(params, base.is_some())?;
        match base {
            Some(path) => Start::from_base(path, params, data, context),
            None => Start::fresh(params, data, context),
        }
    }

    fn fresh(params: &TrainParams, data: &Data, context: &Context) -> Result<Start, StageError> {
        let size = params.model.as_ref().unwrap_or(&ModelSize::Tiny);
        let config = size.config_for(&data.manifest)?;
        let placement = admit(params, &config, data, context)?;
        let model = Llama::init(&config, params.seed, trained_at(placement));
        Ok(Start { model, placement, base: None, dropout: None })
    }

    fn from_base(path: &Path, params: &TrainParams, data: &Data, context: &Context) -> Result<Start, StageError> {
        let source = ModelSource::open(path)?;
        refuse_misfit(&source.config, data)?;
        warn_of_another_tokenizer(&source, data, context)?;
        let placement = admit(params, &source.config, data, context)?;
        // A frozen base can be held in the precision of the products; weights that are trained cannot.
        let read_at = if params.lora.is_some() { placement } else { trained_at(placement) };
        let mut model = Llama::read(&source, read_at)?;
        special_tokens(data)?.put_into(&mut model.config);
        let dropout = match &params.lora {
            Some(lora) => Some(model.adapt(&lora.shape(), lora.dropout, params.seed)),
            None => {
                warn_of_heat(params, context);
                None
            }
        };
        Ok(Start { model, placement, base: Some(source), dropout })
    }
}

/// Refuses params that say otherwise than the wiring: `based` is whether there is a base.
pub(crate) fn refuse_disagreement(params: &TrainParams, based: bool) -> Result<(), StageError> {
    let (message, help) = match based {
        false if params.lora.is_some() => (
            "`lora` adapts a model that has learned something, and there is none",
            "wire a model as `base`, or take `lora` away to train fresh weights",
        ),
        true if params.model.is_some() => (
            "both `model` and the input `base` say how large the model is",
            "leave `model` out: a base has its own size; or take the input `base` away for fresh weights",
        ),
        _ => return Ok(()),
    };
    Err(StageError::invalid_input(message).help(help))
}

/// Where the training takes place, once it is sure that it fits there. Nothing is allocated before.
fn admit(params: &TrainParams, config: &Config, data: &Data, context: &Context) -> Result<Placement, StageError> {
    let placement = machine::placement(params.device, params.precision)?;
    machine::check(context, &demand(params, config, data, placement), params.precision)?;
    Ok(placement)
}

/// What decides how much memory a training at `placement` takes.
pub(crate) fn demand<'a>(params: &TrainParams, config: &'a Config, data: &Data, placement: Placement) -> Demand<'a> {
    let (trains, trained) = match &params.lora {
        Some(lora) => (Trains::Adapters { dropout: lora.dropout > 0.0 }, lora.shape().parameters(config)),
        None => (Trains::Weights, config.parameters()),
    };
    Demand {
        config,
        trained,
        trains,
        // The best weights so far are one more copy.
        moments: params.optimizer.moments() + u32::from(params.keep == Keep::Best),
        device: placement.device,
        kind: placement.kind,
        micro_batch: params.micro_batch_size.min(params.batch_size) as usize,
        longest: (0..data.train.len()).map(|index| data.train.ids(index).len()).max().unwrap_or(0),
        checkpointing: params.gradient_checkpointing,
    }
}

/// The placement of weights that are trained: tiny updates of 16-bit weights would round to nothing.
fn trained_at(placement: Placement) -> Placement {
    Placement { kind: Kind::Float, ..placement }
}

/// Refuses tokens for which the base has no row, and examples that are longer than its context.
pub(crate) fn refuse_misfit(config: &Config, data: &Data) -> Result<(), StageError> {
    let help = "wire the same base into `tokenize`, so that the examples are made of its tokens";
    let (tokens, rows) = (data.manifest.vocab_size, config.vocab_size);
    if tokens as i64 > rows {
        let message = format!("`tokens` has a vocabulary of {tokens}, `base` has rows for {rows}");
        return Err(StageError::invalid_input(message).help(help));
    }
    let lengths = [&data.train, &data.validation].map(|split| (0..split.len()).map(|at| split.ids(at).len()).max());
    let longest = lengths.into_iter().flatten().max().unwrap_or(0);
    if longest as i64 > config.max_position_embeddings {
        let most = config.max_position_embeddings;
        let message = format!("`tokens` has an example of {longest} tokens, `base` sees {most} positions");
        return Err(StageError::invalid_input(message).help("lower max_length of the tokenize stage to it"));
    }
    Ok(())
}

/// A rate that is right for adapters is not for all weights.
fn warn_of_heat(params: &TrainParams, context: &Context) {
    let OptimizerParams::Lion(lion) = &params.optimizer else { return };
    if lion.lr > HOT_FOR_LION {
        context.warn(format!(
            "Lion's learning rate of {:e} is hot for full fine-tuning of a base: 2e-6 to 6e-6 is usual; with `lora` it is right",
            lion.lr
        ));
    }
}

/// The part of a `tokenizer.json` that gives ids.
#[derive(Deserialize)]
struct Tokenizer {
    model: Vocabulary,
}

#[derive(Deserialize)]
struct Vocabulary {
    #[serde(default)]
    vocab: HashMap<String, u32>,
}

/// Says so where ids stand for other texts than those that the base learned.
fn warn_of_another_tokenizer(source: &ModelSource, data: &Data, context: &Context) -> Result<(), StageError> {
    let companions = source.companions()?;
    let Some(theirs) = companions.into_iter().find(|companion| companion.name == "tokenizer.json") else {
        return Ok(());
    };
    let Ok(ours) = std::fs::read(data.directory.join("tokenizer.json")) else { return Ok(()) };
    // A tokenizer of another form cannot be compared, and may be right.
    let parse = |bytes: &[u8]| serde_json::from_slice::<Tokenizer>(bytes).ok().map(|file| file.model.vocab);
    let (Some(theirs), Some(ours)) = (parse(&theirs.bytes), parse(&ours)) else { return Ok(()) };
    let moved = ours.iter().filter(|(text, id)| theirs.get(*text).is_some_and(|at| at != *id)).count();
    if moved > 0 {
        context.warn(format!(
            "{moved} of {} tokens of `tokens` have another id in `base`, which has to learn them anew: wire the same base into `tokenize`",
            ours.len()
        ));
    }
    Ok(())
}

/// The tokens that `tokens` begins and ends texts with; absent ones are left to the base.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SpecialTokens {
    bos_token_id: Option<i64>,
    eos_token_id: Option<Ids>,
    pad_token_id: Option<i64>,
}

#[derive(Debug)]
struct Ids(Vec<i64>);

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Ids, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let ids = match value {
            serde_json::Value::Array(all) => all.iter().map(serde_json::Value::as_i64).collect(),
            one => one.as_i64().map(|id| vec![id]),
        };
        ids.map(Ids).ok_or_else(|| serde::de::Error::custom("expected an id or a list of ids"))
    }
}

impl SpecialTokens {
    fn put_into(self, config: &mut Config) {
        config.bos_token_id = self.bos_token_id.or(config.bos_token_id);
        config.pad_token_id = self.pad_token_id.or(config.pad_token_id);
        if let Some(Ids(ids)) = self.eos_token_id {
            config.eos_token_ids = ids;
        }
    }
}

/// From `generation_config.json`, which the model ships with: its config must not say otherwise.
fn special_tokens(data: &Data) -> Result<SpecialTokens, StageError> {
    let path = data.directory.join("generation_config.json");
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SpecialTokens::default()),
        Err(error) => return Err(StageError::invalid_input(format!("{}: {error}", path.display()))),
    };
    serde_json::from_slice(&bytes).map_err(|e| StageError::invalid_input(format!("{}: {e}", path.display())))
}
