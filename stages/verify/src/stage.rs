//! Params, card and the pass: every scan with its findings and correlations goes through every check.

use std::collections::BTreeMap;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use correlate::{Batches, ScanLines};
use scan::{ReadError, Report, ScanFile, Scans};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::{self, CheckName, Outcome, ScanView};
use crate::checks::OF_ONE_SCAN;
use crate::checks::labels::{self, Label, Labels};
use crate::checks::truth::Truth;
use crate::report::{Status, VerificationReport};
use crate::tally::Tally;

/// Params of `verify`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerifyParams {
    /// Violations per thing looked at that each check lets pass as a warning.
    pub thresholds: Thresholds,
    /// What a failed check does to the pipeline.
    pub on_failed: OnFailed,
}

/// What a failed check does to the pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailed {
    /// The stage fails, and what depends on it does not run.
    #[default]
    Stop,
    /// The report says so, and the pipeline goes on.
    Report,
}

/// Violations per thing looked at that a check lets pass as a warning; 0 lets none pass.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the names of the checks")]
pub struct Thresholds {
    #[schemars(range(min = 0.0, max = 1.0))]
    pub schema: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub coverage: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duplicates: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub references: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub scores: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub severity_rules: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub formats: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub history: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub label_conflicts: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub truth: f64,
}

impl Thresholds {
    /// The threshold of a check.
    pub fn of(&self, check: CheckName) -> f64 {
        match check {
            CheckName::Schema => self.schema,
            CheckName::Coverage => self.coverage,
            CheckName::Duplicates => self.duplicates,
            CheckName::References => self.references,
            CheckName::Scores => self.scores,
            CheckName::SeverityRules => self.severity_rules,
            CheckName::Formats => self.formats,
            CheckName::History => self.history,
            CheckName::LabelConflicts => self.label_conflicts,
            CheckName::Truth => self.truth,
        }
    }
}

/// The stage.
pub struct Verify;

impl Stage for Verify {
    type Params = VerifyParams;

    fn card() -> Card {
        Card::new("verify", 1)
            .worker("pipe-data")
            .summary("Checks scans, findings and correlations against each other, and stops the pipeline when they are wrong")
            .input("scans", Type::Scans, "What was correlated")
            .optional_input("real", Type::Scans, "The hosts that were correlated beside them")
            .input("findings", Type::Findings, "Enriched findings")
            .input("correlations", Type::Correlations, "Their correlations")
            .optional_input("truth", Type::Truth, "The hidden truth of the simulated hosts, to check that it fits")
            .output("verification", Type::Metrics, "Status, figures and violations by check")
            .output("summary", Type::File, "The same as text")
            .resources(4, 256 << 20)
    }

    fn run(params: VerifyParams, context: &Context) -> Result<(), StageError> {
        let report = verify(&params, context)?;
        let path = context.output("verification")?;
        let json = serde_json::to_string_pretty(&report).expect("plain data") + "\n";
        std::fs::write(path, json).at(path)?;
        let path = context.output("summary")?;
        std::fs::write(path, report.text()).at(path)?;
        context.metric("violations", report.checks.iter().map(|check| check.violation_count as f64).sum());
        context.metric("failed_checks", report.checks.iter().filter(|c| c.status == Status::Failed).count() as f64);
        match (report.overall_status, params.on_failed) {
            (Status::Failed, OnFailed::Stop) => {
                let message = format!("the verification failed:\n{}", report.failures());
                Err(StageError::invalid_input(message.trim_end())
                    .help("mend the input; `on_failed: report` lets the pipeline go on, `thresholds` lets some pass"))
            }
            (Status::Failed, OnFailed::Report) => {
                context.warn(format!("the verification failed:\n{}", report.failures()));
                Ok(())
            }
            (Status::Passed | Status::Warning, _) => Ok(()),
        }
    }
}

type Files = BTreeMap<(String, u32), ScanFile>;

fn verify(params: &VerifyParams, context: &Context) -> Result<VerificationReport, StageError> {
    let mut files = files(context)?;
    let total = files.len() as u64;
    let mut batches = Batches::open(context.input("findings")?, context.input("correlations")?)?;
    let mut tally = Tally::default();
    let mut labels = Labels::default();
    let truth = context.optional_input("truth").map(Truth::read).transpose()?;
    let (mut findings, mut correlations, mut done) = (0, 0, 0);
    loop {
        let batch = batches.next_batch()?;
        if batch.is_empty() {
            break;
        }
        let checked: Vec<Checked> = context.map(&batch, |scan| check_scan(scan, &files, &truth))?;
        for (scan, checked) in batch.iter().zip(checked) {
            files.remove(&(scan.host.clone(), scan.scan));
            findings += checked.findings;
            correlations += checked.correlations;
            for (name, outcome) in checked.outcomes {
                tally.add(name, outcome);
            }
            let compared = checked.labels.map_or_else(|crash| crash, |new| labels.compare(new));
            tally.add(CheckName::LabelConflicts, compared);
        }
        done += batch.len() as u64;
        context.progress(done, total, "scans");
    }
    for file in files.values() {
        check_unmentioned(file, &mut tally);
    }
    let checks = tally.finish(&params.thresholds);
    let overall_status = checks.iter().map(|check| check.status).max().unwrap_or(Status::Passed);
    Ok(VerificationReport { overall_status, scans: total, findings, correlations, checks })
}

fn files(context: &Context) -> Result<Files, StageError> {
    let mut files = Files::new();
    for port in ["scans", "real"] {
        let Some(path) = context.optional_input(port) else { continue };
        for file in &Scans::open(path)? {
            files.insert((file.host.clone(), file.scan), file.clone());
        }
    }
    Ok(files)
}

/// What the checks found on one scan.
struct Checked {
    outcomes: Vec<(CheckName, Outcome)>,
    labels: Result<Vec<Label>, Outcome>,
    findings: u64,
    correlations: u64,
}

fn check_scan(scan: &ScanLines, files: &Files, truth: &Option<Truth>) -> Result<Checked, StageError> {
    let (findings, correlations) = scan.parse()?;
    let Some(file) = files.get(&(scan.host.clone(), scan.scan)) else {
        let message = format!("findings of host `{}` scan {}, of which there is no report", scan.host, scan.scan);
        return Err(StageError::invalid_input(message).help("wire the same scans into `correlate` and `verify`"));
    };
    let place = place(file);
    let report = Report::read_noting(&file.path);
    let view = ScanView {
        place: &place,
        report: report.as_ref().map(|(report, changes)| (report, changes)),
        findings: &findings,
        correlations: &correlations,
    };
    let mut outcomes: Vec<_> = OF_ONE_SCAN.into_iter().map(|(name, check)| (name, check::run(check, &view))).collect();
    let of_truth = truth.as_ref().map(|truth| (CheckName::Truth, truth.check(&scan.host, scan.scan, &view)));
    outcomes.extend(of_truth);
    Ok(Checked {
        outcomes,
        labels: check::guard(&view, labels::of_scan),
        findings: findings.len() as u64,
        correlations: correlations.len() as u64,
    })
}

/// A scan without a line: right only where its report has no finding.
fn check_unmentioned(file: &ScanFile, tally: &mut Tally) {
    let place = place(file);
    let report: Result<_, ReadError> = Report::read_noting(&file.path);
    let view = ScanView {
        place: &place,
        report: report.as_ref().map(|(report, changes)| (report, changes)),
        findings: &[],
        correlations: &[],
    };
    for (name, check) in OF_ONE_SCAN {
        tally.add(name, check::run(check, &view));
    }
}

fn place(file: &ScanFile) -> String {
    format!("{}/{:04}", file.host, file.scan)
}
