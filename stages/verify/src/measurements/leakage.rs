//! Whether chains can be told from everything else by what must not tell: pid and inode values, the place in the scanner's
//! list, and counts.
//!
//! One model a scanner, in two folds of hosts, each scored by the model of the other. The area over all scanners is over pairs
//! of one scanner and fold: that a scanner reports chains more often than others is no leak. Its upper 95 % bound is held against
//! the threshold from [`FEWEST`] findings on, counted in balance: a finding of a chain with one that is not. Below that only a
//! lower bound beyond the threshold fails.

use std::collections::BTreeMap;

use draws::{hash, mix};
use scan::{Finding, Report};
use statistics::Estimate;
use statistics::auc::{self, Scored, Stratum};
use statistics::logistic::Logistic;

use crate::check::Outcome;
use crate::report::Measure;
use crate::scans::truth::ChainIds;
use crate::tally::Measured;

/// Fewest findings in balance for the bound over all scanners.
const FEWEST: usize = 2000;

/// Standard errors from an area to its one-sided 95 % bound.
const BOUND: f64 = 1.645;

/// Standard errors beyond the threshold that make one scanner's area a warning: there are many scanners.
const PROVEN: f64 = 3.0;

/// Fewest findings of chains of a scanner that is shown.
const FEWEST_CHAIN: usize = 20;

/// Values of a finding.
const VALUES: usize = 6;

/// Ranks of a value; one more stands for none.
const BINS: u32 = 16;

const NONE: u32 = u32::MAX;

/// A finding as a model sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace {
    chain: bool,
    /// Pid, inode, place, place in per mille, findings of the scanner, findings of the scan.
    values: [u32; VALUES],
}

/// The traces of one report by scanner. What cannot be told apart is left out.
pub(super) fn traces(report: &Report, ids: &ChainIds<'_>) -> Vec<(String, Vec<Trace>)> {
    let all = report.findings().count() as u32;
    let mut found = Vec::new();
    for result in report.results.iter().filter(|result| !result.findings.is_empty()) {
        let mut traces = Vec::with_capacity(result.findings.len());
        let count = result.findings.len() as u32;
        for (place, finding) in result.findings.iter().enumerate() {
            let Some(chain) = ids.holds(&result.scanner, &finding.id) else { continue };
            let pid = if result.scanner == "processes" { finding.id.parse().ok() } else { number(finding, "pid") };
            let place = place as u32;
            let values = [
                pid.unwrap_or(NONE),
                number(finding, "inode").unwrap_or(NONE),
                place,
                place * 1000 / count,
                count,
                all,
            ];
            traces.push(Trace { chain, values });
        }
        found.push((result.scanner.clone(), traces));
    }
    found
}

fn number(finding: &Finding, key: &str) -> Option<u32> {
    finding.number(key).map(|number| number.min(u64::from(NONE - 1)) as u32)
}

/// The traces of all hosts of the sample.
#[derive(Default)]
pub(super) struct Leakage {
    hosts: Vec<String>,
    scanners: BTreeMap<String, Vec<(u32, Trace)>>,
}

impl Leakage {
    /// Takes the traces of one scan.
    pub(super) fn take(&mut self, host: &str, found: Vec<(String, Vec<Trace>)>) {
        if found.is_empty() {
            return;
        }
        if self.hosts.last().is_none_or(|last| last != host) {
            self.hosts.push(host.to_owned());
        }
        let place = self.hosts.len() as u32 - 1;
        for (scanner, traces) in found {
            self.scanners.entry(scanner).or_default().extend(traces.into_iter().map(|trace| (place, trace)));
        }
    }

    /// The figure: the upper bound of the area over all scanners.
    pub(super) fn measure(self, threshold: f64) -> (Outcome, Measured) {
        let mut outcome = Outcome::default();
        let mut measures = Vec::new();
        let folds: Vec<usize> = self.hosts.iter().map(|host| (hash(host) >> 32) as usize % 2).collect();
        let mut all: Vec<[Stratum; 2]> = Vec::new();
        let mut chains = 0;
        for (scanner, traces) in &self.scanners {
            let chain = traces.iter().filter(|(_, trace)| trace.chain).count();
            if chain == 0 || chain == traces.len() {
                continue;
            }
            chains += chain;
            outcome.items += traces.len() as u64;
            let strata = score(traces, &folds);
            let shown = auc::area(&strata.each_ref(), self.hosts.len(), BOUND).filter(|_| chain >= FEWEST_CHAIN);
            let proven = auc::area(&strata.each_ref(), self.hosts.len(), PROVEN);
            if let Some(area) = shown.and(proven).filter(|area| area.low > threshold) {
                let message = format!(
                    "chains are told with an area of {:.3}, at least {:.3} by {PROVEN} standard errors",
                    area.value, area.low
                );
                outcome.tell(scanner, "", message);
            }
            measures.push(of_part(scanner, traces.len() as u64, shown, format!("{chain} of chains")));
            all.push(strata);
        }
        let strata: Vec<&Stratum> = all.iter().flatten().collect();
        let area = auc::area(&strata, self.hosts.len(), BOUND);
        let note = format!("{chains} of chains, on {} hosts", self.hosts.len());
        measures.insert(0, of_part("all", outcome.items, area, note));
        let balanced = 2 * chains.min(outcome.items as usize - chains);
        let measured = area.filter(|area| balanced >= FEWEST || (chains >= FEWEST_CHAIN && area.low > threshold));
        let Some(area) = measured else {
            let reason = format!("{balanced} findings in balance of chains and others, {FEWEST} are needed");
            return (outcome, Measured { figure: None, reason, measures });
        };
        if area.high > threshold {
            let message = format!("chains are told with an area of {:.3}, up to {:.3}", area.value, area.high);
            outcome.tell("all", "", message);
        }
        let reason = "upper 95 % bound of the area under the curve".to_owned();
        (outcome, Measured { figure: Some(area.high), reason, measures })
    }
}

fn of_part(part: &str, items: u64, area: Option<Estimate>, note: String) -> Measure {
    Measure {
        part: part.to_owned(),
        items,
        value: area.map(|area| area.value),
        low: area.map(|area| area.low),
        high: area.map(|area| area.high),
        note,
    }
}

/// Scores each fold by a model of the other.
fn score(traces: &[(u32, Trace)], folds: &[usize]) -> [Stratum; 2] {
    let mut order: Vec<usize> = (0..traces.len()).collect();
    order.sort_by_key(|&place| mix(place as u64));
    [0, 1].map(|fold| {
        let train: Vec<&(u32, Trace)> =
            order.iter().map(|&place| &traces[place]).filter(|(host, _)| folds[*host as usize] != fold).collect();
        let bins = Bins::of(&train);
        let features: Vec<([u32; VALUES], bool)> =
            train.iter().map(|(_, trace)| (bins.features(trace), trace.chain)).collect();
        let examples = features.iter().map(|(features, chain)| (features.as_slice(), *chain));
        let model = Logistic::train(VALUES * (BINS as usize + 1), examples);
        let tested = traces.iter().filter(|(host, _)| folds[*host as usize] == fold);
        let scored = tested.map(|(host, trace)| Scored {
            score: model.score(&bins.features(trace)),
            positive: trace.chain,
            cluster: *host,
        });
        Stratum::new(scored.collect())
    })
}

/// Ranks by value: the limits between bins of equal size.
struct Bins([Vec<u32>; VALUES]);

impl Bins {
    fn of(traces: &[&(u32, Trace)]) -> Bins {
        Bins(std::array::from_fn(|value| {
            let mut values: Vec<u32> =
                traces.iter().map(|(_, trace)| trace.values[value]).filter(|value| *value != NONE).collect();
            values.sort_unstable();
            let limit = |bin: u32| values.get(values.len() * bin as usize / BINS as usize).copied();
            (1..BINS).filter_map(limit).collect()
        }))
    }

    fn features(&self, trace: &Trace) -> [u32; VALUES] {
        std::array::from_fn(|value| {
            let bin = match trace.values[value] {
                NONE => BINS,
                number => self.0[value].partition_point(|limit| *limit <= number) as u32,
            };
            value as u32 * (BINS + 1) + bin
        })
    }
}

#[cfg(test)]
mod tests {
    use draws::SplitMix64;

    use super::*;

    /// Three hundred hosts with forty processes each, four of them of chains, whose pids `leak` gives.
    fn measure(leak: impl Fn(&mut SplitMix64, bool) -> u32) -> (Outcome, Measured) {
        let mut random = SplitMix64::new(5);
        let mut leakage = Leakage::default();
        for host in 0..300 {
            let traces = (0..40).map(|place| {
                let chain = random.below(10) == 0;
                let values = [leak(&mut random, chain), NONE, place, place * 25, 40, 40];
                Trace { chain, values }
            });
            let traces = traces.collect();
            leakage.take(&format!("h{host}"), vec![("processes".to_owned(), traces)]);
        }
        leakage.measure(0.6)
    }

    #[test]
    fn pids_that_tell_nothing_pass_and_pids_that_tell_fail() {
        let (outcome, measured) = measure(|random, _| random.below(30_000) as u32);
        assert!(outcome.violations.is_empty() && measured.figure.unwrap() <= 0.6, "{measured:?}");
        let (outcome, measured) = measure(|random, chain| random.below(30_000) as u32 + if chain { 15_000 } else { 0 });
        assert!(measured.figure.unwrap() > 0.7, "{measured:?}");
        assert_eq!(outcome.violations.iter().map(|v| v.place.as_str()).collect::<Vec<_>>(), ["processes", "all"]);
        // In the middle: no weight on the value itself would see it.
        let (outcome, _) = measure(|random, chain| if chain { 15_000 } else { random.below(30_000) as u32 });
        assert_eq!(outcome.violations.len(), 2);
    }

    #[test]
    fn too_few_findings_are_not_measurable_and_say_so() {
        let mut leakage = Leakage::default();
        let trace = |chain, pid| Trace { chain, values: [pid, NONE, 0, 0, 2, 2] };
        for host in ["a", "b"] {
            leakage.take(host, vec![("processes".to_owned(), vec![trace(true, 9), trace(false, 1)])]);
        }
        let (outcome, measured) = leakage.measure(0.6);
        assert_eq!((outcome.violations.len(), measured.figure), (0, None));
        assert!(measured.reason.contains("4 findings"), "{}", measured.reason);
    }
}
