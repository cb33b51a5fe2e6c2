//! What is measured, on models that are loaded.

use std::collections::BTreeMap;
use std::path::Path;

use contract::{Context, StageError};
use dataset::Split;
use draws::{Stream, permutation};
use llama::Llama;
use policy::{Settings, TaskSettings};
use tokens::{ChatEncoder, EncodedSplit, Manifest};

use crate::answered::Answered;
use crate::asker::{Asker, Speed};
use crate::baselines::{Baseline, Baselines, Training};
use crate::metrics::{Metrics, ModelFigures, Sampled, Sizes};
use crate::params::EvaluateParams;
use crate::reports::Reports;
use crate::samples::{self, Example, Hosts, Question};
use crate::scores::Resamples;
use crate::{comparisons, gates, likelihood, out_of_domain, trained};

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
    /// Questions of other hosts, by which gates are chosen.
    pub validation: Vec<Question>,
    /// How many there are of tasks of which there are too few to choose a gate by.
    pub too_few: BTreeMap<String, usize>,
    /// What was trained on.
    pub training: Training,
    /// The tasks that it teaches, without gates.
    pub tasks: BTreeMap<String, TaskSettings>,
    pub(crate) stop: Vec<u32>,
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
    /// How fast both are.
    pub speeds: [Speed; 2],
    /// What both have to know of their own use.
    pub settings: [Settings; 2],
}

impl Material {
    /// Chooses examples and questions from the test split of `tokens` and `dataset`.
    pub fn read(tokens: &Path, dataset: &Path, params: &EvaluateParams) -> Result<Material, StageError> {
        let trained = samples::lines(dataset, Split::Train)?;
        let training = Training::of(&trained)?;
        let tasks = trained::tasks(tokens, &trained)?;
        let (validation, too_few) =
            if params.gates { of_validation(tokens, dataset, params)? } else { Default::default() };
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
        Ok(Material { examples: chosen, questions, validation, too_few, training, tasks, stop, hosts: hosts.count() })
    }

    /// Refuses examples that `model` cannot read.
    pub fn check(&self, model: &Llama) -> Result<(), StageError> {
        let config = &model.config;
        let examples = self.examples.iter().map(|example| example.ids.len());
        let questions = || self.questions.iter().chain(&self.validation);
        let longest = examples.chain(questions().map(|question| question.ids.len())).max().unwrap_or(0);
        let help = "wire the tokens that the model was trained on";
        if longest as i64 > config.max_position_embeddings {
            let sees = config.max_position_embeddings;
            let message = format!("a test example has {longest} tokens, the model sees {sees}");
            return Err(StageError::invalid_input(message).help(help));
        }
        let ids = self.examples.iter().flat_map(|example| &example.ids).map(|id| i64::from(*id));
        let mut ids = ids.chain(questions().flat_map(|question| &question.ids).copied());
        match ids.find(|id| *id >= config.vocab_size || *id < 0) {
            Some(id) => {
                let message = format!("test token {id} lies outside the model's vocabulary");
                Err(StageError::invalid_input(message).help(help))
            }
            None => Ok(()),
        }
    }
}

/// Questions of the validation split: of tasks that can have a gate. Of the others, how many there are.
fn of_validation(
    tokens: &Path,
    dataset: &Path,
    params: &EvaluateParams,
) -> Result<(Vec<Question>, BTreeMap<String, usize>), StageError> {
    let lines = samples::lines(dataset, Split::Validation)?;
    let split = EncodedSplit::load(tokens, Split::Validation)?;
    let mut stream = Stream::seeded(params.seed).numbered(3);
    let order = permutation(split.len(), |bound| stream.index(bound));
    let wanted = params.gate_samples as usize;
    let chosen = samples::chosen(&split, &lines, &order, 0, wanted);
    let examples = samples::examples(&split, &lines, &chosen, &mut Hosts::default())?;
    let tasks = samples::by_task(&examples, &lines, wanted);
    let (enough, too_few) = gates::enough(tasks, wanted);
    Ok((samples::evenly(enough, wanted).into_iter().map(|(_, question)| question).collect(), too_few))
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
    let Material { examples, questions, training, hosts, .. } = material;
    let asker = Asker { models, material, params, sampling: params.sampling.map(Into::into), context };
    let resamples = Resamples::new(params.seed, *hosts);
    let tokenizer = models.encoder.tokenizer();
    let traces = likelihood::traces(models.original, models.quantized, examples, context)?;
    let outside = out_of_domain::measure([models.original, models.quantized], tokenizer, params.seed, context)?;
    let first = asker.ask(models.original, questions, None)?;
    let second = asker.ask(models.quantized, questions, None)?;
    let speeds = [asker.speed(models.original, questions, &first)?, asker.speed(models.quantized, questions, &second)?];
    let original = Answered::judge(questions, first.texts);
    let quantized = Answered::judge(questions, second.texts);
    let baselines = without_model(training, questions);
    let mut of_reports = BTreeMap::new();
    if let Some(reports) = reports {
        let answered = without_model(training, &reports.questions).into_iter();
        of_reports.extend(answered.map(|(baseline, answered)| (baseline.name(), answered)));
        for (name, model) in asker.both() {
            let answers = asker.ask(model, &reports.questions, None)?;
            of_reports.insert(name, Answered::judge(&reports.questions, answers.texts));
        }
    }
    let constrained =
        params.constrained.then(|| asker.constrained(questions, [&original, &quantized], &resamples)).transpose()?;
    if params.gates && material.validation.is_empty() {
        let least = gates::LEAST;
        let message = format!(
            "no task gets {least} questions of validation hosts: there are no gates, and no answer will be taken"
        );
        context.warn(&(message + "; simulate more hosts, or raise gate_samples"));
    }
    let mut gates = BTreeMap::new();
    for ((name, model), answered) in asker.both().into_iter().zip([&original, &quantized]).filter(|_| params.gates) {
        let on_reports = reports.zip(of_reports.get(name));
        let on_reports = on_reports.map(|(reports, answered)| (&reports.questions[..], &answered.texts[..]));
        gates.insert(name.to_owned(), asker.gates(model, &answered.texts, on_reports)?);
    }
    let likelihood = |loss| likelihood::figures(examples, &traces, loss, tokenizer, &resamples);
    let metrics = Metrics {
        version: 1,
        inputs: inputs(context),
        sampling: params.sampling.map(|sampling| Sampled::new(sampling, params.seed)),
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
        reports: reports.map(|reports| reports.figures(&of_reports, training, params)),
        constrained,
        gates: params.gates.then_some(gates),
        sizes,
        requirements: Vec::new(),
    };
    let settings = asker.both().map(|(name, model)| settings(name, model, material, &metrics));
    Ok(Evaluation { metrics, original, quantized, speeds, settings })
}

/// What the model `name` has to know of its own use, with the gates that were chosen.
fn settings(name: &str, model: &Llama, material: &Material, metrics: &Metrics) -> Settings {
    let gates = metrics.gates.as_ref().and_then(|gates| gates.get(name));
    let with_gate = |(task, settings): (&String, &TaskSettings)| {
        let gate = gates.and_then(|gates| gates.get(task)?.gate);
        (task.clone(), TaskSettings { gate, ..settings.clone() })
    };
    let dataset = metrics.inputs.get("dataset").cloned().unwrap_or_default();
    let context = model.config.max_position_embeddings as u32;
    Settings::new(context, dataset, material.tasks.iter().map(with_gate).collect())
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
