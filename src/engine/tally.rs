//! Collects the outcome of each stage into the run's report.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use contract::Usage;
use indexmap::IndexMap;

use super::outcome::{EarlierOutput, FailedAttempt, OutputReport, RunOutcome, RunReport, StageOutcome, StageReport};
use super::resolve::Resolved;
use super::{EngineError, Shared};
use crate::executor::{FailureReport, RemoteAttempt};
use crate::plan::{Plan, StageId};
use crate::store::{Artifact, Record};

/// One report a stage, by its position in the plan. Every stage starts as interrupted: a stage without a report was not reached.
pub(crate) struct Tally {
    stages: Vec<StageReport>,
    executed_peak: u64,
    started_at: u64,
}

impl Tally {
    pub(super) fn new(plan: &Plan) -> Tally {
        let open = StageReport {
            outcome: StageOutcome::Interrupted,
            key: None,
            seconds: 0.0,
            usage: None,
            outputs: BTreeMap::new(),
            metrics: BTreeMap::new(),
            log: None,
            failure: None,
            cause: None,
            retried: Vec::new(),
            attempts: Vec::new(),
            kept: None,
        };
        Tally { stages: vec![open; plan.graph.node_count()], executed_peak: 0, started_at: unix_seconds() }
    }

    /// The stage has a key.
    pub(super) fn resolved(&mut self, stage: StageId, resolved: &Resolved) {
        self.stages[stage.index()].key = Some(resolved.key);
    }

    /// The stage has a record.
    pub(super) fn settled(
        &mut self,
        shared: &Shared,
        stage: StageId,
        outcome: StageOutcome,
        record: &Record,
        seconds: f64,
    ) {
        let planned = &shared.plan.graph[stage];
        let outputs = planned.outputs.iter().filter_map(|output| {
            let artifact = record.outputs.get(output.port.as_str())?;
            let report = OutputReport {
                path: output.destination.clone(),
                digest: artifact.digest,
                artifact: output.artifact,
                size: artifact.size,
                elsewhere: false,
            };
            Some((output.port.clone(), report))
        });
        let report = &mut self.stages[stage.index()];
        report.outcome = outcome;
        report.seconds = seconds;
        report.usage = Some(record.usage);
        report.outputs = outputs.collect();
        report.metrics = record.metrics.clone();
        if outcome == StageOutcome::Ran {
            self.executed_peak = self.executed_peak.max(record.usage.peak_memory);
        }
    }

    /// Of the stage, which has a record, these outputs lie on the remote only.
    pub(super) fn away(&mut self, stage: StageId, outputs: &[(String, Artifact)]) {
        for (port, _) in outputs {
            if let Some(output) = self.stages[stage.index()].outputs.get_mut(port.as_str()) {
                output.elsewhere = true;
            }
        }
    }

    /// The stage was executed; its log lies here.
    pub(super) fn log(&mut self, stage: StageId, log: PathBuf) {
        self.stages[stage.index()].log = Some(log);
    }

    /// The stage failed.
    pub(super) fn failed(&mut self, stage: StageId, failure: FailureReport, usage: Usage, seconds: f64) {
        let report = &mut self.stages[stage.index()];
        report.outcome = StageOutcome::Failed;
        report.failure = Some(failure);
        report.usage = Some(usage);
        report.seconds = seconds;
        self.executed_peak = self.executed_peak.max(usage.peak_memory);
    }

    /// The stage gave its outputs, and they cannot be brought to their places.
    pub(super) fn unpublished(&mut self, stage: StageId, failure: FailureReport) {
        let report = &mut self.stages[stage.index()];
        report.outcome = StageOutcome::Failed;
        report.failure = Some(failure);
        report.outputs.clear();
    }

    /// An execution of the stage failed and will be followed by another one.
    pub(super) fn retried(&mut self, stage: StageId, failed: FailedAttempt) {
        self.stages[stage.index()].retried.push(failed);
    }

    /// An attempt at the stage beyond this machine is over.
    pub(super) fn attempted(&mut self, stage: StageId, attempt: RemoteAttempt) {
        self.stages[stage.index()].attempts.push(attempt);
    }

    /// The private directory of the failed stage lies here.
    pub(super) fn kept(&mut self, stage: StageId, directory: PathBuf) {
        self.stages[stage.index()].kept = Some(directory);
    }

    /// The stage gave nothing, and this is why.
    pub(super) fn idle(&mut self, stage: StageId, outcome: StageOutcome, cause: String) {
        let report = &mut self.stages[stage.index()];
        report.outcome = outcome;
        report.cause = Some(cause);
    }

    /// The report on each stage so far, by its position in the plan.
    pub(super) fn stages(&self) -> &[StageReport] {
        &self.stages
    }

    /// Whether the run was stopped before it was done.
    pub(super) fn is_interrupted(&self) -> bool {
        self.stages.iter().any(|stage| stage.outcome == StageOutcome::Interrupted)
    }

    /// The whole report. `end` is how the run ended, `earlier` are the outputs in the workspace that are not of it, `signal` asked it to
    /// stop.
    pub(super) fn into_report(
        mut self,
        shared: &Shared,
        end: &End,
        earlier: Vec<EarlierOutput>,
        signal: Option<String>,
        seconds: f64,
    ) -> RunReport {
        let plan = &shared.plan;
        if let End::FailedFast(first) = end {
            let cause = format!(
                "not finished: `{}` failed, and --fail-fast stops at the first failure",
                plan.graph[*first].name
            );
            let open = self.stages.iter_mut().filter(|stage| stage.outcome == StageOutcome::Interrupted);
            open.for_each(|stage| stage.cause = Some(cause.clone()));
        }
        let named = plan.graph.node_weights().map(|stage| stage.name.clone());
        RunReport {
            run: shared.options.run.clone(),
            pipeline: plan.pipeline.clone(),
            file: plan.file.clone(),
            params: plan.params.clone(),
            outcome: self.outcome(end),
            error: match end {
                End::Broken(error) => Some(error.to_string()),
                End::Completed | End::FailedFast(_) | End::Unpublished => None,
            },
            signal,
            started_at: self.started_at,
            seconds,
            peak_memory: self.executed_peak,
            stages: named.zip(self.stages).collect::<IndexMap<_, _>>(),
            earlier,
            check: None,
        }
    }

    fn outcome(&self, end: &End) -> RunOutcome {
        let any = |outcome| self.stages.iter().any(|stage| stage.outcome == outcome);
        match end {
            End::Broken(_) => RunOutcome::Broken,
            End::FailedFast(_) => RunOutcome::Failed,
            End::Unpublished => RunOutcome::Interrupted,
            End::Completed if any(StageOutcome::Interrupted) => RunOutcome::Interrupted,
            End::Completed if any(StageOutcome::Failed) => RunOutcome::Failed,
            End::Completed => RunOutcome::Succeeded,
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// There was nothing left to do, or the user stopped it.
    Completed,
    /// This stage failed, and the run was to stop then.
    FailedFast(StageId),
    /// The user did not wait until another run had published.
    Unpublished,
    /// It could not go on.
    Broken(EngineError),
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
