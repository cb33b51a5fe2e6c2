//! Models of full size: their headers are read, their weights are not.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use formats::Config;
use formats::weights::{INDEX, Weights};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::json;

fn eight_billion() -> Config {
    Config {
        hidden_size: 4096,
        intermediate_size: 14336,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        head_dim: 128,
        vocab_size: 128_256,
        max_position_embeddings: 8192,
        rms_norm_eps: 1e-5,
        rope_theta: 500_000.0,
        rope_scaling: formats::RopeScaling::Default,
        tie_word_embeddings: false,
        bos_token_id: Some(128_000),
        eos_token_ids: vec![128_001, 128_009],
        pad_token_id: None,
    }
}

/// A shard of bf16 tensors whose bytes are a hole in the file.
fn write_hollow(path: &Path, tensors: &[(String, Vec<i64>)]) {
    let mut start = 0;
    let infos = tensors.iter().map(|(name, shape)| {
        let end = start + shape.iter().product::<i64>() as usize * 2;
        let shape = shape.iter().map(|n| *n as usize).collect();
        let info = TensorInfo { dtype: Dtype::BF16, shape, data_offsets: (start, end) };
        start = end;
        (name.clone(), info)
    });
    let header = Metadata::new(None, infos.collect()).unwrap();
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    file.set_len((8 + header.len() + start) as u64).unwrap();
}

#[test]
fn a_model_of_eight_billion_weights_is_opened_without_reading_it() {
    let directory = tempfile::tempdir().unwrap();
    let config = eight_billion();
    assert_eq!(config.parameters(), 8_030_261_248);
    let tensors = config.tensors();
    let mut map = serde_json::Map::new();
    for (number, part) in (1..).zip(tensors.chunks(tensors.len().div_ceil(4))) {
        let shard = format!("model-{number:05}-of-00004.safetensors");
        write_hollow(&directory.path().join(&shard), part);
        map.extend(part.iter().map(|(name, _)| (name.clone(), json!(shard))));
    }
    std::fs::write(directory.path().join(INDEX), json!({"weight_map": map}).to_string()).unwrap();
    let weights = Weights::open(directory.path()).unwrap();
    weights.refuse_strangers(&config).unwrap();
    assert!(weights.bytes().unwrap() > 16_060_000_000);
    let norm = weights.tensor("model.norm.weight", &[4096], |dtype, bytes| Ok((dtype, bytes.to_vec())));
    assert_eq!(norm.unwrap(), (Dtype::BF16, vec![0; 8192]));
    let misread = weights.tensor("model.norm.weight", &[4097], |_, _| Ok(())).unwrap_err();
    assert!(misread.to_string().ends_with("has shape [4096], the config asks for [4097]"), "{misread}");
}
