//! What is checked before the first block, so that hours of work do not end in an error that was to be seen at the start: sizes,
//! what the containers can hold, and room for them. (The tokenizer is checked by making its metadata.)

use std::path::Path;

use contract::StageError;
use contract::stage::At;
use formats::gguf::{TensorType, export};
use formats::gptq;
use formats::network::{PlainType, ZeroFormat, linears};
use formats::{Config, Linear};

use crate::params::QuantizeParams;
use crate::refusal::Refusal;

/// Inputs and outputs of a packed linear come in multiples of this: a block of GGUF, whole words of codes of any width.
pub const BLOCK: i64 = 32;

/// Refuses codes that GGUF has no type for.
pub fn check_grid(params: &QuantizeParams) -> Result<TensorType, Refusal> {
    TensorType::holding(params.grid()).map_err(Refusal::Grid)
}

/// Refuses a network whose linears do not fill whole blocks and groups, naming every tensor at fault.
pub fn check_sizes(config: &Config, params: &QuantizeParams) -> Result<(), Refusal> {
    let faults: Vec<String> = linears(config)
        .flat_map(|(layer, linear)| faults(config, params, layer, linear))
        .chain(embedding_fault(config, params))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Sizes(faults)) }
}

fn faults(config: &Config, params: &QuantizeParams, layer: i64, linear: Linear) -> impl Iterator<Item = String> {
    let (name, shape) = (linear.tensor_name(layer), linear.shape(config));
    let unit = (params.group_of(shape[1] as usize) as i64).max(1);
    // A group as wide as a row still lies in blocks.
    let unit = if unit % BLOCK == 0 { unit } else { BLOCK };
    [("outputs", shape[0], BLOCK), ("inputs", shape[1], unit)]
        .into_iter()
        .filter(|(_, size, unit)| size % unit != 0)
        .map(move |(side, size, unit)| format!("`{name}` has {size} {side}, not a multiple of {unit}"))
}

fn embedding_fault(config: &Config, params: &QuantizeParams) -> Option<String> {
    let name = "model.embed_tokens.weight";
    let blocks = params.plain_type(name) == PlainType::EightBits;
    let width = config.hidden_size;
    (blocks && width % BLOCK != 0).then(|| format!("`{name}` has {width} columns, not a multiple of {BLOCK}"))
}

/// Bytes that a quantization writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// For both containers.
    pub outputs: u64,
    /// For the finished blocks, which lie there until the stage is done.
    pub blocks: u64,
}

impl Room {
    /// What a model of `config` takes.
    pub fn needed(config: &Config, params: &QuantizeParams, kind: TensorType) -> Room {
        let gptq = gptq::write::size(config, params.packing(ZeroFormat::V1));
        let gguf = export::size(config, kind, |name| match params.plain_type(name) {
            PlainType::Half => TensorType::F16,
            PlainType::EightBits => TensorType::Q8_0,
        });
        let weights: u64 = linears(config).map(|(_, linear)| linear.shape(config).iter().product::<i64>() as u64).sum();
        // Codes, and no more than three bytes for each 32 of them.
        Room { outputs: gptq + gguf, blocks: weights * u64::from(params.bits) / 8 + weights * 3 / 32 }
    }

    /// Refuses to start where the disks of `outputs` and `blocks` lack it. `there` is already on the latter.
    pub fn check(self, outputs: &Path, blocks: &Path, there: u64) -> Result<(), StageError> {
        let blocks_needed = self.blocks.saturating_sub(there);
        if device(outputs)? == device(blocks)? {
            return enough(outputs, available(outputs)?, self.outputs + blocks_needed);
        }
        enough(outputs, available(outputs)?, self.outputs)?;
        enough(blocks, available(blocks)?, blocks_needed)
    }
}

fn enough(path: &Path, available: u64, needed: u64) -> Result<(), StageError> {
    if needed <= available {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let message = format!("{}: {} MiB are needed, {} are free", path.display(), mib(needed), mib(available));
    Err(StageError::resources(message).help("free some disk space and run again; finished blocks are kept"))
}

fn available(path: &Path) -> Result<u64, StageError> {
    let stat = rustix::fs::statvfs(path).map_err(std::io::Error::from).at(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn device(path: &Path) -> Result<u64, StageError> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata(path).at(path)?.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_is_named_with_what_it_lacks() {
        let error = enough(Path::new("/mnt/out"), 3 << 20, (5 << 20) + 1).unwrap_err();
        assert_eq!(error.message, "/mnt/out: 6 MiB are needed, 3 are free");
        assert_eq!(error.class, contract::event::FailureClass::Resources);
        enough(Path::new("/mnt/out"), 5, 5).unwrap();
    }
}
