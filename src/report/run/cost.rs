//! What runs cost beyond this machine, for people and for programs: each attempt with its place, time and price, and the sums.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::spending::{self, Spending};
use crate::engine::{AttemptEnd, RemoteAttempt, RunReport};
use crate::report::clean::cell;
use crate::report::units;

/// What every figure here is.
pub const ESTIMATE: &str =
    "an estimate: the price of each launch times the time since; storage, requests and traffic are not in it";

/// What runs cost: the document of `runs --cost --json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunCosts {
    /// What the figures are.
    pub estimate: &'static str,
    /// The runs, newest first.
    pub runs: Vec<RunCost>,
    /// All of them together. An attempt that several runs saw counts once.
    pub together: Spending,
}

/// What one run cost.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RunCost {
    /// The run's id.
    pub run: String,
    /// The pipeline's name, where it is known.
    pub pipeline: Option<String>,
    /// Its outcome; `running` or `killed` where it has no report.
    pub outcome: String,
    /// Unix seconds.
    pub started_at: Option<u64>,
    /// The sum; `null` where the run left no report.
    pub cost: Option<Spending>,
    /// The attempts beyond this machine that it saw, by stage. Stages that ran here cost nothing and are left out.
    pub stages: BTreeMap<String, Vec<RemoteAttempt>>,
}

impl RunCosts {
    /// Of these runs, each with its report where it left one.
    pub fn new(runs: Vec<RunCost>, reports: &[RunReport]) -> RunCosts {
        RunCosts { estimate: ESTIMATE, runs, together: spending::together(reports) }
    }
}

/// The attempts of a run.
pub fn attempts(report: &RunReport) -> impl Iterator<Item = &RemoteAttempt> {
    report.stages.values().flat_map(|stage| &stage.attempts)
}

/// The attempts of a run by stage.
pub fn by_stage(report: &RunReport) -> BTreeMap<String, Vec<RemoteAttempt>> {
    let stages = report.stages.iter().filter(|(_, stage)| !stage.attempts.is_empty());
    stages.map(|(name, stage)| (name.to_string(), stage.attempts.clone())).collect()
}

/// The sum of attempts; `None` where there are none.
pub fn spent(spending: &Spending) -> Option<String> {
    let Spending { dollars, attempts, unpriced } = *spending;
    match (attempts, unpriced) {
        (0, _) => None,
        (_, 0) => Some(units::dollars(dollars)),
        (attempts, unpriced) if attempts == unpriced => Some("not known: no price was named".to_owned()),
        (_, unpriced) => Some(format!(
            "{}, without {} of no known price",
            units::dollars(dollars),
            units::count(unpriced, "attempt")
        )),
    }
}

/// An attempt as a line.
pub fn attempt(attempt: &RemoteAttempt) -> String {
    let RemoteAttempt { attempt: number, backend, what, host, launched, started, ended, end, price, cost, .. } =
        attempt;
    let word = match end {
        AttemptEnd::Finished => "finished",
        AttemptEnd::Failed => "failed",
        AttemptEnd::Interrupted => "interrupted",
        AttemptEnd::Broken => "the place broke",
        AttemptEnd::Unknown => "its end is not known",
    };
    let mut parts = vec![format!("{number} at {backend}: {word}")];
    // A machine costs from its launch, also while it boots.
    let begun = launched.or(*started);
    parts.extend(begun.map(|begun| format!("{} UTC", units::date(begun))));
    let took = begun.zip(*ended).map(|(begun, ended)| ended.saturating_sub(begun));
    parts.extend(took.map(|seconds| units::seconds(seconds as f64)));
    parts.extend(what.clone().or_else(|| host.clone()));
    match units::cost(*price, *cost) {
        Some(cost) if ended.is_none() => parts.push(format!("{cost} so far")),
        Some(cost) => parts.push(cost),
        None if *price == Some(0.0) => parts.push("costs nothing".to_owned()),
        None => parts.push("no known price".to_owned()),
    }
    cell(&parts.join(", ")).into_owned()
}
