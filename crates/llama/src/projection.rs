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
        let Some(adapter) = &self.adapter else { return x.linear(&self.base, None::<Tensor>) };
        // By rows: the adapter adds to the product in place, which must not be a view of another tensor then.
        let mut shape = x.size();
        let y = adapter.add_to(x.flatten(0, -2).linear(&self.base, None::<Tensor>), x);
        shape.splice(shape.len() - 1.., [self.base.size()[0]]);
        y.view(&shape[..])
    }
}
