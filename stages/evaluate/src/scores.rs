//! Sums of answers by task, measure and host; figures of them, with intervals by host.
//!
//! The answers of one host are correlated, so hosts are resampled, not answers. All figures share the same resamples: the
//! difference of two models is then one figure with its own, narrower interval (a paired bootstrap).

use std::collections::BTreeMap;

use draws::Stream;

use crate::measure::{Measure, Sums};
use crate::metrics::{Figure, Figures};

/// Resamples of hosts.
const ROUNDS: usize = 1000;

/// Hosts drawn again and again.
#[derive(Clone, Debug)]
pub struct Resamples {
    /// How often each host was drawn, in each round.
    weights: Vec<Vec<f64>>,
}

impl Resamples {
    /// Draws of `hosts` hosts from `seed`.
    pub fn new(seed: u64, hosts: usize) -> Resamples {
        // Another stream than the one that chooses the examples.
        let mut stream = Stream::seeded(seed).numbered(1);
        let mut round = || {
            let mut weights = vec![0.0; hosts];
            (0..hosts).for_each(|_| weights[stream.index(hosts)] += 1.0);
            weights
        };
        Resamples { weights: (0..ROUNDS).map(|_| round()).collect() }
    }

    /// The figure with all hosts once, and its 95 % interval, where it is of at least two of them. `of` gets the weight of each host.
    pub fn figure(&self, hosts: usize, of: impl Fn(&dyn Fn(usize) -> f64) -> Option<f64>) -> Option<Figure> {
        let value = of(&|_| 1.0)?;
        let mut drawn: Vec<f64> = match hosts {
            0 | 1 => Vec::new(),
            _ => self.weights.iter().filter_map(|weights| of(&|host| weights[host])).collect(),
        };
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn.get((share * drawn.len() as f64) as usize).copied();
        Some(Figure { value, low: at(0.025), high: at(0.975), hosts })
    }

    /// A function of the sum of the firsts over the sum of the seconds; each pair with its host.
    pub fn ratio(&self, pairs: &[(usize, f64, f64)], of: impl Fn(f64) -> f64) -> Option<Figure> {
        let mut by_host: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for (host, above, under) in pairs {
            let sums = by_host.entry(*host).or_default();
            *sums = (sums.0 + above, sums.1 + under);
        }
        self.figure(by_host.len(), |weight| {
            let weighted = by_host.iter().map(|(host, (above, under))| (weight(*host) * above, weight(*host) * under));
            let (above, under) = weighted.fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
            (under > 0.0).then(|| of(above / under))
        })
    }
}

/// Over which answers a figure is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Those of one task.
    Task(&'a str),
    /// The mean of the figures of all tasks that have it, each task counting the same.
    Mean,
}

/// The sums of the answers of one model or baseline.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    tasks: BTreeMap<String, BTreeMap<Measure, BTreeMap<usize, Sums>>>,
    answers: BTreeMap<String, usize>,
}

impl Scores {
    /// Adds an answer about `host`.
    pub fn add(&mut self, task: &str, host: usize, sums: impl IntoIterator<Item = (Measure, Sums)>) {
        *self.answers.entry(task.to_owned()).or_default() += 1;
        let measures = self.tasks.entry(task.to_owned()).or_default();
        for (measure, sums) in sums {
            let held = measures.entry(measure).or_default().entry(host).or_insert_with(|| vec![0.0; sums.len()]);
            held.iter_mut().zip(sums).for_each(|(held, sum)| *held += sum);
        }
    }

    /// The tasks, each with its number of answers.
    pub fn answers(&self) -> &BTreeMap<String, usize> {
        &self.answers
    }

    fn value(&self, scope: Scope<'_>, measure: Measure, weight: &dyn Fn(usize) -> f64) -> Option<f64> {
        match scope {
            Scope::Task(task) => of_hosts(self.tasks.get(task)?.get(&measure)?, measure, weight),
            Scope::Mean => {
                let of_task = |measures: &BTreeMap<_, _>| of_hosts(measures.get(&measure)?, measure, weight);
                let values: Vec<f64> = self.tasks.values().filter_map(of_task).collect();
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
            }
        }
    }

    fn hosts(&self, scope: Scope<'_>, measure: Measure) -> usize {
        let of_task = |(name, measures): (&String, &BTreeMap<Measure, BTreeMap<usize, Sums>>)| {
            let hosts = measures.get(&measure).filter(|_| scope == Scope::Mean || scope == Scope::Task(name));
            hosts.map(|hosts| hosts.keys().copied().collect::<Vec<_>>())
        };
        let mut hosts: Vec<usize> = self.tasks.iter().filter_map(of_task).flatten().collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.len()
    }

    /// All figures of `scope`.
    pub fn figures(&self, scope: Scope<'_>, resamples: &Resamples) -> Figures {
        let figure = |measure: Measure| {
            resamples
                .figure(self.hosts(scope, measure), |weight| self.value(scope, measure, weight))
                .map(|figure| (measure.name().to_owned(), figure))
        };
        Measure::ALL.into_iter().filter_map(figure).collect()
    }

    /// This minus `other`, where both have the measure.
    pub fn difference(
        &self,
        other: &Scores,
        (scope, measure): (Scope<'_>, Measure),
        resamples: &Resamples,
    ) -> Option<Figure> {
        resamples.figure(self.hosts(scope, measure), |weight| {
            Some(self.value(scope, measure, weight)? - other.value(scope, measure, weight)?)
        })
    }
}

fn of_hosts(hosts: &BTreeMap<usize, Sums>, measure: Measure, weight: &dyn Fn(usize) -> f64) -> Option<f64> {
    let mut total = vec![0.0; hosts.values().next()?.len()];
    for (host, sums) in hosts {
        let weight = weight(*host);
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += weight * sum);
    }
    measure.of(&total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::one;

    fn scores(right: impl Fn(usize, usize) -> bool) -> Scores {
        let mut scores = Scores::default();
        for (host, answer) in (0..40).flat_map(|host| (0..10).map(move |answer| (host, answer))) {
            scores.add("t", host, [(Measure::Exact, one(u8::from(right(host, answer))))]);
        }
        scores
    }

    fn exact(scores: &Scores) -> Figure {
        scores.figures(Scope::Task("t"), &Resamples::new(1, 40))["exact"]
    }

    #[test]
    fn answers_that_go_wrong_together_widen_the_interval() {
        let width = |figure: Figure| figure.high.unwrap() - figure.low.unwrap();
        let (apart, together) = (exact(&scores(|_, answer| answer < 5)), exact(&scores(|host, _| host < 20)));
        assert_eq!((apart.value, together.value, together.hosts), (0.5, 0.5, 40));
        // Every host is alike: drawing hosts changes nothing. All or nothing: that of a share of 40, 0.5 +- 0.155.
        assert_eq!(width(apart), 0.0);
        assert!((width(together) - 0.31).abs() < 0.06, "{together:?}");
    }

    #[test]
    fn a_difference_is_taken_host_by_host() {
        // One more right answer on each host, however unlike hosts are.
        let (less, more) = (scores(|host, n| n < host % 9), scores(|host, n| n < host % 9 + 1));
        let of = (Scope::Task("t"), Measure::Exact);
        let difference = more.difference(&less, of, &Resamples::new(1, 40)).unwrap();
        let near = |value: f64| (value - 0.1).abs() < 1e-9;
        assert!(near(difference.value) && near(difference.low.unwrap()) && near(difference.high.unwrap()));
    }

    #[test]
    fn every_task_counts_the_same_and_one_host_has_no_interval() {
        let mut scores = Scores::default();
        (0..9).for_each(|_| scores.add("many", 0, [(Measure::Exact, one(1))]));
        scores.add("few", 0, [(Measure::Exact, one(0))]);
        let figure = scores.figures(Scope::Mean, &Resamples::new(1, 1))["exact"];
        assert_eq!((figure.value, figure.low, figure.hosts), (0.5, None, 1));
    }
}
