//! All measurements: what they take from each scan, and how their figures are computed at the end.

use std::collections::{BTreeMap, HashSet};

use scan::Report;
use scan::truth::TruthLine;

use super::leakage::{self, Leakage, Trace};
use super::marginals::{self, Marginals, SeverityRow};
use super::realism::{self, Realism, Seen};
use crate::check::{CheckName, Outcome, guard, guard_part};
use crate::params::VerifyParams;
use crate::scans::Listed;
use crate::scans::truth::ChainIds;
use crate::tally::{Measured, Tally};

/// Bytes of reports that the sample for leakage holds: about 200,000 findings.
const LEAKAGE_BYTES: u64 = 60 << 20;

/// Bytes of reports that each of the two samples for realism holds.
const REALISM_BYTES: u64 = 10 << 20;

/// All measurements on their way.
pub struct Statistics {
    leakage_hosts: HashSet<String>,
    simulated_hosts: HashSet<String>,
    real_hosts: HashSet<String>,
    fed_tables: HashSet<String>,
    has_truth: bool,
    has_real: bool,
    marginals: Marginals,
    leakage: Leakage,
    realism: Realism,
}

/// The measurements of one scan.
#[derive(Default)]
pub struct Extract {
    host: String,
    rows: Vec<(String, SeverityRow)>,
    traces: Vec<(String, Vec<Trace>)>,
    seen: Vec<Seen>,
    fed: Vec<(String, u64)>,
    real: bool,
    /// Measurements that crashed.
    pub crashed: Vec<(CheckName, Outcome)>,
}

impl Statistics {
    /// Draws the samples.
    pub fn new(params: &VerifyParams, files: &BTreeMap<(String, u32), Listed>, has_truth: bool) -> Statistics {
        let simulated = |listed: &&Listed| has_truth && !listed.real;
        let real = |listed: &&Listed| listed.real && !params.fed_tables.contains(&listed.file.host);
        let real_hosts = sample(files.values().filter(real), REALISM_BYTES);
        // Without a real host to compare with, none of the simulated ones is looked at.
        let simulated_hosts = if real_hosts.is_empty() {
            HashSet::new()
        } else {
            sample(files.values().filter(simulated), REALISM_BYTES)
        };
        Statistics {
            leakage_hosts: sample(files.values().filter(simulated), LEAKAGE_BYTES),
            simulated_hosts,
            real_hosts,
            fed_tables: params.fed_tables.iter().cloned().collect(),
            has_truth,
            has_real: files.values().any(|listed| listed.real),
            marginals: Marginals::default(),
            leakage: Leakage::default(),
            realism: Realism::default(),
        }
    }

    /// Measures a scan of a simulated host.
    pub fn of_simulated(&self, host: &str, place: &str, report: &Report, lines: &[TruthLine]) -> Extract {
        let mut extract = Extract { host: host.to_owned(), ..Extract::default() };
        let crashed = &mut extract.crashed;
        extract.rows = guard_part(crashed, CheckName::Marginals, place, || marginals::rows(report));
        if self.leakage_hosts.contains(host) {
            let traces = || leakage::traces(report, &ChainIds::of(lines));
            extract.traces = guard_part(crashed, CheckName::Leakage, place, traces);
        }
        if self.simulated_hosts.contains(host) {
            extract.seen = guard_part(crashed, CheckName::Realism, place, || realism::seen(report));
        }
        extract
    }

    /// Measures a scan of a real host.
    pub fn of_real(&self, host: &str, place: &str, report: &Report) -> Extract {
        let mut extract = Extract { host: host.to_owned(), real: true, ..Extract::default() };
        let crashed = &mut extract.crashed;
        if self.real_hosts.contains(host) {
            extract.seen = guard_part(crashed, CheckName::Realism, place, || realism::seen(report));
        }
        if self.fed_tables.contains(host) {
            extract.fed = guard_part(crashed, CheckName::Realism, place, || realism::counts(report));
        }
        extract
    }

    /// Adds the measurements of one scan; scans of one host follow each other.
    pub fn take(&mut self, extract: Extract) {
        let Extract { host, rows, traces, seen, fed, real, crashed: _ } = extract;
        if !rows.is_empty() {
            self.marginals.take(&host, rows);
        }
        self.leakage.take(&host, traces);
        self.realism.take(&host, real, seen);
        self.realism.take_fed(fed);
    }

    /// Computes the figures.
    pub fn finish(self, params: &VerifyParams, tally: &mut Tally) {
        if self.has_truth {
            measure(tally, CheckName::Marginals, || self.marginals.measure());
            let threshold = params.threshold(CheckName::Leakage);
            measure(tally, CheckName::Leakage, || self.leakage.measure(threshold));
        }
        if self.has_truth && self.has_real {
            let (threshold, warn_beyond) = (params.threshold(CheckName::Realism), params.warn_beyond.realism);
            measure(tally, CheckName::Realism, || self.realism.measure(threshold, warn_beyond));
        }
    }
}

/// Runs a measurement; one that panics has failed.
pub fn measure(tally: &mut Tally, check: CheckName, part: impl FnOnce() -> (Outcome, Measured)) {
    let (outcome, measured) = guard(check.name(), part).unwrap_or_else(|crash| (crash, Measured::default()));
    tally.measured(check, outcome, measured);
}

/// Hosts in the order of a hash of their names, until their reports have so many bytes.
fn sample<'f>(files: impl Iterator<Item = &'f Listed>, most: u64) -> HashSet<String> {
    let mut hosts: BTreeMap<&str, u64> = BTreeMap::new();
    for listed in files {
        *hosts.entry(&listed.file.host).or_default() += listed.bytes;
    }
    let mut drawn: Vec<(u64, &str, u64)> =
        hosts.into_iter().map(|(host, bytes)| (draws::hash(host), host, bytes)).collect();
    drawn.sort_unstable();
    let mut sum = 0;
    drawn
        .into_iter()
        .take_while(|(_, _, bytes)| {
            let room = sum < most;
            sum += bytes;
            room
        })
        .map(|(_, host, _)| host.to_owned())
        .collect()
}
