//! The solver against a textbook one in f64: optimal brain surgery with the explicit inverse Hessian, a column at a time.

use draws::Stream;
use formats::grid::{Grid, Quantized, Step, Zero};
use quantize::hessian::{self, FactorError, Hessian};
use quantize::solver;
use quantize::{ActOrder, ScaleChoice};
use tch::Tensor;

const ROWS: usize = 40;
const COLUMNS: usize = 192;
const GROUP: usize = 32;
const TOKENS: usize = 500;
const DAMPING: f64 = 0.01;

const GRID: Grid = Grid::symmetric(4);

/// Weights, and inputs whose features are mixtures of each other, of widely different size.
struct Problem {
    weights: Vec<f32>,
    inputs: Vec<f32>,
}

impl Problem {
    fn new(seed: u64) -> Problem {
        let mut stream = Stream::seeded(seed);
        let mut draw = || (0..6).map(|_| f64::from(stream.word()) / f64::from(u32::MAX)).sum::<f64>() as f32 - 3.0;
        let weights = (0..ROWS * COLUMNS).map(|_| draw()).collect();
        let mut inputs = vec![0.0_f32; TOKENS * COLUMNS];
        for token in inputs.chunks_exact_mut(COLUMNS) {
            let shared = draw();
            for (feature, value) in token.iter_mut().enumerate() {
                *value = (draw() + 2.0 * shared) * (1.0 + (feature * 7 % 13) as f32);
            }
        }
        Problem { weights, inputs }
    }

    fn hessian(&self) -> Hessian {
        let mut hessian = Hessian::new(COLUMNS as i64, tch::Device::Cpu);
        let inputs = Tensor::from_slice(&self.inputs).view([TOKENS as i64, COLUMNS as i64]);
        hessian.add(&inputs.narrow(0, 0, 50));
        hessian.add(&inputs.narrow(0, 50, TOKENS as i64 - 50));
        hessian
    }

    fn solved(&self, order: ActOrder, threads: usize) -> Quantized {
        self.solved_on(GRID, GROUP, ScaleChoice::Extreme, order, threads)
    }

    fn solved_on(
        &self,
        grid: Grid,
        group_size: usize,
        scale: ScaleChoice,
        order: ActOrder,
        threads: usize,
    ) -> Quantized {
        let factor = self.hessian().factor(DAMPING, order).unwrap();
        assert_eq!(factor.damping, DAMPING);
        let problem = solver::Problem { factor: &factor, grid, group_size, scale, threads };
        solver::solve(&problem, &tensor(&self.weights)).quantized
    }

    /// `|(W - Q) X|^2 / |W X|^2`, in f64 over the inputs themselves.
    fn error(&self, quantized: &Quantized) -> f64 {
        let stored = quantized.dequantize();
        let (mut lost, mut whole) = (0.0, 0.0);
        for token in self.inputs.chunks_exact(COLUMNS) {
            for (row, stored) in self.weights.chunks_exact(COLUMNS).zip(stored.chunks_exact(COLUMNS)) {
                let dot = |w: &[f32]| w.iter().zip(token).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
                whole += dot(row).powi(2);
                lost += (dot(row) - dot(stored)).powi(2);
            }
        }
        lost / whole
    }

    /// The textbook.
    fn reference(&self, grid: Grid, group_size: usize, order: ActOrder) -> Quantized {
        let mut hessian = vec![vec![0.0_f64; COLUMNS]; COLUMNS];
        for token in self.inputs.chunks_exact(COLUMNS) {
            for (i, line) in hessian.iter_mut().enumerate() {
                for (j, cell) in line.iter_mut().enumerate() {
                    *cell += 2.0 * f64::from(token[i]) * f64::from(token[j]) / TOKENS as f64;
                }
            }
        }
        let mean = (0..COLUMNS).map(|i| hessian[i][i]).sum::<f64>() / COLUMNS as f64;
        let mut columns: Vec<usize> = (0..COLUMNS).collect();
        if order == ActOrder::Static {
            columns.sort_by(|&a, &b| hessian[b][b].total_cmp(&hessian[a][a]));
        }
        (0..COLUMNS).for_each(|i| hessian[i][i] += DAMPING * mean);
        let mut inverse = invert(hessian);
        let mut live: Vec<f64> = self.weights.iter().map(|w| f64::from(*w)).collect();
        let mut quantized = Quantized::nearest(grid, &self.weights, COLUMNS, group_size);
        for (done, &column) in columns.iter().enumerate() {
            for row in 0..ROWS {
                let weights = &mut live[row * COLUMNS..][..COLUMNS];
                let group = row * (COLUMNS / group_size) + column / group_size;
                if order == ActOrder::Off && column % group_size == 0 {
                    let now: Vec<f32> = weights[column..column + group_size].iter().map(|w| *w as f32).collect();
                    let Step { scale, zero } = grid.step(&now);
                    quantized.scales[group] = scale;
                    if grid.zero == Zero::OfGroup {
                        quantized.zeros[group] = zero;
                    }
                }
                let step = quantized.step(group);
                let code = grid.code(weights[column] as f32, step);
                quantized.codes[row * COLUMNS + column] = code;
                let error = (weights[column] - f64::from(step.value(code))) / inverse[column][column];
                columns[done..].iter().for_each(|&other| weights[other] -= error * inverse[column][other]);
            }
            eliminate(&mut inverse, column);
        }
        quantized
    }
}

fn tensor(weights: &[f32]) -> Tensor {
    Tensor::from_slice(weights).view([ROWS as i64, COLUMNS as i64])
}

/// Gauss-Jordan; the matrix is positive definite.
fn invert(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = matrix.len();
    let mut inverse: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for i in 0..n {
        let pivot = matrix[i][i];
        (0..n).for_each(|j| {
            matrix[i][j] /= pivot;
            inverse[i][j] /= pivot;
        });
        for other in (0..n).filter(|&other| other != i) {
            let factor = matrix[other][i];
            for j in 0..n {
                matrix[other][j] -= factor * matrix[i][j];
                inverse[other][j] -= factor * inverse[i][j];
            }
        }
    }
    inverse
}

/// The inverse of the Hessian without `column`.
fn eliminate(inverse: &mut [Vec<f64>], column: usize) {
    let pivot = inverse[column].clone();
    for line in inverse.iter_mut() {
        let factor = line[column] / pivot[column];
        line.iter_mut().zip(&pivot).for_each(|(cell, p)| *cell -= factor * p);
    }
}

#[test]
fn the_codes_are_those_of_the_textbook() {
    let grids = [
        (Grid::symmetric(4), 32),
        (Grid::asymmetric(4), 64),
        (Grid::symmetric(8), 32),
        (Grid::symmetric(3), COLUMNS),
        (Grid::asymmetric(2), 32),
    ];
    for (seed, (grid, group)) in grids.into_iter().enumerate() {
        for order in [ActOrder::Static, ActOrder::Off] {
            let problem = Problem::new(seed as u64);
            let ours = problem.solved_on(grid, group, ScaleChoice::Extreme, order, 1);
            let theirs = problem.reference(grid, group, order);
            let near = ours.codes.iter().zip(&theirs.codes).filter(|(a, b)| a == b).count();
            // A value that falls on the edge between two codes may go either way in f32, and shift those after it.
            let share = near as f64 / ours.codes.len() as f64;
            assert!(share >= if grid.bits == 8 { 0.95 } else { 0.99 }, "{grid:?} {order:?}: {share}");
            let (ours, theirs) = (problem.error(&ours), problem.error(&theirs));
            assert!((ours - theirs).abs() <= 0.02 * theirs, "{grid:?} {order:?}: {ours} against {theirs}");
        }
    }
}

#[test]
fn a_search_of_scales_pays_where_codes_are_few() {
    for seed in 0..3 {
        let problem = Problem::new(seed);
        for grid in [Grid::symmetric(3), Grid::asymmetric(3)] {
            let error = |scale| problem.error(&problem.solved_on(grid, 64, scale, ActOrder::Static, 2));
            let (extreme, searched) = (error(ScaleChoice::Extreme), error(ScaleChoice::Hessian));
            assert!(searched < extreme, "{seed} {grid:?}: {searched} against {extreme}");
            assert!(error(ScaleChoice::Mse) < extreme, "{seed} {grid:?}");
        }
    }
}

#[test]
fn correlated_inputs_are_served_better_than_by_rounding() {
    for seed in 0..4 {
        let problem = Problem::new(seed);
        let nearest = problem.error(&Quantized::nearest(GRID, &problem.weights, COLUMNS, GROUP));
        let plain = problem.error(&problem.solved(ActOrder::Off, 1));
        let ordered = problem.error(&problem.solved(ActOrder::Static, 1));
        assert!(plain < 0.7 * nearest && ordered < 0.7 * nearest, "{seed}: {plain} {ordered} against {nearest}");
    }
}

#[test]
fn the_reported_error_is_that_of_the_inputs_themselves() {
    let problem = Problem::new(9);
    let quantized = problem.solved(ActOrder::Static, 1);
    let whole = problem.hessian().whole();
    let reported = hessian::relative_error(&whole, &tensor(&problem.weights), &tensor(&quantized.dequantize()));
    let direct = problem.error(&quantized);
    assert!((reported - direct).abs() < 0.02 * direct, "{reported} against {direct}");
}

#[test]
fn threads_do_not_change_the_codes() {
    let problem = Problem::new(1);
    assert_eq!(problem.solved(ActOrder::Static, 1), problem.solved(ActOrder::Static, 3));
}

#[test]
fn a_dead_input_gets_zero_weights_and_is_reported() {
    let mut problem = Problem::new(2);
    problem.inputs.chunks_exact_mut(COLUMNS).for_each(|token| token[5] = 0.0);
    let factor = problem.hessian().factor(DAMPING, ActOrder::Static).unwrap();
    assert_eq!(factor.dead, [5]);
    let stored = problem.solved(ActOrder::Static, 1).dequantize();
    assert!(stored.chunks_exact(COLUMNS).all(|row| row[5] == 0.0));
}

#[test]
fn damping_is_raised_until_the_hessian_can_be_factored() {
    // One token: a matrix of rank one, and a damping too small to change it.
    let mut hessian = Hessian::new(COLUMNS as i64, tch::Device::Cpu);
    hessian.add(&(Tensor::ones([1, COLUMNS as i64], (tch::Kind::Float, tch::Device::Cpu)) * 1e3));
    let factor = hessian.factor(1e-18, ActOrder::Off).unwrap();
    assert!(factor.damping >= 0.01, "{}", factor.damping);
}

#[test]
fn useless_calibration_is_refused() {
    let mut hessian = Hessian::new(2, tch::Device::Cpu);
    assert!(matches!(hessian.factor(DAMPING, ActOrder::Off), Err(FactorError::NoTokens)));
    hessian.add(&Tensor::from_slice(&[1.0_f32, f32::NAN]).view([1, 2]));
    assert!(matches!(hessian.factor(DAMPING, ActOrder::Off), Err(FactorError::NotFinite)));
}
