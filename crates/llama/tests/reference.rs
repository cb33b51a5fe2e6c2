//! Our Llama beside transformers, on checkpoints that transformers wrote (tests/reference/make_llama_fixtures.py).

use std::path::{Path, PathBuf};

use llama::generate::{End, Limits};
use llama::{Linear, Llama, Placement, Tap};
use serde::Deserialize;
use tch::{Tensor, no_grad};

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
