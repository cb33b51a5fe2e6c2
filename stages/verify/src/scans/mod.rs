//! The gate before `transform`: every scan with its findings, correlations and truth goes through every check once.

mod checks;
pub mod truth;
mod view;

use std::collections::BTreeMap;

use contract::stage::At;
use contract::{Context, StageError};
use findings::{Batches, Correlation, EnrichedFinding, ScanLines};
use scan::{Report, ScanFile, Scans};

use crate::check::{self, CheckName, Outcome, guard_part};
use crate::params::VerifyParams;
use crate::schema::{Mismatch, SCANNER_REPORT};
use crate::statistics::{Extract, Statistics};
use crate::tally::Tally;
use truth::Truth;
use view::ScanView;

/// What the pass counted.
#[derive(Debug, Default)]
pub struct ScanCounts {
    /// Scans.
    pub scans: u64,
    /// Their findings.
    pub findings: u64,
    /// Their correlations.
    pub correlations: u64,
}

/// A report that was listed, and what is known of it before it is read.
pub struct Listed {
    /// The file.
    pub file: ScanFile,
    /// How many scans of the host come before it.
    pub earlier: u32,
    /// Whether it came in by the port `real`.
    pub real: bool,
    /// Its size.
    pub bytes: u64,
}

type Files = BTreeMap<(String, u32), Listed>;

/// What every scan is checked with.
struct Setting<'s> {
    files: &'s Files,
    truth: Option<&'s Truth>,
    statistics: &'s Statistics,
    suspect_at: u8,
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
    let mut before = Before::default();
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
                unmentioned.push(skipped);
            }
            keys.next_if(|listed| **listed == key);
            counts.findings += checked.findings;
            counts.correlations += checked.correlations;
            tally.add(CheckName::Times, before.follow(&key, checked.started_at.as_deref()));
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
        for (name, outcome) in check_listed(&files[key], &[], &[], &setting)?.outcomes {
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

fn files(context: &Context) -> Result<Files, StageError> {
    let mut files = Files::new();
    for (port, real) in [("scans", false), ("real", true)] {
        let Some(path) = context.optional_input(port) else { continue };
        for file in &Scans::open(path)? {
            let bytes = std::fs::metadata(&file.path).at(&file.path)?.len();
            files.insert((file.host.clone(), file.scan), Listed { file: file.clone(), earlier: 0, real, bytes });
        }
    }
    let mut last: Option<(String, u32)> = None;
    for ((host, _), listed) in &mut files {
        let earlier = last.filter(|(of, _)| of == host).map_or(0, |(_, earlier)| earlier + 1);
        listed.earlier = earlier;
        last = Some((host.clone(), earlier));
    }
    Ok(files)
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

/// What the checks found on one scan.
struct Checked {
    outcomes: Vec<(CheckName, Outcome)>,
    extract: Extract,
    started_at: Option<String>,
    findings: u64,
    correlations: u64,
}

fn check_scan(scan: &ScanLines, setting: &Setting<'_>) -> Result<Checked, StageError> {
    let (findings, correlations) = scan.parse()?;
    let Some(listed) = setting.files.get(&(scan.host.clone(), scan.scan)) else {
        let message = format!("findings of host `{}` scan {}, of which there is no report", scan.host, scan.scan);
        return Err(StageError::invalid_input(message).help("wire the same scans into `correlate` and `verify`"));
    };
    check_listed(listed, &findings, &correlations, setting)
}

fn check_listed(
    listed: &Listed,
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    setting: &Setting<'_>,
) -> Result<Checked, StageError> {
    let ScanFile { host, scan, .. } = &listed.file;
    let mut read = ReadReport::of(listed)?;
    let crashed = std::mem::take(&mut read.crashed);
    // What is simulated the port says: a host of which the truth says nothing must not pass for a real one.
    let truth = setting.truth.filter(|_| !listed.real);
    let suspect_at = setting.suspect_at;
    let has_host = |host: &str| has_host(setting.files, host);
    let simulated = truth.is_some();
    let view = ScanView { findings, correlations, simulated, suspect_at, has_host: &has_host, ..read.view() };
    let mut outcomes: Vec<(CheckName, Outcome)> =
        checks::OF_EVERY_SCAN.into_iter().map(|(name, check)| (name, run(&view, check))).collect();
    outcomes.extend(crashed);
    let mut extract = Extract::default();
    if let Some(truth) = truth {
        let lines = truth.of_scan(host, *scan)?;
        outcomes.push((CheckName::Truth, run(&view, |view| truth::check(&lines, view))));
        let (name, check) = checks::OF_SIMULATED;
        outcomes.push((name, run(&view, check)));
        if let Ok((report, _)) = view.report {
            extract = setting.statistics.of_simulated(host, view.place, report, &lines);
        }
    } else if let Ok((report, _)) = view.report
        && listed.real
    {
        extract = setting.statistics.of_real(host, view.place, report);
    }
    outcomes.append(&mut extract.crashed);
    let started_at = view.report.ok().and_then(|(report, _)| report.started_at()).map(str::to_owned);
    let (finding_count, correlation_count) = (findings.len() as u64, correlations.len() as u64);
    Ok(Checked { outcomes, extract, started_at, findings: finding_count, correlations: correlation_count })
}

fn has_host(files: &Files, host: &str) -> bool {
    files.range((host.to_owned(), 0)..).next().is_some_and(|((first, _), _)| first == host)
}

fn run(view: &ScanView<'_>, check: impl FnOnce(&ScanView<'_>) -> Outcome) -> Outcome {
    check::guard(view.place, || check(view)).unwrap_or_else(|crash| crash)
}

/// A report as read from its file.
struct ReadReport {
    place: String,
    earlier: u32,
    mismatches: Vec<Mismatch>,
    report: Result<(Report, scan::Changes), String>,
    crashed: Vec<(CheckName, Outcome)>,
}

impl ReadReport {
    fn of(listed: &Listed) -> Result<ReadReport, StageError> {
        let ScanFile { host, scan, path } = &listed.file;
        let bytes = std::fs::read(path).at(path)?;
        let place = format!("{host}/{scan:04}");
        let mut crashed = Vec::new();
        let mut mismatches = match std::str::from_utf8(&bytes) {
            Ok(text) => guard_part(&mut crashed, CheckName::Schema, &place, || SCANNER_REPORT.mismatches(text)),
            Err(error) => vec![Mismatch { pointer: String::new(), message: format!("no text: {error}") }],
        };
        let report = Report::parse(&bytes).map_err(|error| error.to_string());
        if let Ok((report, _)) = &report
            && report.hostname() != host
        {
            let message = format!("{:?} in the directory of {host:?}", report.hostname());
            mismatches.push(Mismatch { pointer: "/meta/hostname".to_owned(), message });
        }
        Ok(ReadReport { place, earlier: listed.earlier, mismatches, report, crashed })
    }

    /// The view of it, without lines.
    fn view(&self) -> ScanView<'_> {
        let report = match &self.report {
            Ok((report, changes)) => Ok((report, changes)),
            Err(error) => Err(error.as_str()),
        };
        ScanView {
            place: &self.place,
            mismatches: &self.mismatches,
            raw: report.map(|(report, _)| ScanView::sorted(report)).unwrap_or_default(),
            report,
            findings: &[],
            correlations: &[],
            earlier: self.earlier,
            simulated: false,
            has_host: &|_| false,
            suspect_at: 0,
        }
    }
}
