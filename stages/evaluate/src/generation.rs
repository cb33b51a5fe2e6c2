//! A model's answers, and their quality.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contract::{Context, StageError};
use llama::Llama;
use llama::generate::{End, Limits};
use scan::Severity;
use statistics::Bootstrap;
use tokenizers::Tokenizer;

use crate::answer::{self, Answer};
use crate::confusion::Confusion;
use crate::metrics::{GenerationFigures, SeverityFigures, TaskFigures};
use crate::samples::Sample;

/// Questions answered side by side.
const ROWS: usize = 32;

/// The answers of one model.
#[derive(Debug)]
pub struct Answers {
    /// One for each sample, in their order.
    pub texts: Vec<Text>,
    /// Tokens written.
    pub tokens: usize,
    /// Time it took.
    pub elapsed: Duration,
}

/// One answer as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Its text.
    pub text: String,
    /// Whether the model ended it.
    pub terminated: bool,
}

/// Where answers of `model` end: at the tokens that its config names, and at those that its tokens were made with.
pub fn limits(model: &Llama, stop: &[u32], max_new_tokens: usize) -> Limits {
    let mut all = model.config.eos_token_ids.clone();
    all.extend(stop.iter().map(|id| i64::from(*id)));
    Limits { max_new_tokens, stop: all }
}

/// Lets `model` answer every sample's question greedily.
pub fn generate(
    model: &Llama,
    samples: &[Sample],
    limits: &Limits,
    tokenizer: &Tokenizer,
    context: &Context,
) -> Result<Answers, StageError> {
    let positions = model.config.max_position_embeddings as usize;
    let started = Instant::now();
    let mut answers = Answers { texts: vec![Text::default(); samples.len()], tokens: 0, elapsed: Duration::ZERO };
    let mut done = 0;
    for rows in batches(samples, positions.saturating_sub(limits.max_new_tokens)) {
        context.check_cancelled()?;
        context.progress(done as u64, samples.len() as u64, "answers");
        let prompt =
            |index: &usize| samples[*index].ids[..samples[*index].question].iter().map(|&id| id.into()).collect();
        let prompts: Vec<Vec<i64>> = rows.iter().map(prompt).collect();
        for (&index, completion) in rows.iter().zip(model.generate(&prompts, limits)) {
            let ids: Vec<u32> = completion.tokens.iter().map(|&id| id as u32).collect();
            let text = tokenizer.decode(&ids, true).map_err(|e| StageError::bug(format!("tokenizers: {e}")))?;
            answers.tokens += ids.len();
            answers.texts[index] = Text { text, terminated: completion.end == End::Stop };
        }
        done += rows.len();
    }
    answers.elapsed = started.elapsed();
    Ok(answers)
}

/// Samples to answer side by side. A batch's room ends with its longest question, so those above `roomy` tokens go alone: how far
/// an answer may go must not depend on its neighbours.
fn batches(samples: &[Sample], roomy: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by_key(|&index| samples[index].question);
    let (together, alone): (Vec<usize>, Vec<usize>) =
        order.into_iter().partition(|&index| samples[index].question <= roomy);
    together.chunks(ROWS).map(<[usize]>::to_vec).chain(alone.into_iter().map(|index| vec![index])).collect()
}

/// Judges `texts` against the true answers.
pub fn judge(samples: &[Sample], texts: &[Text], bootstrap: &Bootstrap) -> GenerationFigures {
    let judged: Vec<Judged> = samples.iter().zip(texts).map(|(sample, text)| Judged::new(sample, text)).collect();
    let severities: Vec<(Severity, Option<Severity>)> =
        judged.iter().filter_map(|judged| Some((judged.true_severity?, judged.answer.severity()))).collect();
    let right = severities.iter().map(|(truth, answer)| *answer == Some(*truth));
    let severity = (!severities.is_empty())
        .then(|| SeverityFigures { accuracy: bootstrap.share(right), confusion: Confusion::of(&severities) });
    let errors: Vec<f64> =
        judged.iter().filter_map(|judged| Some((judged.answer.risk()? - judged.true_risk?).abs())).collect();
    let mut tasks: BTreeMap<String, TaskFigures> = BTreeMap::new();
    for (sample, judged) in samples.iter().zip(&judged) {
        let task = tasks.entry(sample.line.task.clone()).or_default();
        task.answers += 1;
        task.valid += usize::from(judged.answer.is_valid());
        task.exact += usize::from(judged.exact);
        task.terminated += usize::from(judged.terminated);
    }
    GenerationFigures {
        answers: samples.len(),
        valid: bootstrap.share(judged.iter().map(|judged| judged.answer.is_valid())),
        terminated: bootstrap.share(judged.iter().map(|judged| judged.terminated)),
        exact: bootstrap.share(judged.iter().map(|judged| judged.exact)),
        severity,
        risk_error: (!errors.is_empty()).then(|| bootstrap.mean(&errors)),
        tasks,
    }
}

struct Judged {
    answer: Answer,
    exact: bool,
    terminated: bool,
    true_severity: Option<Severity>,
    true_risk: Option<f64>,
}

impl Judged {
    fn new(sample: &Sample, text: &Text) -> Judged {
        let answer = Answer::read(&text.text, &sample.truth);
        Judged {
            exact: answer.equals(&sample.truth),
            terminated: text.terminated,
            true_severity: answer::severity(&sample.truth),
            true_risk: answer::risk(&sample.truth),
            answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Line;
    use serde_json::{Value, json};

    fn sample(task: &str, truth: Value, question: usize) -> Sample {
        let line = Line { messages: Vec::new(), task: task.to_owned() };
        Sample { ids: vec![5; question + 1], question, line, truth }
    }

    fn text(text: &str, terminated: bool) -> Text {
        Text { text: text.to_owned(), terminated }
    }

    #[test]
    fn answers_are_judged_by_form_severity_risk_and_end() {
        let truth = || json!({"risk": 30, "severity": "low"});
        let samples = [
            sample("finding", truth(), 3),
            sample("finding", truth(), 3),
            sample("finding", truth(), 3),
            sample("triage", json!({"TOP": ["a"]}), 3),
        ];
        let texts = [
            text(r#"{"risk":30,"severity":"low"}"#, true),
            text(r#"{"risk":40,"severity":"high"}"#, true),
            text(r#"{"risk":40,"sev"#, false),
            text(r#"{"TOP":["b","c"]}"#, true),
        ];
        let figures = judge(&samples, &texts, &Bootstrap::new(1));
        assert_eq!((figures.valid.value, figures.terminated.value, figures.exact.value), (0.75, 0.75, 0.25));
        assert_eq!(figures.risk_error.unwrap().value, 5.0);
        let severity = figures.severity.unwrap();
        assert!((severity.accuracy.value - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(severity.confusion.counts, [[1, 1, 1], [0, 0, 0]]);
        assert_eq!(figures.tasks["finding"], TaskFigures { answers: 3, valid: 2, exact: 1, terminated: 2 });
        assert_eq!(figures.tasks["triage"], TaskFigures { answers: 1, valid: 1, exact: 0, terminated: 1 });
    }

    #[test]
    fn long_questions_are_asked_alone_and_none_is_forgotten() {
        let samples: Vec<Sample> = [9, 2, 3, 8].iter().map(|&question| sample("t", json!({}), question)).collect();
        assert_eq!(batches(&samples, 5), [vec![1, 2], vec![3], vec![0]]);
    }
}
