//! `in:` resolved: which output or workspace path feeds each port, whether it fits, and which ports were forgotten.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use contract::Type;
use contract::types::Form;

use super::interface::{Interface, Kind};
use super::interpolate::{Interpolator, Scope};
use super::model::{InputSource, PlannedInput, PlannedOutput, StageId};
use super::paths::{Claims, Overlap, workspace_path};
use crate::spec::{InputSpec, Node, PortName, Problem, Span, Spanned, StageSpec, Wire, suggest};

/// What every wire of a pipeline may lead to.
#[derive(Debug)]
pub struct Wiring<'a> {
    /// The stages as written.
    pub stages: &'a [StageSpec],
    /// The same from the outside.
    pub interfaces: &'a [Interface],
    /// Positions in both by name.
    pub by_name: &'a HashMap<&'a str, usize>,
    /// Where outputs appear.
    pub claims: &'a Claims,
    /// The project root.
    pub root: &'a Path,
}

/// A wire from a producer, for the graph.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// The producer.
    pub from: usize,
    /// The consumer.
    pub to: usize,
    /// Where the consumer names it.
    pub span: Span,
}

/// What feeds a port, before it is known which type the port wants.
struct Feed {
    source: InputSource,
    /// The producer's type; `None` when its kind is unknown.
    artifact: Option<Type>,
    mount: Option<PathBuf>,
}

impl Wiring<'_> {
    /// The inputs of stage `at`, sorted by port; adds its edges.
    pub fn inputs(
        &self,
        at: usize,
        interpolator: &mut Interpolator<'_>,
        scope: &Scope<'_>,
        edges: &mut Vec<Edge>,
        problems: &mut Vec<Problem>,
    ) -> Vec<PlannedInput> {
        let (stage, interface) = (&self.stages[at], &self.interfaces[at]);
        let mut inputs = Vec::new();
        for spec in &stage.inputs {
            let Some(accepts) = self.accepted(interface, spec, problems) else { continue };
            let feed = match &spec.wire {
                Wire::Reference(reference) => self.reference(at, reference, edges, problems),
                Wire::Path(node) => self.path(at, spec, &interpolator.expand(node, scope, problems), problems),
                Wire::Broken => None,
            };
            let Some(feed) = feed else { continue };
            let artifact = accepts.or(feed.artifact).unwrap_or(Type::File);
            self.check_type(interface, spec, artifact, &feed, problems);
            let mount = feed.mount.unwrap_or_else(|| Path::new("in").join(spec.port.value.as_str()));
            inputs.push(PlannedInput {
                port: spec.port.value.clone(),
                label: None,
                artifact,
                source: feed.source,
                mount,
            });
        }
        if let Kind::Card(card) = &interface.kind {
            for port in card.inputs.iter().filter(|port| !port.optional) {
                if !stage.inputs.iter().any(|spec| spec.port.value.as_str() == port.name) {
                    problems.push(self.missing(at, &port.name, port.artifact));
                }
            }
        }
        inputs.sort_by(|a, b| a.port.cmp(&b.port));
        inputs
    }

    /// What the port accepts (`Some(None)` = anything); `None` when there is no such port.
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

    fn reference(
        &self,
        at: usize,
        reference: &Spanned<String>,
        edges: &mut Vec<Edge>,
        problems: &mut Vec<Problem>,
    ) -> Option<Feed> {
        let (name, port) = match reference.value.split_once('.') {
            Some((name, port)) => (name, Some(port)),
            None => (reference.value.as_str(), None),
        };
        let Some(&from) = self.by_name.get(name) else {
            let names = self.stages.iter().map(|stage| stage.name.value.as_str());
            let problem = Problem::at("unknown-stage", reference.span, format!("there is no stage `{name}`"));
            let is_path = reference.value.contains('/') || self.root.join(&reference.value).exists();
            let help = if is_path {
                Some(format!("write {{path: {}}} for a file", reference.value))
            } else {
                suggest::help(name, names)
            };
            problems.push(problem.label("unknown stage").maybe_help(help));
            return None;
        };
        edges.push(Edge { from, to: at, span: reference.span });
        let producer = &self.interfaces[from];
        let stage = StageId::new(from);
        if let Kind::Unknown = producer.kind {
            let port = PortName::new(port.unwrap_or_default());
            return Some(Feed { source: InputSource::Stage { stage, port }, artifact: None, mount: None });
        }
        let output = pick(name, producer, port, reference.span, problems)?;
        // A command's output keeps its workspace path wherever it goes.
        let mount = matches!(producer.kind, Kind::Command).then(|| output.destination.clone());
        let source = InputSource::Stage { stage, port: output.port.clone() };
        Some(Feed { source, artifact: Some(output.artifact), mount })
    }

    fn path(&self, at: usize, spec: &InputSpec, node: &Node, problems: &mut Vec<Problem>) -> Option<Feed> {
        let text = node.as_text()?;
        let path = workspace_path(text, "input", node.span, problems)?;
        if let Some(overlap) = self.claims.overlap(&path) {
            problems.push(in_output(at, &spec.port.value, &path, node.span, &overlap));
            return None;
        }
        let metadata = match std::fs::metadata(self.root.join(&path)) {
            Ok(metadata) => metadata,
            Err(error) => {
                let problem =
                    Problem::at("missing-path", node.span, format!("cannot find `{}`: {error}", path.display()));
                problems.push(problem.label("not in the project").maybe_help(self.neighbour(&path)));
                return None;
            }
        };
        let artifact = if metadata.is_dir() {
            Type::Dir
        } else if metadata.is_file() {
            Type::File
        } else {
            let message = format!("`{}` is neither a file nor a directory", path.display());
            problems.push(Problem::at("missing-path", node.span, message).label("special file"));
            return None;
        };
        Some(Feed { source: InputSource::Path(path.clone()), artifact: Some(artifact), mount: Some(path) })
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
        let (span, fits) = match &spec.wire {
            Wire::Reference(reference) => (reference.span, given.fits(port)),
            // A file of the workspace has no type but its form.
            Wire::Path(node) => (node.span, given.form() == port.form()),
            Wire::Broken => return,
        };
        if !fits {
            let message = match &spec.wire {
                Wire::Path(_) => {
                    format!("input `{}` of `{}` is {}, found {}", spec.port.value, card.kind, form(port), form(given))
                }
                _ => format!("input `{}` of `{}` takes `{port}`, found `{given}`", spec.port.value, card.kind),
            };
            let candidates = self.candidates(port);
            let help = (!candidates.is_empty()).then(|| format!("`{port}` comes from {}", listed(&candidates)));
            problems
                .push(Problem::at("wrong-port-type", span, message).label(format!("gives `{given}`")).maybe_help(help));
        }
    }

    fn missing(&self, at: usize, port: &str, artifact: Type) -> Problem {
        let stage = &self.stages[at];
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
        let stages = self.stages.iter().zip(self.interfaces);
        let names = stages.flat_map(|(stage, interface)| {
            let fitting = interface.outputs.iter().filter(|output| output.artifact == artifact);
            fitting.map(|output| format!("{}.{}", stage.name.value, output.port))
        });
        names.collect()
    }

    /// A near name in the directory of a missing path.
    fn neighbour(&self, path: &Path) -> Option<String> {
        let word = path.file_name()?.to_str()?;
        let entries = self.root.join(path.parent()?).read_dir().ok()?;
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort_unstable();
        let name = suggest::nearest(word, names.iter().map(String::as_str))?;
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

fn in_output(at: usize, port: &PortName, path: &Path, span: Span, overlap: &Overlap<'_>) -> Problem {
    let place = path.display();
    let (claim, message, more) = match overlap {
        Overlap::Is(claim) => (claim, format!("`{place}` is an output of stage `{}`", claim.stage_name), String::new()),
        Overlap::Inside(claim) => {
            let inner = path.strip_prefix(&claim.path).unwrap_or(path).display().to_string();
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

fn form(artifact: Type) -> &'static str {
    match artifact.form() {
        Form::File => "a file",
        Form::Dir => "a directory",
    }
}
