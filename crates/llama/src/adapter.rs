//! Low-rank adapters (LoRA, arXiv 2106.09685): what a frozen linear adds to its output, and how it becomes part of its weight.
//!
//! The weight of an adapted linear stands for `W + alpha / rank * B A`. `A` and `B` are in fp32 whatever the base computes in. What
//! dropout leaves of their inputs is [`crate::dropout`]; the files of PEFT are not written here.

use draws::Stream;
use formats::{Config, Linear, LlamaError, ModelSource};
use tch::{Device, Kind, Tensor, no_grad};

use crate::dropout::{Dropout, Place};
use crate::model::Llama;
use crate::placement::Placement;
use crate::projection::Projection;

/// Which linears are adapted, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterShape {
    /// Rows of `A` and columns of `B`.
    pub rank: i64,
    /// Divided by the rank: what their product is multiplied by.
    pub alpha: f64,
    /// The adapted linears of every layer.
    pub targets: Vec<Linear>,
}

/// What one linear adds to its output.
#[derive(Debug)]
pub(crate) struct Adapter {
    /// `[rank, in]`.
    a: Tensor,
    /// `[out, rank]`.
    b: Tensor,
    scale: f64,
    dropout: Dropout,
    place: Place,
}

impl AdapterShape {
    /// Numbers in all adapters of a model of `config`.
    pub fn parameters(&self, config: &Config) -> i64 {
        let of_layer = self.linears().map(|linear| linear.shape(config).iter().sum::<i64>() * self.rank);
        of_layer.sum::<i64>() * config.num_hidden_layers
    }

    /// The targets in network order, each once.
    pub fn linears(&self) -> impl Iterator<Item = Linear> {
        Linear::ALL.into_iter().filter(|linear| self.targets.contains(linear))
    }
}

impl Adapter {
    /// `A` as PEFT starts it (uniform, of the variance 1 / (3 in)), `B` at zero: at first nothing is added.
    fn fresh(shape: &AdapterShape, weight: &Tensor, stream: &mut Stream, dropout: &Dropout, place: Place) -> Adapter {
        let (outputs, inputs) = (weight.size()[0], weight.size()[1]);
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut draw = || ((stream.long() >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * bound;
        let values: Vec<f32> = (0..shape.rank * inputs).map(|_| draw() as f32).collect();
        Adapter {
            a: Tensor::from_slice(&values).view([shape.rank, inputs]).to_device(weight.device()),
            b: Tensor::zeros([outputs, shape.rank], (Kind::Float, weight.device())),
            scale: shape.alpha / shape.rank as f64,
            dropout: dropout.clone(),
            place,
        }
    }

    /// `y` `[rows, out]`, the output of the base for `x` `[.., in]`, with what the adapter adds.
    pub(crate) fn add_to(&self, mut y: Tensor, x: &Tensor) -> Tensor {
        let (x, kept) = self.dropout.apply(x, self.place);
        let low = x.flatten(0, -2).to_kind(Kind::Float).linear(&self.a, None::<Tensor>) * (self.scale / kept);
        if y.kind() == Kind::Float {
            // In the product's own pass over `y`, so that no second tensor of its size is made.
            return y.addmm_(&low, &self.b.tr());
        }
        &y + low.linear(&self.b, None::<Tensor>).to_kind(y.kind())
    }

    /// What is added to the weight by a merge, `[out, in]`.
    fn product(&self) -> Tensor {
        self.b.matmul(&self.a) * self.scale
    }
}

impl Projection {
    fn merge(&mut self) {
        if let Some(adapter) = self.adapter.take() {
            no_grad(|| self.base = &self.base + adapter.product());
        }
    }
}

impl Llama {
    /// Puts adapters that add nothing yet on the linears of `shape`, and takes off those there are. Returns what says which of their
    /// inputs are dropped, with the probability `dropped`.
    pub fn adapt(&mut self, shape: &AdapterShape, dropped: f64, seed: u64) -> Dropout {
        let dropout = Dropout::new(dropped);
        let mut stream = Stream::seeded(seed);
        for (layer, block) in self.blocks.iter_mut().enumerate() {
            for (projection, linear) in block.linears_mut().iter_mut().zip(Linear::ALL) {
                let place = Place { layer: layer as u64, linear };
                projection.adapter = shape
                    .linears()
                    .any(|target| target == linear)
                    .then(|| Adapter::fresh(shape, &projection.base, &mut stream, &dropout, place));
            }
        }
        dropout
    }

    /// The adapters' matrices by name, to be replaced: `model.layers.0.self_attn.q_proj.lora_A.weight`.
    pub fn adapters_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        let linears = self.blocks.iter_mut().flat_map(|block| block.linears_mut().iter_mut().zip(Linear::ALL));
        let adapters = linears.filter_map(|(projection, _)| projection.adapter.as_mut());
        adapters
            .flat_map(|adapter| {
                let module = adapter.place.linear.module_name(adapter.place.layer as i64);
                [
                    (format!("{module}.lora_A.weight"), &mut adapter.a),
                    (format!("{module}.lora_B.weight"), &mut adapter.b),
                ]
            })
            .collect()
    }

    /// The model without adapters whose weights say what weights and adapters said, in fp32 on the CPU. Where `self` computes in
    /// another precision, the products are added to the weights as `source` has them, not to what the precision left of them.
    pub fn merged(mut self, source: &ModelSource) -> Result<Llama, LlamaError> {
        if self.placement != Placement::CPU {
            let mut exact = Llama::read(source, Placement::CPU)?;
            for (block, theirs) in exact.blocks.iter_mut().zip(&mut self.blocks) {
                for (projection, theirs) in block.linears_mut().iter_mut().zip(theirs.linears_mut()) {
                    projection.adapter = theirs.adapter.take().map(Adapter::into_cpu);
                }
            }
            self = exact;
        }
        self.blocks.iter_mut().flat_map(|block| block.linears_mut()).for_each(Projection::merge);
        Ok(self)
    }
}

impl Adapter {
    fn into_cpu(self) -> Adapter {
        Adapter { a: self.a.to_device(Device::Cpu), b: self.b.to_device(Device::Cpu), ..self }
    }
}
