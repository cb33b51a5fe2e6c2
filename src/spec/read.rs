//! A tree read as a pipeline: shapes and words are checked here; names of kinds, stages and ports are not.

use std::collections::BTreeMap;

use super::conduct::{self, RetrySpec};
use super::include;
use super::keys::{self, mapping};
use super::name::{PipelineName, StageName, is_valid};
use super::node::{Node, NodeValue};
use super::pipeline::{PipelineSpec, ResourcesSpec, StageSpec};
use super::ports;
use super::problem::Problem;
use super::quantity;
use super::secrets;
use super::shell;
use super::span::{Span, Spanned};
use super::tools;

/// Reads `root`. A part that could not be read is absent and has its problem.
pub fn pipeline(root: &Node, problems: &mut Vec<Problem>) -> PipelineSpec {
    let mut spec = PipelineSpec {
        name: None,
        params: Node::new(NodeValue::Map(Vec::new()), root.span),
        includes: Vec::new(),
        groups: BTreeMap::new(),
        secrets: Vec::new(),
        tools: Vec::new(),
        stages: Vec::new(),
    };
    let entries = keys::known(root, keys::PIPELINE, "a pipeline", problems);
    for key in ["pipeline", "stages"] {
        let is_map = matches!(root.value, NodeValue::Map(_));
        // A file may do nothing but bring others together.
        let optional = key == "stages" && root.get("include").is_some();
        if is_map
            && !optional
            && !entries.iter().any(|(name, _)| *name == key)
            && !keys::misspelt(root, keys::PIPELINE, key)
        {
            let problem = Problem::at("missing-key", root.span, format!("a pipeline needs the key `{key}`"));
            problems.push(problem.label(format!("no `{key}` in this file")));
        }
    }
    let mut file_shell = None;
    for (key, entry) in entries {
        match key {
            "pipeline" => spec.name = name(&entry.value, "pipeline", problems, PipelineName::new),
            "params" => params(&entry.value, &mut spec, problems),
            "groups" => spec.groups = conduct::capacities(&entry.value, problems),
            "secrets" => spec.secrets = secrets::declared(&entry.value, problems),
            "shell" => file_shell = shell::shell(&entry.value, problems),
            "tools" => spec.tools = tools::tools(&entry.value, problems),
            "include" => spec.includes = include::includes(&entry.value, problems),
            _ => {
                let stages = mapping(&entry.value, "`stages`", problems);
                if stages.is_empty() && matches!(entry.value.value, NodeValue::Map(_)) {
                    problems.push(Problem::at("missing-key", entry.key.span, "`stages` is empty").label("no stage"));
                }
                spec.stages = stages.iter().map(|e| stage(&e.key, &e.value, problems)).collect();
            }
        }
    }
    if let Some(shell) = file_shell {
        let without = spec.stages.iter_mut().filter(|stage| !stage.keys.contains_key("shell"));
        without.for_each(|stage| stage.shell = shell.clone());
    }
    spec
}

fn params(node: &Node, spec: &mut PipelineSpec, problems: &mut Vec<Problem>) {
    if matches!(node.value, NodeValue::Null) {
        return;
    }
    for entry in mapping(node, "`params`", problems) {
        check_name(&entry.key, "param", problems);
    }
    if matches!(node.value, NodeValue::Map(_)) {
        spec.params = node.clone();
    }
}

fn stage(key: &Spanned<String>, node: &Node, problems: &mut Vec<Problem>) -> StageSpec {
    check_name(key, "stage", problems);
    let mut stage = StageSpec {
        name: Spanned { value: StageName::new(key.value.clone()), span: key.span },
        uses: None,
        keys: BTreeMap::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        matrix: None,
        with: None,
        run: None,
        shell: shell::Shell::default(),
        environment: Vec::new(),
        resources: ResourcesSpec::default(),
        backend: None,
        timeout: None,
        retry: RetrySpec::default(),
        groups: Vec::new(),
        when: None,
        secrets: Vec::new(),
        sandbox: None,
        tools: Vec::new(),
    };
    let what = format!("stage `{}`", key.value);
    for (name, entry) in keys::known(node, keys::STAGE, &what, problems) {
        let value = &entry.value;
        stage.keys.insert(name.to_owned(), entry.key.span);
        match name {
            "uses" => stage.uses = word(value, "`uses`", problems),
            "backend" => stage.backend = word(value, "`backend`", problems),
            "description" => {
                word(value, "`description`", problems);
            }
            "in" => stage.inputs = ports::inputs(value, problems),
            "out" => stage.outputs = ports::outputs(value, problems),
            "matrix" => stage.matrix = Some(value.clone()),
            "with" => stage.with = Some(value.clone()),
            "run" => stage.run = Some(value.clone()),
            "shell" => stage.shell = shell::shell(value, problems).unwrap_or_default(),
            "timeout" => stage.timeout = conduct::time(value, "timeout", problems),
            "retry" => stage.retry = conduct::retry(value, problems),
            "group" => stage.groups = conduct::groups(value, problems),
            "when" => stage.when = Some(value.clone()),
            "secrets" => stage.secrets = secrets::used(value, problems),
            "sandbox" => stage.sandbox = conduct::sandbox(value, problems),
            "tools" => stage.tools = tools::tools(value, problems),
            "env" => stage.environment = ports::environment(value, problems),
            _ => stage.resources = quantity::resources(value, problems),
        }
    }
    let is_map = matches!(node.value, NodeValue::Map(_));
    if is_map && !stage.keys.contains_key("uses") && !keys::misspelt(node, keys::STAGE, "uses") {
        let problem = Problem::at("missing-key", key.span, format!("{what} needs the key `uses`"));
        let hint = if stage.run.is_some() { "write `uses: command`" } else { "`pipe stages` lists the kinds" };
        problems.push(problem.label("uses what?").help(hint));
    }
    stage
}

/// Text without interpolation.
pub fn word(node: &Node, what: &str, problems: &mut Vec<Problem>) -> Option<Spanned<String>> {
    if node.is_broken() {
        return None;
    }
    let Some(text) = node.as_text() else {
        let message = format!("{what} must be text, found {}", node.describe());
        problems.push(Problem::at("wrong-type", node.span, message).label("not text"));
        return None;
    };
    if text.contains("${") {
        let message = format!("{what} cannot hold an interpolation");
        problems.push(Problem::at("unsupported-interpolation", node.span, message).label("must be written out"));
        return None;
    }
    Some(Spanned { value: text.to_owned(), span: node.span })
}

/// A name; reports one that cannot be a name.
fn name<T>(node: &Node, what: &str, problems: &mut Vec<Problem>, new: fn(String) -> T) -> Option<Spanned<T>> {
    let text = word(node, &format!("`{what}`"), problems)?;
    let span: Span = text.span;
    check_name(&text, what, problems).then(|| Spanned { value: new(text.value), span })
}

/// Reports a text that cannot be the name of a `what`.
pub fn check_name(name: &Spanned<String>, what: &str, problems: &mut Vec<Problem>) -> bool {
    let valid = is_valid(&name.value);
    if !valid {
        let problem = Problem::at("invalid-name", name.span, format!("{:?} cannot name a {what}", name.value));
        problems.push(problem.label("not a name").help("a letter, then letters, digits, `-` and `_`; at most 100"));
    }
    valid
}
