//! A GGUF file as the source of a model: the same weights in the same order, and what cannot be used is refused by name.

use std::path::Path;

use formats::gguf::llama::{linear_name, metadata, plain_name, rope_factors, row_order};
use formats::gguf::write::GgufWriter;
use formats::gguf::{TensorInfo, TensorType, Value};
use formats::rope::Llama3Scaling;
use llama::{Config, Linear, Llama, Placement, RopeScaling};
use tch::Tensor;

fn tiny() -> Config {
    Config {
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        vocab_size: 32,
        max_position_embeddings: 64,
        rms_norm_eps: 1e-5,
        rope_theta: 5000.0,
        rope_scaling: RopeScaling::Default,
        tie_word_embeddings: false,
        bos_token_id: None,
        eos_token_ids: vec![3],
        pad_token_id: None,
    }
}

/// Writes `model` to `path` in fp32, as llama.cpp orders it.
fn write(
    model: &Llama,
    path: &Path,
    change: impl FnOnce(&mut Vec<(String, Value)>, &mut Vec<(String, Vec<i64>, Vec<f32>)>),
) {
    let config = &model.config;
    let mut values = metadata(config, TensorType::F32);
    values.push(("tokenizer.ggml.eos_token_id".into(), Value::U32(3)));
    let mut tensors = Vec::new();
    let linears = || (0..config.num_hidden_layers).flat_map(|layer| Linear::ALL.map(|linear| (layer, linear)));
    for (name, tensor) in model.tensors() {
        let (stored, tensor) = match linears().find(|(layer, linear)| linear.tensor_name(*layer) == name) {
            Some((layer, linear)) => {
                let order: Vec<i64> = row_order(config, linear).into_iter().map(|row| row as i64).collect();
                (linear_name(layer, linear), tensor.index_select(0, &Tensor::from_slice(&order)))
            }
            None => (plain_name(&name).unwrap(), tensor),
        };
        tensors.push((stored, tensor.size(), Vec::<f32>::try_from(tensor.contiguous().flatten(0, -1)).unwrap()));
    }
    tensors.extend(rope_factors(config).map(|f| ("rope_freqs.weight".to_owned(), vec![f.len() as i64], f)));
    change(&mut values, &mut tensors);
    let infos = tensors.iter().map(|(name, shape, _)| TensorInfo {
        name: name.clone(),
        shape: shape.iter().map(|size| *size as u64).collect(),
        kind: TensorType::F32,
    });
    let mut writer = GgufWriter::create(path, &values, infos.collect()).unwrap();
    for (_, _, values) in &tensors {
        writer.tensor(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    }
    writer.finish().unwrap();
}

fn llama_3() -> RopeScaling {
    RopeScaling::Llama3(Llama3Scaling {
        factor: 32.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192,
    })
}

#[test]
fn a_model_from_a_gguf_file_is_the_same_model() {
    for rope_scaling in [RopeScaling::Default, RopeScaling::Linear { factor: 2.0 }, llama_3()] {
        for tie_word_embeddings in [true, false] {
            let config = Config { rope_scaling, tie_word_embeddings, ..tiny() };
            let directory = tempfile::tempdir().unwrap();
            let model = Llama::init(&config, 5, Placement::CPU);
            write(&model, &directory.path().join("any-name.gguf"), |_, _| ());
            let read = Llama::load(directory.path(), Placement::CPU).unwrap();
            // A GGUF file holds this number in fp32.
            assert_eq!(Config { rms_norm_eps: 1e-5, ..read.config.clone() }, config);
            for ((name, ours), (_, theirs)) in read.tensors().iter().zip(model.tensors()) {
                assert!(ours.equal(&theirs), "{name}");
            }
        }
    }
}

#[test]
fn a_gguf_file_that_is_no_llama_of_this_code_is_refused_by_name() {
    type Change = fn(&mut Vec<(String, Value)>, &mut Vec<(String, Vec<i64>, Vec<f32>)>);
    let check = |change: Change, expected: &str| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.gguf");
        write(&Llama::init(&tiny(), 5, Placement::CPU), &path, change);
        let error = Llama::load(&path, Placement::CPU).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: ", path.display())) && error.contains(expected), "{error}");
    };
    check(
        |_, tensors| tensors.push(("blk.0.attn_q.bias".into(), vec![1], vec![0.0])),
        "tensor `blk.0.attn_q.bias` is not",
    );
    check(|_, tensors| drop(tensors.remove(1)), "tensor `blk.0.attn_q.weight` is missing");
    check(|_, tensors| tensors[1].1.reverse(), "tensor `blk.0.attn_q.weight` has shape [24, 32]");
    check(
        |_, tensors| tensors.push(("rope_freqs.weight".into(), vec![4], vec![1.0, 1.0, 2.0, 3.0])),
        "`rope_freqs.weight` is of another scaling",
    );
    fn set(values: &mut Vec<(String, Value)>, key: &str, value: Value) {
        values.retain(|(name, _)| name != key);
        values.push((key.to_owned(), value));
    }
    check(|v, _| set(v, "general.architecture", Value::String("qwen3".into())), "`general.architecture` is qwen3");
    check(|v, _| set(v, "llama.context_length", Value::U32(u32::MAX)), "`max_position_embeddings` is 4294967295");
    check(|v, _| set(v, "llama.block_count", Value::U32(u32::MAX)), "`num_hidden_layers` is 4294967295");
    check(|v, _| set(v, "llama.attention.head_count", Value::U32(0)), "`llama.attention.head_count_kv` is");
    check(|v, _| set(v, "llama.rope.scaling.type", Value::String("yarn".into())), "`llama.rope.scaling.type` is yarn");
}
