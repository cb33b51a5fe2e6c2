//! What stages would take and give, and which would fail, as far as their kinds can say before they run: behind `plan` and `check`, and
//! before a stage is executed whose result another one would refuse (`contract::foresight`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use contract::foresight::{Answer, Expected, Foresight, Inquiry};
use contract::{Card, FailureClass, Worker};
use petgraph::Direction;
use serde_json::Value;

use super::FailureReport;
use super::forecast::Forecast;
use super::resolve::{Known, Resolved};
use crate::executor::remote::RemotePlace;
use crate::executor::{Device, Seer, SeerError};
use crate::plan::{InputSource, Plan, PlannedStage, StageId, Work};
use crate::store::{Artifact, Store};

/// The answers, by stage.
pub type Foreseen = BTreeMap<StageId, Answer>;

/// Whether any stage of `plan` is of a kind that foresees something: nobody else is asked, and no program started.
pub fn is_any(plan: &Plan) -> bool {
    plan.graph.node_weights().any(|stage| asked(stage).is_some())
}

/// What is foreseen of the stages that would run by these `forecasts`. Stages on a backend of `elsewhere` run there.
pub fn of_plan(
    plan: &Plan,
    store: &Store,
    forecasts: &[Forecast],
    elsewhere: &BTreeMap<String, RemotePlace>,
) -> Foreseen {
    if !is_any(plan) {
        return Foreseen::new();
    }
    let mut known = Known::new(plan);
    for (stage, forecast) in plan.graph.node_indices().zip(forecasts) {
        if let Forecast::Hit { record, away: None, .. } = forecast {
            known.insert(stage, record);
        }
    }
    let runs = |stage: &&StageId| {
        let forecast = &forecasts[stage.index()];
        matches!(forecast, Forecast::Run { .. } | Forecast::Unknown { .. } | Forecast::Undecided { .. })
    };
    let place = |stage: StageId, at: usize| match &plan.graph[stage].inputs[at].source {
        InputSource::Path(path) => Some(plan.root.join(path)),
        InputSource::Stage { stage, port } => here(store, known.artifact(*stage, port)?),
    };
    ask(plan, plan.order.iter().filter(runs).copied(), elsewhere, place)
}

/// Whether `stage` and one after it are of kinds that foresee something.
pub(super) fn is_followed(plan: &Plan, stage: StageId) -> bool {
    asked(&plan.graph[stage]).is_some() && !after(plan, stage).is_empty()
}

/// The failure of `stage`, which is about to be executed, when a stage after it would refuse what it makes. Its own failure it tells by
/// itself. Stages with a condition may not be wanted, and are not counted.
pub(super) fn refused_later(
    plan: &Plan,
    store: &Store,
    (stage, resolved): (StageId, &Resolved),
    elsewhere: &BTreeMap<String, RemotePlace>,
) -> Option<FailureReport> {
    let after = after(plan, stage);
    let place = |of: StageId, at: usize| match &plan.graph[of].inputs[at].source {
        _ if of == stage => here(store, resolved.inputs.get(at)?),
        InputSource::Path(path) => Some(plan.root.join(path)),
        InputSource::Stage { .. } => None,
    };
    let chain = std::iter::once(stage).chain(after.iter().copied());
    let mut foreseen = ask(plan, chain, elsewhere, place);
    if let Some(Answer::Refused { .. }) = foreseen.remove(&stage) {
        return None;
    }
    let refused = |later: &StageId| match foreseen.get(later)? {
        Answer::Refused { class: FailureClass::InvalidInput, message, help } => {
            let name = &plan.graph[*later].name;
            let message = format!("`{name}`, which comes after it, would fail: {message}");
            Some(FailureReport { class: FailureClass::InvalidInput, message, help: help.clone() })
        }
        _ => None,
    };
    after.iter().find_map(refused)
}

/// The stages after `stage` that are asked, in the plan's order.
fn after(plan: &Plan, stage: StageId) -> Vec<StageId> {
    let mut reached = BTreeSet::from([stage]);
    for &later in plan.order.iter().skip_while(|one| **one != stage).skip(1) {
        let mut producers = plan.graph.neighbors_directed(later, Direction::Incoming);
        if plan.graph[later].conduct.condition.is_none() && producers.any(|producer| reached.contains(&producer)) {
            reached.insert(later);
        }
    }
    reached.remove(&stage);
    plan.order.iter().filter(|one| reached.contains(one) && asked(&plan.graph[**one]).is_some()).copied().collect()
}

/// Asks about `stages`, in this order: what one foresees of its outputs is told to those after it. `place` says where an input of a
/// stage lies, by its position.
fn ask(
    plan: &Plan,
    stages: impl Iterator<Item = StageId>,
    elsewhere: &BTreeMap<String, RemotePlace>,
    place: impl Fn(StageId, usize) -> Option<PathBuf>,
) -> Foreseen {
    let mut seers: HashMap<(&str, Device), Result<Seer, SeerError>> = HashMap::new();
    let mut foreseen = Foreseen::new();
    for stage in stages {
        let planned = &plan.graph[stage];
        let Some((card, params, program)) = asked(planned) else { continue };
        let mut inputs: BTreeMap<String, Vec<Expected>> = BTreeMap::new();
        for (at, input) in planned.inputs.iter().enumerate() {
            let facts = match &input.source {
                InputSource::Stage { stage, port } => facts(&foreseen, *stage, port.as_str()).cloned(),
                InputSource::Path(_) => None,
            };
            let expected = Expected { path: place(stage, at), facts };
            inputs.entry(input.port.as_str().to_owned()).or_default().push(expected);
        }
        let here = !elsewhere.contains_key(planned.backend.as_str());
        let inquiry = Inquiry { kind: card.kind.clone(), version: card.version, params: params.clone(), inputs, here };
        let device = Device::wanted(&planned.resources);
        let seer = seers.entry((program, device)).or_insert_with(|| Seer::start(program, device));
        let answer = match seer {
            Ok(one) => one.ask(&inquiry),
            Err(error) => Ok(silent(error)),
        };
        let answer = answer.unwrap_or_else(|error| {
            let answer = silent(&error);
            *seer = Err(error);
            answer
        });
        foreseen.insert(stage, answer);
    }
    foreseen
}

/// Card, params and program of a stage whose kind foresees something.
fn asked(stage: &PlannedStage) -> Option<(&Card, &Value, &str)> {
    match &stage.work {
        Work::Card { card, params, .. } if card.foresees => match &card.worker {
            Worker::Program(program) => Some((card.as_ref(), params, program.as_str())),
            // A program of the project is run when the user says `run`, and not before.
            Worker::Command(_) => None,
        },
        _ => None,
    }
}

fn facts<'a>(foreseen: &'a Foreseen, stage: StageId, port: &str) -> Option<&'a Value> {
    match foreseen.get(&stage)? {
        Answer::Foreseen(foresight) => foresight.outputs.get(port),
        Answer::Refused { .. } => None,
    }
}

fn here(store: &Store, artifact: &Artifact) -> Option<PathBuf> {
    // Whatever the store's trouble is, those that need the artifact meet it.
    let lacks = store.lacks(artifact).unwrap_or(true);
    (!lacks).then(|| store.object(artifact))
}

/// Of a stage whose worker does not answer: why nothing is foreseen. The stage may run all the same.
fn silent(error: &SeerError) -> Answer {
    Answer::Foreseen(Foresight { note: Some(format!("nothing is foreseen: {error}")), ..Foresight::default() })
}
