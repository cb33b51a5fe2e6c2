//! The grid that both containers store: a few steps of one fp16 scale a group, around the code that stands for zero.
//!
//! A symmetric grid has its zero in the middle, and its scale carries the sign of the group's extreme value: that value falls on
//! code 0 and all codes are used, where a positive scale would clip it a step short. An asymmetric grid has a zero of its own for
//! each group. Scales are rounded to what is stored here, before any error is fed back, so the solver sees exactly the values that
//! a container holds.

use half::f16;

/// The bits of a code that there are.
pub const BITS: [u32; 4] = [2, 3, 4, 8];

/// Significant bits of an fp16 number.
const HALF_BITS: u32 = 11;

/// Which codes there are, and which of them stands for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Bits of a code.
    pub bits: u32,
    /// Which code stands for zero.
    pub zero: Zero,
}

/// Which code stands for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    /// The middle one: 8 of 16.
    Middle,
    /// Another one in each group.
    OfGroup,
}

/// The scale of a group and the code of its zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The difference of the values of two neighbouring codes.
    pub scale: f16,
    /// The code that stands for zero.
    pub zero: u8,
}

impl Grid {
    /// With the zero in the middle.
    pub const fn symmetric(bits: u32) -> Grid {
        Grid { bits, zero: Zero::Middle }
    }

    /// With a zero for each group.
    pub const fn asymmetric(bits: u32) -> Grid {
        Grid { bits, zero: Zero::OfGroup }
    }

    /// The middle code.
    pub const fn middle(self) -> u8 {
        1 << (self.bits - 1)
    }

    /// The highest code.
    pub const fn top(self) -> u8 {
        ((1_u32 << self.bits) - 1) as u8
    }

    /// The step of a group whose original weights are `values`; its scale is infinite when it does not fit fp16.
    pub fn step(self, values: &[f32]) -> Step {
        match self.zero {
            Zero::Middle => {
                let extreme =
                    values.iter().fold(0.0_f32, |extreme, &v| if v.abs() > extreme.abs() { v } else { extreme });
                self.symmetric_step(extreme / -f32::from(self.middle()))
            }
            Zero::OfGroup => {
                let (low, high) = values.iter().fold((0.0_f32, 0.0_f32), |(low, high), &v| (low.min(v), high.max(v)));
                self.asymmetric_step(low, high)
            }
        }
    }

    /// The step of a symmetric grid whose scale is `scale`, rounded.
    pub fn symmetric_step(self, scale: f32) -> Step {
        let scale = f16::from_f32(scale);
        // One zero, not two: the sign of an empty group must not reach the files.
        Step { scale: if scale == f16::ZERO { f16::ZERO } else { scale }, zero: self.middle() }
    }

    /// The step of an asymmetric grid that reaches from `low` to `high`, zero included.
    ///
    /// Q4_1 stores scale times zero in fp16, so the scale has as few significant bits as make that product exact.
    pub fn asymmetric_step(self, low: f32, high: f32) -> Step {
        let significant = if self.bits <= 4 { HALF_BITS - self.bits } else { HALF_BITS };
        let scale = f16::from_f32(rounded((high - low) / f32::from(self.top()), significant));
        if scale == f16::ZERO {
            return Step { scale: f16::ZERO, zero: self.middle() };
        }
        let zero = (-low / scale.to_f32()).round_ties_even().clamp(0.0, f32::from(self.top()));
        Step { scale, zero: zero as u8 }
    }

    /// The nearest code of `value`; ties go to the even step, as in torch.
    pub fn code(self, value: f32, step: Step) -> u8 {
        let scale = step.scale.to_f32();
        if scale == 0.0 {
            return step.zero;
        }
        let zero = f32::from(step.zero);
        (nearest(value / scale, -zero, f32::from(self.top()) - zero) + zero) as u8
    }
}

impl Step {
    /// The value a code stands for. Exact in f32: eleven bits times nine.
    pub fn value(self, code: u8) -> f32 {
        (f32::from(code) - f32::from(self.zero)) * self.scale.to_f32()
    }

    /// The value of code 0, which Q4_1 calls the minimum. Exact where [`Grid::asymmetric_step`] made the step of four bits or fewer.
    pub fn minimum(self) -> f16 {
        f16::from_f32(0.0 - self.scale.to_f32() * f32::from(self.zero))
    }
}

/// The whole number nearest to `value` between `low` and `high`, which are whole and small; ties go to the even one.
#[inline]
pub fn nearest(value: f32, low: f32, high: f32) -> f32 {
    // Beyond 2^23 an f32 has no fraction. A sum that is rounded there is the same as `round_ties_even`, and processors of any age
    // add four numbers at once, where they call a function to round one.
    const WHOLE: f32 = 12_582_912.0;
    (value.max(low).min(high) + WHOLE) - WHOLE
}

/// `value` with no more than `significant` bits, ties away from zero.
fn rounded(value: f32, significant: u32) -> f32 {
    let dropped = f32::MANTISSA_DIGITS - significant;
    f32::from_bits((value.to_bits() + (1 << (dropped - 1))) & !((1 << dropped) - 1))
}

/// The smallest number of no more than `significant` bits that is not below `value`, which is not negative.
pub(crate) fn rounded_up(value: f32, significant: u32) -> f32 {
    let mask = (1 << (f32::MANTISSA_DIGITS - significant)) - 1;
    f32::from_bits((value.to_bits() + mask) & !mask)
}

/// A quantized linear layer, rows by columns (out by in), as torch holds its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// What its codes mean.
    pub grid: Grid,
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
    /// One zero a scale where the grid has a zero for each group; none otherwise.
    pub zeros: Vec<u8>,
}

impl Quantized {
    /// Groups in a row.
    pub fn groups(&self) -> usize {
        self.columns / self.group_size
    }

    /// The step of group `index`, counted row by row.
    pub fn step(&self, index: usize) -> Step {
        Step { scale: self.scales[index], zero: self.zeros.get(index).copied().unwrap_or(self.grid.middle()) }
    }

    /// The weights it stands for, row by row.
    pub fn dequantize(&self) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.codes.len());
        for (index, codes) in self.codes.chunks_exact(self.group_size).enumerate() {
            let step = self.step(index);
            values.extend(codes.iter().map(|&code| step.value(code)));
        }
        values
    }

    /// Round-to-nearest: every weight to its nearest code, nothing fed back. The yardstick GPTQ is measured with.
    pub fn nearest(grid: Grid, weights: &[f32], columns: usize, group_size: usize) -> Quantized {
        let steps: Vec<Step> = weights.chunks_exact(group_size).map(|group| grid.step(group)).collect();
        let groups = weights.chunks_exact(group_size).zip(&steps);
        let codes = groups.flat_map(|(group, step)| group.iter().map(|&w| grid.code(w, *step))).collect();
        let scales = steps.iter().map(|step| step.scale).collect();
        let zeros = match grid.zero {
            Zero::Middle => Vec::new(),
            Zero::OfGroup => steps.iter().map(|step| step.zero).collect(),
        };
        Quantized { grid, rows: weights.len() / columns, columns, group_size, codes, scales, zeros }
    }

    /// Whether fp16 holds all its scales, and what Q4_1 makes of them.
    pub fn is_finite(&self) -> bool {
        (0..self.scales.len())
            .map(|index| self.step(index))
            .all(|step| step.scale.is_finite() && (self.grid.zero == Zero::Middle || step.minimum().is_finite()))
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
        for bits in BITS {
            let grid = Grid::symmetric(bits);
            let middle = f32::from(grid.middle());
            for extreme in [4.0_f32, -4.0] {
                let step = grid.step(&[1.0, extreme, -0.5]);
                assert_eq!(step.scale.to_f32(), -extreme / middle);
                assert_eq!(grid.code(extreme, step), 0);
                assert_eq!(step.value(0), extreme);
                // The far side has one step less.
                assert_eq!(step.value(grid.code(-extreme, step)), -extreme * (middle - 1.0) / middle);
            }
        }
    }

    #[test]
    fn a_group_of_zeros_has_a_positive_zero_scale_and_the_code_of_zero() {
        for grid in BITS.into_iter().flat_map(|bits| [Grid::symmetric(bits), Grid::asymmetric(bits)]) {
            for zeros in [[0.0_f32; 2], [-0.0; 2], [1e-30; 2]] {
                let step = grid.step(&zeros);
                assert_eq!(step.scale.to_bits(), 0);
                assert_eq!(grid.code(zeros[0], step), grid.middle());
            }
        }
    }

    #[test]
    fn an_asymmetric_grid_spends_its_codes_where_the_weights_are() {
        let grid = Grid::asymmetric(4);
        let step = grid.step(&[0.0, 1.5, 0.7]);
        assert_eq!((step.zero, step.scale.to_f32()), (0, 51.0 / 512.0));
        assert_eq!(grid.code(1.5, step), 15);
        let step = grid.step(&[-1.0, 2.0]);
        assert_eq!((step.zero, grid.code(-1.0, step), grid.code(2.0, step)), (5, 0, 15));
    }

    proptest! {
        #[test]
        fn rounding_is_off_by_half_a_step_inside_the_range_and_by_a_step_beyond(
            weights in prop::collection::vec(-3.0_f32..3.0, 64),
            bits in prop::sample::select(BITS.to_vec()),
            symmetric: bool,
        ) {
            let grid = if symmetric { Grid::symmetric(bits) } else { Grid::asymmetric(bits) };
            let quantized = Quantized::nearest(grid, &weights, 32, 32);
            let back = quantized.dequantize();
            for (i, (w, q)) in weights.iter().zip(&back).enumerate() {
                let step = quantized.scales[i / 32].to_f32().abs();
                prop_assert!((w - q).abs() <= step * 1.1, "{w} became {q}, step {step}");
            }
            prop_assert!(quantized.codes.iter().all(|&code| code <= grid.top()));
        }

        #[test]
        fn the_minimum_of_an_asymmetric_step_is_exact(low in -60_000.0_f32..0.0, high in 0.0_f32..60_000.0, power in -30..0) {
            let shrink = 2.0_f32.powi(power);
            for bits in [2, 3, 4] {
                let step = Grid::asymmetric(bits).asymmetric_step(low * shrink, high * shrink);
                prop_assert_eq!(step.minimum().to_f32(), 0.0 - step.scale.to_f32() * f32::from(step.zero));
            }
        }

        #[test]
        fn nearest_is_round_ties_even(value in -300.0_f32..300.0, half in -40_i32..40) {
            for value in [value, half as f32 / 2.0] {
                prop_assert_eq!(nearest(value, -8.0, 7.0), value.round_ties_even().clamp(-8.0, 7.0));
            }
        }
    }
}
