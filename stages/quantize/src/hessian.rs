//! The Hessian of a layer's inputs and its factor, which is all the column loop needs to know of the calibration data.
//!
//! Layers that read the same input (q, k, v; gate, up) share one. Sums are fp32 as in the reference implementations; the
//! factorization is fp64, so that damping is rarely raised.

use tch::{Device, Kind, Tensor};

use crate::params::ActOrder;

/// The factor by which damping grows each time the factorization fails, and its limit.
const DAMPING_STEP: f64 = 0.01;
const DAMPING_LIMIT: f64 = 1.0;

/// The sum of outer products of the inputs seen so far.
pub struct Hessian {
    sum: Tensor,
    tokens: i64,
}

/// The upper Cholesky factor of the inverse of a damped Hessian, in the order in which columns are quantized.
#[derive(Clone, Debug)]
pub struct Factor {
    /// Row-major, square; zero below the diagonal.
    upper: Vec<f32>,
    /// `permutation[position]` is the column that is quantized at `position`.
    pub permutation: Vec<usize>,
    /// How columns were ordered.
    pub order: ActOrder,
    /// Columns whose input was always zero; their weights become zero.
    pub dead: Vec<usize>,
    /// The damping it took, as a share of the mean diagonal.
    pub damping: f64,
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
        self.sum += inputs.tr().matmul(&inputs);
        self.tokens += inputs.size()[0];
    }

    /// Tokens seen.
    pub fn tokens(&self) -> i64 {
        self.tokens
    }

    /// `sum ((W - Q) X)^2 / sum (W X)^2` for weights of one row an output, over the inputs seen.
    pub fn relative_error(&self, weights: &Tensor, quantized: &Tensor) -> f64 {
        let energy = |w: &Tensor| (w.matmul(&self.sum) * w).sum(Kind::Double).double_value(&[]);
        let whole = energy(weights);
        if whole > 0.0 { energy(&(weights - quantized)) / whole } else { 0.0 }
    }

    /// Factors it, raising `damping` as often as it must.
    pub fn factor(&self, damping: f64, order: ActOrder) -> Result<Factor, FactorError> {
        if self.tokens == 0 {
            return Err(FactorError::NoTokens);
        }
        let hessian = self.sum.to_kind(Kind::Double) * (2.0 / self.tokens as f64);
        let mut diagonal = to_f64(&hessian.diag(0));
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
        let identity = Tensor::eye(diagonal.len() as i64, (Kind::Double, hessian.device()));
        let mut damping = damping;
        loop {
            let damped = &permuted + &identity * (damping * mean);
            if let Some(upper) = upper_of_inverse(&damped) {
                let upper = Vec::<f32>::try_from(upper.to_device(Device::Cpu).to_kind(Kind::Float).flatten(0, -1))
                    .expect("a contiguous float tensor");
                return Ok(Factor { upper, permutation, order, dead, damping });
            }
            if damping >= DAMPING_LIMIT {
                return Err(FactorError::Singular);
            }
            damping = (damping + DAMPING_STEP).min(DAMPING_LIMIT);
        }
    }
}

impl Factor {
    /// Columns of the layer.
    pub fn columns(&self) -> usize {
        self.permutation.len()
    }

    /// Row `position` from the diagonal on.
    pub fn row_from(&self, position: usize) -> &[f32] {
        let columns = self.columns();
        &self.upper[position * columns + position..(position + 1) * columns]
    }
}

fn upper_of_inverse(matrix: &Tensor) -> Option<Tensor> {
    let inverse = cholesky(matrix, Triangle::Lower)?.cholesky_inverse(false);
    cholesky(&inverse, Triangle::Upper)
}

#[derive(Clone, Copy, PartialEq)]
enum Triangle {
    Lower,
    Upper,
}

fn cholesky(matrix: &Tensor, triangle: Triangle) -> Option<Tensor> {
    let (factor, info) = matrix.linalg_cholesky_ex(triangle == Triangle::Upper, false);
    let usable = info.int64_value(&[]) == 0 && factor.isfinite().all().int64_value(&[]) == 1;
    usable.then_some(factor)
}

fn to_f64(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_device(Device::Cpu).to_kind(Kind::Double)).expect("a vector of doubles")
}
