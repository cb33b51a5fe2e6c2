//! The learning rate of each step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Rises in a line, then falls along half a cosine.
    Cosine(Fall),
    /// Rises in a line, then falls in a line.
    Linear(Fall),
    /// The same at every step.
    Constant,
    /// Rises in a line, then stays the same.
    ConstantWithWarmup(Warmup),
}

/// Settings of a schedule that falls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fall {
    /// Share of all steps in which the rate rises.
    #[schemars(range(min = 0, max = 1))]
    pub warmup: f64,
    /// Where it ends, as a share of the highest rate.
    #[schemars(range(min = 0, max = 1))]
    pub floor: f64,
}

impl Default for Fall {
    fn default() -> Fall {
        Fall { warmup: 0.05, floor: 0.1 }
    }
}

/// Settings of a schedule that does not fall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Warmup {
    /// Share of all steps in which the rate rises.
    #[schemars(range(min = 0, max = 1))]
    pub warmup: f64,
}

impl Default for Warmup {
    fn default() -> Warmup {
        Warmup { warmup: 0.05 }
    }
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule::Cosine(Fall::default())
    }
}

impl Schedule {
    /// The share of the highest rate at `step` (from 0) of `steps`.
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        let warmup = match self {
            Schedule::Cosine(fall) | Schedule::Linear(fall) => fall.warmup,
            Schedule::ConstantWithWarmup(Warmup { warmup }) => *warmup,
            Schedule::Constant => 0.0,
        };
        let rising = (steps as f64 * warmup).round() as u64;
        if step < rising {
            return (step + 1) as f64 / rising as f64;
        }
        let progress = (step - rising) as f64 / (steps - rising).max(1) as f64;
        match self {
            Schedule::Cosine(Fall { floor, .. }) => {
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            Schedule::Linear(Fall { floor, .. }) => floor + (1.0 - floor) * (1.0 - progress),
            Schedule::Constant | Schedule::ConstantWithWarmup(_) => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_one_then_falls_to_the_floor() {
        let schedule = Schedule::Cosine(Fall { warmup: 0.1, floor: 0.2 });
        let factors: Vec<f64> = (0..100).map(|step| schedule.factor(step, 100)).collect();
        assert!((factors[0] - 0.1).abs() < 1e-12);
        assert!((factors[9] - 1.0).abs() < 1e-12);
        assert!((factors[10] - 1.0).abs() < 1e-12);
        // Half way down: the mean of 1 and the floor.
        assert!((factors[55] - 0.6).abs() < 1e-12);
        assert!(factors[10..].is_sorted_by(|a, b| a >= b));
        assert!(factors[99] > 0.2 && factors[99] < 0.201);
        assert_eq!(Schedule::Constant.factor(3, 10), 1.0);
        assert_eq!(schedule.factor(0, 1), 1.0);
    }

    #[test]
    fn a_line_falls_evenly_and_a_constant_does_not() {
        let line = Schedule::Linear(Fall { warmup: 0.1, floor: 0.2 });
        assert!((line.factor(0, 100) - 0.1).abs() < 1e-12);
        assert!((line.factor(10, 100) - 1.0).abs() < 1e-12);
        assert!((line.factor(55, 100) - 0.6).abs() < 1e-12);
        assert!((line.factor(99, 100) - (0.2 + 0.8 / 90.0)).abs() < 1e-12);
        let constant = Schedule::ConstantWithWarmup(Warmup { warmup: 0.1 });
        assert!((constant.factor(4, 100) - 0.5).abs() < 1e-12);
        assert_eq!((constant.factor(9, 100), constant.factor(99, 100)), (1.0, 1.0));
    }
}
