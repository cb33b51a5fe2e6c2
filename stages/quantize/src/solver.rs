//! GPTQ's column loop: quantize one input column, spread its error over the columns still to come.
//!
//! Columns go in blocks. Within a block, plain Rust works on tiles of rows that stay in the first-level cache: rows are independent
//! given the factor of the Hessian, so tiles are dealt to threads, and the codes do not depend on how many there are. What a block
//! does to all columns behind it is one product of matrices, added in place.
//!
//! The weights lie turned over, a column's values side by side, so that every inner loop runs along rows.

use formats::grid::{Grid, Quantized, Step, Zero, nearest};
use half::f16;
use tch::{Device, Kind, Tensor};

use crate::hessian::Factor;
use crate::params::{ActOrder, ScaleChoice};
use crate::scales::Scales;

/// Columns of a block: as few as keep the products of matrices efficient. A multiple of every group that scales are taken of on the way.
const BLOCK: usize = 128;

/// Rows of a tile: a block of them and its errors fill a first-level cache.
const TILE: usize = 32;

/// What is to be solved, besides the weights.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// The calibration data, as far as it matters.
    pub factor: &'a Factor,
    /// The grid.
    pub grid: Grid,
    /// Consecutive columns that share a scale.
    pub group_size: usize,
    /// How scales are chosen.
    pub scale: ScaleChoice,
    /// Threads that share the work.
    pub threads: usize,
}

/// A quantized layer and what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Codes, scales and zeros.
    pub quantized: Quantized,
    /// Half the summed squared error the loop saw, in units of the damped Hessian.
    pub loss: f64,
}

/// Quantizes `weights` `[rows, columns]`, in fp32.
pub fn solve(problem: &Problem, weights: &Tensor) -> Solution {
    let (factor, device) = (problem.factor, weights.device());
    let (rows, columns) = (weights.size()[0] as usize, factor.columns());
    let weights = without_dead(weights, &factor.dead);
    let mut steps = Steps::new(rows, columns / problem.group_size);
    if problem.scales_come_first() {
        steps.take_all(problem, &weights);
    }
    let order: Vec<i64> = factor.permutation.iter().map(|&column| column as i64).collect();
    let live = weights.tr().index_select(0, &Tensor::from_slice(&order).to_device(device));
    let mut codes = vec![0_u8; rows * columns];
    let mut loss = 0.0;
    for start in (0..columns).step_by(BLOCK) {
        let width = BLOCK.min(columns - start);
        let (from, count) = (start as i64, width as i64);
        let across = factor.upper.narrow(0, from, count);
        let block = Block {
            scales: problem.scales(),
            scales_come_first: problem.scales_come_first(),
            group_size: problem.group_size,
            columns: &factor.permutation[start..start + width],
            upper: copied(&across.narrow(1, from, count)),
            live: copied(&live.narrow(0, from, count)),
            rows,
        };
        let mut errors = vec![0.0_f32; width * rows];
        for done in block.solve(&mut steps, problem.threads) {
            for (index, &column) in block.columns.iter().enumerate() {
                let (at, tile) = (done.row, index * TILE);
                errors[index * rows + at..][..done.rows].copy_from_slice(&done.errors[tile..][..done.rows]);
                for (row, code) in done.codes[tile..][..done.rows].iter().enumerate() {
                    codes[(at + row) * columns + column] = *code;
                }
            }
        }
        let errors = Tensor::from_slice(&errors).view([count, rows as i64]).to_device(device);
        loss += 0.5 * errors.square().sum(Kind::Double).double_value(&[]);
        let behind = columns - start - width;
        if behind > 0 {
            let (from, behind) = (from + count, behind as i64);
            let _ = live.narrow(0, from, behind).addmm_(&across.narrow(1, from, behind).tr(), &errors);
        }
    }
    Solution { quantized: steps.with_codes(problem, columns, codes), loss }
}

impl Problem<'_> {
    /// Whether all scales are taken before the first column. A group as wide as the layer has its first column first either way.
    fn scales_come_first(&self) -> bool {
        self.factor.order == ActOrder::Static || !BLOCK.is_multiple_of(self.group_size)
    }

    fn scales(&self) -> Scales<'_> {
        Scales { grid: self.grid, choice: self.scale, diagonal: &self.factor.diagonal }
    }
}

/// The steps of all groups, each group's rows side by side.
struct Steps {
    rows: usize,
    scales: Vec<f16>,
    zeros: Vec<u8>,
}

impl Steps {
    fn new(rows: usize, groups: usize) -> Steps {
        Steps { rows, scales: vec![f16::ZERO; rows * groups], zeros: vec![0; rows * groups] }
    }

    fn set(&mut self, group: usize, row: usize, step: Step) {
        self.scales[group * self.rows + row] = step.scale;
        self.zeros[group * self.rows + row] = step.zero;
    }

    fn get(&self, group: usize, row: usize) -> Step {
        Step { scale: self.scales[group * self.rows + row], zero: self.zeros[group * self.rows + row] }
    }

    /// Takes the steps of all groups from `weights`.
    fn take_all(&mut self, problem: &Problem, weights: &Tensor) {
        let (scales, size, groups) = (problem.scales(), problem.group_size, self.scales.len() / self.rows);
        let values = copied(weights);
        let share = self.rows.div_ceil(problem.threads.max(1)) * groups * size;
        let taken: Vec<Vec<Step>> = in_threads(values.chunks(share).map(|values| {
            move || {
                let all = values.chunks_exact(size).enumerate();
                all.map(|(index, group)| scales.step(group, index % groups * size)).collect()
            }
        }));
        for (index, step) in taken.into_iter().flatten().enumerate() {
            self.set(index % groups, index / groups, step);
        }
    }

    fn with_codes(self, problem: &Problem, columns: usize, codes: Vec<u8>) -> Quantized {
        let groups = columns / problem.group_size;
        let turned = |index: usize| index % groups * self.rows + index / groups;
        let scales = (0..self.scales.len()).map(|index| self.scales[turned(index)]).collect();
        let zeros = match problem.grid.zero {
            Zero::Middle => Vec::new(),
            Zero::OfGroup => (0..self.zeros.len()).map(|index| self.zeros[turned(index)]).collect(),
        };
        let (grid, group_size) = (problem.grid, problem.group_size);
        Quantized { grid, rows: self.rows, columns, group_size, codes, scales, zeros }
    }
}

/// A block of columns, with the weights as they are when the loop reaches it.
struct Block<'a> {
    scales: Scales<'a>,
    scales_come_first: bool,
    group_size: usize,
    /// Which columns of the layer they are.
    columns: &'a [usize],
    /// Their square of the factor.
    upper: Vec<f32>,
    /// Their weights, each column's rows side by side.
    live: Vec<f32>,
    rows: usize,
}

/// What became of a tile.
struct Tile {
    row: usize,
    rows: usize,
    /// [`TILE`] places for each column of the block, as in `errors`.
    codes: Vec<u8>,
    /// Negated, and divided by the pivot of their columns.
    errors: Vec<f32>,
    /// Group, row and step of the scales that were taken on the way.
    steps: Vec<(usize, usize, Step)>,
}

impl Block<'_> {
    /// Quantizes the block, and puts the scales that are taken on the way into `steps`.
    fn solve(&self, steps: &mut Steps, threads: usize) -> Vec<Tile> {
        let tiles: Vec<usize> = (0..self.rows).step_by(TILE).collect();
        let share = tiles.len().div_ceil(threads.max(1));
        let known: &Steps = steps;
        let solved: Vec<Vec<Tile>> = in_threads(
            tiles.chunks(share).map(|rows| move || rows.iter().map(|row| self.solve_tile(known, *row)).collect()),
        );
        let solved: Vec<Tile> = solved.into_iter().flatten().collect();
        for (group, row, step) in solved.iter().flat_map(|tile| &tile.steps) {
            steps.set(*group, *row, *step);
        }
        solved
    }

    fn solve_tile(&self, steps: &Steps, row: usize) -> Tile {
        let (width, size) = (self.columns.len(), self.group_size);
        let rows = TILE.min(self.rows - row);
        let top = f32::from(self.scales.grid.top());
        let mut live = vec![0.0_f32; width * TILE];
        for (tile, column) in live.chunks_exact_mut(TILE).zip(self.live.chunks_exact(self.rows)) {
            tile[..rows].copy_from_slice(&column[row..row + rows]);
        }
        let mut done =
            Tile { row, rows, codes: vec![0; width * TILE], errors: vec![0.0; width * TILE], steps: Vec::new() };
        let (mut scale, mut zero) = ([0.0_f32; TILE], [0.0_f32; TILE]);
        let mut held = usize::MAX;
        for (index, &column) in self.columns.iter().enumerate() {
            let group = column / size;
            if group != held {
                held = group;
                for at in 0..rows {
                    let step = if self.scales_come_first {
                        steps.get(group, row + at)
                    } else {
                        let step = self.step_now(&live, index, at);
                        done.steps.push((group, row + at, step));
                        step
                    };
                    (scale[at], zero[at]) = (step.scale.to_f32(), f32::from(step.zero));
                }
            }
            let upper = &self.upper[index * width..][..width];
            let (now, behind) = live[index * TILE..].split_at_mut(TILE);
            let errors = &mut done.errors[index * TILE..][..TILE];
            let codes = &mut done.codes[index * TILE..][..TILE];
            for at in 0..TILE {
                // A group of zeros has scale 0: its quotient is none, and so is its offset.
                let quotient = if scale[at] == 0.0 { 0.0 } else { now[at] / scale[at] };
                let offset = nearest(quotient, -zero[at], top - zero[at]);
                errors[at] = (offset * scale[at] - now[at]) / upper[index];
                codes[at] = (offset + zero[at]) as u8;
            }
            for (weights, factor) in behind.chunks_exact_mut(TILE).zip(&upper[index + 1..]) {
                for at in 0..TILE {
                    weights[at] += errors[at] * factor;
                }
            }
        }
        done
    }

    /// The step of the group that begins at column `index` of the block, from the weights of row `at` as they are now.
    fn step_now(&self, live: &[f32], index: usize, at: usize) -> Step {
        let size = self.group_size;
        let values: Vec<f32> = (index..index + size).map(|column| live[column * TILE + at]).collect();
        self.scales.step(&values, self.columns[index])
    }
}

/// What each of `works` gives, each done by a thread of its own where there is more than one.
fn in_threads<T: Send, W: FnOnce() -> T + Send>(works: impl Iterator<Item = W>) -> Vec<T> {
    let mut works: Vec<W> = works.collect();
    let Some(last) = works.pop() else { return Vec::new() };
    std::thread::scope(|scope| {
        let others: Vec<_> = works.into_iter().map(|work| scope.spawn(work)).collect();
        let last = last();
        let join = |thread: std::thread::ScopedJoinHandle<T>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let mut given: Vec<T> = others.into_iter().map(join).collect();
        given.push(last);
        given
    })
}

fn without_dead(weights: &Tensor, dead: &[usize]) -> Tensor {
    if dead.is_empty() {
        return weights.shallow_clone();
    }
    let index: Vec<i64> = dead.iter().map(|&column| column as i64).collect();
    weights.index_fill(1, &Tensor::from_slice(&index).to_device(weights.device()), 0.0)
}

/// The values of a tensor, row by row.
fn copied(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
