//! One linear of a decoder layer. All products of activations with weights that can be adapted go through here.

use tch::Tensor;

/// A linear without bias.
#[derive(Debug)]
pub struct Projection {
    /// `[out, in]`.
    pub(crate) base: Tensor,
}

impl Projection {
    /// A linear with this weight.
    pub(crate) fn new(base: Tensor) -> Projection {
        Projection { base }
    }

    /// `x` `[.., in]` as `[.., out]`.
    pub(crate) fn project(&self, x: &Tensor) -> Tensor {
        x.linear(&self.base, None::<Tensor>)
    }
}
