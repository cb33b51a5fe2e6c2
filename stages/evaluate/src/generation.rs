//! The answers of a model, free or held to the schemas of tasks.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use contract::{Context, StageError};
use grammar::{Constraint, Grammar, Mask, Vocabulary};
use llama::generate::{Completion, End, Limits};
use llama::{Llama, Sampling};
use policy::schema;
use tokenizers::Tokenizer;

use crate::judge::Text;
use crate::samples::Question;

/// Questions answered side by side.
const ROWS: usize = 32;
/// Questions asked alone, to see how long an answer takes.
const ALONE: usize = 12;

/// The answers of one model.
#[derive(Debug)]
pub struct Answers {
    /// One for each question, in their order.
    pub texts: Vec<Text>,
    /// Tokens written.
    pub tokens: usize,
    /// Time it took.
    pub elapsed: Duration,
}

/// Where answers of `model` end: at the tokens that its config names, and at those that its tokens were made with.
pub fn limits(model: &Llama, stop: &[u32], max_new_tokens: usize) -> Limits {
    let mut all = model.config.eos_token_ids.clone();
    all.extend(stop.iter().map(|id| i64::from(*id)));
    Limits { max_new_tokens, stop: all }
}

/// How a model writes answers.
#[derive(Clone, Debug)]
pub struct Decoding {
    /// Where they end.
    pub limits: Limits,
    /// How tokens are drawn, and the seed of the draws; `None`: each is the likeliest.
    pub sampling: Option<(Sampling, u64)>,
}

impl Decoding {
    /// The answers to `prompts`, within masks where there are any.
    fn answers(&self, model: &Llama, prompts: &[Vec<i64>], masks: &mut [Box<dyn Mask + '_>]) -> Vec<Completion> {
        match self.sampling {
            Some(sampling) => model.generate_sampled(prompts, &self.limits, masks, sampling),
            None if masks.is_empty() => model.generate(prompts, &self.limits),
            None => model.generate_within(prompts, &self.limits, masks),
        }
    }
}

/// The schemas of tasks over the tokens of a model.
#[derive(Debug)]
pub struct Schemas {
    tasks: BTreeMap<String, Constraint>,
}

impl Schemas {
    /// Those of the tasks of `questions` that have one.
    pub fn of(questions: &[Question], tokenizer: &Tokenizer) -> Result<Schemas, StageError> {
        let special = tokenizer.get_added_tokens_decoder();
        let tokens = tokenizer.get_vocab(false).into_iter().map(|(text, id)| (id, text));
        let vocabulary = Rc::new(Vocabulary::of_byte_level(tokens.filter(|(id, _)| !special.contains_key(id))));
        let mut tasks = BTreeMap::new();
        for question in questions.iter().filter(|question| !tasks.contains_key(&question.task)).collect::<Vec<_>>() {
            let Some(text) = schema::text(&question.task) else { continue };
            let grammar =
                Grammar::of(text).map_err(|e| StageError::bug(format!("schema of {}: {e}", question.task)))?;
            tasks.insert(question.task.clone(), Constraint::new(grammar, Rc::clone(&vocabulary)));
        }
        Ok(Schemas { tasks })
    }

    fn mask(&self, question: &Question) -> Box<dyn Mask + '_> {
        match self.tasks.get(&question.task) {
            Some(constraint) => Box::new(constraint.walk()),
            None => Box::new(Anything),
        }
    }
}

/// Lets everything through: for tasks without a schema.
struct Anything;

impl Mask for Anything {
    fn mark(&mut self, left: usize, allowed: &mut [bool]) {
        allowed.fill(left > 0);
    }

    fn may_end(&self) -> bool {
        true
    }

    fn push(&mut self, _: i64) {}
}

/// Lets `model` answer every question, within `schemas` where there are any.
pub fn generate(
    model: &Llama,
    questions: &[&Question],
    decoding: &Decoding,
    (tokenizer, schemas): (&Tokenizer, Option<&Schemas>),
    context: &Context,
) -> Result<Answers, StageError> {
    let positions = model.config.max_position_embeddings as usize;
    let started = Instant::now();
    let mut answers = Answers { texts: vec![Text::default(); questions.len()], tokens: 0, elapsed: Duration::ZERO };
    let mut done = 0;
    for rows in batches(questions, positions.saturating_sub(decoding.limits.max_new_tokens)) {
        context.check_cancelled()?;
        context.progress(done as u64, questions.len() as u64, "answers");
        let prompts: Vec<Vec<i64>> = rows.iter().map(|&index| questions[index].ids.clone()).collect();
        let masks =
            schemas.into_iter().flat_map(|schemas| rows.iter().map(move |&index| schemas.mask(questions[index])));
        let completions = decoding.answers(model, &prompts, &mut masks.collect::<Vec<_>>());
        for (&index, completion) in rows.iter().zip(completions) {
            let ids: Vec<u32> = completion.tokens.iter().map(|&id| id as u32).collect();
            let text = tokenizer.decode(&ids, true).map_err(|e| StageError::bug(format!("tokenizers: {e}")))?;
            answers.tokens += ids.len();
            let (terminated, confidence) = (completion.end == End::Stop, completion.confidence);
            answers.texts[index] = Text { text, terminated, confidence, tokens: ids.len() };
        }
        done += rows.len();
    }
    answers.elapsed = started.elapsed();
    Ok(answers)
}

/// How long some of `questions` take when each is asked alone, shortest first. They are spread over all of them.
pub fn latencies(
    model: &Llama,
    questions: &[Question],
    decoding: &Decoding,
    context: &Context,
) -> Result<Vec<Duration>, StageError> {
    let mut found = Vec::new();
    for question in questions.iter().step_by(questions.len().div_ceil(ALONE).max(1)) {
        context.check_cancelled()?;
        let started = Instant::now();
        decoding.answers(model, std::slice::from_ref(&question.ids), &mut []);
        found.push(started.elapsed());
    }
    found.sort_unstable();
    Ok(found)
}

/// Questions to answer side by side. A batch's room ends with its longest question, so those above `roomy` tokens go alone: how far
/// an answer may go must not depend on its neighbours.
fn batches(questions: &[&Question], roomy: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..questions.len()).collect();
    order.sort_by_key(|&index| questions[index].ids.len());
    let (together, alone): (Vec<usize>, Vec<usize>) =
        order.into_iter().partition(|&index| questions[index].ids.len() <= roomy);
    together.chunks(ROWS).map(<[usize]>::to_vec).chain(alone.into_iter().map(|index| vec![index])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_questions_are_asked_alone_and_none_is_forgotten() {
        let question = |length: usize| Question {
            ids: vec![5; length],
            task: String::new(),
            host: 0,
            prompt: String::new(),
            truth: String::new(),
            json: None,
        };
        let questions: Vec<Question> = [9, 2, 3, 8].map(question).to_vec();
        assert_eq!(batches(&questions.iter().collect::<Vec<_>>(), 5), [vec![1, 2], vec![3], vec![0]]);
    }
}
