//! Writes a GPTQ directory: packed linears with a trivial group index, everything that is not packed in fp16.
//!
//! Every loader reads v1; v2 is written where a zero of 0 needs it. Static act-order leaves groups consecutive, so `desc_act` is
//! false: loaders take slow paths, or refuse, when it is true. The order that was used stands under `meta`.

use std::collections::HashMap;
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use half::f16;
use safetensors::Dtype;
use serde_json::{Value, json};

use super::pack;
use crate::Config;
use crate::network::{self, Network, Packing};
use crate::safetensors_writer::{Announced, SafetensorsWriter};
use crate::source::Companion;

/// The file of weights.
pub const WEIGHTS: &str = "model.safetensors";

/// Writes the small files of a quantized model into `directory`: its config, quantized as `quantization` says, and `companions`.
pub fn write_config(
    config: &Config,
    quantization: &Value,
    companions: &[Companion],
    directory: &Path,
) -> Result<(), StageError> {
    let mut config = config.to_json();
    config["dtype"] = json!("float16");
    config["torch_dtype"] = json!("float16");
    config["quantization_config"] = quantization.clone();
    write_json(&directory.join("config.json"), &config)?;
    write_json(&directory.join("quantize_config.json"), quantization)?;
    for Companion { name, bytes } in companions {
        let path = directory.join(name);
        std::fs::write(&path, bytes).at(&path)?;
    }
    Ok(())
}

/// Writes the weights of `network` into `directory`.
pub fn write_weights(network: &dyn Network, directory: &Path) -> Result<(), StageError> {
    let (config, packing) = (network.config(), network.packing());
    let path = directory.join(WEIGHTS);
    let mut writer = SafetensorsWriter::create(&path, HashMap::new(), &tensors(config, packing)).at(&path)?;
    for (name, shape) in network::plain_tensors(config) {
        writer.tensor(&half_bytes(&network.plain(&name, &shape)?.halves())).at(&path)?;
    }
    for (layer, linear) in network::linears(config) {
        let quantized = network.linear(layer, linear)?;
        let words = |values: &[i32]| bytemuck::cast_slice(values).to_vec();
        let parts = [
            words(&pack::codes_to_words(&quantized)),
            words(&pack::zeros_to_words(&quantized, packing.zeros)),
            half_bytes(&pack::transposed_scales(&quantized)),
            words(&pack::group_index(quantized.columns, quantized.group_size)),
        ];
        for part in parts {
            writer.tensor(&part).at(&path)?;
        }
    }
    writer.finish().map(drop).at(&path)
}

/// Bytes of all tensors.
pub fn size(config: &Config, packing: Packing) -> u64 {
    tensors(config, packing).iter().map(|tensor| tensor.bytes() as u64).sum()
}

/// Every tensor in the order in which it is written. All are whole words, so all are aligned.
fn tensors(config: &Config, packing: Packing) -> Vec<Announced> {
    let sizes = |shape: &[i64]| shape.iter().map(|&n| n as usize).collect::<Vec<usize>>();
    let plain = network::plain_tensors(config).into_iter();
    let mut all: Vec<Announced> =
        plain.map(|(name, shape)| Announced { name, dtype: Dtype::F16, shape: sizes(&shape) }).collect();
    for (layer, linear) in network::linears(config) {
        let (module, shape) = (linear.module_name(layer), sizes(&linear.shape(config)));
        let (rows, columns, bits) = (shape[0], shape[1], packing.grid.bits);
        let groups = columns / packing.group_of(columns);
        all.extend(
            [
                ("qweight", Dtype::I32, vec![pack::words(columns, bits), rows]),
                ("qzeros", Dtype::I32, vec![groups, pack::words(rows, bits)]),
                ("scales", Dtype::F16, vec![groups, rows]),
                ("g_idx", Dtype::I32, vec![columns]),
            ]
            .map(|(part, dtype, shape)| Announced { name: format!("{module}.{part}"), dtype, shape }),
        );
    }
    all
}

fn half_bytes(values: &[f16]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

fn write_json(path: &Path, value: &Value) -> Result<(), StageError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| StageError::bug(e.to_string()))? + "\n";
    std::fs::write(path, text).at(path)
}
