//! The answers of a model.

use std::time::{Duration, Instant};

use contract::{Context, StageError};
use llama::Llama;
use llama::generate::{End, Limits};
use tokenizers::Tokenizer;

use crate::judge::Text;
use crate::samples::Question;

/// Questions answered side by side.
const ROWS: usize = 32;

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

/// Lets `model` answer every question greedily.
pub fn generate(
    model: &Llama,
    questions: &[Question],
    limits: &Limits,
    tokenizer: &Tokenizer,
    context: &Context,
) -> Result<Answers, StageError> {
    let positions = model.config.max_position_embeddings as usize;
    let started = Instant::now();
    let mut answers = Answers { texts: vec![Text::default(); questions.len()], tokens: 0, elapsed: Duration::ZERO };
    let mut done = 0;
    for rows in batches(questions, positions.saturating_sub(limits.max_new_tokens)) {
        context.check_cancelled()?;
        context.progress(done as u64, questions.len() as u64, "answers");
        let prompts: Vec<Vec<i64>> = rows.iter().map(|&index| questions[index].ids.clone()).collect();
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

/// Questions to answer side by side. A batch's room ends with its longest question, so those above `roomy` tokens go alone: how far
/// an answer may go must not depend on its neighbours.
fn batches(questions: &[Question], roomy: usize) -> Vec<Vec<usize>> {
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
        assert_eq!(batches(&questions, 5), [vec![1, 2], vec![3], vec![0]]);
    }
}
