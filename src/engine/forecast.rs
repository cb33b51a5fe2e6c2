//! The effect of a run, without executing anything: behind `pipe plan` and `pipe why`.
//!
//! Workspace inputs that the memo does not know are taken into the store to learn their digests, as a run would.

use std::collections::{BTreeMap, HashSet};

use contract::foresight::Answer;

use super::foresight::{self, Foreseen};
use super::learned::{self, Learned, Past};
use super::resolve::{self, Known, Resolved, Sources, Unresolved};
use super::wanted::{Wanted, wanted};
use super::{EngineError, hits};
use crate::action::ActionKey;
use crate::action::difference::{Difference, differences, field_of};
use crate::executor::remote::RemotePlace;
use crate::plan::{InputSource, Plan, StageId, Work, code};
use crate::store::{Lookup, MissReason, Record, Store};

/// The effect of a run on one stage.
#[derive(Debug)]
pub enum Forecast {
    /// Nothing, or put its outputs back.
    Hit {
        /// Its key.
        key: ActionKey,
        /// The record that serves it.
        record: Box<Record>,
        /// Where its outputs are that are not here.
        away: Option<Elsewhere>,
    },
    /// Execute it.
    Run {
        /// Its key.
        key: ActionKey,
        /// Why the store does not serve it.
        miss: MissReason,
        /// How its action differs from the last one executed for this stage; empty when there was none.
        changes: Vec<Difference>,
        /// The last record of this stage.
        last: Option<Box<Record>>,
    },
    /// It waits for these stages, which would run first.
    Unknown {
        /// The producers whose outputs are not known.
        waits_for: Vec<StageId>,
        /// The forecast if they give the same outputs as before.
        supposed: Supposed,
        /// How its action differs already from the last one executed for this stage.
        changes: Vec<Difference>,
        /// The last record of this stage.
        last: Option<Box<Record>>,
    },
    /// Whether it is wanted is not known until this stage, whose metrics its `when:` reads, has run.
    Undecided {
        /// The stage that it reads.
        until: StageId,
        /// The last record of this stage.
        last: Option<Box<Record>>,
    },
    /// It is not wanted.
    Skipped {
        /// Why.
        cause: String,
    },
    /// It would fail before it is started.
    Refused {
        /// Why.
        message: String,
    },
}

/// Outputs that are not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The remote that has them.
    pub remote: String,
    /// Their bytes.
    pub bytes: u64,
}

impl Forecast {
    /// Whether it is a hit, made by other code than does `work` in this build under the same version of the card. Where either is
    /// not known nothing is said.
    pub fn code_changed(&self, work: &Work) -> bool {
        let Forecast::Hit { record, .. } = self else { return false };
        record.source.is_some_and(|made_by| code::changed(work, made_by))
    }
}

/// The forecast for a stage if everything that would run gives the same outputs as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supposed {
    /// The store serves it: the change stops before it.
    Hit,
    /// It runs also then.
    Run,
    /// Something it needs never ran, so there is nothing to suppose.
    NeverRan,
}

/// The effect of a run on a whole plan.
#[derive(Debug)]
pub struct Outlook {
    /// By stage, in the plan's order of nodes.
    pub stages: Vec<Forecast>,
    /// Seconds that each stage is expected to take when it is executed.
    pub seconds: Vec<f64>,
    /// Seconds along the longest chain, if everything that runs gives the same outputs as before.
    pub expected: f64,
    /// Seconds along the longest chain, if nothing does.
    pub at_most: f64,
    /// What kinds say of stages that would run.
    pub foreseen: Foreseen,
}

impl Outlook {
    /// Whether anything that may run did so before: otherwise its seconds are a guess.
    pub fn is_learned(&self) -> bool {
        let last = |forecast: &Forecast| match forecast {
            Forecast::Run { last, .. } | Forecast::Unknown { last, .. } | Forecast::Undecided { last, .. } => {
                last.is_some()
            }
            Forecast::Hit { .. } | Forecast::Skipped { .. } | Forecast::Refused { .. } => false,
        };
        self.stages.iter().any(last)
    }
}

/// The effect of a run of `plan`.
///
/// `elsewhere` are the backends that are not this machine.
pub fn outlook(plan: &Plan, store: &Store, elsewhere: &BTreeMap<String, RemotePlace>) -> Result<Outlook, EngineError> {
    let mut stages = forecast(plan, store)?;
    let foreseen = foresight::of_plan(plan, store, &stages, elsewhere);
    for (stage, answer) in &foreseen {
        let forecast = &mut stages[stage.index()];
        // One that may not be wanted does not fail for sure.
        if let (Answer::Refused { message, help, .. }, false) = (answer, matches!(forecast, Forecast::Undecided { .. }))
        {
            let help = help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            *forecast = Forecast::Refused { message: format!("{message}{help}") };
        }
    }
    let learned = Learned::new(stages.iter().map(past).collect());
    let seconds: Vec<f64> = plan.graph.node_indices().map(|stage| learned.seconds(stage)).collect();
    let along = |takes: &dyn Fn(&Forecast) -> bool| {
        let weight = |stage: StageId| if takes(&stages[stage.index()]) { seconds[stage.index()] } else { 0.0 };
        longest(plan, weight)
    };
    let certain = |forecast: &Forecast| match forecast {
        Forecast::Run { .. } | Forecast::Unknown { .. } | Forecast::Undecided { .. } => {
            !matches!(forecast, Forecast::Unknown { supposed: Supposed::Hit, .. })
        }
        Forecast::Hit { .. } | Forecast::Skipped { .. } | Forecast::Refused { .. } => false,
    };
    let expected = along(&certain);
    let at_most = along(&|forecast| certain(forecast) || matches!(forecast, Forecast::Unknown { .. }));
    Ok(Outlook { stages, seconds, expected, at_most, foreseen })
}

/// A forecast for every stage, by its position in the plan.
pub fn forecast(plan: &Plan, store: &Store) -> Result<Vec<Forecast>, EngineError> {
    let mut known = Known::new(plan);
    // As if everything that would run gave the same outputs as before.
    let mut supposed = Known::new(plan);
    let mut forecasts: Vec<Option<Forecast>> = plan.graph.node_indices().map(|_| None).collect();
    for &stage in &plan.order {
        let last = || learned::last(plan, store, stage).map(Box::new);
        if let Some(forecast) = unwanted(plan, stage, &known, last) {
            if matches!(forecast, Forecast::Skipped { .. }) {
                known.skip(stage);
                supposed.skip(stage);
            }
            forecasts[stage.index()] = Some(forecast);
            continue;
        }
        let forecast = match resolve::resolve(plan, stage, &known, store, Sources::Identified)? {
            Ok(resolved) => resolved_forecast(store, plan, stage, resolved, last)?,
            Err(Unresolved::Refused(failure)) => Forecast::Refused { message: failure.message },
            Err(Unresolved::WaitsFor(_)) => {
                let (outcome, record) = suppose(plan, store, stage, &supposed)?;
                if let Some(record) = record {
                    supposed.insert(stage, &record);
                }
                let (waits_for, last) = (unknown_producers(plan, stage, &known), last());
                let changes =
                    last.as_ref().map(|last| changes_so_far(plan, store, stage, &known, last)).unwrap_or_default();
                Forecast::Unknown { waits_for, supposed: outcome, changes, last }
            }
        };
        match &forecast {
            Forecast::Hit { record, .. } => {
                known.insert(stage, record);
                supposed.insert(stage, record);
            }
            Forecast::Run { last: Some(last), .. }
            | Forecast::Unknown { supposed: Supposed::Run, last: Some(last), .. } => {
                supposed.insert(stage, last);
            }
            _ => {}
        }
        forecasts[stage.index()] = Some(forecast);
    }
    Ok(forecasts.into_iter().flatten().collect())
}

/// The forecast of a stage that is not known to be wanted.
fn unwanted(plan: &Plan, stage: StageId, known: &Known, last: impl Fn() -> Option<Box<Record>>) -> Option<Forecast> {
    match wanted(plan, stage, known) {
        Wanted::Yes => None,
        Wanted::No(cause) => Some(Forecast::Skipped { cause }),
        Wanted::NotYet(until) => Some(Forecast::Undecided { until, last: last() }),
        Wanted::Never(failure) => Some(Forecast::Refused { message: failure.message }),
    }
}

/// The store's answer for `stage` if everything before it gave the same outputs as before.
fn suppose(
    plan: &Plan,
    store: &Store,
    stage: StageId,
    supposed: &Known,
) -> Result<(Supposed, Option<Box<Record>>), EngineError> {
    let Ok(resolved) = resolve::resolve(plan, stage, supposed, store, Sources::Identified)? else {
        return Ok((Supposed::NeverRan, None));
    };
    Ok(match hits::record(store, plan, stage, &resolved.key)? {
        Lookup::Hit(record) => (Supposed::Hit, Some(record)),
        Lookup::Elsewhere(away) => (Supposed::Hit, Some(Box::new(away.record))),
        Lookup::Miss(_) => (Supposed::Run, None),
    })
}

fn past(forecast: &Forecast) -> Option<Past> {
    match forecast {
        Forecast::Hit { record, .. } => Some(Past::from(&**record)),
        Forecast::Run { last, .. } | Forecast::Unknown { last, .. } | Forecast::Undecided { last, .. } => {
            last.as_deref().map(Past::from)
        }
        Forecast::Skipped { .. } | Forecast::Refused { .. } => None,
    }
}

/// The weight of the heaviest chain.
fn longest(plan: &Plan, weight: impl Fn(StageId) -> f64) -> f64 {
    let mut until = vec![0.0_f64; plan.graph.node_count()];
    for &stage in &plan.order {
        let producers = plan.graph.neighbors_directed(stage, petgraph::Direction::Incoming);
        let before = producers.map(|producer| until[producer.index()]).fold(0.0, f64::max);
        until[stage.index()] = before + weight(stage);
    }
    until.into_iter().fold(0.0, f64::max)
}

fn resolved_forecast(
    store: &Store,
    plan: &Plan,
    stage: StageId,
    resolved: Resolved,
    last: impl Fn() -> Option<Box<Record>>,
) -> Result<Forecast, EngineError> {
    let Resolved { action, key, .. } = resolved;
    Ok(match hits::record(store, plan, stage, &key)? {
        Lookup::Hit(record) => Forecast::Hit { key, record, away: None },
        Lookup::Elsewhere(away) => {
            let there = Elsewhere { remote: away.remote.clone(), bytes: away.bytes() };
            Forecast::Hit { key, record: Box::new(away.record), away: Some(there) }
        }
        Lookup::Miss(miss) => {
            let last = last();
            let changes = last.as_ref().map(|record| differences(&record.action, &action)).unwrap_or_default();
            Forecast::Run { key, miss, changes, last }
        }
    })
}

/// How the action of a stage that waits differs from its last one, as far as it is known.
fn changes_so_far(plan: &Plan, store: &Store, stage: StageId, known: &Known, last: &Record) -> Vec<Difference> {
    let Some(action) = resolve::without_waiting(plan, stage, known, store) else { return Vec::new() };
    let waiting = plan.graph[stage].inputs.iter().filter_map(|input| match &input.source {
        InputSource::Stage { stage, .. } if !known.has(*stage) => {
            Some(field_of(input.port.as_str(), input.label.as_deref()))
        }
        _ => None,
    });
    let waiting: HashSet<String> = waiting.collect();
    let changes = differences(&last.action, &action);
    changes.into_iter().filter(|change| !waiting.contains(&change.field)).collect()
}

fn unknown_producers(plan: &Plan, stage: StageId, known: &Known) -> Vec<StageId> {
    let mut producers: Vec<_> =
        plan.graph.neighbors_directed(stage, petgraph::Direction::Incoming).filter(|p| !known.has(*p)).collect();
    producers.sort_unstable();
    producers
}
