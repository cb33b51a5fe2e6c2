//! Gradients that are too long.

use tch::Tensor;

/// Scales `gradient` down to `limit` when its norm is larger; returns the norm it had.
pub fn clip(gradient: &mut Tensor, limit: f64) -> f64 {
    let norm = gradient.norm().double_value(&[]);
    if norm > limit {
        let _ = gradient.g_mul_scalar_(limit / norm);
    }
    norm
}
