//! Fresh weights. Drawn here and not by libtorch, whose generator is one per process and may change between releases.

use draws::Stream;
use formats::Config;
use tch::Tensor;

/// Standard deviation of fresh weights, as in Llama.
const DEVIATION: f64 = 0.02;

/// Draws weights one tensor after the other.
pub(crate) struct Fresh {
    stream: Stream,
    /// Linears that write into the residual stream are smaller, so that its variance does not grow with depth (GPT-2).
    residual: f64,
}

impl Fresh {
    pub(crate) fn new(config: &Config, seed: u64) -> Fresh {
        let residual = DEVIATION / (2.0 * config.num_hidden_layers as f64).sqrt();
        Fresh { stream: Stream::seeded(seed), residual }
    }

    pub(crate) fn tensor(&mut self, name: &str, shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>() as usize;
        if name.ends_with("norm.weight") {
            return Tensor::from_slice(&vec![1.0f32; count]).view(shape);
        }
        let writes_residual = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
        let deviation = if writes_residual { self.residual } else { DEVIATION };
        let mut values = Vec::with_capacity(count + 1);
        while values.len() < count {
            let (a, b) = self.stream.normal_pair();
            values.extend([(a * deviation) as f32, (b * deviation) as f32]);
        }
        values.truncate(count);
        Tensor::from_slice(&values).view(shape)
    }
}
