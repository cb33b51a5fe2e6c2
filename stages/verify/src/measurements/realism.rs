//! A classifier that is told to separate real findings from simulated ones, scanner by scanner.
//!
//! It sees keys with values, words of title and description, and severity, hashed; numbers are taken by their length, since two
//! fleets never share pids. How findings are parted and scored, `comparison` says; where one real host holds all findings of a
//! scanner, what is particular to that host counts as a difference. An area near 0.5 means that the classifier found no
//! difference, and nothing beyond that.

use std::collections::{BTreeMap, BTreeSet};

use draws::{hash, mix};
use scan::{Finding, Report};
use statistics::auc;

use super::comparison::Comparison;
use crate::check::Outcome;
use crate::report::Measure;
use crate::tally::Measured;

/// Fewest real findings of a scanner.
const FEWEST: usize = 40;

/// Most findings of a scanner that are taken of one scan: the first by a hash of their features.
const MOST_OF_SCAN: usize = 4000;

/// Hashed features.
pub(super) const WIDTH: u32 = 1 << 13;

/// A finding as the classifier sees it.
pub(super) struct Seen {
    scanner: String,
    features: Vec<u32>,
}

/// A report as the classifier sees it.
pub(super) fn seen(report: &Report) -> Vec<Seen> {
    let mut seen = Vec::new();
    for result in &report.results {
        let mut of_scanner: Vec<Vec<u32>> = result.findings.iter().map(features).collect();
        of_scanner.sort_by_cached_key(|features| features.iter().fold(0, |sum, f| mix(sum ^ u64::from(*f))));
        of_scanner.truncate(MOST_OF_SCAN);
        seen.extend(of_scanner.into_iter().map(|features| Seen { scanner: result.scanner.clone(), features }));
    }
    seen
}

/// Findings of a report by scanner.
pub(super) fn counts(report: &Report) -> Vec<(String, u64)> {
    let held = report.results.iter().filter(|result| !result.findings.is_empty());
    held.map(|result| (result.scanner.clone(), result.findings.len() as u64)).collect()
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
pub(super) struct Realism {
    hosts: Vec<(String, bool)>,
    scanners: BTreeMap<String, Vec<(u32, Vec<u32>)>>,
    /// Findings of hosts whose reports fed the tables, by scanner.
    fed: BTreeMap<String, u64>,
}

impl Realism {
    /// Takes what was seen of one scan.
    pub(super) fn take(&mut self, host: &str, real: bool, seen: Vec<Seen>) {
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

    /// Takes the findings of one scan whose report fed the tables: they are counted and not compared.
    pub(super) fn take_fed(&mut self, fed: Vec<(String, u64)>) {
        for (scanner, findings) in fed {
            *self.fed.entry(scanner).or_default() += findings;
        }
    }

    /// The figure: the highest area of any scanner. A scanner beyond the threshold is told, and one that surely is beyond
    /// `warn_beyond`.
    pub(super) fn measure(mut self, threshold: f64, warn_beyond: f64) -> (Outcome, Measured) {
        let mut outcome = Outcome::default();
        let mut measures = Vec::new();
        let mut highest: Option<f64> = None;
        let mut scanners = std::mem::take(&mut self.scanners);
        for scanner in self.fed.keys() {
            scanners.entry(scanner.clone()).or_default();
        }
        for (scanner, seen) in scanners {
            let measure = self.of_scanner(&scanner, &seen);
            if let Some(area) = measure.value {
                highest = Some(highest.map_or(area, |highest| highest.max(area)));
                outcome.items += seen.len() as u64;
                let message = format!("real findings are told with an area of {area:.3}");
                match measure.low.filter(|low| *low > warn_beyond) {
                    _ if area > threshold => outcome.tell(scanner, "", message),
                    Some(low) => outcome.tell_tolerated(scanner, "", format!("{message}, at least {low:.3}")),
                    None => {}
                }
            }
            measures.push(measure);
        }
        let reason = match highest {
            Some(_) => "highest area under the curve of any scanner".to_owned(),
            None => format!("no scanner has {FEWEST} real findings of hosts whose reports did not feed the tables"),
        };
        (outcome, Measured { figure: highest, reason, measures })
    }

    fn of_scanner(&self, scanner: &str, seen: &[(u32, Vec<u32>)]) -> Measure {
        let real = seen.iter().filter(|(host, _)| self.hosts[*host as usize].1).count();
        let mut measure = Measure {
            part: scanner.to_owned(),
            items: real as u64,
            value: None,
            low: None,
            high: None,
            note: String::new(),
        };
        if real < FEWEST {
            measure.note = format!("not measurable: {FEWEST} real findings are needed");
            if let Some(fed) = self.fed.get(scanner) {
                measure.note += &format!(", and {fed} are of hosts that fed the tables");
            }
        } else if real == seen.len() {
            measure.note = "not measurable: no simulated finding".to_owned();
        } else {
            let comparison = Comparison::of(seen, &self.hosts);
            let area = auc::bootstrapped(&comparison.score(seen).each_ref(), &comparison.drawn);
            (measure.value, measure.low, measure.high) =
                (area.map(|area| area.value), area.map(|area| area.low), area.map(|area| area.high));
            let of = if comparison.real_hosts > 1 { "" } else { " of one host, which is in both folds" };
            measure.note = format!("real{of}, {} simulated", seen.len() - real);
        }
        measure
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
        realism.measure(1.0, 1.0).1
    }

    #[test]
    fn equal_findings_cannot_be_told_and_different_ones_can() {
        assert_eq!(measure(4, "/usr/sbin/sshd").figure, Some(0.5));
        // Half of the real ones are told from all simulated ones; the others from half of those, and tie with the rest.
        assert_eq!(measure(4, "/opt/agent").figure, Some(0.5 + 0.5 * 0.75));
    }

    #[test]
    fn findings_of_one_real_host_are_parted_one_by_one_and_few_are_not_measurable() {
        let few = measure(1, "/opt/agent");
        assert_eq!(few.figure, None);
        assert!(few.measures[0].note.contains("40 real findings"), "{:?}", few.measures);
        assert_eq!(measure(0, "").figure, None);

        let mut realism = Realism::default();
        let seen = |pids: u8, exe: &dyn Fn(u8) -> String| -> Vec<Seen> {
            let seen = (0..pids).map(|pid| finding(100 + u32::from(pid), &exe(pid)));
            seen.map(|finding| Seen { scanner: "processes".to_owned(), features: features(&finding) }).collect()
        };
        let letter = |n: u8| char::from(b'a' + n % 26);
        // Half of them have a directory of their own, half are like a simulated one; and one is there twenty times.
        let real = |n: u8| match n {
            0..20 => "/usr/bin/bash".to_owned(),
            20..46 => format!("/opt/{}", letter(n)),
            _ => format!("/usr/sbin/{}", letter(n)),
        };
        realism.take("r", true, seen(72, &real));
        (0..10).for_each(|host| {
            realism.take(&format!("s{host}"), false, seen(26, &|n| format!("/usr/sbin/{}", letter(n))))
        });
        let (outcome, measured) = realism.measure(0.6, 1.0);
        let of = &measured.measures[0];
        assert!((0.6..0.9).contains(&of.value.unwrap()) && of.low < of.value && of.value < of.high, "{of:?}");
        assert_eq!(of.note, "real of one host, which is in both folds, 260 simulated");
        assert!(outcome.violations[0].place == "processes", "{:?}", outcome.violations);
    }

    #[test]
    fn findings_that_fed_the_tables_are_counted_and_not_compared() {
        let mut realism = Realism::default();
        realism.take_fed(vec![("systemd_units".to_owned(), 40)]);
        let (_, measured) = realism.measure(1.0, 1.0);
        assert_eq!(measured.figure, None);
        let of = &measured.measures[0];
        assert_eq!((of.part.as_str(), of.items, of.value), ("systemd_units", 0, None));
        assert!(of.note.ends_with("40 are of hosts that fed the tables"), "{}", of.note);
    }
}
