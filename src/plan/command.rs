//! A `command` stage: its script with paths put in, the variables it sees, and the places that must not collide in the directory
//! it runs in.

use std::collections::BTreeMap;
use std::path::Path;

use super::interpolate::{Interpolator, Paths, Scope, shell_word};
use super::model::{Command, InputSource, PlannedInput, PlannedOutput, Sandbox, Script};
use super::paths::nested;
use super::request::Environment;
use crate::spec::{Node, NodeValue, Problem, StageSpec, Variable};

/// The script and environment of `stage`. Broken parts are left out; the problems say so.
pub fn plan(
    stage: &StageSpec,
    inputs: &[PlannedInput],
    outputs: &[PlannedOutput],
    scope: &Scope<'_>,
    environment: &Environment,
    interpolator: &mut Interpolator<'_>,
    problems: &mut Vec<Problem>,
) -> Command {
    check_mounts(stage, inputs, outputs, problems);
    let ports = paths(stage, inputs, outputs);
    let script = script(stage, &Scope { ports: Some(&ports), ..*scope }, &ports, interpolator, problems);
    let values = scope;
    let mut variables = BTreeMap::new();
    for variable in &stage.environment {
        let name = &variable.name;
        let value = value(variable, values, environment, interpolator, problems);
        if variables.insert(name.value.clone(), value).is_some() {
            problems.push(
                Problem::at("duplicate-key", name.span, format!("`{}` is given twice", name.value)).label("again here"),
            );
        }
    }
    let sandbox = if stage.sandbox == Some(false) { Sandbox::Workspace } else { Sandbox::Private };
    Command { script, environment: variables, sandbox }
}

/// Where each port lies while the command runs.
fn paths(stage: &StageSpec, inputs: &[PlannedInput], outputs: &[PlannedOutput]) -> BTreeMap<String, Paths> {
    let mut ports: BTreeMap<String, Paths> = BTreeMap::new();
    for input in inputs {
        let (name, path) = (format!("in.{}", input.port), input.mount.display().to_string());
        match (ports.get_mut(&name), &input.label) {
            (Some(Paths::Many(paths)), _) => paths.push(path),
            (_, Some(_)) => _ = ports.insert(name, Paths::Many(vec![path])),
            (_, None) => _ = ports.insert(name, Paths::One(path)),
        }
    }
    for output in outputs {
        ports.insert(format!("out.{}", output.port), Paths::One(output.destination.display().to_string()));
    }
    // An input that has a problem of its own is still declared.
    for spec in &stage.inputs {
        ports.entry(format!("in.{}", spec.port.value)).or_insert_with(|| Paths::One(String::new()));
    }
    ports
}

fn script(
    stage: &StageSpec,
    scope: &Scope<'_>,
    ports: &BTreeMap<String, Paths>,
    interpolator: &mut Interpolator<'_>,
    problems: &mut Vec<Problem>,
) -> Script {
    let nothing = Script::Shell(String::new());
    let Some(run) = &stage.run else {
        let problem =
            Problem::at("missing-key", stage.name.span, format!("command `{}` needs the key `run`", stage.name.value));
        problems.push(problem.label("runs what?").help("write text for `sh -c`, or a list of words"));
        return nothing;
    };
    let before = problems.len();
    interpolator.take_used();
    let node = interpolator.expand(run, scope, problems);
    let used = interpolator.take_used();
    if problems.len() > before || node.is_broken() {
        return nothing;
    }
    match &node.value {
        NodeValue::Text(text) if !text.trim().is_empty() => {
            for name in used {
                if let Paths::One(path) = &ports[&name] {
                    check_shell_path(&name, path, &node, problems);
                }
            }
            Script::Shell(text.clone())
        }
        NodeValue::List(items) if !items.is_empty() => {
            // A word that stands for a port with many artifacts is many words.
            let words = items.iter().flat_map(|item| match &item.value {
                NodeValue::List(several) => several.as_slice(),
                _ => std::slice::from_ref(item),
            });
            Script::Argv(words.filter_map(|item| text(item, "a word of `run`", interpolator, problems)).collect())
        }
        _ => {
            let message = format!("`run` must be text or a list of words, found {}", node.describe());
            problems.push(Problem::at("wrong-type", node.span, message).label("nothing to run"));
            nothing
        }
    }
}

/// A path goes into the shell's text as it is, so it must not hold what the shell reads. Quoting it here would break a script
/// that quotes it already.
fn check_shell_path(name: &str, path: &str, run: &Node, problems: &mut Vec<Problem>) {
    let quoted = |c: &char| shell_word(&c.to_string()) != c.to_string();
    if let Some(found) = path.chars().find(quoted) {
        let message = format!("the path of `{name}` holds {found:?}, which a shell reads: `{path}`");
        let problem = Problem::at("unsafe-path", run.span, message).label("run by `sh -c`");
        problems.push(problem.help("write `run` as a list of words, which needs no quoting, or rename the path"));
    }
}

fn value(
    variable: &Variable,
    scope: &Scope<'_>,
    environment: &Environment,
    interpolator: &mut Interpolator<'_>,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let name = variable.name.value.as_str();
    if let Some(node) = &variable.value {
        let node = interpolator.expand(node, scope, problems);
        return text(&node, &format!("variable `{name}`"), interpolator, problems);
    }
    let found = environment.get(name)?;
    if found.to_str().is_none() {
        let problem = Problem::at("not-utf8", variable.name.span, format!("the value of `{name}` is not UTF-8"));
        problems.push(problem.help("the key holds text only; set it to text, or take it off the list"));
    }
    found.to_str().map(str::to_owned)
}

fn text(node: &Node, what: &str, interpolator: &Interpolator<'_>, problems: &mut Vec<Problem>) -> Option<String> {
    match &node.value {
        NodeValue::Text(_) | NodeValue::Number(_) | NodeValue::Bool(_) => Some(interpolator.spelling(node)),
        NodeValue::Broken => None,
        NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) => {
            let message = format!("{what} must be text, found {}", node.describe());
            problems.push(Problem::at("wrong-type", node.span, message).label("not text"));
            None
        }
    }
}

/// Inputs and outputs share one directory while a command runs: no two may lie at or in one another, except one artifact that
/// is read through two ports.
fn check_mounts(stage: &StageSpec, inputs: &[PlannedInput], outputs: &[PlannedOutput], problems: &mut Vec<Problem>) {
    let mut places: Vec<(&Path, String, Option<&InputSource>)> = Vec::new();
    places.extend(inputs.iter().map(|i| (i.mount.as_path(), format!("in.{}", i.port), Some(&i.source))));
    let placed = outputs.iter().filter(|o| !o.destination.as_os_str().is_empty());
    places.extend(placed.map(|o| (o.destination.as_path(), format!("out.{}", o.port), None)));
    places.sort_by(|a, b| a.0.cmp(b.0));
    for ((above, one, source), (below, other, other_source)) in nested(&places, |(path, ..)| path) {
        let same = above == below && matches!((source, other_source), (Some(a), Some(b)) if same_source(a, b));
        // An output that overlaps a declared path, its own or another's, is reported with the outputs of all stages.
        let reported =
            (source.is_none() || other_source.is_none()) && !above.starts_with("in") && !below.starts_with("in");
        if same || reported {
            continue;
        }
        let message =
            format!("`{one}` and `{other}` lie within one another: `{}` and `{}`", above.display(), below.display());
        let port = if source.is_some() { one } else { other }.trim_start_matches("in.");
        let span =
            stage.inputs.iter().find(|spec| spec.port.value.as_str() == port).map_or(stage.name.span, |s| s.port.span);
        problems.push(
            Problem::at("overlapping-inputs", span, message)
                .label("in the command's directory")
                .help("read the outer one only, or give the output another path"),
        );
    }
}

fn same_source(a: &InputSource, b: &InputSource) -> bool {
    match (a, b) {
        (InputSource::Path(a), InputSource::Path(b)) => a == b,
        (InputSource::Stage { stage: a, port: p }, InputSource::Stage { stage: b, port: q }) => a == b && p == q,
        _ => false,
    }
}
