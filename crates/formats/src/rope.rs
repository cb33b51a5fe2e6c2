//! How rotary frequencies are stretched, so that a model sees further than it was first trained to.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::LlamaErrorKind;

/// The stretching of rotary frequencies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RopeScaling {
    /// None.
    #[default]
    Default,
    /// Every frequency is divided by a factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// As in Llama 3.1: low frequencies are divided, high ones stay, those between are blended.
    Llama3(Llama3Scaling),
}

/// The settings of `llama3`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Llama3Scaling {
    /// What low frequencies are divided by.
    pub factor: f64,
    /// A frequency that turns less often than this within the original context is low.
    pub low_freq_factor: f64,
    /// One that turns more often is high.
    pub high_freq_factor: f64,
    /// The context before the stretching.
    pub original_max_position_embeddings: i64,
}

/// The keys in `rope_parameters` and `rope_scaling` that matter here.
#[derive(Deserialize)]
pub(crate) struct RopeFile {
    pub(crate) rope_theta: Option<f64>,
    rope_type: Option<String>,
    /// The older name of `rope_type`; some files have both.
    #[serde(rename = "type")]
    older_type: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<i64>,
}

impl RopeScaling {
    /// The scaling that the first of `files` to name one asks for.
    pub(crate) fn resolve<'a>(
        files: impl Iterator<Item = &'a RopeFile>,
        context: i64,
    ) -> Result<RopeScaling, LlamaErrorKind> {
        for file in files {
            match file.rope_type.as_deref().or(file.older_type.as_deref()) {
                None | Some("default") => {}
                Some("linear") => return Ok(RopeScaling::Linear { factor: positive("factor", file.factor)? }),
                Some("llama3") => return Ok(RopeScaling::Llama3(file.llama3(context)?)),
                Some(other) => {
                    let supported = "default, linear or llama3";
                    return Err(LlamaErrorKind::Unsupported { key: "rope_type", value: other.to_owned(), supported });
                }
            }
        }
        Ok(RopeScaling::Default)
    }

    /// The value of `rope_scaling`.
    pub(crate) fn to_json(self) -> Value {
        match self {
            RopeScaling::Default => Value::Null,
            RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
            RopeScaling::Llama3(scaling) => json!({
                "rope_type": "llama3",
                "factor": scaling.factor,
                "low_freq_factor": scaling.low_freq_factor,
                "high_freq_factor": scaling.high_freq_factor,
                "original_max_position_embeddings": scaling.original_max_position_embeddings,
            }),
        }
    }

    /// What each frequency of a head `head_dim` wide with base `theta` is divided by; `None` when all stay.
    pub fn divisors(self, head_dim: i64, theta: f64) -> Option<Vec<f64>> {
        let pairs = head_dim / 2;
        match self {
            RopeScaling::Default => None,
            RopeScaling::Linear { factor } => Some(vec![factor; pairs as usize]),
            RopeScaling::Llama3(scaling) => Some(
                (0..pairs)
                    .map(|pair| {
                        scaling.divisor(std::f64::consts::TAU * theta.powf(2.0 * pair as f64 / head_dim as f64))
                    })
                    .collect(),
            ),
        }
    }
}

impl Llama3Scaling {
    /// What the frequency of wavelength `wavelength` is divided by.
    fn divisor(self, wavelength: f64) -> f64 {
        let turns = self.original_max_position_embeddings as f64 / wavelength;
        if turns < self.low_freq_factor {
            return self.factor;
        }
        if turns > self.high_freq_factor {
            return 1.0;
        }
        let smooth = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor);
        1.0 / ((1.0 - smooth) / self.factor + smooth)
    }
}

impl RopeFile {
    fn llama3(&self, context: i64) -> Result<Llama3Scaling, LlamaErrorKind> {
        let scaling = Llama3Scaling {
            factor: positive("factor", self.factor)?,
            low_freq_factor: positive("low_freq_factor", self.low_freq_factor)?,
            high_freq_factor: positive("high_freq_factor", self.high_freq_factor)?,
            original_max_position_embeddings: self.original_max_position_embeddings.unwrap_or(context),
        };
        if scaling.high_freq_factor <= scaling.low_freq_factor {
            let value = scaling.high_freq_factor.to_string();
            let supported = "a number above low_freq_factor";
            return Err(LlamaErrorKind::Unsupported { key: "high_freq_factor", value, supported });
        }
        Ok(scaling)
    }
}

fn positive(key: &'static str, value: Option<f64>) -> Result<f64, LlamaErrorKind> {
    value.filter(|value| value.is_finite() && *value > 0.0).ok_or_else(|| LlamaErrorKind::Unsupported {
        key,
        value: value.map_or("absent".to_owned(), |value| value.to_string()),
        supported: "a number above 0",
    })
}
