//! Logistic regression on binary features, trained by stochastic gradient descent with a decaying rate and weight decay (Bottou,
//! "Stochastic gradient descent tricks", 2012), in the order of the examples. The weights are the same on every machine, since only
//! sums, products and `libm`'s exponential are used.

/// Passes over all examples.
const EPOCHS: u32 = 8;
/// Step size of the first pass; that of pass n is this over n.
const RATE: f64 = 0.15;
/// Weight decay: the share of a weight that a step of size 1 takes away.
const DECAY: f64 = 1e-5;

/// A trained model.
pub struct Logistic {
    weights: Vec<f64>,
}

impl Logistic {
    /// Trains on examples, which name the features they have, each below `width`. The order of the examples is the order of
    /// the steps; it should be that of a hash.
    pub fn train<'e>(width: usize, examples: impl Iterator<Item = (&'e [u32], bool)> + Clone) -> Logistic {
        let mut model = Logistic { weights: vec![0.0; width] };
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
    pub fn score(&self, features: &[u32]) -> f64 {
        features.iter().map(|&feature| self.weights[feature as usize]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telling_feature_gets_the_weight_and_a_common_one_does_not() {
        // Feature 0 is there in all, 1 in positive examples only, 2 in negative ones only.
        let examples: Vec<(Vec<u32>, bool)> = (0..200).map(|n| (vec![0, 1 + n % 2], n % 2 == 0)).collect();
        let model = Logistic::train(3, examples.iter().map(|(features, positive)| (features.as_slice(), *positive)));
        assert!(model.score(&[1]) > 2.0 && model.score(&[2]) < -2.0 && model.score(&[0]).abs() < 0.5);
        assert_eq!(model.score(&[]), 0.0);
    }
}
