//! The built-in verifier: both containers, read back from disk, hold the same weights bit for bit, and those solved for.

use std::path::Path;

use contract::StageError;
use formats::gguf::{self, GgufFile};
use formats::gptq::GptqDirectory;
use formats::network::Network;

/// Reopens what was written for `network` and compares every tensor.
pub fn verify(network: &Network, gptq: &Path, gguf: &Path) -> Result<(), StageError> {
    let directory = GptqDirectory::open(gptq)?;
    let file = GgufFile::open(gguf)?;
    let read = |name: &str| file.tensor(name).map_err(|kind| gguf::GgufError { path: gguf.to_owned(), kind });
    for linear in &network.linears {
        let shape = linear.linear.shape(&network.config);
        let solved = &linear.quantized;
        if directory.linear(&linear.module, &shape)?.as_ref() != Some(solved) {
            return Err(differs(&linear.module, gptq));
        }
        let stored = read(&gguf::llama::linear_name(linear.layer, linear.linear))?;
        let expected = solved.dequantize();
        let rows = gguf::llama::row_order(&network.config, linear.linear);
        let expected = rows.iter().flat_map(|row| &expected[row * solved.columns..][..solved.columns]);
        if !equal_bits(&stored, expected.copied()) {
            return Err(differs(&linear.module, gguf));
        }
    }
    for plain in &network.plain {
        if directory.plain(&plain.name, &plain.shape)? != plain.values {
            return Err(differs(&plain.name, gptq));
        }
        let name = gguf::llama::plain_name(&plain.name).ok_or_else(|| differs(&plain.name, gguf))?;
        if !equal_bits(&read(&name)?, plain.values.iter().map(|v| v.to_f32())) {
            return Err(differs(&plain.name, gguf));
        }
    }
    let counted = file.tensors().count();
    let factors = usize::from(gguf::llama::rope_factors(&network.config).is_some());
    if counted != network.linears.len() + network.plain.len() + factors {
        return Err(StageError::bug(format!("{}: holds {counted} tensors, wrote fewer", gguf.display())));
    }
    Ok(())
}

fn equal_bits(left: &[f32], right: impl Iterator<Item = f32>) -> bool {
    left.iter().map(|v| v.to_bits()).eq(right.map(f32::to_bits))
}

fn differs(tensor: &str, path: &Path) -> StageError {
    StageError::bug(format!("{}: `{tensor}` reads back differently from what was solved", path.display()))
}
