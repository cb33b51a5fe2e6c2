//! The quantized network, tensor by tensor: linears from the finished blocks, the rest from the model.

use contract::StageError;
use formats::grid::Quantized;
use formats::network::{Network, Packing, Plain, PlainType, ZeroFormat};
use formats::{Config, Linear, ModelSource};

use crate::finished::Finished;
use crate::params::QuantizeParams;
use crate::plain;

/// A quantized network whose blocks are all finished.
pub struct QuantizedNetwork<'a> {
    /// The model that was quantized.
    pub source: &'a ModelSource,
    /// Its blocks.
    pub finished: &'a Finished<'a>,
    /// How it was quantized.
    pub params: &'a QuantizeParams,
    /// How its zeros are written.
    pub zeros: ZeroFormat,
}

impl Network for QuantizedNetwork<'_> {
    fn config(&self) -> &Config {
        &self.source.config
    }

    fn packing(&self) -> Packing {
        self.params.packing(self.zeros)
    }

    fn plain_type(&self, name: &str) -> PlainType {
        self.params.plain_type(name)
    }

    fn linear(&self, layer: i64, linear: Linear) -> Result<Quantized, StageError> {
        self.finished.linear(layer, linear)
    }

    fn plain(&self, name: &str, shape: &[i64]) -> Result<Plain, StageError> {
        plain::read(self.source, name, shape, self.params.plain_type(name))
    }
}
