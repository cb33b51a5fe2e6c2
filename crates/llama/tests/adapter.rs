//! Adapters: they add nothing at first, and a merge adds their product to the weight.

use std::path::Path;

use formats::ModelSource;
use llama::{AdapterShape, Linear, Llama, Placement};
use tch::{Kind, Tensor, no_grad};

fn source() -> ModelSource {
    tch::set_num_threads(1);
    ModelSource::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/grouped_tied")).unwrap()
}

fn adapted(rank: i64, targets: &[Linear]) -> Llama {
    let mut model = Llama::read(&source(), Placement::CPU).unwrap();
    model.adapt(&AdapterShape { rank, alpha: 4.0, targets: targets.to_vec() }, 0.1, 7);
    model
}

fn logits(model: &Llama) -> Tensor {
    let ids = Tensor::from_slice(&[5i64, 9, 60, 33, 7, 8, 9, 10]).view([2, 4]);
    no_grad(|| model.forward(&ids))
}

#[test]
fn fresh_ones_add_nothing_and_are_uniform_within_their_bound() {
    let mut model = adapted(8, &Linear::ALL);
    assert_eq!(logits(&model), logits(&Llama::read(&source(), Placement::CPU).unwrap()));
    for (name, tensor) in model.adapters_mut() {
        let largest = tensor.abs().max().double_value(&[]);
        if name.ends_with("lora_B.weight") {
            assert_eq!(largest, 0.0, "{name}");
        } else {
            let bound = 1.0 / (tensor.size()[1] as f64).sqrt();
            assert!(largest <= bound && largest > 0.9 * bound, "{name}: {largest} of {bound}");
            let deviation = tensor.std(true).double_value(&[]) / (bound / 3f64.sqrt());
            assert!((deviation - 1.0).abs() < 0.15, "{name}: {deviation}");
        }
    }
}

/// One row of B is 3, the others are 0: the first row of the weight gets alpha / rank * 3 = 12 times the one row of A.
#[test]
fn a_merge_adds_the_product_by_hand() {
    let mut model = adapted(1, &[Linear::V]);
    let names: Vec<String> = model.adapters_mut().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names[0], "model.layers.0.self_attn.v_proj.lora_A.weight");
    for (name, tensor) in model.adapters_mut() {
        let row: Vec<f32> = (0..tensor.numel()).map(|at| (at % 5) as f32 - 2.0).collect();
        let first: Vec<f32> = (0..tensor.numel()).map(|at| if at == 0 { 3.0 } else { 0.0 }).collect();
        let values = if name.contains("lora_A") { row } else { first };
        *tensor = Tensor::from_slice(&values).view(&tensor.size()[..]);
    }
    let before = logits(&model);
    let base = Llama::read(&source(), Placement::CPU).unwrap();
    let merged = model.merged(&source()).unwrap();
    for ((name, ours), (_, weight)) in merged.tensors().into_iter().zip(base.tensors()) {
        let mut expected = Vec::<f32>::try_from(weight.flatten(0, -1)).unwrap();
        if name.ends_with("v_proj.weight") {
            (0..32).for_each(|at| expected[at] += 12.0 * ((at % 5) as f32 - 2.0));
        }
        assert_eq!(Vec::<f32>::try_from(ours.flatten(0, -1)).unwrap(), expected, "{name}");
    }
    let after = logits(&merged);
    assert!((&before - &after).abs().max().double_value(&[]) < 1e-4);
    assert!((after - logits(&base)).abs().max().double_value(&[]) > 0.1, "the merge changes the model");
}

/// What is generated with a cache sees the adapters too.
#[test]
fn generation_uses_them() {
    let mut model = adapted(2, &Linear::ALL);
    for (_, tensor) in model.adapters_mut() {
        let values: Vec<f32> = (0..tensor.numel()).map(|at| ((at * 7) % 11) as f32 / 20.0 - 0.25).collect();
        *tensor = Tensor::from_slice(&values).view(&tensor.size()[..]);
    }
    let limits = llama::generate::Limits { max_new_tokens: 10, stop: vec![] };
    let prompts = [vec![5, 9, 60], vec![33, 7, 8, 9, 10]];
    let tokens = |model: &Llama| model.generate(&prompts, &limits).into_iter().map(|g| g.tokens).collect::<Vec<_>>();
    let (ours, base) = (tokens(&model), tokens(&Llama::read(&source(), Placement::CPU).unwrap()));
    assert_ne!(ours, base);
    assert_eq!(ours, tokens(&model.merged(&source()).unwrap()));
}

#[test]
fn they_stay_in_fp32_whatever_the_base_computes_in() {
    let placement = Placement { kind: Kind::BFloat16, ..Placement::CPU };
    let mut model = Llama::read(&source(), placement).unwrap();
    let before = logits(&model);
    model.adapt(&AdapterShape { rank: 2, alpha: 4.0, targets: Linear::ALL.to_vec() }, 0.0, 7);
    assert_eq!(logits(&model), before);
    for (_, tensor) in model.adapters_mut() {
        assert_eq!(tensor.kind(), Kind::Float);
        *tensor = Tensor::ones(&tensor.size()[..], (Kind::Float, tch::Device::Cpu)) * 0.1;
    }
    let moved = logits(&model);
    assert_eq!(moved.kind(), Kind::BFloat16);
    assert_ne!(moved, before);
}
