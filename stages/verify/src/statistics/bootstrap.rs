//! 95 % cluster-bootstrap intervals: hosts are resampled, because findings of one host are correlated.

use super::random::Random;

/// How often.
const RESAMPLES: usize = 200;

/// The interval of a figure. Each group of places is drawn among itself; `figure` gets the weight of every place, and may be
/// none of a draw that leaves nothing to look at.
pub fn interval(groups: &[Vec<usize>], figure: impl Fn(&[u64]) -> Option<f64>) -> Option<(f64, f64)> {
    let places = groups.iter().flatten().copied().max()? + 1;
    let mut random = Random::new(places as u64);
    let mut drawn = Vec::with_capacity(RESAMPLES);
    let mut weights = vec![0_u64; places];
    for _ in 0..RESAMPLES {
        weights.fill(0);
        for group in groups {
            for _ in 0..group.len() {
                weights[group[random.below(group.len())]] += 1;
            }
        }
        drawn.extend(figure(&weights));
    }
    drawn.sort_by(f64::total_cmp);
    let quantile = |share: f64| drawn.get((drawn.len() as f64 * share) as usize).copied();
    quantile(0.025).zip(quantile(0.975))
}

/// The share of hits over hosts, each with its hits and all of its things; no interval of fewer than two hosts.
pub fn share(hosts: &[(u64, u64)]) -> Option<(f64, f64)> {
    let share = |weights: &[u64]| {
        let (hits, all) = hosts
            .iter()
            .zip(weights)
            .fold((0, 0), |(hits, all), ((h, a), weight)| (hits + h * weight, all + a * weight));
        (all > 0).then(|| hits as f64 / all as f64)
    };
    (hosts.len() > 1).then(|| interval(&[(0..hosts.len()).collect()], share))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_about_two_errors_wide_each_way() {
        // A coin a host: the error of 0.5 over 400 is 0.025.
        let coins: Vec<(u64, u64)> = (0..400).map(|host| (host % 2, 1)).collect();
        let (low, high) = share(&coins).unwrap();
        assert!((0.43..0.47).contains(&low) && (0.53..0.57).contains(&high), "{low} {high}");
        // Ten like coins a host tell no more.
        let tens: Vec<(u64, u64)> = coins.iter().map(|(hits, all)| (hits * 10, all * 10)).collect();
        assert_eq!(share(&tens), Some((low, high)));
        assert_eq!(share(&coins[..1]), None);
    }
}
