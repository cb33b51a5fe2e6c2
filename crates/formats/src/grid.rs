//! The 4-bit grid that both containers store: sixteen steps of one signed fp16 scale a group, code 8 being zero.
//!
//! The scale carries the sign of the group's extreme value, so that value falls on code 0 (-8 steps) and all sixteen codes are
//! used; a grid with a positive scale would clip it at +7. It is rounded to fp16 here, before any error is fed back, so the
//! solver sees exactly the values that are stored.

use half::f16;

/// Bits of a code.
pub const BITS: u32 = 4;

/// The code that stands for zero.
pub const ZERO: u8 = 8;

/// The scale of a group whose original weights are `values`. Zero for a group of zeros, and infinite when it does not fit fp16.
pub fn scale_of(values: &[f32]) -> f16 {
    let extreme = values.iter().fold(0.0_f32, |extreme, &v| if v.abs() > extreme.abs() { v } else { extreme });
    let scale = f16::from_f32(extreme / -f32::from(ZERO));
    // One zero, not two: the sign of an empty group must not reach the files.
    if scale == f16::ZERO { f16::ZERO } else { scale }
}

/// The nearest code of `value`; ties go to the even step, as in torch.
pub fn code_of(value: f32, scale: f32) -> u8 {
    if scale == 0.0 {
        return ZERO;
    }
    let step = (value / scale).round_ties_even().clamp(-8.0, 7.0);
    (step as i8 + ZERO as i8) as u8
}

/// The value a code stands for. Exact in f32: eleven bits times four.
pub fn value_of(code: u8, scale: f32) -> f32 {
    (f32::from(code) - f32::from(ZERO)) * scale
}

/// A quantized linear layer, rows by columns (out by in), as torch holds its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// Output features.
    pub rows: usize,
    /// Input features.
    pub columns: usize,
    /// Consecutive columns that share a scale.
    pub group_size: usize,
    /// One code a weight, row by row.
    pub codes: Vec<u8>,
    /// One scale a row and group, row by row.
    pub scales: Vec<f16>,
}

impl Quantized {
    /// Groups in a row.
    pub fn groups(&self) -> usize {
        self.columns / self.group_size
    }

    /// The weights it stands for, row by row.
    pub fn dequantize(&self) -> Vec<f32> {
        let groups = self.codes.chunks_exact(self.group_size).zip(&self.scales);
        groups.flat_map(|(codes, scale)| codes.iter().map(|&code| value_of(code, scale.to_f32()))).collect()
    }

    /// Round-to-nearest: every weight to its nearest code, nothing fed back. The yardstick GPTQ is measured with.
    pub fn nearest(weights: &[f32], columns: usize, group_size: usize) -> Quantized {
        let scales: Vec<f16> = weights.chunks_exact(group_size).map(scale_of).collect();
        let groups = weights.chunks_exact(group_size).zip(&scales);
        let codes = groups.flat_map(|(group, scale)| group.iter().map(|&w| code_of(w, scale.to_f32()))).collect();
        Quantized { rows: weights.len() / columns, columns, group_size, codes, scales }
    }

    /// The share of groups whose scale is negative.
    pub fn negative_scales(&self) -> f64 {
        let negative = self.scales.iter().filter(|scale| scale.is_sign_negative()).count();
        negative as f64 / self.scales.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_extreme_value_is_exact_and_takes_code_zero_whatever_its_sign() {
        for extreme in [4.0_f32, -4.0] {
            let scale = scale_of(&[1.0, extreme, -0.5]).to_f32();
            assert_eq!(scale, -extreme / 8.0);
            assert_eq!(code_of(extreme, scale), 0);
            assert_eq!(value_of(0, scale), extreme);
            // The far side has one step less.
            assert_eq!(value_of(code_of(-extreme, scale), scale), -extreme * 7.0 / 8.0);
        }
    }

    #[test]
    fn a_group_of_zeros_has_a_positive_zero_scale_and_zero_codes() {
        for zeros in [[0.0_f32; 2], [-0.0; 2], [1e-30; 2]] {
            let scale = scale_of(&zeros);
            assert_eq!(scale.to_bits(), 0);
            assert_eq!(code_of(zeros[0], scale.to_f32()), ZERO);
        }
    }

    proptest! {
        #[test]
        fn rounding_is_off_by_half_a_step_inside_the_range_and_by_a_step_beyond(
            weights in prop::collection::vec(-3.0_f32..3.0, 64)
        ) {
            let quantized = Quantized::nearest(&weights, 32, 32);
            let back = quantized.dequantize();
            for (i, (w, q)) in weights.iter().zip(&back).enumerate() {
                let step = quantized.scales[i / 32].to_f32().abs();
                prop_assert!((w - q).abs() <= step * 1.01, "{w} became {q}, step {step}");
            }
            prop_assert!(quantized.codes.iter().all(|&code| code < 16));
        }
    }
}
