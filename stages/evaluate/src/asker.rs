//! Both models asked: for their answers, for answers under schemas, for those that choose gates, and how fast they are.

use std::collections::BTreeMap;

use contract::{Context, StageError};
use llama::{Llama, Sampling};
use policy::TaskSettings;

use crate::answered::Answered;
use crate::evaluation::{Material, Models};
use crate::gates::{GateFigures, Judged};
use crate::generation::{self, Answers, Decoding, Schemas};
use crate::judge::Text;
use crate::metrics::ConstrainedFigures;
use crate::params::EvaluateParams;
use crate::samples::Question;
use crate::scores::Resamples;

/// The names of the two models in documents.
const NAMES: [&str; 2] = ["original", "quantized"];

/// How fast a model answers.
#[derive(Clone, Debug)]
pub struct Speed {
    /// Tokens a second, many answers side by side.
    pub tokens: f64,
    /// Milliseconds of answers alone, shortest first.
    pub alone: Vec<f64>,
}

/// Asks both models.
pub(crate) struct Asker<'a> {
    pub models: &'a Models<'a>,
    pub material: &'a Material,
    pub params: &'a EvaluateParams,
    /// How tokens are drawn; `None`: each is the likeliest.
    pub sampling: Option<Sampling>,
    pub context: &'a Context,
}

impl Asker<'_> {
    pub(crate) fn both(&self) -> [(&'static str, &Llama); 2] {
        [(NAMES[0], self.models.original), (NAMES[1], self.models.quantized)]
    }

    pub(crate) fn ask(
        &self,
        model: &Llama,
        questions: &[Question],
        schemas: Option<&Schemas>,
    ) -> Result<Answers, StageError> {
        self.ask_within(model, &questions.iter().collect::<Vec<_>>(), self.params.max_new_tokens, schemas)
    }

    fn ask_within(
        &self,
        model: &Llama,
        questions: &[&Question],
        limit: u32,
        schemas: Option<&Schemas>,
    ) -> Result<Answers, StageError> {
        let tokenizer = self.models.encoder.tokenizer();
        generation::generate(model, questions, &self.decoding(model, limit), (tokenizer, schemas), self.context)
    }

    /// Both models draw the same random numbers for a question, so that no difference between them comes from the draws alone.
    fn decoding(&self, model: &Llama, limit: u32) -> Decoding {
        let limits = generation::limits(model, &self.material.stop, limit as usize);
        Decoding { limits, sampling: self.sampling.map(|sampling| (sampling, self.params.seed)) }
    }

    pub(crate) fn speed(&self, model: &Llama, questions: &[Question], answers: &Answers) -> Result<Speed, StageError> {
        let decoding = self.decoding(model, self.params.max_new_tokens);
        let alone = generation::latencies(model, questions, &decoding, self.context)?;
        let alone = alone.into_iter().map(|elapsed| 1000.0 * elapsed.as_secs_f64()).collect();
        Ok(Speed { tokens: answers.tokens as f64 / answers.elapsed.as_secs_f64(), alone })
    }

    /// The answers under schemas, beside the `free` ones.
    pub(crate) fn constrained(
        &self,
        questions: &[Question],
        free: [&Answered; 2],
        resamples: &Resamples,
    ) -> Result<BTreeMap<String, ConstrainedFigures>, StageError> {
        let schemas = Schemas::of(questions, self.models.encoder.tokenizer())?;
        let mut found = BTreeMap::new();
        for ((name, model), free) in self.both().into_iter().zip(free) {
            let held = Answered::judge(questions, self.ask(model, questions, Some(&schemas))?.texts);
            let sound = |place: &usize| free.texts[*place].terminated && free.judgements[*place].keeps_schema();
            let sound: Vec<usize> = (0..questions.len()).filter(sound).collect();
            let same = |place: &&usize| free.texts[**place].text == held.texts[**place].text;
            let same = sound.iter().filter(same).count();
            let figures = ConstrainedFigures { answers: held.figures(resamples), free_sound: sound.len(), same };
            found.insert(name.to_owned(), figures);
        }
        Ok(found)
    }

    /// The gates of one model, and what they let through. They are those of greedy answers, which `analyze` and `pipe ask` write.
    pub(crate) fn gates(
        &self,
        model: &Llama,
        test: &[Text],
        reports: Option<(&[Question], &[Text])>,
    ) -> Result<BTreeMap<String, GateFigures>, StageError> {
        let material = self.material;
        if self.sampling.is_some() {
            let greedy = Asker { sampling: None, ..*self };
            let test = greedy.ask(model, &material.questions, None)?.texts;
            let asked = reports.map(|(questions, _)| questions);
            let of_reports = asked.map(|questions| greedy.ask(model, questions, None)).transpose()?;
            let of_reports = of_reports.as_ref().map(|answers| &answers.texts[..]);
            return greedy.gates(model, &test, asked.zip(of_reports));
        }
        let mut found = BTreeMap::new();
        for (task, TaskSettings { limit, .. }) in &material.tasks {
            let asked: Vec<&Question> = material.validation.iter().filter(|question| question.task == *task).collect();
            let texts = self.ask_within(model, &asked, *limit, None)?.texts;
            let validation = Judged::of(task, *limit, asked.into_iter().zip(&texts));
            let chosen = validation.gate();
            let gate = chosen.map(|(gate, _)| gate);
            let of = |(questions, texts): (&[Question], &[Text])| {
                Judged::of(task, *limit, questions.iter().zip(texts)).taken(gate)
            };
            let of_reports = reports.filter(|(questions, _)| questions.iter().any(|question| question.task == *task));
            let figures = GateFigures {
                gate,
                bound: chosen.map(|(_, bound)| bound),
                too_few: material.too_few.get(task).copied(),
                validation: validation.taken(gate),
                test: of((&material.questions, test)),
                reports: of_reports.map(of),
            };
            found.insert(task.clone(), figures);
        }
        Ok(found)
    }
}
