//! The memory that asking a model takes, predicted from sizes alone before anything is loaded.

use contract::StageError;
use formats::Config;

/// The program itself: libtorch's code and tables.
const PROGRAM: f64 = 0.22 * GIB;
const GIB: f64 = (1_u64 << 30) as f64;
/// Weights are numbers of 32 bits here, whatever they are in the file.
const FP32: f64 = 4.0;

/// What decides how much memory asking takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand<'a> {
    /// The model's sizes.
    pub config: &'a Config,
    /// Prompts answered side by side.
    pub rows: usize,
    /// Tokens of all of them with their answers, each as long as the longest.
    pub tokens: usize,
}

impl Demand<'_> {
    /// The most bytes that it takes at once.
    pub fn predict(&self) -> f64 {
        let Config { hidden_size, intermediate_size, num_hidden_layers, vocab_size, .. } = *self.config;
        let tokens = self.tokens as f64;
        let caches = tokens * 2.0 * (num_hidden_layers * self.config.num_key_value_heads * self.config.head_dim) as f64;
        // Of one layer at a time, over all prompts: what goes in, queries, keys and values, and the three of its feed-forward part.
        let activations = tokens * (4 * hidden_size + 3 * intermediate_size) as f64;
        // Logits, their probabilities, and the room of a softmax.
        let logits = self.rows as f64 * 3.0 * vocab_size as f64;
        PROGRAM + FP32 * (self.weights() + caches + activations + logits)
    }

    fn weights(&self) -> f64 {
        self.config.tensors().iter().map(|(_, shape)| shape.iter().product::<i64>() as f64).sum()
    }

    /// Refuses what does not fit into `room` bytes, before anything is loaded.
    pub fn admit(&self, room: Option<f64>) -> Result<(), StageError> {
        let (needed, Some(room)) = (self.predict(), room) else {
            return Ok(());
        };
        if needed <= room {
            return Ok(());
        }
        let message = format!(
            "this model takes about {:.1} GiB here, where its weights are 32 bits wide, and {:.1} GiB are free; nothing was loaded",
            needed / GIB,
            room / GIB
        );
        let help = "let llama.cpp ask it, which computes with the weights as they are in the file: --prompts and --answers \
                    (docs/analyst.md)";
        Err(StageError::invalid_input(message).help(help))
    }
}

/// The memory that is free on this machine, within the control group of the process.
pub fn free() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok()?;
        text.trim().parse::<f64>().ok()
    };
    // "max", or no such file, is no limit.
    let limit = read("max").map(|limit| limit - read("current").unwrap_or(0.0));
    Some(limit.unwrap_or(f64::INFINITY).min(kib * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(hidden: i64, layers: i64) -> Config {
        Config {
            hidden_size: hidden,
            intermediate_size: 4 * hidden,
            num_hidden_layers: layers,
            num_attention_heads: 8,
            num_key_value_heads: 8,
            head_dim: hidden / 8,
            vocab_size: 2048,
            max_position_embeddings: 2048,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: formats::RopeScaling::Default,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_ids: Vec::new(),
            pad_token_id: None,
        }
    }

    #[test]
    fn a_model_that_does_not_fit_is_refused_with_what_does() {
        let (small, large) = (config(256, 6), config(4096, 32));
        let demand = |config| Demand { config, rows: 8, tokens: 8 * 1024 };
        assert!(demand(&small).admit(Some(8.0 * GIB)).is_ok() && demand(&large).admit(None).is_ok());
        let error = demand(&large).admit(Some(8.0 * GIB)).unwrap_err();
        assert!(error.message.contains("nothing was loaded") && error.help.unwrap().contains("llama.cpp"));
        assert!(demand(&large).predict() > 32.0 * GIB && demand(&small).predict() < GIB);
        assert!(free().is_none_or(|bytes| bytes > 0.0));
    }
}
