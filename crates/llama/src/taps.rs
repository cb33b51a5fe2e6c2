//! A decoder layer in the parts into which its taps divide it, each going on from where the one before it stopped; and a layer read
//! alone. So GPTQ runs a layer once, changing its weights between the parts, and holds one layer at a time.

use formats::{Config, Linear, Tap};
use tch::Tensor;

use crate::block::Block;
use crate::placement::Placement;
use crate::rotary::Angles;

/// A batch on its way through a layer, stopped at a tap.
#[derive(Debug)]
pub struct Stopped {
    /// Where.
    pub tap: Tap,
    /// What the linears behind the tap are about to get: `[batch, time, features]`.
    pub input: Tensor,
    /// The residual stream, which the part of the layer at hand will be added to.
    stream: Tensor,
}

impl Block {
    /// Layer `layer` with weights from `tensor`, which is asked once for each of them.
    pub fn assemble<E>(
        config: &Config,
        layer: i64,
        placement: Placement,
        mut tensor: impl FnMut(&str, &[i64]) -> Result<Tensor, E>,
    ) -> Result<Block, E> {
        let mut get = |name: &str, shape: &[i64]| Ok(placement.place(&tensor(name, shape)?));
        let mut linears = Vec::with_capacity(Linear::ALL.len());
        for linear in Linear::ALL {
            linears.push(get(&linear.tensor_name(layer), &linear.shape(config))?);
        }
        let linears = linears.try_into().expect("as many as Linear::ALL");
        let norm = [config.hidden_size];
        let norms = [
            get(&format!("model.layers.{layer}.input_layernorm.weight"), &norm)?,
            get(&format!("model.layers.{layer}.post_attention_layernorm.weight"), &norm)?,
        ];
        Ok(Block::new(config, norms, linears))
    }

    /// Sends `x` `[batch, time, hidden]` to the first tap.
    pub fn start(&self, x: Tensor) -> Stopped {
        Stopped { tap: Tap::Attention, input: self.norm(&x, &self.input_layernorm), stream: x }
    }

    /// Goes on to the next tap with the weights as they are now. At the last tap there is none, and it stays.
    pub fn advance(&self, stopped: Stopped, angles: &Angles) -> Stopped {
        let Stopped { tap, input, stream } = stopped;
        match tap {
            Tap::Attention => {
                let (q, k, v) = self.attention_inputs(&input, angles);
                Stopped { tap: Tap::AttentionOutput, input: self.attend(&q, &k, &v), stream }
            }
            Tap::AttentionOutput => {
                let stream = stream + self.linear(Linear::O).project(&input);
                let input = self.norm(&stream, &self.post_attention_layernorm);
                Stopped { tap: Tap::FeedForward, input, stream }
            }
            Tap::FeedForward => {
                let gate = self.linear(Linear::Gate).project(&input).silu();
                let product = gate * self.linear(Linear::Up).project(&input);
                Stopped { tap: Tap::FeedForwardOutput, input: product, stream }
            }
            Tap::FeedForwardOutput => Stopped { tap, input, stream },
        }
    }

    /// The layer's output for a batch that is at the last tap.
    pub fn finish(&self, stopped: Stopped) -> Tensor {
        debug_assert_eq!(stopped.tap, Tap::FeedForwardOutput);
        stopped.stream + self.linear(Linear::Down).project(&stopped.input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Llama;

    #[test]
    fn a_layer_in_parts_gives_what_the_whole_one_gives_and_sees_the_same_inputs() {
        let config = Config {
            hidden_size: 32,
            intermediate_size: 48,
            num_hidden_layers: 1,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            head_dim: 8,
            vocab_size: 16,
            max_position_embeddings: 16,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: crate::RopeScaling::Default,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_ids: Vec::new(),
            pad_token_id: None,
        };
        let model = Llama::init(&config, 5, Placement::CPU);
        let block = &model.blocks[0];
        let x = model.embed(&Tensor::from_slice(&[1_i64, 5, 3, 9, 2, 7]).view([2, 3]));
        let angles = model.rotary.first(3);
        let mut seen = Vec::new();
        let whole = block.forward_tapped(&x, &angles, &mut |tap, input| seen.push((tap, input.copy())));

        let mut stopped = block.start(x);
        for (index, (tap, input)) in seen.iter().enumerate() {
            if index > 0 {
                stopped = block.advance(stopped, &angles);
            }
            assert_eq!(stopped.tap, *tap);
            assert!(stopped.input.equal(input), "{tap:?}");
        }
        assert!(block.finish(stopped).equal(&whole));
    }
}
