//! A `command` stage: its script with paths put in, the variables it sees, and the places that must not collide in the directory
//! it runs in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::paths::nested;
use super::script_lines::first_line;
use crate::plan::language::interpolate::{LIST, Paths, Resolving, Scope, read_by_shell};
use crate::plan::model::{Command, InputSource, PlannedInput, PlannedOutput, Sandbox, Script, Text, Tool};
use crate::plan::request::Environment;
use crate::spec::{Node, NodeValue, PortName, Problem, StageSpec, Variable};

/// The script and environment of `stage`, which may use `tools`. Broken parts are left out; the problems say so.
pub fn plan(
    stage: &StageSpec,
    inputs: &[PlannedInput],
    outputs: &[PlannedOutput],
    (tools, environment): (Vec<Tool>, &Environment),
    scope: &Scope<'_>,
    resolving: &mut Resolving<'_>,
) -> Command {
    check_mounts(stage, inputs, outputs, resolving.problems);
    let sandbox = if stage.sandbox == Some(false) { Sandbox::Workspace } else { Sandbox::Private };
    let ports = paths(stage, inputs, outputs, sandbox);
    let (script, used) = script(stage, &Scope { ports: Some(&ports), ..*scope }, &ports, resolving);
    let lists = lists(stage, &script, &used, &ports, resolving.problems);
    let values = scope;
    let mut variables = BTreeMap::new();
    for variable in &stage.environment {
        let name = &variable.name;
        let value = value(variable, values, environment, resolving);
        if variables.insert(name.value.clone(), value).is_some() {
            resolving.problems.push(
                Problem::at("duplicate-key", name.span, format!("`{}` is given twice", name.value)).label("again here"),
            );
        }
    }
    Command { script, environment: variables, sandbox, lists, tools }
}

/// A path as a command is given it. One that begins with `-` would be taken for a flag.
pub fn as_word(path: &Path) -> String {
    let text = path.display().to_string();
    if text.starts_with('-') { format!("./{text}") } else { text }
}

/// The word for the file that lists the paths of `port`: its path in a private directory, which is the same everywhere. At the
/// project root the path is known when the command starts, and until then its name in the pipeline stands for it.
pub fn list_word(port: &str, sandbox: Sandbox) -> String {
    match sandbox {
        Sandbox::Private => format!("../lists/{port}"),
        Sandbox::Workspace => format!("${{in.{port}{LIST}}}"),
    }
}

/// Where each port lies while the command runs.
fn paths(
    stage: &StageSpec,
    inputs: &[PlannedInput],
    outputs: &[PlannedOutput],
    sandbox: Sandbox,
) -> BTreeMap<String, Paths> {
    let mut ports: BTreeMap<String, Paths> = BTreeMap::new();
    for input in inputs {
        let (name, path) = (format!("in.{}", input.port), as_word(&input.mount));
        match (ports.get_mut(&name), &input.label) {
            (Some(Paths::Many { paths, .. }), _) => paths.push(path),
            (_, Some(_)) => {
                let list = list_word(input.port.as_str(), sandbox);
                ports.insert(name, Paths::Many { paths: vec![path], list });
            }
            (_, None) => drop(ports.insert(name, Paths::One(path))),
        }
    }
    for output in outputs {
        ports.insert(format!("out.{}", output.port), Paths::One(as_word(&output.destination)));
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
    resolving: &mut Resolving<'_>,
) -> (Script, Vec<String>) {
    let nothing = (Script::Argv(Vec::new()), Vec::new());
    let Some(run) = &stage.run else {
        let problem =
            Problem::at("missing-key", stage.name.span, format!("command `{}` needs the key `run`", stage.name.value));
        resolving.problems.push(problem.label("runs what?").help("write text for a shell, or a list of words"));
        return nothing;
    };
    let before = resolving.problems.len();
    resolving.take_used();
    let node = resolving.expand(run, scope);
    let used = resolving.take_used();
    if resolving.problems.len() > before || node.is_broken() {
        return nothing;
    }
    match &node.value {
        NodeValue::Text(text) if !text.trim().is_empty() => {
            for name in &used {
                if let Some(Paths::One(path)) = ports.get(name) {
                    check_shell_path(name, path, &node, resolving.problems);
                }
            }
            let line = first_line(&node, run, stage.name.span, resolving.sources());
            (Script::Text(Text { text: text.clone(), shell: stage.shell.clone(), line }), used)
        }
        NodeValue::List(items) if !items.is_empty() => {
            // A word that stands for a port with many artifacts is many words.
            let words = items.iter().flat_map(|item| match &item.value {
                NodeValue::List(several) => several.as_slice(),
                _ => std::slice::from_ref(item),
            });
            if let Some(span) = stage.keys.get("shell") {
                let problem = Problem::at("misplaced-key", *span, "`shell` runs a text, and `run` is a list of words");
                resolving.problems.push(problem.label("not here").help("remove it, or write `run` as text"));
            }
            let words = words.filter_map(|item| text(item, "a word of `run`", resolving)).collect();
            (Script::Argv(words), used)
        }
        _ => {
            let message = format!("`run` must be text or a list of words, found {}", node.describe());
            resolving.problems.push(Problem::at("wrong-type", node.span, message).label("nothing to run"));
            nothing
        }
    }
}

/// The ports whose lists a command reads.
fn lists(
    stage: &StageSpec,
    script: &Script,
    used: &[String],
    ports: &BTreeMap<String, Paths>,
    problems: &mut Vec<Problem>,
) -> BTreeSet<PortName> {
    let Some(run) = &stage.run else { return BTreeSet::new() };
    let mut lists = BTreeSet::new();
    for name in used.iter().filter_map(|name| name.strip_suffix(LIST)).collect::<BTreeSet<_>>() {
        let Some(Paths::Many { paths, list }) = ports.get(name) else { continue };
        if paths.iter().any(|path| path.contains('\n')) {
            let message = format!("a path of `{name}` holds a line end, and its list has one path a line");
            problems
                .push(Problem::at("unsafe-path", run.span, message).label("reads the list").help("rename the path"));
        }
        // At the project root the name itself stands for the list, and so it cannot stand for itself.
        let stands = |text: &str| text.matches(list.as_str()).count();
        let all: usize = match script {
            Script::Text(text) => stands(&text.text),
            Script::Argv(words) => words.iter().map(|word| stands(word)).sum(),
        };
        let meant = used.iter().filter(|used| used.strip_suffix(LIST) == Some(name)).count();
        if stage.sandbox == Some(false) && all != meant {
            let message = format!("`{list}` stands for a file and for itself in one command");
            let problem = Problem::at("bad-interpolation", run.span, message).label("cannot be told apart");
            problems.push(problem.help("remove `sandbox: false`, or spell what is no list in another way"));
        }
        lists.extend(name.strip_prefix("in.").map(PortName::new));
    }
    lists
}

/// A path goes into the shell's text as it is, so it must not hold characters that the shell reads. Quoting it here would break a script
/// that quotes it already.
fn check_shell_path(name: &str, path: &str, run: &Node, problems: &mut Vec<Problem>) {
    if let Some(found) = read_by_shell(path) {
        let message = format!("the path of `{name}` holds {found:?}, which a shell reads: `{path}`");
        let problem = Problem::at("unsafe-path", run.span, message).label("text of a script");
        problems.push(problem.help("write `run` as a list of words, which needs no quoting, or rename the path"));
    }
}

fn value(
    variable: &Variable,
    scope: &Scope<'_>,
    environment: &Environment,
    resolving: &mut Resolving<'_>,
) -> Option<String> {
    let name = variable.name.value.as_str();
    if let Some(node) = &variable.value {
        let node = resolving.expand(node, scope);
        return text(&node, &format!("variable `{name}`"), resolving);
    }
    let found = environment.get(name)?;
    if found.to_str().is_none() {
        let problem = Problem::at("not-utf8", variable.name.span, format!("the value of `{name}` is not UTF-8"));
        resolving.problems.push(problem.help("the key holds text only; set it to text, or take it off the list"));
    }
    found.to_str().map(str::to_owned)
}

fn text(node: &Node, what: &str, resolving: &mut Resolving<'_>) -> Option<String> {
    match &node.value {
        NodeValue::Text(_) | NodeValue::Number(_) | NodeValue::Bool(_) => Some(resolving.spelling(node)),
        NodeValue::Broken => None,
        NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) => {
            let message = format!("{what} must be text, found {}", node.describe());
            resolving.problems.push(Problem::at("wrong-type", node.span, message).label("not text"));
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
