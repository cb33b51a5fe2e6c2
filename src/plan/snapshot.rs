//! A resolved plan kept for the next time: parsing and resolving 1,000 stages costs more than finding all stages up to date.
//!
//! A snapshot is found by the request (file, targets, overrides, the program that planned) and believed while its sources
//! stand: every file that was read has the same bytes, every variable that was read the same value, every workspace path that is an
//! input is still a file or still a directory, every link on the way leads where it led. A snapshot that cannot be read or does not
//! match is ignored, and the pipeline is planned anew. Places of fields are left out, so `why` never uses one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::Digest;
use contract::types::Form;
use petgraph::graph::DiGraph;
use petgraph::visit::EdgeRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cards::Cards;
use super::language::overrides;
use super::model::{Command, InputSource, Plan, PlannedStage, StageId, Tool, Work};
use super::request::Request;
use super::wiring::links::{Links, real};
use crate::action::PlanKey;
use crate::action::canonical::Encoder;
use crate::spec::{PipelineName, Sources};

/// Raised when a snapshot of the old form would be misread.
const FORMAT: u32 = 2;

/// Under which name the snapshot for `request` is kept. `program` identifies the engine, whose cards and rules made the plan.
pub fn name(request: &Request, cards: &Cards, program: &[u8]) -> PlanKey {
    let mut encoder = Encoder::new("pipe plan snapshot");
    encoder.number(u64::from(FORMAT)).bytes(program).digest(&cards.fingerprint());
    encoder.bytes(request.file.as_os_str().as_encoded_bytes());
    let root = request.root.as_deref().unwrap_or(Path::new(""));
    encoder.bytes(root.as_os_str().as_encoded_bytes());
    let store = request.store.as_deref().unwrap_or(Path::new(""));
    encoder.bytes(store.as_os_str().as_encoded_bytes());
    encoder.count(request.kept.len());
    request.kept.iter().fold(&mut encoder, |e, (path, what)| e.bytes(path.as_os_str().as_encoded_bytes()).text(what));
    encoder.count(request.params.len());
    request.params.iter().fold(&mut encoder, |e, file| e.bytes(file.as_os_str().as_encoded_bytes()));
    encoder.count(request.overrides.len());
    request.overrides.iter().fold(&mut encoder, |e, text| e.text(text));
    encoder.count(request.targets.len());
    request.targets.iter().fold(&mut encoder, |e, target| e.text(target.as_str()));
    encoder.count(request.backends.len());
    request.backends.iter().fold(&mut encoder, |e, (name, backend)| e.text(name).text(backend.as_str()));
    encoder.count(request.elsewhere.len());
    request.elsewhere.iter().fold(&mut encoder, |e, backend| e.text(backend.as_str()));
    encoder.count(request.readers.len());
    request.readers.iter().fold(&mut encoder, |e, backend| e.text(backend.as_str()));
    encoder.count(request.machines.len());
    // The machines decide which stages are refused. The form of their text belongs to the program, whose digest is here too.
    request.machines.iter().fold(&mut encoder, |e, (name, place)| e.text(name.as_str()).text(&format!("{place:?}")));
    PlanKey::new(encoder.finish())
}

/// Writes `plan` down, which was made for `request` from `sources`. `None` when it cannot be written down: a path that is not UTF-8.
pub fn write(plan: &Plan, request: &Request, sources: &Sources) -> Option<Vec<u8>> {
    let files = sources.all().filter(|source| source.path != Path::new(overrides::SOURCE));
    let made_from = MadeFrom {
        files: files.map(|source| (source.path.clone(), Digest::of(source.text.as_bytes()))).collect(),
        variables: request.environment.read().into_iter().map(|name| of_variable(name, request)).collect(),
    };
    let written = Written {
        made_from,
        pipeline: &plan.pipeline,
        file: &plan.file,
        root: &plan.root,
        links: plan.links.iter().collect(),
        stages: plan.graph.node_weights().collect(),
        edges: plan.graph.edge_references().map(|edge| (edge.source(), edge.target())).collect(),
        order: &plan.order,
        params: &plan.params,
        groups: &plan.groups,
    };
    serde_json::to_vec(&written).ok()
}

/// The plan in `bytes`, if `request` would still give it.
pub fn read(bytes: &[u8], request: &Request, cards: &Cards) -> Option<Plan> {
    let kept: Kept = serde_json::from_slice(bytes).ok()?;
    let stands = kept
        .made_from
        .files
        .iter()
        .all(|(path, digest)| std::fs::read(path).is_ok_and(|now| Digest::of(&now) == *digest))
        && kept.made_from.variables.iter().all(|kept| of_variable(kept.0.clone(), request) == *kept)
        && paths_stand(&kept);
    // Most stages use the same ones.
    let tools: BTreeSet<&Tool> = kept.stages.iter().flat_map(|stage| stage.work.tools()).collect();
    let there = |tool: &&Tool| {
        let key = tool.key.as_ref().is_none_or(|key| kept.root.join(key).is_file());
        key && kept.root.join(&tool.path).is_dir()
    };
    if !stands || !tools.iter().all(there) {
        return None;
    }
    let mut graph = DiGraph::with_capacity(kept.stages.len(), kept.edges.len());
    for stage in kept.stages {
        graph.add_node(stage.try_map_work(|work| match work {
            KeptWork::Card { card: kind, params } => {
                let path = cards.path(&kind).map(Path::to_owned);
                Some(Work::Card { card: Arc::clone(cards.get(&kind)?.ok()?), params, path })
            }
            KeptWork::Command(command) => Some(Work::Command(command)),
        })?);
    }
    for (from, to) in kept.edges {
        graph.add_edge(from, to, ());
    }
    let Kept { pipeline, file, root, links, order, params, groups, .. } = kept;
    Some(Plan { pipeline, file, root, links: links.into_iter().collect(), graph, order, params, groups })
}

/// The sources of a plan, besides those in its name.
#[derive(Debug, Serialize, Deserialize)]
struct MadeFrom {
    files: Vec<(PathBuf, Digest)>,
    variables: Vec<(String, Option<Digest>)>,
}

#[derive(Serialize)]
struct Written<'a> {
    made_from: MadeFrom,
    pipeline: &'a PipelineName,
    file: &'a Path,
    root: &'a Path,
    links: Vec<(&'a PathBuf, &'a PathBuf)>,
    stages: Vec<&'a PlannedStage>,
    edges: Vec<(StageId, StageId)>,
    order: &'a [StageId],
    params: &'a BTreeMap<String, Value>,
    groups: &'a BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct Kept {
    made_from: MadeFrom,
    pipeline: PipelineName,
    file: PathBuf,
    root: PathBuf,
    links: Vec<(PathBuf, PathBuf)>,
    stages: Vec<PlannedStage<KeptWork>>,
    edges: Vec<(StageId, StageId)>,
    order: Vec<StageId>,
    params: BTreeMap<String, Value>,
    groups: BTreeMap<String, u32>,
}

/// [`Work`] as it is written down: a card by its kind.
#[derive(Deserialize)]
enum KeptWork {
    Card { card: String, params: Value },
    Command(Command),
}

impl KeptWork {
    fn tools(&self) -> &[Tool] {
        match self {
            KeptWork::Card { .. } => &[],
            KeptWork::Command(command) => &command.tools,
        }
    }
}

fn of_variable(name: String, request: &Request) -> (String, Option<Digest>) {
    let value = request.environment.get(&name).map(|value| Digest::of(value.as_encoded_bytes()));
    (name, value)
}

/// Whether each input still is a file or still is a directory, and the links on the way to inputs and outputs are the same. A
/// link that was made on the way to an output is found when something is published there.
fn paths_stand(kept: &Kept) -> bool {
    let links = Links::new(&kept.root);
    let stand = kept.stages.iter().flat_map(|stage| &stage.inputs).all(|input| match &input.source {
        InputSource::Path(path) => links.read(path).metadata.is_ok_and(|there| match input.artifact.form() {
            Form::File => there.is_file(),
            Form::Dir => there.is_dir(),
        }),
        InputSource::Stage { .. } => true,
    });
    let known: BTreeMap<&PathBuf, &PathBuf> = kept.links.iter().map(|(link, place)| (link, place)).collect();
    stand
        && links.followed().iter().all(|(link, place)| known.get(link) == Some(&place))
        && kept.links.iter().all(|(link, place)| real(link) == *place)
}
