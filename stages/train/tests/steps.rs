//! Steps: the loss, its gradient however a step is cut, and the optimizers by hand.

use std::cell::RefCell;

use llama::{AdapterShape, Config, Dropout, Linear, Llama, Placement};
use tch::{Kind, Tensor, no_grad};
use tokens::EncodedSplit;
use tokens::chat::{Example, IGNORED};
use train::batch::{Activations, Batch, Dropped, Pass, mean_loss};
use train::optimizer::{AdamW, Lion, Optimizer, Step, clip};
use train::parameters::Parameters;
use train::params::{AdamWParams, LionParams};
use train::preset::ModelSize;

const VOCABULARY: usize = 80;

fn config() -> Config {
    // Threads that wait for each other by spinning make tiny tensors slow on a busy machine.
    tch::set_num_threads(1);
    ModelSize::Micro.config(VOCABULARY, 64).unwrap()
}

/// Examples of 9 to 40 tokens whose last third is learned.
fn ragged(count: usize) -> EncodedSplit {
    let mut split = EncodedSplit::new();
    for row in 0..count {
        let length = 9 + row * 17 % 32;
        let ids: Vec<i32> = (0..length).map(|at| ((row * 31 + at * at * 7) % (VOCABULARY - 5) + 5) as i32).collect();
        let labels = ids.iter().enumerate().map(|(at, id)| if at * 3 > length * 2 { *id } else { IGNORED }).collect();
        split.push(row, &Example { ids, labels });
    }
    split
}

/// A fresh model, all of whose weights are trained.
fn adopted(seed: u64) -> (Parameters, Llama) {
    let mut model = Llama::init(&config(), seed, Placement::CPU);
    (Parameters::adopt(Placement::CPU, model.tensors_mut()), model)
}

/// Loss and gradient of one step, cut into micro-batches of `size`.
fn step(size: usize, pass: Pass) -> (f64, Tensor) {
    let split = ragged(24);
    let (mut parameters, model) = adopted(3);
    let batch = Batch::new(&split, &(0..24).collect::<Vec<_>>(), size, Placement::CPU);
    loss_and_gradient(&batch, &model, &mut parameters, pass, None)
}

fn loss_and_gradient(
    batch: &Batch,
    model: &Llama,
    parameters: &mut Parameters,
    pass: Pass,
    dropped: Option<&Dropped<'_>>,
) -> (f64, Tensor) {
    let loss = batch.gradient(model, parameters, pass, dropped, &|| false).continue_value().unwrap();
    (loss, parameters.gradient.copy())
}

#[test]
fn gradients_do_not_depend_on_how_a_step_is_cut() {
    let (loss, gradient) = step(24, Pass::PLAIN);
    assert!(gradient.abs().max().double_value(&[]) > 1e-3);
    for size in [1, 2, 5, 6, 12] {
        let (other_loss, other) = step(size, Pass::PLAIN);
        assert!((loss - other_loss).abs() < 1e-6, "{size}: {loss} {other_loss}");
        let difference = (&gradient - other).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{size}: {difference}");
    }
}

#[test]
fn gradients_are_the_same_bit_by_bit_when_activations_are_computed_again() {
    let (loss, gradient) = step(6, Pass::PLAIN);
    let (again, recomputed) = step(6, Pass { activations: Activations::Recomputed, ..Pass::PLAIN });
    assert_eq!(loss, again);
    assert!(gradient.equal(&recomputed));
}

#[test]
fn the_loss_is_the_mean_over_all_targets_of_their_own_log_probability() {
    let split = ragged(7);
    let model = Llama::init(&config(), 5, Placement::CPU);
    let (mut sum, mut count) = (0.0, 0);
    for index in 0..split.len() {
        // One example at a time, so without padding; every position, not only targets.
        let ids: Vec<i64> = split.ids(index).iter().map(|id| i64::from(*id)).collect();
        let logits = no_grad(|| model.forward(&Tensor::from_slice(&ids).unsqueeze(0))).squeeze_dim(0);
        let probabilities = logits.to_kind(Kind::Double).log_softmax(-1, Kind::Double);
        for (at, label) in split.labels(index).iter().enumerate().filter(|(_, label)| **label != IGNORED) {
            sum -= probabilities.double_value(&[at as i64 - 1, i64::from(*label)]);
            count += 1;
        }
    }
    let ours = mean_loss(&model, &split, &(0..7).collect::<Vec<_>>(), 3).unwrap();
    assert!((ours - sum / f64::from(count)).abs() < 1e-5, "{ours} {}", sum / f64::from(count));
    assert_eq!(mean_loss(&model, &EncodedSplit::new(), &[], 3), None);
}

#[test]
fn lion_follows_the_paper() {
    let (mut parameters, _model) = adopted(1);
    let params = LionParams { lr: 0.01, weight_decay: 0.1, betas: [0.9, 0.99] };
    let mut lion = Lion::new(params, &parameters);
    let length = parameters.values.numel();
    let mut weights = Vec::<f32>::try_from(&parameters.values).unwrap();
    let mut momentum = vec![0.0f32; length];
    for round in 0..3 {
        let gradient: Vec<f32> = (0..length).map(|i| ((i * 7 + round * 13) % 11) as f32 / 5.0 - 1.0).collect();
        let rate = 0.01 / (round + 1) as f32;
        let step = Step { number: round as u64 + 1, rate: f64::from(rate) };
        parameters.gradient.copy_(&Tensor::from_slice(&gradient));
        lion.update(&mut parameters, step);
        for i in 0..length {
            let blend = 0.9 * momentum[i] + 0.1 * gradient[i];
            let sign = if blend == 0.0 { 0.0 } else { blend.signum() };
            let decay = if (i as i64) < parameters.decayed { 0.1 } else { 0.0 };
            weights[i] -= rate * (sign + decay * weights[i]);
            momentum[i] = 0.99 * momentum[i] + 0.01 * gradient[i];
        }
    }
    // Where the blend is zero but for rounding, its sign is nobody's: those few are left out.
    let ours = Vec::<f32>::try_from(&parameters.values).unwrap();
    let close = ours.iter().zip(&weights).filter(|(a, b)| (*a - *b).abs() < 1e-6).count();
    assert!(close as f64 > 0.99 * length as f64, "{close} of {length}");
    let momenta = Vec::<f32>::try_from(lion.state()[0].1).unwrap();
    assert!(momenta.iter().zip(&momentum).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn decay_spares_the_norms_and_the_model_sees_the_update() {
    let (mut parameters, model) = adopted(1);
    let before = model.embed_tokens.copy();
    let mut lion = Lion::new(LionParams { weight_decay: 0.5, ..LionParams::default() }, &parameters);
    lion.update(&mut parameters, Step { number: 1, rate: 0.1 });
    assert!((&model.embed_tokens - before * 0.95).abs().max().double_value(&[]) < 1e-7);
    for block in &model.blocks {
        assert_eq!(block.input_layernorm.min().double_value(&[]), 1.0);
        assert_eq!(block.post_attention_layernorm.min().double_value(&[]), 1.0);
    }
    assert_eq!(model.norm.min().double_value(&[]), 1.0);
    assert_eq!(parameters.values.numel() as i64, config().parameters());
}

/// Three weights that decay and a norm that does not.
fn four_weights() -> Parameters {
    let (mut weights, mut norm) = (Tensor::from_slice(&[0.5f32, -1.25, 2.0]), Tensor::from_slice(&[1.0f32]));
    Parameters::adopt(Placement::CPU, vec![("a.weight".into(), &mut weights), ("b.norm.weight".into(), &mut norm)])
}

fn close(ours: &Tensor, expected: &[f64]) {
    let ours = Vec::<f32>::try_from(ours).unwrap();
    assert!(ours.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6), "{ours:?} {expected:?}");
}

#[test]
fn the_first_step_of_adamw_is_as_long_as_the_rate_whatever_the_gradient() {
    let mut parameters = four_weights();
    let params = AdamWParams { lr: 0.1, weight_decay: 0.5, eps: 1e-3, ..AdamWParams::default() };
    let mut adamw = AdamW::new(params, &parameters);
    parameters.gradient.copy_(&Tensor::from_slice(&[1e-3f32, -7.0, 0.0, 4.0]));
    adamw.update(&mut parameters, Step { number: 1, rate: 0.1 });
    // w (1 - 0.1 * 0.5) - 0.1 g / (|g| + 0.001), the norm without the decay.
    let expected = [0.5 * 0.95 - 0.05, -1.25 * 0.95 + 0.7 / 7.001, 2.0 * 0.95, 1.0 - 0.4 / 4.001];
    close(&parameters.values, &expected);
}

/// The values are those of torch.optim.AdamW (torch 2.13) with the norm in a group of its own without decay.
#[test]
fn adamw_equals_torch_over_three_steps() {
    let mut parameters = four_weights();
    let params = AdamWParams { lr: 0.01, weight_decay: 0.1, betas: [0.9, 0.95], eps: 1e-6 };
    let mut adamw = AdamW::new(params, &parameters);
    let steps = [
        ([0.1f32, -2.0, 0.0, 0.3], [0.489500105, -1.238749981, 1.998000026, 0.990000010]),
        ([0.4, 1.0, -0.5, 0.3], [0.484881699, -1.236788750, 2.000675678, 0.985000014]),
        ([-0.2, 0.25, 3.0, -0.6], [0.483603448, -1.235922337, 1.998265862, 0.985249043]),
    ];
    for (number, (gradient, expected)) in (1..).zip(&steps) {
        parameters.gradient.copy_(&Tensor::from_slice(gradient));
        adamw.update(&mut parameters, Step { number, rate: 0.01 / number as f64 });
        close(&parameters.values, expected);
    }
    let state = adamw.state();
    close(state[0].1, &[0.024100000, -0.046999998, 0.254999995, -0.008699997]);
    close(state[1].1, &[0.010051251, 0.231124982, 0.461875021, 0.026336253]);
}

#[test]
fn clipping_scales_only_what_is_too_long() {
    let mut long = Tensor::from_slice(&[3.0f32, 4.0]);
    assert_eq!(clip(&mut long, 1.0), 5.0);
    assert!((long - Tensor::from_slice(&[0.6f32, 0.8])).abs().max().double_value(&[]) < 1e-6);
    let mut short = Tensor::from_slice(&[0.3f32, 0.4]);
    clip(&mut short, 1.0);
    assert_eq!(short, Tensor::from_slice(&[0.3f32, 0.4]));
}

/// A fresh model with adapters whose B is not zero, and their parameters.
fn adapted(dropped: f64) -> (Parameters, Llama, Dropout) {
    let mut model = Llama::init(&config(), 3, Placement::CPU);
    let shape = AdapterShape { rank: 4, alpha: 8.0, targets: Linear::ALL.to_vec() };
    let dropout = model.adapt(&shape, dropped, 5);
    let parameters = Parameters::adopt(Placement::CPU, model.adapters_mut());
    let values: Vec<f32> = (0..parameters.values.numel()).map(|at| ((at * 37 % 101) as f32 - 50.0) / 500.0).collect();
    no_grad(|| parameters.values.shallow_clone().copy_(&Tensor::from_slice(&values)));
    assert_eq!(parameters.values.numel() as i64, shape.parameters(&config()));
    (parameters, model, dropout)
}

#[test]
fn what_is_dropped_does_not_depend_on_how_a_step_is_cut() {
    let split = ragged(24);
    let (parameters, model, dropout) = adapted(0.2);
    let parameters = RefCell::new(parameters);
    let of = |size: usize, step: u64| {
        let batch = Batch::new(&split, &(0..24).collect::<Vec<_>>(), size, Placement::CPU);
        let dropped = Dropped::new(&dropout, 11, step);
        loss_and_gradient(&batch, &model, &mut parameters.borrow_mut(), Pass::PLAIN, Some(&dropped))
    };
    let (loss, gradient) = of(24, 0);
    for size in [1, 5, 12] {
        let (other_loss, other) = of(size, 0);
        assert!((loss - other_loss).abs() < 1e-6, "{size}: {loss} {other_loss}");
        let difference = (&gradient - other).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{size}: {difference}");
    }
    assert!((loss - of(24, 1).0).abs() > 1e-4, "another step drops others");
    let batch = Batch::new(&split, &(0..24).collect::<Vec<_>>(), 24, Placement::CPU);
    let whole = loss_and_gradient(&batch, &model, &mut parameters.borrow_mut(), Pass::PLAIN, None);
    assert!((loss - whole.0).abs() > 1e-4, "nothing is dropped outside of a step");
}

#[test]
fn what_is_dropped_is_dropped_again_where_activations_are_recomputed() {
    let split = ragged(12);
    let (mut parameters, model, dropout) = adapted(0.2);
    let batch = Batch::new(&split, &(0..12).collect::<Vec<_>>(), 6, Placement::CPU);
    let dropped = Dropped::new(&dropout, 11, 0);
    let recomputed = Pass { activations: Activations::Recomputed, ..Pass::PLAIN };
    let (loss, gradient) = loss_and_gradient(&batch, &model, &mut parameters, Pass::PLAIN, Some(&dropped));
    let again = loss_and_gradient(&batch, &model, &mut parameters, recomputed, Some(&dropped));
    assert_eq!((loss, &gradient), (again.0, &again.1));
}

#[test]
fn frozen_weights_are_outside_of_the_gradient() {
    let split = ragged(4);
    let (mut parameters, model, _) = adapted(0.0);
    let batch = Batch::new(&split, &[0, 1, 2, 3], 4, Placement::CPU);
    let (_, gradient) = loss_and_gradient(&batch, &model, &mut parameters, Pass::PLAIN, None);
    assert!(gradient.abs().max().double_value(&[]) > 0.0);
    for (name, tensor) in model.tensors() {
        assert!(!tensor.requires_grad() && !tensor.grad().defined(), "{name}");
    }
}

/// The gradient of the adapters is the one that the merged weight's gradient implies: dA = s B^T dW, dB = s dW A^T.
#[test]
fn gradients_of_adapters_follow_from_that_of_the_whole_weight() {
    let split = ragged(6);
    let (mut parameters, mut model, _) = adapted(0.0);
    let batch = Batch::new(&split, &(0..6).collect::<Vec<_>>(), 3, Placement::CPU);
    let (loss, gradient) = loss_and_gradient(&batch, &model, &mut parameters, Pass::PLAIN, None);
    let adapters: Vec<Tensor> = model.adapters_mut().into_iter().map(|(_, tensor)| tensor.detach().copy()).collect();

    let source = tempfile::tempdir().unwrap();
    Llama::init(&config(), 3, Placement::CPU).save(source.path()).unwrap();
    let mut merged = model.merged(&formats::ModelSource::open(source.path()).unwrap()).unwrap();
    let (linears, _): (Vec<_>, Vec<_>) =
        merged.tensors_mut().into_iter().partition(|(name, _)| name.ends_with("_proj.weight"));
    let mut whole = Parameters::adopt(Placement::CPU, linears);
    let (merged_loss, of_whole) = loss_and_gradient(&batch, &merged, &mut whole, Pass::PLAIN, None);
    assert!((loss - merged_loss).abs() < 1e-5, "{loss} {merged_loss}");

    let (mut at, mut at_whole) = (0, 0);
    for pair in adapters.chunks(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let next = |like: &Tensor, from: &Tensor, at: &mut i64| {
            let part = from.narrow(0, *at, like.numel() as i64).view(&like.size()[..]);
            *at += like.numel() as i64;
            part
        };
        let product = b.matmul(a);
        let dw = next(&product, &of_whole, &mut at_whole);
        let (da, db) = (next(a, &gradient, &mut at), next(b, &gradient, &mut at));
        let close = |ours: &Tensor, expected: Tensor| (ours - expected).abs().max().double_value(&[]) < 1e-5;
        assert!(close(&da, b.tr().matmul(&dw) * 2.0) && close(&db, dw.matmul(&a.tr()) * 2.0));
    }
}
