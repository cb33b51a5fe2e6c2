//! One linear of a decoder layer. All products of activations with weights that can be adapted go through here.

use tch::Tensor;

use crate::adapter::Adapter;

/// A linear without bias.
#[derive(Debug)]
pub struct Projection {
    /// `[out, in]`.
    pub(crate) base: Tensor,
    /// What it adds to the product with `base`, which is frozen then.
    pub(crate) adapter: Option<Adapter>,
}

impl Projection {
    /// A linear with this weight.
    pub(crate) fn new(base: Tensor) -> Projection {
        Projection { base, adapter: None }
    }

    /// `x` `[.., in]` as `[.., out]`.
    pub(crate) fn project(&self, x: &Tensor) -> Tensor {
        let Some(adapter) = &self.adapter else { return product(x, &self.base) };
        // By rows: the adapter adds to the product in place, which must not be a view of another tensor then.
        let mut shape = x.size();
        let y = adapter.add_to(product(&x.flatten(0, -2), &self.base), x);
        shape.splice(shape.len() - 1.., [self.base.size()[0]]);
        y.view(&shape[..])
    }
}

/// `x` `[.., in]` times `weight` `[out, in]`, in the precision of `x`: weights under training are in fp32 whatever the model computes
/// in.
pub(crate) fn product(x: &Tensor, weight: &Tensor) -> Tensor {
    x.linear(&weight.to_kind(x.kind()), None::<Tensor>)
}
