//! The pass over all scans, in the order of hosts and time.

use contract::stage::At;
use contract::{Context, StageError};
use findings::Batches;
use scan::{Coverage, Report};

use super::checks::{self, history};
use super::listed::{Listed, files};
use super::scan::{Checked, Setting, check_listed, check_scan};
use super::truth::Truth;
use crate::check::{CheckName, Outcome};
use crate::measurements::Statistics;
use crate::params::VerifyParams;
use crate::tally::Tally;

/// The counts of the pass.
#[derive(Debug, Default)]
pub struct ScanCounts {
    /// Scans.
    pub scans: u64,
    /// Their findings.
    pub findings: u64,
    /// Their correlations.
    pub correlations: u64,
}

/// Checks all scans.
pub fn verify(params: &VerifyParams, context: &Context, tally: &mut Tally) -> Result<ScanCounts, StageError> {
    let files = files(context)?;
    let truth = context.optional_input("truth").map(|path| Truth::open(path, context)).transpose()?;
    tally.wired(checks::OF_EVERY_SCAN.map(|(name, _)| name));
    if truth.is_some() {
        tally.wired([checks::OF_SIMULATED.0, CheckName::Truth]);
    }
    let mut statistics = Statistics::new(params, &files, truth.is_some());
    let mut counts = ScanCounts { scans: files.len() as u64, ..ScanCounts::default() };
    let mut batches = Batches::open(context.input("findings")?, context.input("correlations")?)?;
    let mut unmentioned: Vec<&(String, u32)> = Vec::new();
    let mut keys = files.keys().peekable();
    let (mut before, mut past) = (Before::default(), Past::default());
    let mut done = 0;
    loop {
        let batch = batches.next_batch()?;
        if batch.is_empty() {
            break;
        }
        let setting =
            Setting { files: &files, truth: truth.as_ref(), statistics: &statistics, suspect_at: params.suspect_at };
        let checked: Vec<Checked> = context.map(&batch, |scan| check_scan(scan, &setting))?;
        for (scan, checked) in batch.iter().zip(checked) {
            let key = (scan.host.clone(), scan.scan);
            while let Some(skipped) = keys.next_if(|listed| **listed < key) {
                past.note(&skipped.0, coverage(&files[skipped])?);
                unmentioned.push(skipped);
            }
            keys.next_if(|listed| **listed == key);
            counts.findings += checked.findings;
            counts.correlations += checked.correlations;
            tally.add(CheckName::Times, before.follow(&key, checked.started_at.as_deref()));
            tally.add(CheckName::History, past.follow(&key.0, &checked.claims, checked.coverage));
            for (name, outcome) in checked.outcomes {
                tally.add(name, outcome);
            }
            statistics.take(checked.extract);
        }
        done += batch.len() as u64;
        context.progress(done, counts.scans, "scans");
    }
    unmentioned.extend(keys);
    // A scan without a line: right only where its report has no finding and the truth names none.
    for key in unmentioned {
        let setting =
            Setting { files: &files, truth: truth.as_ref(), statistics: &statistics, suspect_at: params.suspect_at };
        for (name, outcome) in check_listed(&files[key], &setting)?.outcomes {
            tally.add(name, outcome);
        }
    }
    if let Some(truth) = &truth {
        let is_simulated = |host: &str, scan| files.get(&(host.to_owned(), scan)).is_some_and(|listed| !listed.real);
        tally.add(CheckName::Truth, truth.without_scan(is_simulated));
    }
    statistics.finish(params, tally);
    Ok(counts)
}

/// What a scan without lines could have shown.
fn coverage(listed: &Listed) -> Result<Option<Coverage>, StageError> {
    let bytes = std::fs::read(&listed.file.path).at(&listed.file.path)?;
    Ok(Report::parse(&bytes).ok().map(|(report, _)| Coverage::of(&report)))
}

/// What the earlier scans of a host could have shown.
#[derive(Default)]
struct Past {
    host: String,
    /// `None` from a report on that cannot be read.
    scans: Option<Vec<Coverage>>,
}

impl Past {
    fn note(&mut self, host: &str, coverage: Option<Coverage>) {
        if self.host != host {
            (self.host, self.scans) = (host.to_owned(), Some(Vec::new()));
        }
        self.scans = self.scans.take().zip(coverage).map(|(mut scans, coverage)| {
            scans.push(coverage);
            scans
        });
    }

    fn follow(&mut self, host: &str, claims: &history::Claims, coverage: Option<Coverage>) -> Outcome {
        let none = Vec::new();
        let earlier = if self.host == host { self.scans.as_ref() } else { Some(&none) };
        let outcome = earlier.zip(coverage.as_ref()).map(|(earlier, now)| history::compared(claims, earlier, now));
        self.note(host, coverage);
        outcome.unwrap_or_default()
    }
}

/// When the scan before started.
#[derive(Default)]
struct Before {
    host: String,
    started_at: Option<String>,
}

impl Before {
    fn follow(&mut self, (host, scan): &(String, u32), started_at: Option<&str>) -> Outcome {
        let before = self.started_at.as_deref().filter(|_| self.host == *host);
        let outcome = checks::times::follows(&format!("{host}/{scan:04}"), before, started_at);
        self.host.clone_from(host);
        self.started_at = started_at.map(str::to_owned);
        outcome
    }
}
