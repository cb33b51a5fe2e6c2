//! From a request to a plan: each step collects its problems, and only a pipeline without any becomes a plan.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use contract::Resources;
use petgraph::graph::DiGraph;

use super::cards::Cards;
use super::language::condition::Condition;
use super::language::condition_parse::Names;
use super::language::instances::{self, Named, Unit};
use super::language::interpolate::{Resolving, Scope};
use super::language::modules::{self, Module};
use super::language::{condition_parse, overrides};
use super::model::{
    BackendName, Conduct, InputSource, Plan, PlannedInput, PlannedOutput, PlannedStage, StageId, Tool, Work,
};
use super::request::{self, Request};
use super::wiring::ground::Ground;
use super::wiring::inputs::{Edge, Wiring};
use super::wiring::interface::{self, Interface, Kind};
use super::wiring::order::order;
use super::wiring::paths::Claims;
use super::wiring::{command, conduct, elsewhere, tools};
use super::{params, places};
use crate::spec::{Entry, Invalid, Node, NodeValue, PipelineName, Problem, Sources, StageSpec, suggest};

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
    let modules = modules::load(&request.file, sources, problems)?;
    let mut set = overrides::of_files(&request.params, sources, problems);
    set.extend(overrides::of_texts(&request.overrides, sources, problems));

    let mut resolving = Resolving::new(sources, problems);
    let scopes = modules::scopes(&modules, set, &mut resolving);
    let units = instances::units(&modules, &scopes, &mut resolving);
    let ground = Ground::new(request, &root, cards, sources);
    let resolver = Resolver { request, cards, sources, root, ground, modules, scopes, units };
    let stages = resolver.stages(&mut resolving);
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
    ground: Ground,
    modules: Vec<Module>,
    /// The params of each module.
    scopes: Vec<Node>,
    units: Vec<Unit>,
}

/// Stages in declaration order and the edges between them.
struct Wired {
    stages: Vec<PlannedStage>,
    edges: Vec<Edge>,
}

impl Resolver<'_> {
    fn stages(&self, resolving: &mut Resolving<'_>) -> Wired {
        let units = &self.units;
        let interfaces: Vec<Interface> = units.iter().map(|u| self.interface(u, resolving)).collect();
        let ground = &self.ground;
        let mut claims = Vec::with_capacity(units.len());
        for (at, (unit, interface)) in units.iter().zip(&interfaces).enumerate() {
            claims.extend(interface::claims(at, &unit.spec, interface, ground, resolving.problems));
        }
        let claims = Claims::new(claims, resolving.problems);
        let by_name = instances::by_name(units);
        let wiring = Wiring {
            units,
            modules: &self.modules,
            interfaces: &interfaces,
            by_name: &by_name,
            claims: &claims,
            ground,
            root: &self.root,
        };
        let mut edges = Vec::new();
        let inputs: Vec<Vec<PlannedInput>> =
            (0..units.len()).map(|at| wiring.inputs(at, resolving, &self.scope(&units[at]), &mut edges)).collect();
        let kept = conduct::Kept::new(&claims, &inputs, &ground.links);
        let groups = conduct::groups(&self.modules);
        let conducts: Vec<Conduct> = (0..units.len())
            .map(|at| {
                let stage = &units[at].spec;
                Conduct {
                    timeout: stage.timeout,
                    retry: conduct::retry(&stage.retry),
                    groups: conduct::groups_of(stage, &groups, resolving.problems),
                    condition: self.condition(at, &by_name, &mut edges, resolving.problems),
                    secrets: conduct::secrets(stage, &self.modules[units[at].module], &kept, resolving.problems),
                }
            })
            .collect();
        let tools = self.tools(&claims, &inputs, resolving.problems);
        let complete = units.iter().zip(interfaces).zip(inputs).zip(conducts).zip(tools);
        let stages = complete
            .map(|((((u, face), inputs), conduct), tools)| self.stage(u, face, inputs, (conduct, tools), resolving))
            .collect();
        Wired { stages, edges }
    }

    /// The tools that each stage may use of the project.
    fn tools(&self, claims: &Claims, inputs: &[Vec<PlannedInput>], problems: &mut Vec<Problem>) -> Vec<Vec<Tool>> {
        let places = tools::Places::new(&self.root, &self.ground, claims);
        let of_files: Vec<Vec<Tool>> =
            self.modules.iter().map(|module| places.resolve(&module.spec.tools, problems)).collect();
        let of_stage = |(unit, inputs): (&Unit, &Vec<PlannedInput>)| {
            let own = places.resolve(&unit.spec.tools, problems);
            let tools = tools::together(&of_files[unit.module], own);
            let private = unit.spec.sandbox != Some(false);
            if private && unit.spec.uses.as_ref().is_some_and(|uses| uses.value == interface::COMMAND) {
                let span = unit.spec.keys.get("in").copied().unwrap_or(unit.spec.name.span);
                tools::check_mounts(&tools, inputs, span, problems);
            }
            tools
        };
        self.units.iter().zip(inputs).map(of_stage).collect()
    }

    /// Whether stage `at` is wanted at all; a metric that its condition reads makes an edge.
    fn condition(
        &self,
        at: usize,
        by_name: &HashMap<String, Named>,
        edges: &mut Vec<Edge>,
        problems: &mut Vec<Problem>,
    ) -> Option<Condition> {
        let unit = &self.units[at];
        let (stage, module) = (&unit.spec, &self.modules[unit.module]);
        let node = stage.when.as_ref().filter(|node| !node.is_broken())?;
        let find = |name: &str| match by_name.get(&format!("{}{name}", module.prefix)) {
            Some(Named::One(at)) => Some(StageId::new(*at)),
            Some(Named::Family(_)) | None => None,
        };
        let local = || by_name.keys().filter_map(|name| name.strip_prefix(&module.prefix)).map(str::to_owned);
        let stages = || local().collect::<BTreeSet<_>>().into_iter().collect();
        let names = Names { scope: &self.scope(unit), stage: &find, stages: &stages };
        let condition = condition_parse::parse(node, &names, self.sources).map_err(|problem| problems.push(problem));
        let condition = condition.ok()?;
        let read = condition.reads().map(|(stage, _)| Edge { from: stage.index(), to: at, span: node.span });
        edges.extend(read);
        Some(condition)
    }

    /// The names that the interpolations of a stage may use, its ports aside.
    fn scope<'s>(&'s self, unit: &'s Unit) -> Scope<'s> {
        Scope { params: Some(&self.scopes[unit.module]), matrix: unit.instance.as_ref(), ports: None }
    }

    fn interface(&self, unit: &Unit, resolving: &mut Resolving<'_>) -> Interface {
        let stage = &unit.spec;
        let kind = interface::kind(stage, self.cards, resolving.problems);
        let pipeline = self.modules[0].spec.name.as_ref().map_or("unnamed", |name| name.value.as_str());
        let outputs: Vec<PlannedOutput> = match &kind {
            Kind::Card(card) => interface::card_outputs(card, pipeline, stage),
            Kind::Command => interface::command_outputs(stage, resolving, &self.scope(unit)),
            Kind::Unknown => Vec::new(),
        };
        Interface { kind, outputs }
    }

    fn stage(
        &self,
        unit: &Unit,
        interface: Interface,
        inputs: Vec<PlannedInput>,
        (conduct, tools): (Conduct, Vec<Tool>),
        resolving: &mut Resolving<'_>,
    ) -> PlannedStage {
        let (stage, scope) = (&unit.spec, self.scope(unit));
        let mut places = places::of_fields(stage, self.sources);
        let Interface { kind, outputs } = interface;
        let (work, defaults) = match kind {
            Kind::Card(card) => {
                let empty = Node::new(NodeValue::Map(Vec::new()), stage.name.span);
                let written = match &stage.with {
                    Some(Node { value: NodeValue::Null, .. }) | None => empty,
                    Some(with) => resolving.expand(with, &scope),
                };
                let params = params::resolve(&written, &card.params, resolving.problems);
                places::add_values("with", &written, self.sources, &mut places);
                let defaults = card.resources;
                let path = self.cards.path(&card.kind).map(Path::to_owned);
                (Work::Card { card, params, path }, defaults)
            }
            Kind::Command | Kind::Unknown => {
                let command = match kind {
                    Kind::Command => {
                        command::plan(stage, &inputs, &outputs, (tools, &self.request.environment), &scope, resolving)
                    }
                    _ => super::model::Command {
                        script: super::model::Script::Argv(Vec::new()),
                        environment: BTreeMap::new(),
                        sandbox: super::model::Sandbox::Private,
                        lists: BTreeSet::new(),
                        tools: Vec::new(),
                    },
                };
                (Work::Command(command), Resources::default())
            }
        };
        let backend = backend(stage, self.request, resolving.problems);
        let of_file = (stage, &self.modules[unit.module].spec);
        elsewhere::check(of_file, &backend, &work, self.request, resolving.problems);
        elsewhere::reads_secrets(of_file, &backend, self.request, resolving.problems);
        elsewhere::fits(stage, &backend, resources(stage, defaults), self.request, resolving.problems);
        PlannedStage {
            name: stage.name.value.clone(),
            location: self.sources.locate(stage.name.span),
            work,
            inputs,
            outputs,
            resources: resources(stage, defaults),
            backend,
            conduct,
            places,
        }
    }

    /// The plan of the targets and all they need.
    fn assemble(self, wired: Wired, problems: &mut Vec<Problem>) -> Option<Plan> {
        let Wired { stages, edges } = wired;
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
            if let Some(condition) = &mut stage.conduct.condition {
                condition
                    .map_stages(|read| ids[read.index()].expect("what a wanted stage's condition reads is wanted"));
            }
        }
        for (from, to) in pairs {
            if let (Some(from), Some(to)) = (ids[from], ids[to]) {
                graph.add_edge(from, to, ());
            }
        }
        Some(Plan {
            pipeline: self.name(),
            file: self.request.file.clone(),
            root: self.root,
            links: self.ground.links.followed(),
            graph,
            order: order.into_iter().filter_map(|at| ids[at]).collect(),
            params: top_level(&modules::combined(&self.modules, &self.scopes)),
            groups: conduct::groups(&self.modules),
        })
    }

    fn name(&self) -> PipelineName {
        let name = self.modules[0].spec.name.as_ref();
        name.map_or_else(|| PipelineName::new("unnamed"), |name| name.value.clone())
    }

    /// Which stages the targets need; all without targets.
    fn wanted(&self, pairs: &[(usize, usize)], problems: &mut Vec<Problem>) -> Vec<bool> {
        let units = &self.units;
        if self.request.targets.is_empty() {
            return vec![true; units.len()];
        }
        let mut producers = vec![Vec::new(); units.len()];
        for (from, to) in pairs {
            producers[*to].push(*from);
        }
        let mut wanted = vec![false; units.len()];
        let mut pending: Vec<usize> = Vec::new();
        let by_name = instances::by_name(units);
        for target in &self.request.targets {
            match by_name.get(target.as_str()) {
                Some(Named::One(at)) => pending.push(*at),
                Some(Named::Family(all)) => pending.extend(all),
                None if target.as_str().ends_with('/') && self.modules.iter().any(|m| m.prefix == target.as_str()) => {
                    let below = |unit: &Unit| unit.spec.name.value.as_str().starts_with(target.as_str());
                    pending.extend((0..units.len()).filter(|at| below(&units[*at])));
                }
                None => {
                    let names = by_name.keys().map(String::as_str).collect::<BTreeSet<_>>();
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
        let name = |at: usize| self.units[at].spec.name.value.as_str();
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

fn resources(stage: &StageSpec, defaults: Resources) -> Resources {
    let given = &stage.resources;
    Resources {
        cpus: given.cpus.as_ref().map_or(defaults.cpus, |cpus| cpus.value),
        memory: given.memory.as_ref().map_or(defaults.memory, |memory| memory.value),
        gpus: given.gpus.as_ref().map_or(defaults.gpus, |gpus| gpus.value),
        gpu_memory: given.gpu_memory.as_ref().map_or(defaults.gpu_memory, |memory| memory.value),
    }
}

/// The backend that a stage's `backend` leads to. A stage without one means `local`.
fn backend(stage: &StageSpec, request: &Request, problems: &mut Vec<Problem>) -> BackendName {
    let name = stage.backend.as_ref().map_or("local", |backend| backend.value.as_str());
    if let Some(backend) = request.backends.get(name) {
        return backend.clone();
    }
    if let Some(backend) = &stage.backend {
        let names = request.backends.keys().map(String::as_str);
        let help = match suggest::nearest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there is {}; {} may define more under `backends`", suggest::list(names), request::CONFIG),
        };
        let problem = Problem::at("unknown-backend", backend.span, format!("there is no backend `{name}`"));
        problems.push(problem.label("unknown backend").help(help));
    }
    BackendName::local()
}

fn top_level(params: &Node) -> BTreeMap<String, serde_json::Value> {
    let entries: &[Entry] = if let NodeValue::Map(entries) = &params.value { entries } else { &[] };
    entries.iter().map(|e| (e.key.value.clone(), e.value.to_json())).collect()
}
