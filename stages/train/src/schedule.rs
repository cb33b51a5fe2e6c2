//! The learning rate of each step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Rises in a line, then falls along half a cosine.
    Cosine(Cosine),
    /// The same at every step.
    Constant,
}

/// Settings of the cosine schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {
    /// Share of all steps in which the rate rises.
    #[schemars(range(min = 0, max = 1))]
    pub warmup: f64,
    /// Where it ends, as a share of the highest rate.
    #[schemars(range(min = 0, max = 1))]
    pub floor: f64,
}

impl Default for Cosine {
    fn default() -> Cosine {
        Cosine { warmup: 0.05, floor: 0.1 }
    }
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule::Cosine(Cosine::default())
    }
}

impl Schedule {
    /// The share of the highest rate at `step` (from 0) of `steps`.
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        let Schedule::Cosine(Cosine { warmup, floor }) = self else { return 1.0 };
        let rising = (steps as f64 * warmup).round() as u64;
        if step < rising {
            return (step + 1) as f64 / rising as f64;
        }
        let progress = (step - rising) as f64 / (steps - rising).max(1) as f64;
        floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_to_one_then_falls_to_the_floor() {
        let schedule = Schedule::Cosine(Cosine { warmup: 0.1, floor: 0.2 });
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
}
