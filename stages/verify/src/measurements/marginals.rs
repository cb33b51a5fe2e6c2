//! Severities of simulated hosts against the bands of the reference profile, scanner by scanner and over all.
//!
//! A band is about the average of many hosts. A share counts as outside only where it is so by more than [`ERRORS`] standard
//! errors, reckoned over hosts, so that few hosts prove nothing and do not fail by luck.

use std::collections::BTreeMap;

use scan::profile::{Bands, Profile, SeverityCounts};
use scan::{Report, Severity};

use crate::check::Outcome;
use crate::report::Measure;
use crate::tally::Measured;

/// Fewest hosts with findings of a scanner.
const FEWEST_HOSTS: u64 = 30;

/// Standard errors by which a share must be outside its band.
const ERRORS: f64 = 3.0;

const SEVERITIES: [Severity; 5] = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

/// The name of the row over all scanners.
const ALL: &str = "all";

/// Findings by severity.
pub(super) type SeverityRow = [u64; SEVERITIES.len()];

/// The findings of a report by scanner and severity. A scanner that failed says nothing of a host.
pub(super) fn rows(report: &Report) -> Vec<(String, SeverityRow)> {
    let mut rows: Vec<(String, SeverityRow)> = vec![(ALL.to_owned(), SeverityRow::default())];
    for result in report.results.iter().filter(|result| !result.findings.is_empty()) {
        let mut row = SeverityRow::default();
        for finding in &result.findings {
            if let Some(place) = SEVERITIES.iter().position(|severity| *severity == finding.severity) {
                row[place] += 1;
            }
        }
        for (place, count) in row.iter().enumerate() {
            rows[0].1[place] += count;
        }
        rows.push((result.scanner.clone(), row));
    }
    rows
}

/// Sums over hosts, by scanner.
#[derive(Default)]
pub(super) struct Marginals {
    host: String,
    of_host: BTreeMap<String, SeverityRow>,
    sums: BTreeMap<String, Sums>,
}

/// The sums from which shares and their errors follow: c findings of a severity among n of a host.
#[derive(Default)]
struct Sums {
    hosts: u64,
    n: u64,
    n_squared: u64,
    c: SeverityRow,
    c_squared: SeverityRow,
    c_times_n: SeverityRow,
}

impl Marginals {
    /// Takes the rows of one scan.
    pub(super) fn take(&mut self, host: &str, rows: Vec<(String, SeverityRow)>) {
        if self.host != host {
            self.end_host();
            self.host = host.to_owned();
        }
        for (scanner, row) in rows {
            let held = self.of_host.entry(scanner).or_default();
            for (held, count) in held.iter_mut().zip(row) {
                *held += count;
            }
        }
    }

    fn end_host(&mut self) {
        for (scanner, row) in std::mem::take(&mut self.of_host) {
            let sums = self.sums.entry(scanner).or_default();
            let n: u64 = row.iter().sum();
            sums.hosts += u64::from(n > 0);
            sums.n += n;
            sums.n_squared += n * n;
            for (place, c) in row.into_iter().enumerate() {
                sums.c[place] += c;
                sums.c_squared[place] += c * c;
                sums.c_times_n[place] += c * n;
            }
        }
    }

    /// The figure: shares outside their bands among all shares.
    pub(super) fn measure(mut self) -> (Outcome, Measured) {
        self.end_host();
        let mut outcome = Outcome::default();
        let mut measures = Vec::new();
        let profile = Profile::reference();
        for (scanner, sums) in &self.sums {
            let bands = match scanner.as_str() {
                ALL => profile.host(ALL).map(|host| &host.bands),
                name => profile.scanner(name).map(|scanner| &scanner.bands),
            };
            let Some(bands) = bands else { continue };
            let note = if sums.hosts < FEWEST_HOSTS {
                format!("fewer than {FEWEST_HOSTS} hosts: not compared with the bands")
            } else {
                outcome.items += SEVERITIES.len() as u64;
                sums.outside(scanner, bands, &mut outcome);
                String::new()
            };
            let shares: Vec<String> = SEVERITIES
                .iter()
                .zip(sums.c)
                .filter(|(_, c)| *c > 0)
                .map(|(severity, c)| format!("{severity} {:.3}", c as f64 / sums.n.max(1) as f64))
                .collect();
            let note = if note.is_empty() { shares.join(", ") } else { format!("{}; {note}", shares.join(", ")) };
            measures.push(Measure { part: scanner.clone(), items: sums.n, value: None, low: None, high: None, note });
        }
        if outcome.items == 0 {
            let reason = format!("no scanner has findings on {FEWEST_HOSTS} simulated hosts");
            return (outcome, Measured { figure: None, reason, measures });
        }
        let figure = outcome.violations.len() as f64 / outcome.items as f64;
        (outcome, Measured { figure: Some(figure), reason: String::new(), measures })
    }
}

impl Sums {
    fn outside(&self, scanner: &str, bands: &Bands, outcome: &mut Outcome) {
        let counts: SeverityCounts = SEVERITIES.into_iter().zip(self.c).collect();
        for outside in bands.outside(&counts) {
            let Some(place) = SEVERITIES.iter().position(|severity| *severity == outside.severity) else { continue };
            let n = self.n as f64;
            let share = self.c[place] as f64 / n;
            let [low, high] = outside.band.map(|per_mille| per_mille as f64 / 1000.0);
            let squares = self.c_squared[place] as f64 - 2.0 * share * self.c_times_n[place] as f64
                + share * share * self.n_squared as f64;
            let error = squares.max(0.0).sqrt() / n;
            let distance = (low - share).max(share - high);
            if distance > ERRORS * error {
                let message = format!(
                    "{share:.3} of {} findings are {}, the band is {low:.3} to {high:.3} (standard error {error:.4})",
                    self.n, outside.severity
                );
                outcome.tell(scanner, "", message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: usize, of_host: impl Fn(usize) -> SeverityRow) -> (Outcome, Measured) {
        let mut marginals = Marginals::default();
        for host in 0..hosts {
            marginals.take(&format!("h{host}"), vec![("processes".to_owned(), of_host(host))]);
        }
        marginals.measure()
    }

    #[test]
    fn a_share_outside_its_band_is_told_where_enough_hosts_agree() {
        let (outcome, measured) = check(40, |_| [10, 0, 0, 0, 0]);
        assert_eq!((outcome.violations.len(), measured.figure), (0, Some(0.0)));
        let (outcome, _) = check(40, |_| [9, 0, 0, 1, 0]);
        assert!(outcome.violations[1].message.contains("0.100 of 400 findings are high"), "{:?}", outcome.violations);
        // The same share, all of it of one host.
        let (outcome, _) = check(40, |host| if host == 0 { [0, 0, 0, 40, 0] } else { [9, 0, 0, 0, 0] });
        assert_eq!(outcome.violations, []);
        let (_, measured) = check(29, |_| [9, 0, 0, 1, 0]);
        assert_eq!(measured.figure, None);
    }
}
