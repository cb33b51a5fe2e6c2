//! The whole GGUF file of a quantized network: Q4_0 linears, fp16 embedding and head, fp32 norms.

use std::path::Path;

use contract::StageError;
use contract::stage::At;
use half::f16;

use super::tensor::encode_q4_0;
use super::write::GgufWriter;
use super::{TensorInfo, TensorType, Value, llama, vocabulary};
use crate::network::{Network, PackedLinear, Plain};

/// Writes `network` with the tokenizer in `source` to `path`.
pub fn write(network: &Network, source: &Path, path: &Path) -> Result<(), StageError> {
    let mut metadata: Vec<(String, Value)> = llama::metadata(&network.config);
    metadata.extend(vocabulary::metadata(source, network.config.vocab_size)?);
    let infos = network.plain.iter().map(plain_info).chain(network.linears.iter().map(linear_info));
    let factors = llama::rope_factors(&network.config);
    let infos = factors.iter().map(|factors| factors_info(factors)).chain(infos);
    let mut writer = GgufWriter::create(path, &metadata, infos.collect()).at(path)?;
    if let Some(factors) = &factors {
        writer.tensor(bytemuck::cast_slice(factors)).at(path)?;
    }
    for plain in &network.plain {
        writer.tensor(&plain_bytes(plain)).at(path)?;
    }
    for linear in &network.linears {
        let rows = llama::row_order(&network.config, linear.linear);
        writer.tensor(&encode_q4_0(&linear.quantized, &rows)).at(path)?;
    }
    writer.finish().at(path)
}

fn factors_info(factors: &[f32]) -> TensorInfo {
    TensorInfo { name: llama::ROPE_FACTORS.to_owned(), shape: vec![factors.len() as u64], kind: TensorType::F32 }
}

fn plain_info(plain: &Plain) -> TensorInfo {
    let name = llama::plain_name(&plain.name).expect("every tensor that is not a linear has a name");
    TensorInfo { name, shape: plain.shape.iter().map(|&n| n as u64).collect(), kind: plain_type(plain) }
}

fn linear_info(linear: &PackedLinear) -> TensorInfo {
    let shape = vec![linear.quantized.rows as u64, linear.quantized.columns as u64];
    TensorInfo { name: llama::linear_name(linear.layer, linear.linear), shape, kind: TensorType::Q4_0 }
}

/// llama.cpp has no kernels for norms in fp16.
fn plain_type(plain: &Plain) -> TensorType {
    if plain.shape.len() == 1 { TensorType::F32 } else { TensorType::F16 }
}

fn plain_bytes(plain: &Plain) -> Vec<u8> {
    match plain_type(plain) {
        TensorType::F32 => plain.values.iter().flat_map(|v| v.to_f32().to_le_bytes()).collect(),
        _ => plain.values.iter().copied().flat_map(f16::to_le_bytes).collect(),
    }
}
