//! One scan through all checks.

use contract::StageError;
use findings::{Correlation, EnrichedFinding, ScanLines};
use scan::{Coverage, ScanFile};

use super::checks;
use super::checks::history::{self, Claims};
use super::listed::{Files, Listed, has_host};
use super::report::ReadReport;
use super::truth::{self, Truth};
use super::view::ScanView;
use crate::check::{self, CheckName, Outcome};
use crate::measurements::{Extract, Statistics};

/// The context in which every scan is checked.
pub(super) struct Setting<'s> {
    pub files: &'s Files,
    pub truth: Option<&'s Truth>,
    pub statistics: &'s Statistics,
    pub suspect_at: u8,
}

/// The results of the checks on one scan.
pub(super) struct Checked {
    pub outcomes: Vec<(CheckName, Outcome)>,
    pub extract: Extract,
    pub started_at: Option<String>,
    /// What the scan could have shown; `None` where its report cannot be read.
    pub coverage: Option<Coverage>,
    pub claims: Claims,
    pub findings: u64,
    pub correlations: u64,
}

pub(super) fn check_scan(scan: &ScanLines, setting: &Setting<'_>) -> Result<Checked, StageError> {
    let Some(listed) = setting.files.get(&(scan.host.clone(), scan.scan)) else {
        let message = format!("findings of host `{}` scan {}, of which there is no report", scan.host, scan.scan);
        return Err(StageError::invalid_input(message).help("wire the same scans into `correlate` and `verify`"));
    };
    // The text of a large report is gone before its findings are read.
    let read = ReadReport::of(listed)?;
    let (findings, correlations) = scan.parse()?;
    check_read(listed, read, &findings, &correlations, setting)
}

/// Checks a scan without lines.
pub(super) fn check_listed(listed: &Listed, setting: &Setting<'_>) -> Result<Checked, StageError> {
    check_read(listed, ReadReport::of(listed)?, &[], &[], setting)
}

fn check_read(
    listed: &Listed,
    mut read: ReadReport,
    findings: &[EnrichedFinding],
    correlations: &[Correlation],
    setting: &Setting<'_>,
) -> Result<Checked, StageError> {
    let ScanFile { host, scan, .. } = &listed.file;
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
    let (coverage, claims) = (view.report.ok().map(|(report, _)| Coverage::of(report)), history::claims(&view));
    let (finding_count, correlation_count) = (findings.len() as u64, correlations.len() as u64);
    Ok(Checked {
        outcomes,
        extract,
        started_at,
        coverage,
        claims,
        findings: finding_count,
        correlations: correlation_count,
    })
}

fn run(view: &ScanView<'_>, check: impl FnOnce(&ScanView<'_>) -> Outcome) -> Outcome {
    check::guard(view.place, || check(view)).unwrap_or_else(|crash| crash)
}
