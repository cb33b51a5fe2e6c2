//! Whether a stage is wanted: its `when:`, read from the metrics of stages that are done, and the stages skipped before it.

use petgraph::Direction;

use super::resolve::Known;
use crate::executor::FailureReport;
use crate::plan::condition::Verdict;
use crate::plan::{Plan, StageId};
use contract::FailureClass;

/// Whether a stage is wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    /// It is.
    Yes,
    /// It is not, and this is why.
    No(String),
    /// Its condition reads a stage that is not done.
    NotYet(StageId),
    /// Its condition reads a metric that a stage never gives.
    Never(FailureReport),
}

/// Whether `stage` is wanted, as far as `known` tells. Stages that give nothing because they failed are not its concern: the stages
/// behind them are blocked.
pub(super) fn wanted(plan: &Plan, stage: StageId, known: &Known) -> Wanted {
    let planned = &plan.graph[stage];
    let name = |stage: StageId| &plan.graph[stage].name;
    let skipped =
        plan.graph.neighbors_directed(stage, Direction::Incoming).find(|producer| known.is_skipped(*producer));
    if let Some(skipped) = skipped {
        return Wanted::No(behind(name(skipped).as_str()));
    }
    let Some(condition) = &planned.conduct.condition else { return Wanted::Yes };
    match condition.evaluate(&|stage, metric| known.metric(stage, metric)) {
        Verdict::True => Wanted::Yes,
        Verdict::False => Wanted::No(format!("`when: {}` is false", condition.text)),
        Verdict::Unknown { stage, .. } if !known.has(stage) => Wanted::NotYet(stage),
        Verdict::Undefined(why) => Wanted::Never(FailureReport {
            class: FailureClass::InvalidInput,
            message: format!("`when: {}` cannot be decided: it {why}", condition.text),
            help: Some("decide that case before: `stages.NAME.metrics.N != 0 && ..`".to_owned()),
        }),
        Verdict::Unknown { stage, metric } => Wanted::Never(FailureReport {
            class: FailureClass::InvalidInput,
            message: format!(
                "`when: {}` reads metric `{metric}` of `{}`, which gave {}",
                condition.text,
                name(stage),
                known.metrics(stage)
            ),
            help: Some("a stage reports a metric with an event; `pipe show STAGE` lists what it gave".to_owned()),
        }),
    }
}

/// Why a stage behind a skipped one is skipped.
pub(super) fn behind(skipped: &str) -> String {
    format!("needs `{skipped}`, which was skipped")
}
