//! The answers of one model or baseline, judged.

use scan::Severity;

use crate::confusion::Confusion;
use crate::judge::{Judge, Judgement, Text};
use crate::measure::Measure;
use crate::metrics::{AnswerFigures, TaskFigures};
use crate::samples::Question;
use crate::scores::{Resamples, Scope, Scores};

/// The answers to some questions.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answers as they were written, one for each question.
    pub texts: Vec<Text>,
    /// What each is worth.
    pub judgements: Vec<Judgement>,
    /// Their sums.
    pub scores: Scores,
}

impl Answered {
    /// Judges `texts` as answers to `questions`.
    pub fn judge(questions: &[Question], texts: Vec<Text>) -> Answered {
        let (mut judge, mut scores) = (Judge::default(), Scores::default());
        let judgements: Vec<Judgement> =
            questions.iter().zip(&texts).map(|(question, text)| judge.judge(question, text)).collect();
        for (question, judgement) in questions.iter().zip(&judgements) {
            scores.add(&question.task, question.host, judgement.sums.iter().cloned());
        }
        Answered { texts, judgements, scores }
    }

    /// Judges answers that stand without a model. One that is missing is an empty text.
    pub fn without_model(questions: &[Question], answer: impl Fn(&Question) -> Option<String>) -> Answered {
        let text = |question| Text::sure(answer(question).unwrap_or_default());
        Answered::judge(questions, questions.iter().map(text).collect())
    }

    /// All figures of them.
    pub fn figures(&self, resamples: &Resamples) -> AnswerFigures {
        let of_task = |(task, questions): (&String, &usize)| {
            let figures = self.scores.figures(Scope::Task(task), resamples);
            (task.clone(), TaskFigures { questions: *questions, figures })
        };
        let severities: Vec<(Severity, Option<Severity>)> =
            self.judgements.iter().filter_map(|judgement| judgement.severity).collect();
        AnswerFigures {
            questions: self.texts.len(),
            tasks: self.scores.answers().iter().map(of_task).collect(),
            mean: self.scores.figures(Scope::Mean, resamples),
            confusion: (!severities.is_empty()).then(|| Confusion::of(&severities)),
        }
    }

    /// Its severities alone, in groups of another kind than tasks.
    pub fn severities<'a>(&'a self, questions: &[Question], group: impl Fn(usize) -> &'a str) -> Scores {
        let mut scores = Scores::default();
        for (place, (question, judgement)) in questions.iter().zip(&self.judgements).enumerate() {
            let sums = judgement.sums.iter().filter(|(measure, _)| *measure == Measure::SeverityAccuracy);
            scores.add(group(place), question.host, sums.cloned());
        }
        scores
    }
}
