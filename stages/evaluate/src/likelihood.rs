//! How both models foresee the test examples: log-likelihood of each token, and how far their distributions differ.
//!
//! One pass over both models at once, so that no distribution has to be kept: a batch's logits are compared and dropped.

use contract::{Context, StageError};
use llama::Llama;
use statistics::quantile::nearest_rank;
use tch::{Kind, Tensor};
use tokenizers::Tokenizer;

use crate::metrics::{Drift, DriftFigures, Figure, Likelihood, LikelihoodFigures};
use crate::samples::Example;
use crate::scores::Resamples;

/// Rows of a batch.
const ROWS: usize = 8;

/// Numbers that a distribution over the vocabulary may take at once: with a large vocabulary a whole batch would take gigabytes.
const LOGITS: usize = 1 << 24;

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
    /// Whether the token belongs to an answer.
    answer: Vec<bool>,
}

/// Which tokens of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those of answers.
    Answer,
    /// All.
    All,
}

impl Trace {
    /// The part of `values`, one for each predicted token.
    fn part<T: Copy>(&self, values: &[T], part: Part) -> impl Iterator<Item = T> {
        let wanted = move |answer: bool| part == Part::All || answer;
        self.answer.iter().zip(values).filter(move |(answer, _)| wanted(**answer)).map(|(_, value)| *value)
    }
}

/// A trace of each example, in their order.
pub fn traces(
    original: &Llama,
    quantized: &Llama,
    examples: &[Example],
    context: &Context,
) -> Result<Vec<Trace>, StageError> {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    // Neighbours of like length waste little on padding.
    order.sort_by_key(|&index| examples[index].ids.len());
    let mut traces = vec![Trace::default(); examples.len()];
    for (done, rows) in order.chunks(ROWS).enumerate() {
        context.check_cancelled()?;
        context.progress((done * ROWS) as u64, examples.len() as u64, "examples");
        let batch: Vec<&Example> = rows.iter().map(|&index| &examples[index]).collect();
        for (&index, trace) in rows.iter().zip(compare(original, quantized, &batch)) {
            traces[index] = trace;
        }
    }
    Ok(traces)
}

fn compare(original: &Llama, quantized: &Llama, batch: &[&Example]) -> Vec<Trace> {
    let longest = batch.iter().map(|example| example.ids.len()).max().unwrap_or(0);
    let (mut ids, mut places, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (row, example) in batch.iter().enumerate() {
        let length = example.ids.len();
        ids.extend(example.ids.iter().map(|&id| i64::from(id)));
        ids.resize((row + 1) * longest, 0);
        places.extend((0..length - 1).map(|column| (row * longest + column) as i64));
        targets.extend(example.ids[1..].iter().map(|&id| i64::from(id)));
    }
    let device = original.placement.device;
    let ids = Tensor::from_slice(&ids).view([batch.len() as i64, longest as i64]).to_device(device);
    let hidden = |model: &Llama| model.hidden(&ids).flatten(0, 1);
    let hidden = [hidden(original), hidden(quantized)];
    let mut flat = Trace::default();
    let step = (LOGITS / original.config.vocab_size.max(1) as usize).max(1);
    for (places, targets) in places.chunks(step).zip(targets.chunks(step)) {
        let (places, targets) = (Tensor::from_slice(places).to_device(device), Tensor::from_slice(targets));
        let targets = targets.unsqueeze(1).to_device(device);
        let distribution =
            |model: &Llama, hidden: &Tensor| model.head(&hidden.index_select(0, &places)).log_softmax(-1, Kind::Float);
        let (p, q) = (distribution(original, &hidden[0]), distribution(quantized, &hidden[1]));
        let loss = |log: &Tensor| floats(&-log.gather(1, &targets, false).squeeze_dim(1));
        flat.original.extend(loss(&p));
        flat.quantized.extend(loss(&q));
        // Rounding can take a divergence of nothing below zero.
        flat.kl.extend(floats(&(p.exp() * (&p - &q)).sum_dim_intlist(-1, false, Kind::Float).clamp_min(0.0)));
        let same = p.argmax(-1, false).eq_tensor(&q.argmax(-1, false));
        flat.same_top.extend(floats(&same.to_kind(Kind::Float)).into_iter().map(|same| same == 1.0));
    }
    let mut start = 0;
    let trace = |example: &&Example| {
        let range = start..start + example.ids.len() - 1;
        start = range.end;
        Trace {
            original: flat.original[range.clone()].to_vec(),
            quantized: flat.quantized[range.clone()].to_vec(),
            kl: flat.kl[range.clone()].to_vec(),
            same_top: flat.same_top[range].to_vec(),
            // The first token is never predicted.
            answer: example.answer[1..].to_vec(),
        }
    };
    batch.iter().map(trace).collect()
}

/// Likelihoods of one model, whose losses `loss` picks from a trace.
pub fn figures(
    examples: &[Example],
    traces: &[Trace],
    loss: fn(&Trace) -> &[f32],
    tokenizer: &Tokenizer,
    resamples: &Resamples,
) -> Result<LikelihoodFigures, StageError> {
    let of = |part| likelihood((examples, traces), (loss, part), tokenizer, resamples);
    Ok(LikelihoodFigures { answers: of(Part::Answer)?, all: of(Part::All)? })
}

/// The likelihood of one part of the tokens under one model.
pub fn likelihood(
    (examples, traces): (&[Example], &[Trace]),
    (loss, part): (fn(&Trace) -> &[f32], Part),
    tokenizer: &Tokenizer,
    resamples: &Resamples,
) -> Result<Likelihood, StageError> {
    let sums = |(example, trace): (&Example, &Trace)| {
        let losses = trace.part(loss(trace), part).map(f64::from);
        let (nats, tokens) = losses.fold((0.0, 0.0), |(nats, tokens), loss| (nats + loss, tokens + 1.0));
        (example.host, nats, tokens)
    };
    let sums: Vec<(usize, f64, f64)> = examples.iter().zip(traces).map(sums).collect();
    let (nats, tokens) = sums.iter().fold((0.0, 0.0), |(a, b), (_, nats, tokens)| (a + nats, b + tokens));
    let bytes = examples.iter().map(|example| text_bytes(example, part, tokenizer)).sum::<Result<usize, _>>()?;
    let nothing = Figure { value: 1.0, low: None, high: None, hosts: 0 };
    Ok(Likelihood {
        tokens: tokens as usize,
        perplexity: resamples.ratio(&sums, f64::exp).unwrap_or(nothing),
        bits_per_byte: nats / std::f64::consts::LN_2 / bytes.max(1) as f64,
    })
}

/// How far the quantized model strays.
pub fn drift(traces: &[Trace]) -> DriftFigures {
    DriftFigures { answers: drift_of(traces, Part::Answer), all: drift_of(traces, Part::All) }
}

/// How far it strays on one part of the tokens.
pub fn drift_of(traces: &[Trace], part: Part) -> Drift {
    let mut kl: Vec<f32> = traces.iter().flat_map(|trace| trace.part(&trace.kl, part)).collect();
    kl.sort_by(f32::total_cmp);
    let same = traces.iter().flat_map(|trace| trace.part(&trace.same_top, part)).filter(|same| *same).count();
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
}

/// Bytes of the text that the tokens stand for; special tokens have none.
fn text_bytes(example: &Example, part: Part, tokenizer: &Tokenizer) -> Result<usize, StageError> {
    let predicted = example.ids.iter().zip(&example.answer).skip(1);
    let wanted = predicted.filter(|(_, answer)| part == Part::All || **answer);
    let ids: Vec<u32> = wanted.map(|(&id, _)| id as u32).collect();
    let text = tokenizer.decode(&ids, true).map_err(|e| StageError::bug(format!("tokenizers: {e}")))?;
    Ok(text.len())
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_device(tch::Device::Cpu).contiguous()).expect("a vector of floats")
}
