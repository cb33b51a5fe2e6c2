//! What is measured, on models that are loaded.

use std::collections::BTreeMap;
use std::path::Path;

use contract::{Context, StageError};
use dataset::Split;
use draws::{Stream, permutation};
use llama::Llama;
use tokens::{ChatEncoder, EncodedSplit, Manifest};

use crate::answered::Answered;
use crate::baselines::{Baseline, Baselines, Training};
use crate::generation::{self, Answers};
use crate::metrics::{Metrics, ModelFigures, Sizes};
use crate::params::EvaluateParams;
use crate::reports::Reports;
use crate::samples::{self, Example, Hosts, Question};
use crate::scores::Resamples;
use crate::{comparisons, likelihood, out_of_domain};

/// The two models and how text becomes ids.
pub struct Models<'a> {
    /// Before quantization.
    pub original: &'a Llama,
    /// After it.
    pub quantized: &'a Llama,
    /// Of the tokens they were trained on.
    pub encoder: &'a ChatEncoder,
}

/// What the models are measured on.
pub struct Material {
    /// The examples of likelihoods.
    pub examples: Vec<Example>,
    /// The questions.
    pub questions: Vec<Question>,
    /// What was trained on.
    pub training: Training,
    stop: Vec<u32>,
    hosts: usize,
}

/// What was answered, and the figures.
pub struct Evaluation {
    /// The document, without requirements.
    pub metrics: Metrics,
    /// The answers of the original.
    pub original: Answered,
    /// Those of the quantized model.
    pub quantized: Answered,
    /// Tokens a second of both.
    pub speeds: [f64; 2],
}

impl Material {
    /// Chooses examples and questions from the test split of `tokens` and `dataset`.
    pub fn read(tokens: &Path, dataset: &Path, params: &EvaluateParams) -> Result<Material, StageError> {
        let training = Training::of(&samples::lines(dataset, Split::Train)?)?;
        let lines = samples::lines(dataset, Split::Test)?;
        let split = EncodedSplit::load(tokens, Split::Test)?;
        if split.is_empty() {
            return Err(StageError::invalid_input("the test split of the tokens is empty"));
        }
        let mut stream = Stream::seeded(params.seed);
        let order = permutation(split.len(), |bound| stream.index(bound));
        let (examples, questions) = (params.examples as usize, params.samples as usize);
        let mut hosts = Hosts::default();
        let chosen = samples::chosen(&split, &lines, &order, examples, questions);
        let mut chosen = samples::examples(&split, &lines, &chosen, &mut hosts)?;
        let questions = samples::questions(&chosen, &lines, questions);
        chosen.truncate(examples);
        let stop = Manifest::load(tokens)?.stop;
        Ok(Material { examples: chosen, questions, training, stop, hosts: hosts.count() })
    }

    /// Refuses examples that `model` cannot read.
    pub fn check(&self, model: &Llama) -> Result<(), StageError> {
        let config = &model.config;
        let examples = self.examples.iter().map(|example| example.ids.len());
        let longest = examples.chain(self.questions.iter().map(|question| question.ids.len())).max().unwrap_or(0);
        let help = "wire the tokens that the model was trained on";
        if longest as i64 > config.max_position_embeddings {
            let sees = config.max_position_embeddings;
            let message = format!("a test example has {longest} tokens, the model sees {sees}");
            return Err(StageError::invalid_input(message).help(help));
        }
        let ids = self.examples.iter().flat_map(|example| &example.ids).map(|id| i64::from(*id));
        let mut ids = ids.chain(self.questions.iter().flat_map(|question| &question.ids).copied());
        match ids.find(|id| *id >= config.vocab_size || *id < 0) {
            Some(id) => {
                let message = format!("test token {id} lies outside the model's vocabulary");
                Err(StageError::invalid_input(message).help(help))
            }
            None => Ok(()),
        }
    }
}

/// Measures everything.
pub fn evaluate(
    models: &Models<'_>,
    material: &Material,
    reports: Option<&Reports>,
    sizes: Sizes,
    params: &EvaluateParams,
    context: &Context,
) -> Result<Evaluation, StageError> {
    let Material { examples, questions, training, stop, hosts } = material;
    let resamples = Resamples::new(params.seed, *hosts);
    let tokenizer = models.encoder.tokenizer();
    let traces = likelihood::traces(models.original, models.quantized, examples, context)?;
    let outside = out_of_domain::measure([models.original, models.quantized], tokenizer, params.seed, context)?;
    let ask = |model: &Llama, questions: &[Question]| {
        let limits = generation::limits(model, stop, params.max_new_tokens as usize);
        generation::generate(model, questions, &limits, tokenizer, context)
    };
    let (first, second) = (ask(models.original, questions)?, ask(models.quantized, questions)?);
    let speeds = [&first, &second].map(|Answers { tokens, elapsed, .. }| *tokens as f64 / elapsed.as_secs_f64());
    let original = Answered::judge(questions, first.texts);
    let quantized = Answered::judge(questions, second.texts);
    let baselines = without_model(training, questions);
    let of_reports = |reports: &Reports| -> Result<_, StageError> {
        let mut answered: BTreeMap<&str, Answered> = without_model(training, &reports.questions)
            .into_iter()
            .map(|(baseline, answered)| (baseline.name(), answered))
            .collect();
        for (name, model) in [("original", models.original), ("quantized", models.quantized)] {
            let answers = ask(model, &reports.questions)?;
            answered.insert(name, Answered::judge(&reports.questions, answers.texts));
        }
        Ok(reports.figures(&answered, training, params))
    };
    let likelihood = |loss| likelihood::figures(examples, &traces, loss, tokenizer, &resamples);
    let metrics = Metrics {
        version: 1,
        inputs: inputs(context),
        examples: examples.len(),
        hosts: *hosts,
        original: ModelFigures {
            likelihood: likelihood(|trace| &trace.original)?,
            answers: original.figures(&resamples),
        },
        quantized: ModelFigures {
            likelihood: likelihood(|trace| &trace.quantized)?,
            answers: quantized.figures(&resamples),
        },
        drift: likelihood::drift(&traces),
        out_of_domain: outside,
        rule: Answered::without_model(questions, |question| Some(question.truth.clone())).figures(&resamples),
        comparisons: comparisons::all(&original, &quantized, &baselines, &resamples),
        baselines: baselines
            .into_iter()
            .map(|(baseline, answered)| (baseline.name().to_owned(), answered.figures(&resamples)))
            .collect(),
        reports: reports.map(of_reports).transpose()?,
        sizes,
        requirements: Vec::new(),
    };
    Ok(Evaluation { metrics, original, quantized, speeds })
}

/// The answers of each baseline that has any to such questions: the table has none where there are no findings.
fn without_model(training: &Training, questions: &[Question]) -> BTreeMap<Baseline, Answered> {
    let baselines = Baselines::new(training, questions);
    let answered = |baseline: Baseline| {
        let of: Vec<Question> =
            questions.iter().filter(|question| baselines.answers(baseline, question)).cloned().collect();
        let answered = Answered::without_model(&of, |question| baselines.answer(baseline, question));
        (!of.is_empty()).then_some((baseline, answered))
    };
    Baseline::ALL.into_iter().filter_map(answered).collect()
}

/// What was measured: port and digest of each input.
fn inputs(context: &Context) -> BTreeMap<String, String> {
    let inputs = context.job().inputs.iter();
    inputs.filter_map(|(port, held)| Some((port.clone(), held.first()?.digest.to_string()))).collect()
}
