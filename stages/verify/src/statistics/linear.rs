//! Logistic regression on features that are there or not, trained by plain gradient steps in a fixed order: the same weights on
//! every machine, since nothing but sums, products and `libm`'s exponential is used.

const EPOCHS: u32 = 8;
const RATE: f64 = 0.15;
const DECAY: f64 = 1e-5;

/// A trained model.
pub(super) struct Linear {
    weights: Vec<f64>,
}

impl Linear {
    /// Trains on examples, which name the features they have, each below `width`. The order of the examples is the order of
    /// the steps; it should be that of a hash.
    pub(super) fn train<'e>(width: usize, examples: impl Iterator<Item = (&'e [u32], bool)> + Clone) -> Linear {
        let mut model = Linear { weights: vec![0.0; width] };
        for epoch in 0..EPOCHS {
            let rate = RATE / f64::from(1 + epoch);
            for (features, positive) in examples.clone() {
                let wanted = if positive { 1.0 } else { 0.0 };
                let step = rate * (wanted - 1.0 / (1.0 + libm::exp(-model.score(features))));
                for &feature in features {
                    let weight = &mut model.weights[feature as usize];
                    *weight += step - rate * DECAY * *weight;
                }
            }
        }
        model
    }

    /// The higher, the likelier positive.
    pub(super) fn score(&self, features: &[u32]) -> f64 {
        features.iter().map(|&feature| self.weights[feature as usize]).sum()
    }
}
