//! How both models foresee the test examples: log-likelihood of each token, and how far their distributions differ.
//!
//! One pass over both models at once, so that no distribution has to be kept: a batch's logits are compared and dropped.

use contract::{Context, StageError};
use llama::Llama;
use statistics::Bootstrap;
use statistics::quantile::nearest_rank;
use tch::{Kind, Tensor};
use tokenizers::Tokenizer;

use crate::metrics::{Drift, DriftFigures, Likelihood, LikelihoodFigures};
use crate::samples::Sample;

/// Rows of a batch.
const ROWS: usize = 8;

/// The measurements at every predicted token of one example.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Negative log-likelihood under the original.
    pub original: Vec<f32>,
    /// The same under the quantized model.
    pub quantized: Vec<f32>,
    /// Divergence of the second's distribution from the first's, in nats.
    pub kl: Vec<f32>,
    /// Whether both have the same favourite.
    pub same_top: Vec<bool>,
    /// How many of the first tokens belong to the question.
    question: usize,
}

/// Which tokens of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those of the answer.
    Answer,
    /// All.
    All,
}

impl Trace {
    /// The part of `values`, one for each predicted token.
    fn part<'a, T>(&self, values: &'a [T], part: Part) -> &'a [T] {
        match part {
            Part::Answer => &values[self.question..],
            Part::All => values,
        }
    }
}

/// A trace of each sample, in their order.
pub fn traces(
    original: &Llama,
    quantized: &Llama,
    samples: &[Sample],
    context: &Context,
) -> Result<Vec<Trace>, StageError> {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    // Neighbours of like length waste little on padding.
    order.sort_by_key(|&index| samples[index].ids.len());
    let mut traces = vec![Trace::default(); samples.len()];
    for (done, rows) in order.chunks(ROWS).enumerate() {
        context.check_cancelled()?;
        context.progress((done * ROWS) as u64, samples.len() as u64, "examples");
        let batch: Vec<&Sample> = rows.iter().map(|&index| &samples[index]).collect();
        for (&index, trace) in rows.iter().zip(compare(original, quantized, &batch)) {
            traces[index] = trace;
        }
    }
    Ok(traces)
}

fn compare(original: &Llama, quantized: &Llama, batch: &[&Sample]) -> Vec<Trace> {
    let longest = batch.iter().map(|sample| sample.ids.len()).max().unwrap_or(0);
    let (mut ids, mut places, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (row, sample) in batch.iter().enumerate() {
        let length = sample.ids.len();
        ids.extend(sample.ids.iter().map(|&id| i64::from(id)));
        ids.resize((row + 1) * longest, 0);
        places.extend((0..length - 1).map(|column| (row * longest + column) as i64));
        targets.extend(sample.ids[1..].iter().map(|&id| i64::from(id)));
    }
    let device = original.placement.device;
    let ids = Tensor::from_slice(&ids).view([batch.len() as i64, longest as i64]).to_device(device);
    let places = Tensor::from_slice(&places).to_device(device);
    let targets = Tensor::from_slice(&targets).unsqueeze(1).to_device(device);
    let distribution = |model: &Llama| {
        let hidden = model.hidden(&ids).flatten(0, 1).index_select(0, &places);
        model.head(&hidden).log_softmax(-1, Kind::Float)
    };
    let (p, q) = (distribution(original), distribution(quantized));
    let loss = |log: &Tensor| floats(&-log.gather(1, &targets, false).squeeze_dim(1));
    // Rounding can take a divergence of nothing below zero.
    let kl = floats(&(p.exp() * (&p - &q)).sum_dim_intlist(-1, false, Kind::Float).clamp_min(0.0));
    let same = floats(&p.argmax(-1, false).eq_tensor(&q.argmax(-1, false)).to_kind(Kind::Float));
    let (mut original, mut quantized) = (loss(&p).into_iter(), loss(&q).into_iter());
    let (mut kl, mut same) = (kl.into_iter(), same.into_iter().map(|same| same == 1.0));
    let trace = |sample: &&Sample| {
        let count = sample.ids.len() - 1;
        Trace {
            original: original.by_ref().take(count).collect(),
            quantized: quantized.by_ref().take(count).collect(),
            kl: kl.by_ref().take(count).collect(),
            same_top: same.by_ref().take(count).collect(),
            // The first token is never predicted; the last of the question predicts the answer's first.
            question: sample.question - 1,
        }
    };
    batch.iter().map(trace).collect()
}

/// Likelihoods of one model, whose losses `loss` picks from a trace.
pub fn figures(
    samples: &[Sample],
    traces: &[Trace],
    loss: impl Fn(&Trace) -> &[f32],
    tokenizer: &Tokenizer,
    bootstrap: &Bootstrap,
) -> Result<LikelihoodFigures, StageError> {
    let likelihood = |part| -> Result<Likelihood, StageError> {
        let sums: Vec<(f64, f64)> = traces
            .iter()
            .map(|trace| trace.part(loss(trace), part))
            .map(|losses| (losses.iter().map(|&loss| f64::from(loss)).sum(), losses.len() as f64))
            .collect();
        let nats: f64 = sums.iter().map(|(nats, _)| nats).sum();
        let bytes = samples.iter().map(|sample| text_bytes(sample, part, tokenizer)).sum::<Result<usize, _>>()?;
        Ok(Likelihood {
            tokens: sums.iter().map(|(_, tokens)| *tokens as usize).sum(),
            perplexity: bootstrap.ratio(&sums, f64::exp),
            bits_per_byte: nats / std::f64::consts::LN_2 / bytes.max(1) as f64,
        })
    };
    Ok(LikelihoodFigures { answers: likelihood(Part::Answer)?, all: likelihood(Part::All)? })
}

/// How far the quantized model strays.
pub fn drift(traces: &[Trace]) -> DriftFigures {
    let drift = |part| {
        let mut kl: Vec<f32> = traces.iter().flat_map(|trace| trace.part(&trace.kl, part)).copied().collect();
        kl.sort_by(f32::total_cmp);
        let same = traces.iter().flat_map(|trace| trace.part(&trace.same_top, part)).filter(|same| **same).count();
        let count = kl.len().max(1);
        let rank = |percent: usize| nearest_rank(&kl, percent).map_or(0.0, f64::from);
        Drift {
            tokens: kl.len(),
            kl_mean: kl.iter().map(|&kl| f64::from(kl)).sum::<f64>() / count as f64,
            kl_p50: rank(50),
            kl_p99: rank(99),
            kl_max: rank(100),
            top1_agreement: same as f64 / count as f64,
        }
    };
    DriftFigures { answers: drift(Part::Answer), all: drift(Part::All) }
}

/// Bytes of the text that the tokens stand for; special tokens have none.
fn text_bytes(sample: &Sample, part: Part, tokenizer: &Tokenizer) -> Result<usize, StageError> {
    let start = if part == Part::Answer { sample.question } else { 1 };
    let ids: Vec<u32> = sample.ids[start..].iter().map(|&id| id as u32).collect();
    let text = tokenizer.decode(&ids, true).map_err(|e| StageError::bug(format!("tokenizers: {e}")))?;
    Ok(text.len())
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_device(tch::Device::Cpu).contiguous()).expect("a vector of floats")
}
