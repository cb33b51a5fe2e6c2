//! The Hessian of a layer's inputs and its factor, which is all the column loop needs to know of the calibration data.
//!
//! Layers that read the same input (q, k, v; gate, up) share one. Sums are fp32 as in the reference implementations; the
//! factorization is fp64, so that damping is rarely raised.

use tch::{Device, Kind, Tensor};

use crate::params::ActOrder;

/// The least damping after the first attempt failed, and the most. Each attempt takes twice as much as the one before.
const DAMPING_RAISED: f64 = 0.01;
const DAMPING_LIMIT: f64 = 1.0;

/// Columns whose products are added at once. Only those on and above the diagonal are, which saves a third and more.
const STRIP: i64 = 256;

/// The sum of outer products of the inputs seen so far.
pub struct Hessian {
    /// Below the diagonal strips it is zero.
    sum: Tensor,
    tokens: i64,
}

/// The upper Cholesky factor of the inverse of a damped Hessian, in the order in which columns are quantized.
#[derive(Debug)]
pub struct Factor {
    /// `[columns, columns]`, fp32; zero below the diagonal.
    pub upper: Tensor,
    /// `permutation[position]` is the column that is quantized at `position`.
    pub permutation: Vec<usize>,
    /// How columns were ordered.
    pub order: ActOrder,
    /// Columns whose input was always zero; their weights become zero.
    pub dead: Vec<usize>,
    /// The damping it took, as a share of the mean diagonal.
    pub damping: f64,
    /// The diagonal of the Hessian in the layer's own column order, before damping.
    pub diagonal: Vec<f32>,
}

/// Why a Hessian has no factor.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// The calibration data gave no token.
    #[error("no calibration token reached the layer")]
    NoTokens,
    /// An activation was NaN or infinite.
    #[error("the layer's calibration inputs are not finite")]
    NotFinite,
    /// Even the strongest damping did not help.
    #[error("the Hessian is not positive definite, even with damping {DAMPING_LIMIT}")]
    Singular,
}

impl Hessian {
    /// An empty sum over inputs of `columns` features on `device`.
    pub fn new(columns: i64, device: Device) -> Hessian {
        Hessian { sum: Tensor::zeros([columns, columns], (Kind::Float, device)), tokens: 0 }
    }

    /// Adds inputs, one a row. Padding must not be among them.
    pub fn add(&mut self, inputs: &Tensor) {
        let inputs = inputs.to_kind(Kind::Float);
        let columns = inputs.size()[1];
        for start in (0..columns).step_by(STRIP as usize) {
            let width = STRIP.min(columns - start);
            let strip = inputs.narrow(1, start, width);
            let right = inputs.narrow(1, start, columns - start);
            let mut sum = self.sum.narrow(0, start, width).narrow(1, start, columns - start);
            let _ = sum.addmm_(&strip.tr(), &right);
        }
        self.tokens += inputs.size()[0];
    }

    /// Tokens seen.
    pub fn tokens(&self) -> i64 {
        self.tokens
    }

    /// The whole sum, both triangles alike.
    pub fn whole(&self) -> Tensor {
        let upper = self.sum.triu(0);
        &upper + upper.triu(1).tr()
    }

    /// Factors it, raising `damping` as often as it must.
    pub fn factor(&self, damping: f64, order: ActOrder) -> Result<Factor, FactorError> {
        if self.tokens == 0 {
            return Err(FactorError::NoTokens);
        }
        let hessian = self.whole().to_kind(Kind::Double) * (2.0 / self.tokens as f64);
        let mut diagonal = to_f64(&hessian.diag(0));
        let measured = diagonal.iter().map(|v| *v as f32).collect();
        if !diagonal.iter().all(|v| v.is_finite()) {
            return Err(FactorError::NotFinite);
        }
        let dead: Vec<usize> = (0..diagonal.len()).filter(|&column| diagonal[column] == 0.0).collect();
        dead.iter().for_each(|&column| diagonal[column] = 1.0);
        let mut permutation: Vec<usize> = (0..diagonal.len()).collect();
        if order == ActOrder::Static {
            // Stable, so equal columns keep their order and the result is one.
            permutation.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
        }
        let index = Tensor::from_slice(&permutation.iter().map(|&c| c as i64).collect::<Vec<_>>());
        let index = index.to_device(hessian.device());
        let ordered: Vec<f64> = permutation.iter().map(|&column| diagonal[column]).collect();
        let permuted = hessian.index_select(0, &index).index_select(1, &index);
        permuted.diagonal(0, 0, 1).copy_(&Tensor::from_slice(&ordered));

        let mean = diagonal.iter().sum::<f64>() / diagonal.len() as f64;
        let mut damping = damping;
        loop {
            let damped = permuted.copy();
            let mut to_damp = damped.diagonal(0, 0, 1);
            to_damp += damping * mean;
            if let Some(upper) = upper_of_inverse(&damped) {
                let upper = upper.to_kind(Kind::Float);
                return Ok(Factor { upper, permutation, order, dead, damping, diagonal: measured });
            }
            if damping >= DAMPING_LIMIT {
                return Err(FactorError::Singular);
            }
            damping = (2.0 * damping).clamp(DAMPING_RAISED, DAMPING_LIMIT);
        }
    }
}

impl Factor {
    /// Columns of the layer.
    pub fn columns(&self) -> usize {
        self.permutation.len()
    }
}

/// `sum ((W - Q) X)^2 / sum (W X)^2` for weights of one row an output, where `hessian` is the whole sum over the inputs.
pub fn relative_error(hessian: &Tensor, weights: &Tensor, quantized: &Tensor) -> f64 {
    let energy = |w: &Tensor| (w.matmul(hessian) * w).sum(Kind::Double).double_value(&[]);
    let whole = energy(weights);
    if whole > 0.0 { energy(&(weights - quantized)) / whole } else { 0.0 }
}

/// The upper Cholesky factor of the inverse of `matrix`, without that inverse: with `matrix` turned about, the lower factor of it is
/// the upper factor `R` of `R R^T`, whose inverse is the one wanted.
fn upper_of_inverse(matrix: &Tensor) -> Option<Tensor> {
    let (lower, info) = matrix.flip([0, 1]).linalg_cholesky_ex(false, false);
    if info.int64_value(&[]) != 0 {
        return None;
    }
    let identity = Tensor::eye(matrix.size()[0], (Kind::Double, matrix.device()));
    let upper = lower.flip([0, 1]).linalg_solve_triangular(&identity, true, true, false);
    (upper.isfinite().all().int64_value(&[]) == 1).then_some(upper)
}

fn to_f64(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_device(Device::Cpu).to_kind(Kind::Double)).expect("a vector of doubles")
}
