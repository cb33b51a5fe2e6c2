//! From a request to a plan: each step collects its problems, and only a pipeline without any becomes a plan.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use contract::Resources;
use petgraph::graph::DiGraph;

use super::cards::Cards;
use super::interface::{self, Interface, Kind};
use super::interpolate::{Interpolator, Scope};
use super::model::{BackendName, Conduct, InputSource, Plan, PlannedInput, PlannedOutput, PlannedStage, StageId, Work};
use super::order::order;
use super::paths::Claims;
use super::request::{self, Request};
use super::wiring::{Edge, Wiring};
use super::{command, overrides, params, places};
use crate::spec::{
    Entry, Invalid, Node, NodeValue, PipelineName, PipelineSpec, Problem, Sources, StageSpec, file, read, suggest,
};

/// Stages of a cycle that are shown; a longer one is cut.
const SHOWN: usize = 12;

/// Resolves the pipeline that `request` names, or gives everything that is wrong with it.
pub fn build(request: &Request, cards: &Cards) -> Result<Plan, Invalid> {
    build_with_sources(request, cards).map(|(plan, _)| plan)
}

/// As [`build`], with the sources that were read on the way.
pub fn build_with_sources(request: &Request, cards: &Cards) -> Result<(Plan, Sources), Invalid> {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let plan = attempt(request, cards, &mut sources, &mut problems);
    problems.sort_by_key(|p| p.span);
    // A value used through two aliases is wrong once.
    let mut seen = HashSet::new();
    problems.retain(|p| seen.insert((p.code, p.span, p.message.clone())));
    match plan {
        Some(plan) if problems.is_empty() => Ok((plan, sources)),
        _ => Err(Invalid { problems, sources }),
    }
}

fn attempt(request: &Request, cards: &Cards, sources: &mut Sources, problems: &mut Vec<Problem>) -> Option<Plan> {
    let root = root(request, problems)?;
    let tree = file::read(&request.file, sources, problems)?;
    let mut spec = read::pipeline(&tree, problems);
    overrides::apply(&request.overrides, &mut spec.params, sources, problems);

    let mut interpolator = Interpolator::new(sources);
    let nothing = Node::new(NodeValue::Map(Vec::new()), spec.params.span);
    // A param is a plain value: it may not refer to another one.
    let params = interpolator.expand(&spec.params, &Scope { params: &nothing, ports: None }, problems);
    let resolver = Resolver { request, cards, sources, root, spec, params };
    let stages = resolver.stages(&mut interpolator, problems);
    resolver.assemble(stages, problems)
}

fn root(request: &Request, problems: &mut Vec<Problem>) -> Option<PathBuf> {
    let found = match &request.root {
        Some(root) => std::path::absolute(root),
        None => std::env::current_dir().map(|here| request::find_root(&here).to_owned()),
    };
    found
        .map_err(|error| {
            problems.push(Problem::general("unreadable", format!("cannot find the project root: {error}")))
        })
        .ok()
}

struct Resolver<'a> {
    request: &'a Request,
    cards: &'a Cards,
    sources: &'a Sources,
    root: PathBuf,
    spec: PipelineSpec,
    params: Node,
}

/// Stages in declaration order and what feeds what.
struct Resolved {
    stages: Vec<PlannedStage>,
    edges: Vec<Edge>,
}

impl Resolver<'_> {
    fn stages(&self, interpolator: &mut Interpolator<'_>, problems: &mut Vec<Problem>) -> Resolved {
        let stages = &self.spec.stages;
        let interfaces: Vec<Interface> = stages.iter().map(|s| self.interface(s, interpolator, problems)).collect();
        let all = stages.iter().zip(&interfaces).enumerate();
        let claims = all.flat_map(|(at, (stage, interface))| interface::claims(at, stage, interface)).collect();
        let claims = Claims::new(claims, problems);
        let by_name: HashMap<&str, usize> =
            stages.iter().enumerate().map(|(at, s)| (s.name.value.as_str(), at)).collect();
        let wiring = Wiring { stages, interfaces: &interfaces, by_name: &by_name, claims: &claims, root: &self.root };
        let mut edges = Vec::new();
        let scope = Scope { params: &self.params, ports: None };
        let inputs: Vec<Vec<PlannedInput>> =
            (0..stages.len()).map(|at| wiring.inputs(at, interpolator, &scope, &mut edges, problems)).collect();
        let complete = stages.iter().zip(interfaces).zip(inputs);
        let stages = complete.map(|((s, face), inputs)| self.stage(s, face, inputs, interpolator, problems)).collect();
        Resolved { stages, edges }
    }

    fn interface(
        &self,
        stage: &StageSpec,
        interpolator: &mut Interpolator<'_>,
        problems: &mut Vec<Problem>,
    ) -> Interface {
        let kind = interface::kind(stage, self.cards, problems);
        let pipeline = self.spec.name.as_ref().map_or("unnamed", |name| name.value.as_str());
        let outputs: Vec<PlannedOutput> = match &kind {
            Kind::Card(card) => interface::card_outputs(card, pipeline, stage),
            Kind::Command => {
                let scope = Scope { params: &self.params, ports: None };
                interface::command_outputs(stage, interpolator, &scope, problems)
            }
            Kind::Unknown => Vec::new(),
        };
        Interface { kind, outputs }
    }

    fn stage(
        &self,
        stage: &StageSpec,
        interface: Interface,
        inputs: Vec<PlannedInput>,
        interpolator: &mut Interpolator<'_>,
        problems: &mut Vec<Problem>,
    ) -> PlannedStage {
        let mut places = places::of_fields(stage, self.sources);
        let Interface { kind, outputs } = interface;
        let (work, defaults) = match kind {
            Kind::Card(card) => {
                let empty = Node::new(NodeValue::Map(Vec::new()), stage.name.span);
                let written = match &stage.with {
                    Some(Node { value: NodeValue::Null, .. }) | None => empty,
                    Some(with) => interpolator.expand(with, &Scope { params: &self.params, ports: None }, problems),
                };
                let params = params::resolve(&written, &card.params, problems);
                places::add_values("with", &written, self.sources, &mut places);
                let defaults = card.resources;
                (Work::Card { card, params }, defaults)
            }
            Kind::Command | Kind::Unknown => {
                let command = match kind {
                    Kind::Command => command::plan(
                        stage,
                        &inputs,
                        &outputs,
                        &self.params,
                        &self.request.environment,
                        interpolator,
                        problems,
                    ),
                    _ => super::model::Command {
                        script: super::model::Script::Argv(Vec::new()),
                        environment: BTreeMap::new(),
                        sandbox: super::model::Sandbox::Private,
                    },
                };
                (Work::Command(command), Resources::default())
            }
        };
        PlannedStage {
            name: stage.name.value.clone(),
            location: self.sources.locate(stage.name.span),
            work,
            inputs,
            outputs,
            resources: resources(stage, defaults, problems),
            backend: backend(stage, problems),
            conduct: Conduct::default(),
            places,
        }
    }

    /// The plan of the targets and all they need.
    fn assemble(self, resolved: Resolved, problems: &mut Vec<Problem>) -> Option<Plan> {
        let Resolved { stages, edges } = resolved;
        let pairs: BTreeSet<(usize, usize)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
        let pairs: Vec<(usize, usize)> = pairs.into_iter().collect();
        let order = match order(stages.len(), &pairs) {
            Ok(order) => order,
            Err(cycles) => {
                problems.extend(cycles.iter().map(|cycle| self.cycle_problem(cycle, &edges)));
                return None;
            }
        };
        let wanted = self.wanted(&pairs, problems);
        let mut graph = DiGraph::with_capacity(stages.len(), pairs.len());
        let mut ids: Vec<Option<StageId>> = Vec::with_capacity(stages.len());
        for (stage, wanted) in stages.into_iter().zip(&wanted) {
            ids.push(wanted.then(|| graph.add_node(stage)));
        }
        for stage in graph.node_weights_mut() {
            for input in &mut stage.inputs {
                if let InputSource::Stage { stage: producer, .. } = &mut input.source {
                    *producer = ids[producer.index()].expect("what a wanted stage reads is wanted");
                }
            }
        }
        for (from, to) in pairs {
            if let (Some(from), Some(to)) = (ids[from], ids[to]) {
                graph.add_edge(from, to, ());
            }
        }
        Some(Plan {
            pipeline: self.spec.name.map_or_else(|| PipelineName::new("unnamed"), |name| name.value),
            file: self.request.file.clone(),
            root: self.root,
            graph,
            order: order.into_iter().filter_map(|at| ids[at]).collect(),
            params: top_level(&self.params),
            groups: BTreeMap::new(),
        })
    }

    /// Which stages the targets need; all without targets.
    fn wanted(&self, pairs: &[(usize, usize)], problems: &mut Vec<Problem>) -> Vec<bool> {
        let stages = &self.spec.stages;
        if self.request.targets.is_empty() {
            return vec![true; stages.len()];
        }
        let mut producers = vec![Vec::new(); stages.len()];
        for (from, to) in pairs {
            producers[*to].push(*from);
        }
        let mut wanted = vec![false; stages.len()];
        let mut pending = Vec::new();
        for target in &self.request.targets {
            match stages.iter().position(|stage| stage.name.value == *target) {
                Some(at) => pending.push(at),
                None => {
                    let names = stages.iter().map(|stage| stage.name.value.as_str());
                    let message = format!("there is no stage `{target}` in {}", self.request.file.display());
                    let help = suggest::help(target.as_str(), names);
                    problems.push(Problem::general("unknown-target", message).maybe_help(help));
                }
            }
        }
        while let Some(at) = pending.pop() {
            if !std::mem::replace(&mut wanted[at], true) {
                pending.extend(&producers[at]);
            }
        }
        wanted
    }

    fn cycle_problem(&self, cycle: &[usize], edges: &[Edge]) -> Problem {
        let name = |at: usize| self.spec.stages[at].name.value.as_str();
        let closed = cycle.iter().chain(cycle.first()).copied();
        let mut names: Vec<&str> = closed.clone().take(SHOWN).map(name).collect();
        if cycle.len() >= SHOWN {
            names.extend(["..", name(cycle[0])]);
        }
        let links: Vec<&Edge> = closed
            .clone()
            .zip(closed.skip(1))
            .take(SHOWN)
            .filter_map(|(from, to)| edges.iter().find(|edge| edge.from == from && edge.to == to))
            .collect();
        let reads = |edge: &Edge| format!("`{}` reads `{}`", name(edge.to), name(edge.from));
        let message = format!("stages wait for each other: {}", names.join(" -> "));
        let Some((first, rest)) = links.split_first() else { return Problem::general("cycle", message) };
        let problem = Problem::at("cycle", first.span, message).label(reads(first)).help("remove one of these inputs");
        rest.iter().fold(problem, |problem, edge| problem.related(edge.span, reads(edge)))
    }
}

fn resources(stage: &StageSpec, defaults: Resources, problems: &mut Vec<Problem>) -> Resources {
    let given = &stage.resources;
    let resources = Resources {
        cpus: given.cpus.as_ref().map_or(defaults.cpus, |cpus| cpus.value),
        memory: given.memory.as_ref().map_or(defaults.memory, |memory| memory.value),
        gpus: given.gpus.as_ref().map_or(defaults.gpus, |gpus| gpus.value),
    };
    if resources.gpus > 0 {
        let span = given.gpus.as_ref().map_or(stage.name.span, |gpus| gpus.span);
        let message = format!(
            "stage `{}` wants {} GPUs, and backend `local` has no GPU support yet",
            stage.name.value, resources.gpus
        );
        problems.push(Problem::at("unsupported-gpus", span, message).label("no GPUs").help("write `gpus: 0`"));
    }
    resources
}

fn backend(stage: &StageSpec, problems: &mut Vec<Problem>) -> BackendName {
    if let Some(backend) = stage.backend.as_ref().filter(|backend| backend.value != "local") {
        let message = format!("there is no backend `{}`: this version runs stages on this machine only", backend.value);
        problems.push(
            Problem::at("unknown-backend", backend.span, message)
                .label("unknown backend")
                .help("write `local`, or leave it out"),
        );
    }
    BackendName::local()
}

fn top_level(params: &Node) -> BTreeMap<String, serde_json::Value> {
    let entries: &[Entry] = if let NodeValue::Map(entries) = &params.value { entries } else { &[] };
    entries.iter().map(|e| (e.key.value.clone(), e.value.to_json())).collect()
}
