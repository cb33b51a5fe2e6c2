//! The scale of a group: the one that reaches its extreme value, or the best of a few around it.

use formats::grid::{Grid, Step, Zero, nearest};

use crate::params::ScaleChoice;

/// How much of the group's range the candidates cover: from all of it down in steps of 2 %.
const CANDIDATES: u8 = 16;
const SHRINK: f32 = 0.02;

/// Sums are kept in so many parts, which a processor adds at once.
const LANES: usize = 8;

/// Chooses scales.
#[derive(Clone, Copy, Debug)]
pub struct Scales<'a> {
    /// The grid.
    pub grid: Grid,
    /// How.
    pub choice: ScaleChoice,
    /// The diagonal of the Hessian, in the layer's own column order.
    pub diagonal: &'a [f32],
}

impl Scales<'_> {
    /// The step of the group with weights `values`, of which the first is column `column`.
    pub fn step(&self, values: &[f32], column: usize) -> Step {
        let ones = [1.0; LANES];
        let importance = match self.choice {
            ScaleChoice::Extreme => return self.grid.step(values),
            ScaleChoice::Mse => &ones[..],
            ScaleChoice::Hessian => &self.diagonal[column..][..values.len()],
        };
        let error = |step: &Step| error(self.grid, *step, values, importance);
        let first = self.grid.step(values);
        let mut best = (error(&first), first);
        let mut consider = |step: Step| {
            let error = error(&step);
            // Of equals the first: the result is one.
            if error < best.0 {
                best = (error, step);
            }
        };
        match self.grid.zero {
            Zero::Middle => {
                let extreme = first.scale.to_f32() * -f32::from(self.grid.middle());
                let sides = [-f32::from(self.grid.middle()), f32::from(self.grid.top() - self.grid.middle())];
                for scale in sides.map(|side| extreme / side) {
                    shares().for_each(|share| consider(self.grid.symmetric_step(scale * share)));
                }
                let best_yet = best.1;
                let scale = least_squares(self.grid, best_yet, values, importance);
                let polished = self.grid.symmetric_step(scale);
                if scale.is_finite() && error(&polished) < best.0 {
                    return polished;
                }
            }
            Zero::OfGroup => {
                let (low, high) = values.iter().fold((0.0_f32, 0.0_f32), |(low, high), &v| (low.min(v), high.max(v)));
                for share in shares() {
                    consider(self.grid.asymmetric_step(low * share, high * share));
                    consider(self.grid.asymmetric_step(low * share, high));
                    consider(self.grid.asymmetric_step(low, high * share));
                }
            }
        }
        best.1
    }
}

fn shares() -> impl Iterator<Item = f32> {
    (0..CANDIDATES).map(|index| 1.0 - SHRINK * f32::from(index))
}

/// The code of `value` less that of zero.
fn offset(grid: Grid, step: Step, value: f32) -> f32 {
    let zero = f32::from(step.zero);
    nearest(value / step.scale.to_f32(), -zero, f32::from(grid.top()) - zero)
}

/// The squared error of `values` on the grid, weighted by `importance`, which is repeated where it is shorter.
fn error(grid: Grid, step: Step, values: &[f32], importance: &[f32]) -> f32 {
    let scale = step.scale.to_f32();
    if scale == 0.0 {
        return f32::INFINITY;
    }
    let zero = f32::from(step.zero);
    let (low, high) = (-zero, f32::from(grid.top()) - zero);
    let mut sums = [0.0_f32; LANES];
    for (values, importance) in values.chunks_exact(LANES).zip(importance.chunks_exact(LANES).cycle()) {
        for lane in 0..LANES {
            let lost = values[lane] - nearest(values[lane] / scale, low, high) * scale;
            sums[lane] += importance[lane] * lost * lost;
        }
    }
    sums.iter().sum()
}

/// The scale with the least error for the codes that `step` gives.
fn least_squares(grid: Grid, step: Step, values: &[f32], importance: &[f32]) -> f32 {
    let (mut product, mut square) = (0.0, 0.0);
    for (value, importance) in values.iter().zip(importance.iter().cycle()) {
        let offset = offset(grid, step, *value);
        product += importance * value * offset;
        square += importance * offset * offset;
    }
    product / square
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_search_never_does_worse_than_the_extreme(
            values in prop::collection::vec(-2.0_f32..2.0, 32),
            importance in prop::collection::vec(0.0_f32..9.0, 32),
            bits in prop::sample::select(vec![2_u32, 3, 4, 8]),
            symmetric: bool,
        ) {
            let grid = if symmetric { Grid::symmetric(bits) } else { Grid::asymmetric(bits) };
            let lost = |choice, weights: &[f32]| {
                let step = Scales { grid, choice, diagonal: &importance }.step(&values, 0);
                let lost = |(v, w): (&f32, &f32)| w * (v - step.value(grid.code(*v, step))).powi(2);
                values.iter().zip(weights).map(lost).sum::<f32>()
            };
            for (choice, weights) in [(ScaleChoice::Mse, &[1.0; 32][..]), (ScaleChoice::Hessian, &importance)] {
                prop_assert!(lost(choice, weights) <= lost(ScaleChoice::Extreme, weights) * 1.0001 + 1e-12);
            }
        }
    }

    #[test]
    fn two_bits_gain_much_from_a_search_and_an_empty_group_has_none() {
        let values: Vec<f32> = (0..32).map(|i| if i == 7 { 4.0 } else { (i as f32 - 16.0) / 16.0 }).collect();
        let grid = Grid::symmetric(2);
        let lost = |choice| {
            let step = Scales { grid, choice, diagonal: &[] }.step(&values, 0);
            values.iter().map(|v| (v - step.value(grid.code(*v, step))).powi(2)).sum::<f32>()
        };
        assert!(lost(ScaleChoice::Mse) < 0.9 * lost(ScaleChoice::Extreme));
        let step = Scales { grid, choice: ScaleChoice::Mse, diagonal: &[] }.step(&[0.0; 32], 0);
        assert_eq!((step.scale.to_bits(), step.zero), (0, 2));
    }
}
