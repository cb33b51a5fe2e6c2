//! Collects what came of each stage into the run's report.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use indexmap::IndexMap;

use super::Shared;
use super::outcome::{FailureReport, OutputReport, RunOutcome, RunReport, StageOutcome, StageReport};
use super::resolve::Resolved;
use crate::plan::{Plan, StageId};
use crate::store::{Record, Usage};

/// One report a stage, by its position in the plan. Every stage starts as interrupted: what nobody reports on was not reached.
pub(crate) struct Tally {
    stages: Vec<StageReport>,
    executed_peak: u64,
    started_at: u64,
}

impl Tally {
    pub fn new(plan: &Plan) -> Tally {
        let open = StageReport {
            outcome: StageOutcome::Interrupted,
            key: None,
            seconds: 0.0,
            usage: None,
            outputs: BTreeMap::new(),
            metrics: BTreeMap::new(),
            log: None,
            failure: None,
        };
        Tally { stages: vec![open; plan.graph.node_count()], executed_peak: 0, started_at: unix_seconds() }
    }

    /// The stage has a key.
    pub fn resolved(&mut self, stage: StageId, resolved: &Resolved) {
        self.stages[stage.index()].key = Some(resolved.key);
    }

    /// The stage has a record.
    pub fn settled(&mut self, shared: &Shared, stage: StageId, outcome: StageOutcome, record: &Record, seconds: f64) {
        let planned = &shared.plan.graph[stage];
        let outputs = planned.outputs.iter().filter_map(|output| {
            let artifact = record.outputs.get(output.port.as_str())?;
            let report = OutputReport {
                path: output.destination.clone(),
                digest: artifact.digest,
                artifact: output.artifact,
                size: artifact.size,
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

    /// The stage was executed; its log lies here.
    pub fn log(&mut self, stage: StageId, log: PathBuf) {
        self.stages[stage.index()].log = Some(log);
    }

    /// The stage failed.
    pub fn failed(&mut self, stage: StageId, failure: FailureReport, usage: Usage, seconds: f64) {
        let report = &mut self.stages[stage.index()];
        report.outcome = StageOutcome::Failed;
        report.failure = Some(failure);
        report.usage = Some(usage);
        report.seconds = seconds;
        self.executed_peak = self.executed_peak.max(usage.peak_memory);
    }

    /// Something the stage needs failed.
    pub fn blocked(&mut self, stage: StageId) {
        self.stages[stage.index()].outcome = StageOutcome::Blocked;
    }

    pub fn into_report(self, shared: &Shared, seconds: f64) -> RunReport {
        let any = |outcome| self.stages.iter().any(|stage| stage.outcome == outcome);
        let outcome = if any(StageOutcome::Interrupted) {
            RunOutcome::Interrupted
        } else if any(StageOutcome::Failed) {
            RunOutcome::Failed
        } else {
            RunOutcome::Succeeded
        };
        let plan = &shared.plan;
        let named = plan.graph.node_weights().map(|stage| stage.name.clone());
        RunReport {
            run: shared.options.run.clone(),
            pipeline: plan.pipeline.clone(),
            file: plan.file.clone(),
            params: plan.params.clone(),
            outcome,
            started_at: self.started_at,
            seconds,
            peak_memory: self.executed_peak,
            stages: named.zip(self.stages).collect::<IndexMap<_, _>>(),
        }
    }
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
