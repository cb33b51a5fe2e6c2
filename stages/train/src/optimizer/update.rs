//! What every optimizer does.

use tch::Tensor;

use super::{AdamW, Lion};
use crate::parameters::Parameters;
use crate::params::OptimizerParams;

/// Which update it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// From 1.
    pub number: u64,
    /// The learning rate.
    pub rate: f64,
}

/// An optimizer with decoupled weight decay, which spares the norms.
pub trait Optimizer: std::fmt::Debug {
    /// The highest learning rate.
    fn peak_rate(&self) -> f64;

    /// Moves `parameters` along their gradient.
    fn update(&mut self, parameters: &mut Parameters, step: Step);

    /// What it remembers between updates, by name, each tensor as long as the weights. Together with the number of the next step
    /// this is all of its state: a checkpoint holds it.
    fn state(&self) -> Vec<(&'static str, &Tensor)>;
}

impl OptimizerParams {
    /// Numbers that are remembered for each weight.
    pub fn moments(&self) -> u32 {
        match self {
            OptimizerParams::Lion(_) => 1,
            OptimizerParams::AdamW(_) => 2,
        }
    }

    /// The optimizer of these params, which remembers nothing yet.
    pub fn start(&self, parameters: &Parameters) -> Box<dyn Optimizer> {
        match self {
            OptimizerParams::Lion(params) => Box::new(Lion::new(params.clone(), parameters)),
            OptimizerParams::AdamW(params) => Box::new(AdamW::new(params.clone(), parameters)),
        }
    }
}
