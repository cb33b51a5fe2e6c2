//! GPTQ's column loop: quantize one input column, spread its error over the columns still to come.
//!
//! Plain Rust over f32 slices. Rows are independent given the factor of the Hessian, so they are dealt to threads, and the
//! result does not depend on how many there are. A tile of rows passes over the factor together, which keeps the loop in cache.

use std::ops::Range;

use formats::grid::{Quantized, code_of, scale_of, value_of};
use half::f16;

use crate::hessian::Factor;
use crate::params::ActOrder;

/// Rows that share one pass over the factor: enough to hide its memory traffic, few enough to stay in the first-level cache.
const TILE: usize = 8;

/// A quantized layer and what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Codes and scales.
    pub quantized: Quantized,
    /// Half the summed squared error the loop saw, in units of the damped Hessian.
    pub loss: f64,
}

/// Quantizes `weights` (row by row, as wide as `factor`).
pub fn solve(weights: &[f32], factor: &Factor, group_size: usize, threads: usize) -> Solution {
    let columns = factor.columns();
    let rows = weights.len() / columns;
    let groups = columns / group_size;
    let mut live = weights.to_vec();
    for row in live.chunks_exact_mut(columns) {
        factor.dead.iter().for_each(|&column| row[column] = 0.0);
    }
    let mut codes = vec![0_u8; rows * columns];
    let mut scales = vec![f16::ZERO; rows * groups];
    let mut losses = vec![0.0_f64; rows];

    let share = rows.div_ceil(threads.max(1)).next_multiple_of(TILE);
    std::thread::scope(|scope| {
        let parts = live.chunks_mut(share * columns).zip(codes.chunks_mut(share * columns));
        let parts = parts.zip(scales.chunks_mut(share * groups)).zip(losses.chunks_mut(share));
        for (((live, codes), scales), losses) in parts {
            scope.spawn(move || {
                let tiles = live.chunks_mut(TILE * columns).zip(codes.chunks_mut(TILE * columns));
                let tiles = tiles.zip(scales.chunks_mut(TILE * groups)).zip(losses.chunks_mut(TILE));
                for (((live, codes), scales), losses) in tiles {
                    Tile { factor, group_size, live, codes, scales, losses }.run();
                }
            });
        }
    });
    let quantized = Quantized { rows, columns, group_size, codes, scales };
    Solution { quantized, loss: losses.iter().sum() }
}

/// A few rows on their way through the loop. `live` starts in the layer's own column order.
struct Tile<'a> {
    factor: &'a Factor,
    group_size: usize,
    live: &'a mut [f32],
    codes: &'a mut [u8],
    scales: &'a mut [f16],
    losses: &'a mut [f64],
}

impl Tile<'_> {
    fn run(&mut self) {
        let columns = self.factor.columns();
        if self.factor.order == ActOrder::Static {
            self.fix_scales(0..columns / self.group_size);
            self.permute();
        }
        for position in 0..columns {
            if self.factor.order == ActOrder::Off && position % self.group_size == 0 {
                let group = position / self.group_size;
                self.fix_scales(group..group + 1);
            }
            self.column(position);
        }
    }

    /// Takes the scales of `groups` from the weights as they are now; the columns must stand in their own order.
    fn fix_scales(&mut self, groups: Range<usize>) {
        let (columns, size) = (self.factor.columns(), self.group_size);
        for (row, scales) in self.live.chunks_exact(columns).zip(self.scales.chunks_exact_mut(columns / size)) {
            for group in groups.clone() {
                scales[group] = scale_of(&row[group * size..][..size]);
            }
        }
    }

    fn permute(&mut self) {
        for row in self.live.chunks_exact_mut(self.factor.columns()) {
            let ordered: Vec<f32> = self.factor.permutation.iter().map(|&column| row[column]).collect();
            row.copy_from_slice(&ordered);
        }
    }

    /// Quantizes the column at `position` of the permuted order and feeds its error to those after it.
    fn column(&mut self, position: usize) {
        let columns = self.factor.columns();
        let column = self.factor.permutation[position];
        let group = column / self.group_size;
        let upper = self.factor.row_from(position);
        let pivot = upper[0];
        for (row, live) in self.live.chunks_exact_mut(columns).enumerate() {
            let scale = self.scales[row * (columns / self.group_size) + group].to_f32();
            let code = code_of(live[position], scale);
            self.codes[row * columns + column] = code;
            let error = (live[position] - value_of(code, scale)) / pivot;
            self.losses[row] += 0.5 * f64::from(error) * f64::from(error);
            for (weight, factor) in live[position + 1..].iter_mut().zip(&upper[1..]) {
                *weight -= error * factor;
            }
        }
    }
}
