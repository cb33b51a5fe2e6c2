//! A classifier that is told to separate real findings from simulated ones, scanner by scanner.
//!
//! It sees keys with values, words of title and description, and severity, hashed; numbers are taken by their length, since two
//! fleets never share pids. Two folds of hosts, each scored by the model of the other, so at least two real hosts are needed;
//! an area near 0.5 means that it found no difference, and nothing beyond that.

use std::collections::{BTreeMap, BTreeSet};

use scan::{Finding, Report};

use super::auc::{self, Scored, Stratum};
use super::linear::Linear;
use super::random::{hash, mix};
use crate::check::Outcome;
use crate::report::Measure;
use crate::tally::Measured;

/// Fewest real findings of a scanner.
const FEWEST: usize = 40;

/// Most findings of a scanner that are taken of one scan: the first by a hash of their features.
const MOST_OF_SCAN: usize = 200;

/// Hashed features.
const WIDTH: u32 = 1 << 13;

/// What the classifier sees of a finding.
pub struct Seen {
    scanner: String,
    features: Vec<u32>,
}

/// What it sees of a report.
pub fn seen(report: &Report) -> Vec<Seen> {
    let mut seen = Vec::new();
    for result in &report.results {
        let mut of_scanner: Vec<Vec<u32>> = result.findings.iter().map(features).collect();
        of_scanner.sort_by_cached_key(|features| features.iter().fold(0, |sum, f| mix(sum ^ u64::from(*f))));
        of_scanner.truncate(MOST_OF_SCAN);
        seen.extend(of_scanner.into_iter().map(|features| Seen { scanner: result.scanner.clone(), features }));
    }
    seen
}

fn features(finding: &Finding) -> Vec<u32> {
    let mut found = BTreeSet::new();
    let mut add = |text: &str| {
        found.insert((hash(text) % u64::from(WIDTH)) as u32);
    };
    add(&format!("severity={}", finding.severity));
    for (field, text) in [("id", &finding.id), ("title", &finding.title), ("description", &finding.description)] {
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '/' | ':' | ',')).filter(|w| !w.is_empty()) {
            add(&format!("{field}~{}", masked(word)));
        }
    }
    for (key, value) in &finding.metadata {
        add(&format!("{key}={}", masked(value)));
    }
    found.into_iter().collect()
}

/// Every digit becomes a 0.
fn masked(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// Real and simulated findings of the samples.
#[derive(Default)]
pub struct Realism {
    hosts: Vec<(String, bool)>,
    scanners: BTreeMap<String, Vec<(u32, Vec<u32>)>>,
}

impl Realism {
    /// Takes what was seen of one scan.
    pub fn take(&mut self, host: &str, real: bool, seen: Vec<Seen>) {
        if seen.is_empty() {
            return;
        }
        if self.hosts.last().is_none_or(|(last, _)| last != host) {
            self.hosts.push((host.to_owned(), real));
        }
        let place = self.hosts.len() as u32 - 1;
        for Seen { scanner, features } in seen {
            self.scanners.entry(scanner).or_default().push((place, features));
        }
    }

    /// The figure: the highest area of any scanner.
    pub fn measure(self) -> (Outcome, Measured) {
        let mut outcome = Outcome::default();
        let mut measures = Vec::new();
        let mut highest: Option<f64> = None;
        let folds = self.folds();
        for (scanner, seen) in &self.scanners {
            let real = seen.iter().filter(|(host, _)| self.hosts[*host as usize].1).count();
            let real_hosts: BTreeSet<u32> =
                seen.iter().map(|(host, _)| *host).filter(|host| self.hosts[*host as usize].1).collect();
            let mut measure = Measure {
                part: scanner.clone(),
                items: real as u64,
                value: None,
                low: None,
                high: None,
                note: String::new(),
            };
            let split: BTreeSet<usize> = real_hosts.iter().map(|host| folds[*host as usize]).collect();
            if real < FEWEST {
                measure.note = format!("not measurable: {FEWEST} real findings are needed");
            } else if split.len() < 2 {
                measure.note = "not measurable: findings of two real hosts are needed".to_owned();
            } else if real == seen.len() {
                measure.note = "not measurable: no simulated finding".to_owned();
            } else {
                let strata = self.score(seen, &folds);
                let area = auc::bootstrapped(&strata.each_ref(), self.hosts.len());
                measure.note = format!("real, {} simulated", seen.len() - real);
                if let Some(area) = area {
                    (measure.value, measure.low, measure.high) = (Some(area.value), Some(area.low), Some(area.high));
                    highest = Some(highest.map_or(area.value, |highest| highest.max(area.value)));
                    outcome.items += seen.len() as u64;
                }
            }
            measures.push(measure);
        }
        let reason = match highest {
            Some(_) => "highest area under the curve of any scanner".to_owned(),
            None => format!("no scanner has {FEWEST} real findings on two hosts whose reports did not feed the tables"),
        };
        (outcome, Measured { figure: highest, reason, measures })
    }

    /// Hosts of each kind in the order of a hash, one to each fold in turn.
    fn folds(&self) -> Vec<usize> {
        let mut folds = vec![0; self.hosts.len()];
        for kind in [true, false] {
            let mut places: Vec<usize> = (0..self.hosts.len()).filter(|&place| self.hosts[place].1 == kind).collect();
            places.sort_by_key(|&place| hash(&self.hosts[place].0));
            for (turn, place) in places.into_iter().enumerate() {
                folds[place] = turn % 2;
            }
        }
        folds
    }

    fn score(&self, seen: &[(u32, Vec<u32>)], folds: &[usize]) -> [Stratum; 2] {
        let mut order: Vec<usize> = (0..seen.len()).collect();
        order.sort_by_key(|&place| mix(place as u64));
        [0, 1].map(|fold| {
            let train: Vec<(&[u32], bool)> = order
                .iter()
                .map(|&place| &seen[place])
                .filter(|(host, _)| folds[*host as usize] != fold)
                .map(|(host, features)| (features.as_slice(), self.hosts[*host as usize].1))
                .collect();
            let model = Linear::train(WIDTH as usize, train.iter().copied());
            let tested = seen.iter().filter(|(host, _)| folds[*host as usize] == fold);
            let scored = tested.map(|(host, features)| Scored {
                score: model.score(features),
                positive: self.hosts[*host as usize].1,
                host: *host,
            });
            Stratum::new(scored.collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(pid: u32, exe: &str) -> Finding {
        Finding::new(pid.to_string(), format!("Process {pid}"), scan::Severity::Info, exe).with("uid", "0")
    }

    fn measure(real_hosts: u32, real_exe: &str) -> Measured {
        let mut realism = Realism::default();
        let mut take = |host: String, real, exe: &str| {
            let seen = (0..30).map(|pid| Seen {
                scanner: "processes".to_owned(),
                features: features(&finding(100 + pid, if pid % 2 == 0 { exe } else { "/usr/bin/bash" })),
            });
            realism.take(&host, real, seen.collect());
        };
        (0..real_hosts).for_each(|host| take(format!("r{host}"), true, real_exe));
        (0..10).for_each(|host| take(format!("s{host}"), false, "/usr/sbin/sshd"));
        realism.measure().1
    }

    #[test]
    fn equal_findings_cannot_be_told_and_different_ones_can() {
        assert_eq!(measure(4, "/usr/sbin/sshd").figure, Some(0.5));
        // Half of the real ones are told from all simulated ones; the others from half of those, and tie with the rest.
        assert_eq!(measure(4, "/opt/agent").figure, Some(0.5 + 0.5 * 0.75));
    }

    #[test]
    fn one_real_host_or_few_findings_are_not_measurable() {
        let one = measure(1, "/opt/agent");
        assert_eq!(one.figure, None);
        assert!(one.measures[0].note.contains("40 real findings"), "{:?}", one.measures);
        assert_eq!(measure(0, "").figure, None);
    }
}
