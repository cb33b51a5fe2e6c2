//! Our Llama beside transformers, on checkpoints that transformers wrote (tests/reference/make_llama_fixtures.py).

use std::path::{Path, PathBuf};

use llama::generate::{End, Limits};
use llama::{Linear, Llama, Mask, Placement, Tap};
use serde::Deserialize;
use tch::{Kind, Tensor, no_grad};

const CASES: [&str; 5] = ["grouped_tied", "grouped_untied_theta", "head_dim", "llama3_rope", "linear_rope"];

#[derive(Deserialize)]
struct Reference {
    ids: Vec<Vec<i64>>,
    lengths: Vec<usize>,
    /// Of every third position of each row, flat.
    logits: Vec<Vec<f32>>,
    greedy: Vec<Greedy>,
}

#[derive(Deserialize)]
struct Greedy {
    tokens: Vec<i64>,
    stopped: bool,
}

fn fixture(case: &str) -> (PathBuf, Reference) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(case);
    let text = std::fs::read(directory.join("reference.json")).unwrap();
    let reference = serde_json::from_slice(&text).unwrap();
    (directory, reference)
}

fn batch(rows: &[Vec<i64>]) -> Tensor {
    Tensor::from_slice(&rows.concat()).view([rows.len() as i64, rows[0].len() as i64])
}

/// The largest difference from transformers' logits over the real (not padding) positions.
fn logit_error(model: &Llama, reference: &Reference) -> f32 {
    let logits = no_grad(|| model.forward(&batch(&reference.ids)));
    let mut error = 0.0f32;
    for (row, (length, expected)) in reference.lengths.iter().zip(&reference.logits).enumerate() {
        let ours: Vec<f32> = (0..*length)
            .step_by(3)
            .flat_map(|at| Vec::<f32>::try_from(logits.get(row as i64).get(at as i64)).unwrap())
            .collect();
        assert_eq!(ours.len(), expected.len());
        error = ours.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(error, f32::max);
    }
    error
}

#[test]
fn logits_equal_transformers() {
    for case in CASES {
        let (directory, reference) = fixture(case);
        let error = logit_error(&Llama::load(&directory, Placement::CPU).unwrap(), &reference);
        assert!(error < 1e-4, "{case}: {error}");
    }
}

#[test]
fn greedy_answers_of_a_ragged_batch_equal_transformers_one_by_one() {
    for case in CASES {
        let (directory, reference) = fixture(case);
        let model = Llama::load(&directory, Placement::CPU).unwrap();
        let prompts: Vec<Vec<i64>> =
            reference.ids.iter().zip(&reference.lengths).map(|(row, n)| row[..*n].to_vec()).collect();
        let limits = Limits { max_new_tokens: 12, stop: model.config.eos_token_ids.clone() };
        let answers = model.generate(&prompts, &limits);
        for (answer, expected) in answers.iter().zip(&reference.greedy) {
            assert_eq!(answer.tokens, expected.tokens, "{case}");
            assert_eq!(answer.end == End::Stop, expected.stopped, "{case}");
        }
    }
}

/// The smallest probability of the tokens behind the first `known`, by a plain forward pass.
fn least_probability(model: &Llama, ids: &[i64], known: usize) -> f64 {
    let logits = no_grad(|| model.forward(&Tensor::from_slice(ids).unsqueeze(0))).squeeze_dim(0);
    let probabilities = logits.softmax(-1, Kind::Double);
    let of = |place: usize| probabilities.double_value(&[place as i64 - 1, ids[place]]);
    (known..ids.len()).map(of).fold(1.0, f64::min)
}

#[test]
fn the_confidence_of_an_answer_is_that_of_its_least_likely_token_the_last_one_included() {
    for case in CASES {
        let (directory, reference) = fixture(case);
        let model = Llama::load(&directory, Placement::CPU).unwrap();
        let prompts: Vec<Vec<i64>> =
            reference.ids.iter().zip(&reference.lengths).map(|(row, n)| row[..*n].to_vec()).collect();
        // Whatever is written third ends an answer.
        let limits = |stop| Limits { max_new_tokens: 6, stop };
        let third = model.generate(&prompts, &limits(vec![])).iter().map(|answer| answer.tokens[2]).collect();
        for (prompt, answer) in prompts.iter().zip(model.generate(&prompts, &limits(third))) {
            let mut whole = [&prompt[..], &answer.tokens].concat();
            if answer.end == End::Stop {
                let logits = no_grad(|| model.forward(&Tensor::from_slice(&whole).unsqueeze(0)));
                whole.push(logits.select(1, -1).argmax(-1, false).int64_value(&[0]));
            }
            let expected = least_probability(&model, &whole, prompt.len());
            assert!((answer.confidence - expected).abs() < 1e-4, "{case}: {} for {expected}", answer.confidence);
        }
    }
}

/// Lets some tokens through, and takes down what comes.
struct Few {
    tokens: Vec<i64>,
    taken: Vec<i64>,
}

impl Mask for Few {
    fn mark(&mut self, left: usize, allowed: &mut [bool]) {
        for token in self.tokens.iter().filter(|_| left > 0) {
            allowed[*token as usize] = true;
        }
    }

    fn may_end(&self) -> bool {
        self.taken.len() == 3
    }

    fn push(&mut self, token: i64) {
        self.taken.push(token);
    }
}

#[test]
fn a_mask_lets_some_tokens_through_and_leaves_the_confidence_as_it_is() {
    let (directory, reference) = fixture("grouped_tied");
    let model = Llama::load(&directory, Placement::CPU).unwrap();
    let prompts: Vec<Vec<i64>> =
        reference.ids.iter().zip(&reference.lengths).map(|(row, n)| row[..*n].to_vec()).collect();
    let limits = Limits { max_new_tokens: 5, stop: vec![1] };
    let within = |tokens: Vec<i64>| {
        let mask = || Box::new(Few { tokens: tokens.clone(), taken: Vec::new() }) as Box<dyn Mask>;
        let mut masks: Vec<_> = prompts.iter().map(|_| mask()).collect();
        model.generate_within(&prompts, &limits, &mut masks)
    };
    for (prompt, answer) in prompts.iter().zip(within(vec![7, 9])) {
        assert!(answer.tokens.len() >= 3 && answer.tokens.iter().all(|token| [7, 9].contains(token)), "{answer:?}");
        let mut whole = [&prompt[..], &answer.tokens].concat();
        whole.extend((answer.end == End::Stop).then_some(1));
        let expected = least_probability(&model, &whole, prompt.len());
        assert!((answer.confidence - expected).abs() < 1e-4, "{answer:?}: {expected}");
    }
    // With every token let through the answer is the free one, up to where it may end.
    let free = model.generate(&prompts, &Limits { stop: vec![], ..limits.clone() });
    for (own, free) in within((0..model.config.vocab_size).filter(|token| *token != 1).collect()).iter().zip(&free) {
        let common = own.tokens.iter().zip(&free.tokens).take_while(|(a, b)| a == b).count();
        assert!(common == own.tokens.len() || free.tokens[common] == 1, "{own:?} for {free:?}");
    }
    // With none, it is cut.
    assert!(within(Vec::new()).iter().all(|answer| answer.tokens.is_empty() && answer.end == End::Length));
}

#[test]
fn generation_ends_at_the_last_position() {
    let (directory, reference) = fixture("grouped_tied");
    let model = Llama::load(&directory, Placement::CPU).unwrap();
    let prompt = reference.ids[0].clone();
    let answer = model.generate(std::slice::from_ref(&prompt), &Limits { max_new_tokens: 1000, stop: vec![] });
    assert_eq!(answer[0].tokens.len() + prompt.len(), model.config.max_position_embeddings as usize);
    assert_eq!(answer[0].end, End::Length);
    assert!(model.generate(&[], &Limits { max_new_tokens: 1, stop: vec![] }).is_empty());
}

#[test]
fn taps_see_the_inputs_from_which_the_layer_is_made() {
    let (directory, reference) = fixture("head_dim");
    let model = Llama::load(&directory, Placement::CPU).unwrap();
    let x = no_grad(|| model.embed(&batch(&reference.ids)));
    let angles = model.rotary.first(x.size()[1]);
    let mut seen = Vec::new();
    let y = no_grad(|| {
        model.blocks[0].forward_tapped(&x, &angles, &mut |tap, input| seen.push((tap, input.shallow_clone())))
    });
    assert_eq!(seen.iter().map(|(tap, _)| *tap).collect::<Vec<_>>(), Tap::ALL);
    for (tap, input) in &seen {
        for linear in tap.linears() {
            assert_eq!(*input.size().last().unwrap(), linear.shape(&model.config)[1]);
        }
    }
    // y = (x + o(heads)) + down(product), from the tapped inputs alone.
    let apply = |linear: Linear, input: &Tensor| input.matmul(&model.blocks[0].weight(linear).tr());
    let rebuilt = x + apply(Linear::O, &seen[1].1) + apply(Linear::Down, &seen[3].1);
    assert!((rebuilt - y).abs().max().double_value(&[]) < 1e-4);
}

#[test]
fn hidden_states_of_picked_rows_are_those_of_all_rows() {
    let (directory, reference) = fixture("grouped_untied_theta");
    let model = Llama::load(&directory, Placement::CPU).unwrap();
    let ids = batch(&reference.ids);
    let rows = Tensor::from_slice(&[40i64, 0, 18, 19]);
    let all = no_grad(|| model.hidden(&ids)).flatten(0, 1).index_select(0, &rows);
    let picked = no_grad(|| model.hidden_rows(&ids, &rows));
    assert!((all - picked).abs().max().double_value(&[]) < 1e-5);
}
