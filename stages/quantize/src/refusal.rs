//! Why a model cannot be quantized.

use contract::StageError;
use formats::gguf::GgufErrorKind;

use crate::hessian::FactorError;

/// A model, tokenizer or calibration set that cannot be quantized.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Linears do not fill whole blocks.
    #[error("{}", .0.join("; "))]
    Sizes(Vec<String>),
    /// GGUF has no type for the codes.
    #[error(transparent)]
    Grid(GgufErrorKind),
    /// A weight is NaN, infinite or beyond fp16.
    #[error("tensor `{0}` holds values that fp16 cannot")]
    NotFinite(String),
    /// The calibration inputs of a layer are of no use.
    #[error("`{module}`: {cause}")]
    Calibration {
        /// The layer.
        module: String,
        /// The defect.
        cause: FactorError,
    },
    /// The calibration split holds no token.
    #[error("the calibration split of the tokens is empty")]
    NoCalibration,
    /// An id of the calibration split lies outside the model's vocabulary.
    #[error("calibration token {id} lies outside the model's vocabulary of {vocabulary}")]
    ForeignToken {
        /// The id.
        id: i64,
        /// The model's vocabulary.
        vocabulary: i64,
    },
}

impl From<Refusal> for StageError {
    fn from(refusal: Refusal) -> StageError {
        let help = match refusal {
            Refusal::Sizes(_) => "choose a model whose sizes are multiples of 32, and a group size that divides them",
            Refusal::Grid(_) => "choose `zero: symmetric`, or `bits: 4`",
            Refusal::NotFinite(_) | Refusal::Calibration { .. } => {
                "the training of this model diverged; look at its loss"
            }
            Refusal::NoCalibration => "give `tokenize` more training data",
            Refusal::ForeignToken { .. } => "wire the tokens that the model was trained on",
        };
        StageError::invalid_input(refusal.to_string()).help(help)
    }
}
