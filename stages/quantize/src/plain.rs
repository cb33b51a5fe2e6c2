//! What stays unquantized: the embedding, the head and the norms, as the containers hold them.

use formats::ModelSource;
use formats::gguf::tensor::{Q8Step, encode_q8_0};
use formats::network::{Plain, PlainType};
use half::f16;

use contract::StageError;

use crate::refusal::Refusal;

/// Tensor `name` of `source` as `kind`.
pub fn read(source: &ModelSource, name: &str, shape: &[i64], kind: PlainType) -> Result<Plain, StageError> {
    let values = source.floats(name, shape)?;
    let largest = f32::from(f16::MAX);
    if !values.iter().all(|v| v.abs() <= largest) {
        return Err(Refusal::NotFinite(name.to_owned()).into());
    }
    Ok(match kind {
        PlainType::Half => Plain::Half(values.into_iter().map(f16::from_f32).collect()),
        PlainType::EightBits => Plain::EightBits(encode_q8_0(&values, Q8Step::Exact)),
    })
}

/// The values that calibration sees: those that the containers hold.
pub fn values(source: &ModelSource, name: &str, shape: &[i64], kind: PlainType) -> Result<Vec<f32>, StageError> {
    Ok(read(source, name, shape, kind)?.halves().into_iter().map(f16::to_f32).collect())
}
