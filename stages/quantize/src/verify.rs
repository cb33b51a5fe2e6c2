//! The built-in verifier: both containers, read back from disk, hold the same weights bit for bit, and those solved for.

use std::path::Path;

use contract::StageError;
use formats::gguf::{self, GgufFile};
use formats::gptq::GptqDirectory;
use formats::network::{self, Network};

/// Reopens what was written for `network` and compares every tensor.
pub fn verify(network: &dyn Network, gptq: &Path, gguf: &Path) -> Result<(), StageError> {
    let config = network.config();
    let directory = GptqDirectory::open(gptq)?;
    let file = GgufFile::open(gguf)?;
    let read = |name: &str| file.tensor(name).map_err(|kind| gguf::GgufError { path: gguf.to_owned(), kind });
    let mut count = usize::from(gguf::llama::rope_factors(config).is_some());
    for (layer, linear) in network::linears(config) {
        let (module, shape) = (linear.module_name(layer), linear.shape(config));
        let solved = network.linear(layer, linear)?;
        if directory.linear(&module, &shape)?.as_ref() != Some(&solved) {
            return Err(differs(&module, gptq));
        }
        let stored = read(&gguf::llama::linear_name(layer, linear))?;
        let expected = solved.dequantize();
        let rows = gguf::llama::row_order(config, linear);
        let expected = rows.iter().flat_map(|row| &expected[row * solved.columns..][..solved.columns]);
        if !equal_bits(&stored, expected.copied()) {
            return Err(differs(&module, gguf));
        }
        count += 1;
    }
    for (name, shape) in network::plain_tensors(config) {
        let values: Vec<f32> = network.plain(&name, &shape)?.halves().into_iter().map(half::f16::to_f32).collect();
        if !equal_bits(&directory.plain(&name, &shape)?, values.iter().copied()) {
            return Err(differs(&name, gptq));
        }
        let stored = gguf::llama::plain_name(&name).ok_or_else(|| differs(&name, gguf))?;
        if !equal_bits(&read(&stored)?, values.into_iter()) {
            return Err(differs(&name, gguf));
        }
        count += 1;
    }
    let counted = file.tensors().count();
    if counted != count {
        return Err(StageError::bug(format!("{}: holds {counted} tensors, wrote {count}", gguf.display())));
    }
    Ok(())
}

fn equal_bits(left: &[f32], right: impl Iterator<Item = f32>) -> bool {
    left.iter().map(|v| v.to_bits()).eq(right.map(f32::to_bits))
}

fn differs(tensor: &str, path: &Path) -> StageError {
    StageError::bug(format!("{}: `{tensor}` reads back differently from what was solved", path.display()))
}
