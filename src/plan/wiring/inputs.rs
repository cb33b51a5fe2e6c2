//! `in:` resolved: which output or workspace path feeds each port, whether it fits, and which ports were forgotten.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use contract::types::Form;
use contract::{Card, Type};

use super::ground::Ground;
use super::interface::{Interface, Kind};
use super::paths::{Claims, Overlap, path_text, workspace_path};
use crate::plan::language::instances::{Named, Unit, split_reference};
use crate::plan::language::interpolate::{OWN_LABEL, Resolving, Scope};
use crate::plan::language::modules::Module;
use crate::plan::model::{InputSource, PlannedInput, PlannedOutput, StageId};
use crate::spec::{InputSpec, LinkRule, Node, PortName, Problem, Span, Spanned, Wire, suggest};

/// The possible targets of the wires of a pipeline.
#[derive(Debug)]
pub(crate) struct Wiring<'a> {
    /// The stages as written.
    pub units: &'a [Unit],
    /// The files they stand in.
    pub modules: &'a [Module],
    /// The same from the outside.
    pub interfaces: &'a [Interface],
    /// Positions in both by full name.
    pub by_name: &'a HashMap<String, Named>,
    /// Where outputs appear.
    pub claims: &'a Claims,
    /// Where paths lie.
    pub ground: &'a Ground,
    /// The project root.
    pub root: &'a Path,
}

/// A wire from a producer, for the graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    /// The producer.
    pub from: usize,
    /// The consumer.
    pub to: usize,
    /// Where the consumer names it.
    pub span: Span,
}

/// The source of a port, before it is known which type the port wants.
struct Feed {
    /// Which of several.
    label: Option<String>,
    /// Where it was named.
    span: Span,
    /// Whether it is a file of the workspace, which has no type but its form.
    is_path: bool,
    source: InputSource,
    /// The producer's type; `None` when its kind is unknown.
    artifact: Option<Type>,
    mount: Option<PathBuf>,
    links: LinkRule,
}

impl Wiring<'_> {
    /// The inputs of stage `at`, sorted by port; adds its edges.
    pub(crate) fn inputs(
        &self,
        at: usize,
        resolving: &mut Resolving<'_>,
        scope: &Scope<'_>,
        edges: &mut Vec<Edge>,
    ) -> Vec<PlannedInput> {
        let (stage, interface) = (&self.units[at].spec, &self.interfaces[at]);
        let mut inputs = Vec::new();
        for spec in &stage.inputs {
            let Some(accepts) = self.accepted(interface, spec, resolving.problems) else { continue };
            let feeds = self.feeds(at, spec, resolving, scope, edges);
            if let (Kind::Card(card), Some(label)) =
                (&interface.kind, feeds.iter().find_map(|feed| feed.label.as_ref()))
            {
                self.check_many(card, spec, label, &feeds, resolving.problems);
            }
            for feed in feeds {
                let artifact = accepts.or(feed.artifact).unwrap_or(Type::FILE);
                self.check_type(interface, spec, artifact, &feed, resolving.problems);
                let port = Path::new("in").join(spec.port.value.as_str());
                let mount = feed.mount.unwrap_or_else(|| feed.label.iter().fold(port, |port, label| port.join(label)));
                let (port, label) = (spec.port.value.clone(), feed.label);
                inputs.push(PlannedInput { port, label, artifact, source: feed.source, links: feed.links, mount });
            }
        }
        if let Kind::Card(card) = &interface.kind {
            for port in card.inputs.iter().filter(|port| !port.optional) {
                if !stage.inputs.iter().any(|spec| spec.port.value.as_str() == port.name) {
                    resolving.problems.push(self.missing(at, &port.name, port.artifact));
                }
            }
        }
        inputs.sort_by(|a, b| a.port.cmp(&b.port));
        inputs
    }

    /// The type that the port accepts (`Some(None)` = any); `None` when there is no such port.
    fn accepted(&self, interface: &Interface, spec: &InputSpec, problems: &mut Vec<Problem>) -> Option<Option<Type>> {
        let Kind::Card(card) = &interface.kind else { return Some(None) };
        let name = spec.port.value.as_str();
        if let Some(port) = card.inputs.iter().find(|port| port.name == name) {
            return Some(Some(port.artifact));
        }
        let problem = Problem::at("unknown-port", spec.port.span, format!("`{}` has no input `{name}`", card.kind));
        let help = suggest::help(name, card.inputs.iter().map(|port| port.name.as_str()));
        problems.push(problem.label("unknown port").help(help.unwrap_or(format!("`{}` takes no inputs", card.kind))));
        None
    }

    /// Everything that feeds a port: one artifact without a label, or any number with one each.
    fn feeds(
        &self,
        at: usize,
        spec: &InputSpec,
        resolving: &mut Resolving<'_>,
        scope: &Scope<'_>,
        edges: &mut Vec<Edge>,
    ) -> Vec<Feed> {
        let mut one = |wire: &Wire| match wire {
            Wire::Reference(reference) => self.reference(at, reference, edges, resolving.problems),
            Wire::Path(node, links) => {
                let path = self.path(at, spec, &resolving.expand(node, scope), resolving.problems);
                path.map(|feed| Feed { links: *links, ..feed }).into_iter().collect()
            }
            Wire::List(..) | Wire::Broken => Vec::new(),
        };
        let Wire::List(wires, _) = &spec.wire else { return one(&spec.wire) };
        let mut feeds = Vec::new();
        for (position, wire) in wires.iter().enumerate() {
            // By position, so that a stage may be renamed: labels are part of the key.
            let named = |feed: Feed| {
                let inner = feed.label.map_or_else(String::new, |label| format!("[{label}]"));
                Feed { label: Some(format!("{}{inner}", position + 1)), ..feed }
            };
            feeds.extend(one(wire).into_iter().map(named));
        }
        feeds
    }

    /// Several artifacts for a port that takes one.
    fn check_many(&self, card: &Card, spec: &InputSpec, label: &str, feeds: &[Feed], problems: &mut Vec<Problem>) {
        let many = card.inputs.iter().any(|port| port.name == spec.port.value.as_str() && port.many);
        if many {
            return;
        }
        let message = format!(
            "input `{}` of `{}` takes one artifact, and {} are wired to it",
            spec.port.value,
            card.kind,
            feeds.len()
        );
        let help = match &spec.wire {
            Wire::Reference(reference) => {
                let (name, port) = split_reference(&reference.value);
                let port = port.map_or_else(String::new, |port| format!(".{port}"));
                format!(
                    "name one instance, `{name}[{label}]{port}`, or give this stage the same matrix and write \
                     `{name}[{OWN_LABEL}]{port}`"
                )
            }
            _ => "give it one, without the list".to_owned(),
        };
        let span = feeds.first().map_or(spec.port.span, |feed| feed.span);
        problems.push(Problem::at("single-port", span, message).label("several").help(help));
    }

    fn reference(
        &self,
        at: usize,
        reference: &Spanned<String>,
        edges: &mut Vec<Edge>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Feed> {
        let own = self.units[at].instance.as_ref().map(|instance| instance.label.as_str());
        if own.is_none() && reference.value.contains(OWN_LABEL) {
            let message = format!("`{OWN_LABEL}`: this stage has no matrix");
            let problem = Problem::at("undefined-interpolation", reference.span, message).label("undefined");
            problems.push(problem.help("write `matrix: {AXIS: [..]}` at the stage"));
            return Vec::new();
        }
        let text = reference.value.replace(OWN_LABEL, own.unwrap_or_default());
        let (name, port) = split_reference(&text);
        // A file refers to its own stages; those of its includes begin with their prefix.
        let prefix = &self.modules[self.units[at].module].prefix;
        let Some(named) = self.by_name.get(&format!("{prefix}{name}")) else {
            let local = self.by_name.keys().filter_map(|name| name.strip_prefix(prefix.as_str()));
            let names: std::collections::BTreeSet<&str> = local.collect();
            let problem = Problem::at("unknown-stage", reference.span, format!("there is no stage `{name}`"));
            let is_path = self.root.join(&text).exists()
                || (name.contains('/') && suggest::nearest(name, names.iter().copied()).is_none());
            let help =
                if is_path { Some(format!("write {{path: {text}}} for a file")) } else { suggest::help(name, names) };
            problems.push(problem.label("unknown stage").maybe_help(help));
            return Vec::new();
        };
        let (producers, gathered) = match named {
            Named::One(from) => (std::slice::from_ref(from), false),
            Named::Family(all) => (all.as_slice(), true),
        };
        let mut feeds = Vec::with_capacity(producers.len());
        for &from in producers {
            edges.push(Edge { from, to: at, span: reference.span });
            let instance = self.units[from].instance.as_ref().filter(|_| gathered);
            let label = instance.map(|instance| instance.label.clone());
            feeds.extend(self.feed(at, (name, from, port), label, reference.span, problems));
        }
        feeds
    }

    fn feed(
        &self,
        at: usize,
        (name, from, port): (&str, usize, Option<&str>),
        label: Option<String>,
        span: Span,
        problems: &mut Vec<Problem>,
    ) -> Option<Feed> {
        let (producer, stage, is_path) = (&self.interfaces[from], StageId::new(from), false);
        if let Kind::Unknown = producer.kind {
            let port = PortName::new(port.unwrap_or_default());
            let source = InputSource::Stage { stage, port };
            let links = LinkRule::Keep;
            return Some(Feed { label, span, is_path, source, artifact: None, mount: None, links });
        }
        let output = pick(name, producer, port, span, problems)?;
        // A command's output keeps its workspace path wherever it goes; a command at the project root finds every one there.
        let keeps = matches!(producer.kind, Kind::Command) || self.units[at].spec.sandbox == Some(false);
        let mount = keeps.then(|| output.destination.clone());
        let source = InputSource::Stage { stage, port: output.port.clone() };
        Some(Feed { label, span, is_path, source, artifact: Some(output.artifact), mount, links: LinkRule::Keep })
    }

    fn path(&self, at: usize, spec: &InputSpec, node: &Node, problems: &mut Vec<Problem>) -> Option<Feed> {
        let text = path_text(node, "input", problems)?;
        let path = workspace_path(text, "input", node.span, problems)?;
        let found = self.ground.input(&path, node.span).map_err(|problem| problems.push(*problem)).ok()?;
        // An output at the place of a link replaces that link.
        for place in [&found.place, &self.ground.links.written(&path)] {
            if let Some(overlap) = self.claims.overlap(place) {
                problems.push(in_output(at, &spec.port.value, (&path, place), node.span, &overlap));
                return None;
            }
        }
        let metadata = match found.metadata {
            Ok(metadata) => metadata,
            Err(error) => {
                let maker = self.maker(at, &spec.port.value, &path);
                problems.push(self.absent(&path, &found.place, &error, node.span, maker));
                return None;
            }
        };
        let artifact = if metadata.is_dir() {
            Type::DIR
        } else if metadata.is_file() {
            Type::FILE
        } else {
            let message = format!("`{}` is neither a file nor a directory", path.display());
            problems.push(Problem::at("missing-path", node.span, message).label("special file"));
            return None;
        };
        let source = InputSource::Path(path.clone());
        let (span, artifact, mount) = (node.span, Some(artifact), Some(path));
        Some(Feed { label: None, span, is_path: true, source, artifact, mount, links: LinkRule::Keep })
    }

    /// The output of another stage that is called like a path which is not there.
    fn maker(&self, at: usize, port: &PortName, path: &Path) -> Option<String> {
        let others = self.interfaces.iter().enumerate().filter(|(other, _)| *other != at);
        let mut outputs = others.flat_map(|(other, it)| it.outputs.iter().map(move |output| (other, output)));
        let (other, output) = outputs.find(|(_, output)| output.destination.file_name() == path.file_name())?;
        let (name, place) = (&self.units[other].spec.name.value, output.destination.display());
        Some(format!("stage `{name}` gives {place}: write `in: {{{port}: {name}.{}}}`", output.port))
    }

    /// A wire whose producer gives something else than the port accepts.
    fn check_type(
        &self,
        interface: &Interface,
        spec: &InputSpec,
        port: Type,
        feed: &Feed,
        problems: &mut Vec<Problem>,
    ) {
        let (Kind::Card(card), Some(given)) = (&interface.kind, feed.artifact) else { return };
        let fits = if feed.is_path { given.form() == port.form() } else { given.fits(port) };
        let span = feed.span;
        if !fits {
            let name = &spec.port.value;
            let message = if feed.is_path {
                format!("input `{name}` of `{}` is {}, found {}", card.kind, form(port), form(given))
            } else if given.name() == port.name() {
                let (takes, gives) = (whole(port), whole(given));
                format!("input `{name}` of `{}` takes `{port}` as {takes}, found `{given}` as {gives}", card.kind)
            } else {
                format!("input `{name}` of `{}` takes `{port}`, found `{given}`", card.kind)
            };
            let candidates = self.candidates(port);
            let help = (!candidates.is_empty()).then(|| format!("`{port}` comes from {}", listed(&candidates)));
            problems
                .push(Problem::at("wrong-port-type", span, message).label(format!("gives `{given}`")).maybe_help(help));
        }
    }

    fn missing(&self, at: usize, port: &str, artifact: Type) -> Problem {
        let stage = &self.units[at].spec;
        let kind = stage.uses.as_ref().map_or("", |uses| uses.value.as_str());
        let span = stage.keys.get("in").copied().unwrap_or(stage.name.span);
        let message = format!("stage `{}` needs the input `{port}` of `{kind}`", stage.name.value);
        let candidates = self.candidates(artifact);
        let help = match candidates.as_slice() {
            [only] => format!("write `in: {{{port}: {only}}}`"),
            [_, ..] => format!("write `in: {{{port}: STAGE.PORT}}`; `{artifact}` comes from {}", listed(&candidates)),
            [] => format!("no stage gives `{artifact}`; write `in: {{{port}: {{path: ..}}}}` for {}", form(artifact)),
        };
        Problem::at("missing-input", span, message).label(format!("no `{port}`")).help(help)
    }

    /// The outputs of exactly this type, as they are written in `in:`.
    fn candidates(&self, artifact: Type) -> Vec<String> {
        let stages = self.units.iter().zip(self.interfaces);
        let names = stages.flat_map(|(unit, interface)| {
            let fitting = interface.outputs.iter().filter(|output| output.artifact == artifact);
            fitting.map(|output| format!("{}.{}", unit.spec.name.value, output.port))
        });
        names.collect()
    }

    /// A near name in the directory of a missing path.
    /// The problem of an input that cannot be looked at: it is not there, or is a link to something that is not.
    fn absent(&self, path: &Path, place: &Path, error: &std::io::Error, span: Span, maker: Option<String>) -> Problem {
        let link = self.ground.links.written(path);
        if error.kind() == ErrorKind::NotFound && link.is_symlink() {
            let target = place.strip_prefix(self.ground.links.root()).unwrap_or(place).display();
            let message = format!("`{}` is a symbolic link to `{target}`, which is not there", path.display());
            let problem = Problem::at("missing-path", span, message).label("leads to nothing");
            return problem.help("put the file there, or let the link lead to one that is");
        }
        let problem = Problem::at("missing-path", span, format!("cannot find `{}`: {error}", path.display()));
        problem.label("not in the project").maybe_help(maker.or_else(|| self.neighbour(path)))
    }

    fn neighbour(&self, path: &Path) -> Option<String> {
        let word = path.file_name()?.to_str()?;
        let entries = self.root.join(path.parent()?).read_dir().ok()?;
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        let name = suggest::nearest(word, names.iter().map(String::as_str).filter(|name| *name != word))?;
        Some(format!("did you mean `{}`?", path.with_file_name(name).display()))
    }
}

/// The output that `stage.port` or `stage` names.
fn pick<'o>(
    name: &str,
    producer: &'o Interface,
    port: Option<&str>,
    span: Span,
    problems: &mut Vec<Problem>,
) -> Option<&'o PlannedOutput> {
    let ports = || producer.outputs.iter().map(|output| output.port.as_str());
    match (port, producer.outputs.as_slice()) {
        (None, [only]) => Some(only),
        (None, []) => {
            problems.push(
                Problem::at("unknown-port", span, format!("stage `{name}` has no outputs")).label("gives nothing"),
            );
            None
        }
        (None, _) => {
            let problem = Problem::at("ambiguous-port", span, format!("stage `{name}` has several outputs"));
            let forms: Vec<String> = ports().map(|port| format!("{name}.{port}")).collect();
            problems.push(
                problem
                    .label("which one?")
                    .help(format!("write one of {}", suggest::list(forms.iter().map(String::as_str)))),
            );
            None
        }
        (Some(port), outputs) => {
            let found = outputs.iter().find(|output| output.port.as_str() == port);
            if found.is_none() {
                let problem = Problem::at("unknown-port", span, format!("stage `{name}` has no output `{port}`"));
                problems.push(problem.label("unknown port").maybe_help(suggest::help(port, ports())));
            }
            found
        }
    }
}

/// The problem with an input that is written as `path`, where that is the place of an output.
fn in_output(at: usize, port: &PortName, (path, real): (&Path, &Path), span: Span, overlap: &Overlap<'_>) -> Problem {
    let place = path.display();
    let (claim, message, more) = match overlap {
        Overlap::Is(claim) => (claim, format!("`{place}` is an output of stage `{}`", claim.stage_name), String::new()),
        Overlap::Inside(claim) => {
            let inner = real.strip_prefix(&claim.path).unwrap_or(real).display().to_string();
            (
                claim,
                format!("`{place}` lies in an output of stage `{}`", claim.stage_name),
                format!(", and read `{inner}` in it"),
            )
        }
        Overlap::Contains(claim) => {
            (claim, format!("`{place}` contains an output of stage `{}`", claim.stage_name), String::new())
        }
    };
    let help = if claim.stage == at {
        "a stage cannot read what it writes; read from one path and write to another".to_owned()
    } else {
        format!("write `in: {{{port}: {}.{}}}`{more}", claim.stage_name, claim.port)
    };
    Problem::at("path-in-output", span, message)
        .label("not a source file")
        .related(claim.span, "written here")
        .help(help)
}

fn listed(names: &[String]) -> String {
    suggest::list(names.iter().map(String::as_str))
}

/// A type by all but its name, for two cards that state different types under one name.
fn whole(artifact: Type) -> String {
    let ending = artifact.extension().map(|ending| format!(" that ends with .{ending}"));
    form(artifact).to_owned() + &ending.unwrap_or_default()
}

fn form(artifact: Type) -> &'static str {
    match artifact.form() {
        Form::File => "a file",
        Form::Dir => "a directory",
    }
}
