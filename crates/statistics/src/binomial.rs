//! The bound of Clopper and Pearson: how frequent an event may be that happened so often.

/// Halvings of the interval; more change no bit.
const HALVINGS: u32 = 60;

/// The largest share that an event may have which happened `events` times of `trials`, with the given confidence (0.95: were its share
/// larger, so few events would happen in less than 5 % of all cases). With no trials it is 1.
pub fn upper_bound(events: usize, trials: usize, confidence: f64) -> f64 {
    if events >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if at_most(events, trials, middle) > 1.0 - confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The probability of at most `events` of `trials`, each with the probability `share`, which is neither 0 nor 1.
fn at_most(events: usize, trials: usize, share: f64) -> f64 {
    let trials = trials as f64;
    let (log, other) = (libm::log(share), libm::log1p(-share));
    let factorial = |n: f64| libm::lgamma(n + 1.0);
    let exactly = |events: f64| {
        let ways = factorial(trials) - factorial(events) - factorial(trials - events);
        libm::exp(ways + events * log + (trials - events) * other)
    };
    (0..=events).map(|events| exactly(events as f64)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_equal_those_of_the_beta_distribution() {
        // Of none, 1 - 0.05^(1 / trials); the others by the same sum in Python.
        let check = |events, trials, expected: f64| {
            let found = upper_bound(events, trials, 0.95);
            assert!((found - expected).abs() < 1e-6, "{events} of {trials}: {found}, expected {expected}");
        };
        check(0, 100, 0.029_513_049_6);
        check(0, 299, 0.009_969_146_8);
        check(1, 10, 0.394_163_302_4);
        check(5, 600, 0.017_441_325_4);
        assert_eq!((upper_bound(0, 0, 0.95), upper_bound(3, 3, 0.95)), (1.0, 1.0));
    }
}
