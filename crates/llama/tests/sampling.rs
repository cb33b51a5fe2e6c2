//! Sampled answers of a checkpoint that transformers wrote: they depend on the seed and the prompt alone.

use std::num::NonZeroU32;
use std::path::Path;

use llama::generate::{Completion, End, Limits};
use llama::{Llama, Mask, Placement, Sampling};
use tch::{Kind, Tensor, no_grad};

const FREE: Sampling = Sampling { temperature: 1.0, top_k: None, top_p: None };

fn model() -> Llama {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/grouped_tied");
    Llama::load(&directory, Placement::CPU).unwrap()
}

/// Prompts of several lengths.
fn prompts() -> Vec<Vec<i64>> {
    (0..7).map(|prompt: i64| (0..3 + prompt).map(|place| 2 + (prompt * 7 + place * 5) % 40).collect()).collect()
}

fn limits() -> Limits {
    Limits { max_new_tokens: 12, stop: vec![1] }
}

fn tokens(answers: &[Completion]) -> Vec<Vec<i64>> {
    answers.iter().map(|answer| answer.tokens.clone()).collect()
}

#[test]
fn a_seed_gives_the_same_answers_in_any_batch_and_any_order_and_another_seed_others() {
    let (model, prompts) = (model(), prompts());
    let drawn = |prompts: &[Vec<i64>], seed| tokens(&model.generate_sampled(prompts, &limits(), &mut [], (FREE, seed)));
    let all = drawn(&prompts, 42);
    assert_eq!(drawn(&prompts, 42), all);
    for size in [1, 2, 3] {
        let apart: Vec<_> = prompts.chunks(size).flat_map(|some| drawn(some, 42)).collect();
        assert_eq!(apart, all, "{size} side by side");
    }
    let turned: Vec<_> = prompts.iter().rev().cloned().collect();
    assert_eq!(drawn(&turned, 42).into_iter().rev().collect::<Vec<_>>(), all);
    let other = drawn(&prompts, 43);
    assert!(other.iter().zip(&all).all(|(one, other)| one != other), "{other:?}");
    assert_ne!(all, tokens(&model.generate(&prompts, &limits())), "greedy");
}

#[test]
fn one_token_or_next_to_no_temperature_leaves_the_greedy_answer() {
    let (model, prompts) = (model(), prompts());
    let greedy = model.generate(&prompts, &limits());
    for sampling in [
        Sampling { top_k: NonZeroU32::new(1), ..FREE },
        Sampling { top_p: Some(1e-9), ..FREE },
        Sampling { temperature: 1e-9, ..FREE },
    ] {
        assert_eq!(model.generate_sampled(&prompts, &limits(), &mut [], (sampling, 7)), greedy, "{sampling:?}");
    }
}

/// Lets even tokens through.
struct Even;

impl Mask for Even {
    fn mark(&mut self, left: usize, allowed: &mut [bool]) {
        allowed.iter_mut().step_by(2).for_each(|allowed| *allowed = left > 0);
    }

    fn may_end(&self) -> bool {
        true
    }

    fn push(&mut self, _: i64) {}
}

#[test]
fn a_mask_comes_before_the_draw_and_the_confidence_before_both() {
    let (model, prompts) = (model(), prompts());
    let sampling = Sampling { temperature: 3.0, top_k: NonZeroU32::new(8), top_p: Some(0.9) };
    let mut masks: Vec<Box<dyn Mask>> = prompts.iter().map(|_| Box::new(Even) as Box<dyn Mask>).collect();
    let answers = model.generate_sampled(&prompts, &limits(), &mut masks, (sampling, 42));
    let mut least = Vec::new();
    for (prompt, answer) in prompts.iter().zip(&answers) {
        assert!(answer.tokens.iter().all(|token| token % 2 == 0), "{answer:?}");
        let mut whole = [&prompt[..], &answer.tokens].concat();
        whole.extend((answer.end == End::Stop).then_some(1));
        let logits = no_grad(|| model.forward(&Tensor::from_slice(&whole).unsqueeze(0))).squeeze_dim(0);
        let probabilities = logits.softmax(-1, Kind::Double);
        let of = |place: usize| probabilities.double_value(&[place as i64 - 1, whole[place]]);
        let expected = (prompt.len()..whole.len()).map(of).fold(1.0, f64::min);
        assert!((answer.confidence - expected).abs() < 1e-5, "{answer:?}: {expected}");
        least.push(expected);
    }
    assert!(least.iter().any(|least| *least < 0.9) && answers.iter().any(|answer| !answer.tokens.is_empty()));
}
