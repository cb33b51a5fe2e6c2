//! The calibration split as batches: rows padded on the right, and which of their positions are real.

use formats::Config;
use tch::{Device, Tensor};
use tokens::EncodedSplit;

use crate::refusal::Refusal;

/// Rows of a batch.
const ROWS: usize = 16;

/// A few samples side by side.
#[derive(Debug)]
pub struct Batch {
    /// `[rows, longest]`, padded with zeros: attention is causal, so padding on the right is never seen.
    pub ids: Tensor,
    /// Where the real tokens lie in the flattened batch; nothing where all are.
    real: Option<Tensor>,
    tokens: i64,
}

impl Batch {
    /// The rows of `x` `[rows, longest, features]` at real tokens: `[tokens, features]`.
    pub fn real_rows(&self, x: &Tensor) -> Tensor {
        let rows = x.flatten(0, 1);
        self.real.as_ref().map_or_else(|| rows.shallow_clone(), |real| rows.index_select(0, real))
    }

    /// Real tokens.
    pub fn tokens(&self) -> i64 {
        self.tokens
    }

    fn of(samples: &[&[i32]], device: Device) -> Batch {
        let longest = samples.iter().map(|sample| sample.len()).max().unwrap_or(0);
        let mut ids = vec![0_i64; samples.len() * longest];
        let mut real = Vec::new();
        for (row, sample) in samples.iter().enumerate() {
            for (column, &id) in sample.iter().enumerate() {
                ids[row * longest + column] = i64::from(id);
                real.push((row * longest + column) as i64);
            }
        }
        let shape = [samples.len() as i64, longest as i64];
        let padded = real.len() < ids.len();
        Batch {
            ids: Tensor::from_slice(&ids).view(shape).to_device(device),
            tokens: real.len() as i64,
            real: padded.then(|| Tensor::from_slice(&real).to_device(device)),
        }
    }
}

/// The first `count` samples of `split`, cut to what the model can see.
pub fn batches(split: &EncodedSplit, count: usize, config: &Config, device: Device) -> Result<Vec<Batch>, Refusal> {
    let longest = config.max_position_embeddings as usize;
    let mut samples: Vec<&[i32]> = (0..split.len().min(count))
        .map(|index| split.ids(index))
        .map(|ids| &ids[..ids.len().min(longest)])
        .filter(|ids| !ids.is_empty())
        .collect();
    if samples.is_empty() {
        return Err(Refusal::NoCalibration);
    }
    let foreign = samples.iter().copied().flatten().find(|&&id| id < 0 || i64::from(id) >= config.vocab_size);
    if let Some(&id) = foreign {
        return Err(Refusal::ForeignToken { id: i64::from(id), vocabulary: config.vocab_size });
    }
    // Neighbours of like length waste little on padding.
    samples.sort_by_key(|sample| sample.len());
    Ok(samples.chunks(ROWS).map(|rows| Batch::of(rows, device)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn padding_is_left_out_of_the_real_rows() {
        let batch = Batch::of(&[&[5, 6, 7], &[8]], Device::Cpu);
        assert_eq!(batch.ids.size(), [2, 3]);
        let x = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3, 1]);
        let rows = Vec::<f32>::try_from(batch.real_rows(&x).flatten(0, -1)).unwrap();
        assert_eq!(rows, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(batch.tokens(), 4);
    }
}
