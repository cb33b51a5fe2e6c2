//! The card, and which passes run: over scans, over documents, over a dataset, as they are wired.

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};

use crate::labels::attacks::Attacks;
use crate::params::{OnFailed, VerifyParams};
use crate::report::{OverallStatus, Status, VerificationReport};
use crate::tally::Tally;
use crate::{dataset, documents, scans, summary};

/// The stage.
pub struct Verify;

/// Inputs that must be wired together for the checks before `transform`.
const BEFORE: [&str; 3] = ["scans", "findings", "correlations"];

impl Stage for Verify {
    type Params = VerifyParams;

    fn card() -> Card {
        Card::new("verify", 19)
            .worker("pipe-data")
            .summary("Checks scans, findings and correlations, or documents and dataset, and stops the pipeline when they are wrong")
            .optional_input("scans", Type::SCANS, "What was correlated; with findings and correlations")
            .optional_input("real", Type::SCANS, "The hosts that were correlated beside them")
            .optional_input("findings", Type::FINDINGS, "Enriched findings")
            .optional_input("correlations", Type::CORRELATIONS, "Their correlations")
            .optional_input(
                "truth",
                Type::TRUTH,
                "The hidden truth of `scans`, which then are simulated hosts; whose chains no two splits of `dataset` may share",
            )
            .optional_input("documents", Type::DOCUMENTS, "Ground-truth documents of `transform`")
            .optional_input("dataset", Type::DATASET, "The training set of `transform`")
            .output("verification", Type::METRICS, "Status, figures and violations by check")
            .output("summary", Type::FILE, "The same as text")
            .resources(4, 1280 << 20)
    }

    fn run(params: VerifyParams, context: &Context) -> Result<(), StageError> {
        let report = verify(&params, context)?;
        let path = context.output("verification")?;
        let json = serde_json::to_string_pretty(&report).expect("plain data") + "\n";
        std::fs::write(path, json).at(path)?;
        let path = context.output("summary")?;
        std::fs::write(path, summary::text(&report)).at(path)?;
        context.metric("violations", report.checks.iter().map(|check| check.violation_count as f64).sum());
        context.metric("failed_checks", report.checks.iter().filter(|c| c.status == Status::Failed).count() as f64);
        context.metric("quality", report.quality);
        match (report.overall_status, params.on_failed) {
            (OverallStatus::Failed, OnFailed::Stop) => {
                summary::full_text(&report).lines().for_each(|line| context.info(line));
                let message = format!("the verification failed:\n{}", summary::failures(&report));
                Err(StageError::invalid_input(message.trim_end())
                    .help("mend the input; `on_failed: report` lets the pipeline go on, `thresholds` lets some pass"))
            }
            (OverallStatus::Failed, OnFailed::Report) => {
                context.warn(format!("the verification failed:\n{}", summary::failures(&report)));
                Ok(())
            }
            (OverallStatus::Passed | OverallStatus::Warning, _) => Ok(()),
        }
    }
}

fn verify(params: &VerifyParams, context: &Context) -> Result<VerificationReport, StageError> {
    let wired = |port: &str| context.optional_input(port).is_some();
    refuse_wiring(&wired)?;
    let mut tally = Tally::default();
    let counts = match BEFORE.iter().all(|port| wired(port)) {
        true => scans::verify(params, context, &mut tally)?,
        false => scans::ScanCounts::default(),
    };
    let attacks = context.optional_input("truth").filter(|_| wired("documents") && wired("dataset"));
    let mut attacks = attacks.map(Attacks::open).transpose()?;
    let seen = context
        .optional_input("documents")
        .map(|directory| documents::verify(directory, &mut attacks, context, &mut tally))
        .transpose()?;
    let examples = context
        .optional_input("dataset")
        .map(|directory| dataset::verify(params, directory, (seen.as_ref(), attacks.as_ref()), context, &mut tally))
        .transpose()?;
    let checks = tally.finish(params);
    let quality = checks.last().and_then(|check| check.figure).unwrap_or(0.0);
    Ok(VerificationReport {
        overall_status: OverallStatus::of(&checks),
        quality,
        scans: counts.scans,
        findings: counts.findings,
        correlations: counts.correlations,
        documents: seen.map_or(0, |seen| seen.documents),
        examples: examples.unwrap_or(0),
        checks,
    })
}

/// Inputs that do not make a check possible are an error, not a check that passes.
fn refuse_wiring(wired: &dyn Fn(&str) -> bool) -> Result<(), StageError> {
    let missing: Vec<&str> = BEFORE.into_iter().filter(|port| !wired(port)).collect();
    // Beside a training set the truth says which hosts belong together.
    let goes_alone = |port: &str| port == "truth" && wired("dataset");
    let beside: Vec<&str> = ["scans", "findings", "correlations", "real", "truth"]
        .into_iter()
        .filter(|port| wired(port) && !goes_alone(port))
        .collect();
    if !missing.is_empty() && !beside.is_empty() {
        let message = format!("`{}` wired without `{}`", beside.join("`, `"), missing.join("`, `"));
        return Err(StageError::invalid_input(message).help(
            "the checks before `transform` need `scans`, `findings` and `correlations` of one run together; \
                   `truth` can be wired beside `dataset` too",
        ));
    }
    if !missing.is_empty() && !wired("documents") && !wired("dataset") {
        return Err(StageError::invalid_input("nothing to verify is wired")
            .help("wire `scans`, `findings` and `correlations`, or `documents`, or `dataset`"));
    }
    Ok(())
}
