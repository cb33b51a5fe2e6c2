//! Trainings that end since they make no sense any more.

use std::path::Path;

use contract::{FailureClass, StageError};
use dataset::Split;
use llama::{Llama, Placement};
use tch::no_grad;
use tokens::EncodedSplit;
use tokens::chat::{Example, IGNORED};
use train::TrainParams;
use train::params::{AdamWParams, OptimizerParams};
use train::preset::ModelSize;

use crate::harness::{attempt, params, tokens};

fn failure(tokens: &Path, base: Option<&Path>, params: TrainParams) -> StageError {
    let home = tempfile::tempdir().unwrap();
    let error = attempt(tokens, base, home.path(), params, None).result.unwrap_err();
    assert_eq!(error.class, FailureClass::InvalidInput);
    assert!(!home.path().join("model").exists(), "nothing is written");
    error
}

/// An optimizer that spoils the weights at its first step.
fn wild() -> TrainParams {
    let optimizer = OptimizerParams::AdamW(AdamWParams { lr: 1e39, ..AdamWParams::default() });
    TrainParams { optimizer, max_steps: Some(3), ..params() }
}

#[test]
fn a_weight_that_is_no_number_stops_also_after_the_last_step() {
    let tokens = tokens();
    for steps in [1, 3] {
        let error = failure(tokens.path(), None, TrainParams { max_steps: Some(steps), ..wild() });
        assert!(error.message.starts_with("a weight is no number after step 1 (lines "), "{error}");
        assert!(error.message.ends_with(" of the dataset's train.jsonl)"), "{error}");
        let help = error.help.unwrap();
        assert!(help.starts_with("lower optimizer.adamw.lr (1e39"), "{help}");
    }
}

#[test]
fn a_loss_that_is_no_number_names_its_step_and_lines() {
    let (tokens, base) = (tokens(), tempfile::tempdir().unwrap());
    let model = Llama::init(&ModelSize::Micro.config(64, 40).unwrap(), 9, Placement::CPU);
    let _ = no_grad(|| model.embed_tokens.get(11).fill_(f64::NAN));
    model.save(base.path()).unwrap();
    let error = failure(tokens.path(), Some(base.path()), TrainParams { model: None, batch_size: 2, ..params() });
    assert!(error.message.starts_with("the loss is NaN at step 1 (lines "), "{error}");
    let lines = error.message.split(['(', ')']).nth(1).unwrap().trim_start_matches("lines ");
    let lines = lines.trim_end_matches(" of the dataset's train.jsonl").split(", ").map(|line| line.parse::<usize>());
    assert_eq!(lines.map(|line| assert!((1..=90).contains(&line.unwrap()))).count(), 2);
}

#[test]
fn a_model_in_which_nothing_moves_is_said() {
    let (tokens, base) = (tokens(), tempfile::tempdir().unwrap());
    let mut model = Llama::init(&ModelSize::Micro.config(64, 40).unwrap(), 9, Placement::CPU);
    no_grad(|| model.tensors_mut().into_iter().for_each(|(_, tensor)| drop(tensor.zero_())));
    model.save(base.path()).unwrap();
    let error = failure(tokens.path(), Some(base.path()), TrainParams { model: None, ..params() });
    assert!(error.message.starts_with("the gradient is 0 at step 1, so no weight will ever move (lines "), "{error}");
    assert!(error.help.unwrap().contains("the file of the `base`"));
}

#[test]
fn data_without_anything_to_learn_is_refused_and_a_batch_without_it_is_said() {
    let save = |tokens: &Path, learned: usize| {
        let mut split = EncodedSplit::new();
        for row in 0..8 {
            let ids = vec![0, 9, 10, 11, 3];
            let labels = if row < learned { ids.clone() } else { vec![IGNORED; 5] };
            split.push(row, &Example { ids, labels });
        }
        split.save(tokens, Split::Train).unwrap();
    };
    let tokens = tokens();
    save(tokens.path(), 0);
    let error = failure(tokens.path(), None, params());
    assert!(error.message.ends_with(": no training example has a token to learn"), "{error}");

    save(tokens.path(), 1);
    let home = tempfile::tempdir().unwrap();
    let two = TrainParams { batch_size: 4, max_steps: Some(2), ..params() };
    let told = attempt(tokens.path(), None, home.path(), two, None);
    told.result.unwrap();
    assert_eq!(told.warnings.len(), 1);
    assert!(
        told.warnings[0].contains("have no token to learn, so nothing is learned from them"),
        "{:?}",
        told.warnings
    );
}
