//! Writes a GPTQ directory: format v1, symmetric, trivial group index, everything that is not packed in fp16.
//!
//! Every loader reads v1. Static act-order leaves groups consecutive, so `desc_act` is false: loaders take slow paths,
//! or refuse, when it is true. The order that was used stands under `meta`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use half::f16;
use safetensors::tensor::View;
use safetensors::{Dtype, SafeTensorError};
use serde_json::{Value, json};

use super::pack;
use crate::grid::{BITS, Quantized};
use crate::network::{Network, Plain};
use crate::source::Companion;

/// The file of weights.
pub const WEIGHTS: &str = "model.safetensors";

/// Writes `network`, quantized as `quantization` says, into `directory`, with the small files `companions` of the model it was.
pub fn write(
    network: &Network,
    quantization: &Value,
    companions: &[Companion],
    directory: &Path,
) -> Result<(), StageError> {
    let mut config = network.config.to_json();
    config["dtype"] = json!("float16");
    config["torch_dtype"] = json!("float16");
    config["quantization_config"] = quantization.clone();
    write_json(&directory.join("config.json"), &config)?;
    write_json(&directory.join("quantize_config.json"), quantization)?;
    for Companion { name, bytes } in companions {
        let path = directory.join(name);
        std::fs::write(&path, bytes).at(&path)?;
    }
    write_weights(network, &directory.join(WEIGHTS))
}

fn write_weights(network: &Network, path: &Path) -> Result<(), StageError> {
    let plain = network.plain.iter().map(|Plain { name, shape, values }| {
        let shape = shape.iter().map(|&n| n as usize).collect();
        (name.clone(), Stored { dtype: Dtype::F16, shape, bytes: half_bytes(values) })
    });
    let packed = network.linears.iter().flat_map(|linear| packed(&linear.module, &linear.quantized));
    // transformers refuses a file that does not name its framework.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    match safetensors::serialize_to_file(plain.chain(packed), Some(metadata), path) {
        Ok(()) => Ok(()),
        Err(SafeTensorError::IoError(io)) => Err(io).at(path),
        Err(other) => Err(StageError::bug(format!("{}: {other}", path.display()))),
    }
}

fn packed(module: &str, quantized: &Quantized) -> [(String, Stored); 4] {
    let Quantized { rows, columns, group_size, .. } = *quantized;
    let groups = quantized.groups();
    let words = |values: &[i32]| bytemuck::cast_slice(values).to_vec();
    let zeros = vec![pack::ZERO_WORD; groups * rows / pack::CODES];
    let stored = |dtype, shape: &[usize], bytes| Stored { dtype, shape: shape.to_vec(), bytes };
    [
        (format!("{module}.qweight"), {
            let shape = [columns * BITS as usize / 32, rows];
            stored(Dtype::I32, &shape, words(&pack::codes_to_words(quantized)))
        }),
        (format!("{module}.qzeros"), stored(Dtype::I32, &[groups, rows / pack::CODES], words(&zeros))),
        (format!("{module}.scales"), {
            stored(Dtype::F16, &[groups, rows], half_bytes(&pack::transposed_scales(quantized)))
        }),
        (format!("{module}.g_idx"), { stored(Dtype::I32, &[columns], words(&pack::group_index(columns, group_size))) }),
    ]
}

fn half_bytes(values: &[f16]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

fn write_json(path: &Path, value: &Value) -> Result<(), StageError> {
    let text = serde_json::to_string_pretty(value).expect("plain JSON") + "\n";
    std::fs::write(path, text).at(path)
}

/// A tensor's bytes as safetensors wants them.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
