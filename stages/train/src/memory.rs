//! The memory of a training, predicted from sizes alone before anything is allocated, and what would take less.
//!
//! docs/benchmarks.md says how far predictions are from the peaks that were measured. [`crate::machine`] says how much there is.

use std::fmt;

use llama::{Config, Linear};
use tch::{Device, Kind};

use crate::cut::Costs;
use crate::loss;

/// The program itself: libtorch's code and tables, tokens, threads. On a GPU its context too.
const PROGRAM: f64 = 0.22 * GIB;
const CUDA_CONTEXT: f64 = 0.6 * GIB;
const GIB: f64 = (1_u64 << 30) as f64;
const FP32: f64 = 4.0;

/// What decides how much memory a training takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand<'a> {
    /// The model's sizes.
    pub config: &'a Config,
    /// Numbers that are trained.
    pub trained: i64,
    /// Whether they are all of the model's weights, or lie beside them.
    pub trains: Trains,
    /// Numbers that the optimizer remembers for each of them.
    pub moments: u32,
    /// Where it computes.
    pub device: Device,
    /// In what it computes.
    pub kind: Kind,
    /// Examples computed at once at most.
    pub micro_batch: usize,
    /// Tokens of the longest example.
    pub longest: usize,
    /// Whether activations are computed again.
    pub checkpointing: bool,
}

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trains {
    /// The model's own weights.
    Weights,
    /// Adapters beside frozen weights.
    Adapters {
        /// Whether some of their inputs are dropped.
        dropout: bool,
    },
}

/// Bytes, by what takes them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Of the model, and of the copies in the precision it computes in.
    pub weights: f64,
    /// Of what is trained.
    pub gradients: f64,
    /// What the optimizer remembers.
    pub optimizer: f64,
    /// What is kept of a forward pass, and one layer's share of a backward pass.
    pub activations: f64,
    /// The head's output, some rows at a time.
    pub logits: f64,
    /// The program itself.
    pub program: f64,
}

impl<'a> Demand<'a> {
    /// The most it takes at once.
    pub fn predict(&self) -> Prediction {
        let trained = self.trained as f64 * FP32;
        Prediction {
            weights: self.weights(),
            gradients: trained,
            optimizer: trained * f64::from(self.moments),
            activations: self.activations(),
            logits: self.logits(),
            program: if self.device == Device::Cpu { PROGRAM } else { PROGRAM + CUDA_CONTEXT },
        }
    }

    fn width(&self) -> f64 {
        match self.kind {
            Kind::Float => FP32,
            _ => 2.0,
        }
    }

    fn tokens(&self) -> f64 {
        Costs::new(self.device, self.micro_batch, self.longest).most_tokens.max(self.longest) as f64
    }

    fn weights(&self) -> f64 {
        let all = self.config.parameters() as f64;
        let trained = self.trained as f64 * FP32;
        match self.trains {
            Trains::Adapters { .. } => all * self.width() + trained,
            Trains::Weights if self.kind == Kind::Float => trained,
            // Products are made with copies in the precision, which stay until their gradient is there.
            Trains::Weights if self.checkpointing => trained + self.layer_weights() * self.width(),
            Trains::Weights => trained + all * self.width(),
        }
    }

    fn layer_weights(&self) -> f64 {
        Linear::ALL.iter().map(|linear| linear.shape(self.config).iter().product::<i64>() as f64).sum()
    }

    fn activations(&self) -> f64 {
        let config = self.config;
        let [hidden, inner, layers] =
            [config.hidden_size, config.intermediate_size, config.num_hidden_layers].map(|size| size as f64);
        let heads = (config.num_attention_heads * config.head_dim) as f64;
        // Of each token in each layer, what autograd keeps: two norms with their quotients and the sums before them, queries, keys and
        // values (spread over the heads that share them) and what attention makes of them, and four of the feed-forward layer.
        let of_layer = 6.0 * hidden + 4.0 * heads + 4.0 * inner + self.beside() / self.width();
        let kept = match self.checkpointing {
            true => layers * hidden + of_layer,
            false => layers * of_layer,
        };
        // While a layer goes backward: the gradients of its feed-forward part, and that of one weight before it is added.
        let passing = 3.0 * inner + 3.0 * hidden;
        let largest = match self.trains {
            Trains::Weights => (config.vocab_size as f64).max(inner) * hidden * FP32,
            Trains::Adapters { .. } => 0.0,
        };
        self.tokens() * (kept + passing) * self.width() + largest
    }

    /// Bytes that the adapters of a layer keep for each token: with dropout their inputs in fp32 and a byte that says which are dropped.
    fn beside(&self) -> f64 {
        match self.trains {
            Trains::Adapters { dropout: true } => {
                Linear::ALL.iter().map(|linear| linear.shape(self.config)[1] as f64).sum::<f64>() * (FP32 + 1.0)
            }
            _ => 0.0,
        }
    }

    fn logits(&self) -> f64 {
        let rows = self.tokens().min(loss::rows_at_once(self.config.vocab_size) as f64);
        // Logits, log-probabilities, and what softmax needs in between.
        rows * self.config.vocab_size as f64 * 3.0 * FP32
    }

    /// Changes that make the prediction smaller, each with the prediction after it. The first ones cost the least.
    pub fn smaller(&self) -> Vec<(String, Prediction)> {
        let halves =
            std::iter::successors(Some(self.micro_batch / 2), |size| Some(size / 2)).take_while(|size| *size > 0);
        let mut others: Vec<_> = halves.map(|size| (format!("`micro_batch_size: {size}`"), self.cut(size))).collect();
        let both = "`gradient_checkpointing: true` and `micro_batch_size: 1`";
        others.push(("`gradient_checkpointing: true`".to_owned(), self.recomputed()));
        let smallest = self.cut(1).recomputed();
        others.push((both.to_owned(), smallest.clone()));
        if self.trains == Trains::Weights {
            others.push(("LoRA in place of full fine-tuning (`lora`)".to_owned(), self.adapted()));
            others.push((format!("LoRA in place of full fine-tuning (`lora`) with {both}"), smallest.adapted()));
            if self.kind == Kind::Float {
                let half = Demand { kind: Kind::BFloat16, ..smallest.adapted() };
                others.push((format!("LoRA over a base in 16 bits (`precision: bf16` or `fp16`) with {both}"), half));
            }
        }
        others.into_iter().map(|(change, demand)| (change, demand.predict())).collect()
    }

    fn cut(&self, micro_batch: usize) -> Demand<'a> {
        Demand { micro_batch, ..self.clone() }
    }

    fn recomputed(&self) -> Demand<'a> {
        Demand { checkpointing: true, ..self.clone() }
    }

    fn adapted(&self) -> Demand<'a> {
        Demand { trains: Trains::Adapters { dropout: true }, trained: rank_16(self.config), ..self.clone() }
    }
}

/// Numbers in adapters of rank 16 on every linear.
fn rank_16(config: &Config) -> i64 {
    let of_layer: i64 = Linear::ALL.iter().map(|linear| linear.shape(config).iter().sum::<i64>() * 16).sum();
    of_layer * config.num_hidden_layers
}

impl Prediction {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.weights + self.gradients + self.optimizer + self.activations + self.logits + self.program
    }
}

/// `about 1.6 GiB of memory: 0.1 weights, ..`.
impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimizer", self.optimizer),
            ("activations", self.activations),
            ("logits", self.logits),
            ("the program", self.program),
        ];
        let parts: Vec<_> = parts.iter().map(|(name, bytes)| format!("{name} {}", gib(*bytes))).collect();
        write!(f, "about {} GiB of memory: {}", gib(self.total()), parts.join(", "))
    }
}

/// Bytes in GiB, as precise as predictions are.
pub fn gib(bytes: f64) -> String {
    let gib = bytes / GIB;
    if gib < 9.95 { format!("{gib:.2}") } else { format!("{gib:.0}") }
}
