//! Stages as they will be run: those of every module under their full names, and of a `matrix` one instance for each combination.
//!
//! An instance is called `stage[lr=1e-4,seed=1]`: the axes in their order, the values as they were written. A value that makes no
//! good file name is called by its position, `prompt=2`.

use std::collections::HashMap;

use super::interpolate::{Interpolator, Scope};
use super::modules::Module;
use crate::spec::{Entry, Node, NodeValue, Problem, Sources, Span, Spanned, StageName, StageSpec};

/// The most instances of one stage.
pub const MAX_INSTANCES: usize = 1000;
/// The most stages of a pipeline, instances counted.
pub const MAX_STAGES: usize = 10_000;
/// The longest value that a label holds.
const LONGEST: usize = 40;

/// A stage that will be planned.
#[derive(Debug)]
pub struct Unit {
    /// What was typed, under its full name.
    pub spec: StageSpec,
    /// The file it stands in.
    pub module: usize,
    /// Of an instance: the name of its stage and what tells it from the others.
    pub instance: Option<Instance>,
}

/// One combination of a matrix.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The stage's full name.
    pub family: String,
    /// `lr=1e-4,seed=1`.
    pub label: String,
    /// The values by axis, a mapping: what `${matrix.lr}` reads.
    pub values: Node,
}

/// Every stage of `modules`, whose params are `scopes`.
pub fn units(
    modules: &[Module],
    scopes: &[Node],
    sources: &Sources,
    interpolator: &mut Interpolator<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Unit> {
    let mut units = Vec::new();
    for (module, scope) in scopes.iter().enumerate() {
        for stage in &modules[module].spec.stages {
            let full = format!("{}{}", modules[module].prefix, stage.name.value);
            let Some(matrix) = &stage.matrix else {
                units.push(Unit { spec: named(stage, full), module, instance: None });
                continue;
            };
            let axes = axes(matrix, &Scope::of(scope), interpolator, problems);
            for values in combinations(stage, &axes, problems) {
                let label = label(&values, &axes, sources);
                let instance = Instance { family: full.clone(), values: as_node(&values, matrix.span), label };
                let spec = named(stage, format!("{full}[{}]", instance.label));
                units.push(Unit { spec, module, instance: Some(instance) });
            }
            if units.len() > MAX_STAGES {
                let message = format!("more than {MAX_STAGES} stages, instances counted");
                problems.push(Problem::at("too-many-values", stage.name.span, message).label("the budget ends here"));
                return units;
            }
        }
    }
    units
}

fn named(stage: &StageSpec, full: String) -> StageSpec {
    let mut stage = stage.clone();
    stage.name = Spanned { value: StageName::new(full), span: stage.name.span };
    stage
}

/// An axis and its values.
struct Axis {
    key: Spanned<String>,
    values: Vec<Node>,
}

fn axes(
    matrix: &Node,
    scope: &Scope<'_>,
    interpolator: &mut Interpolator<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Axis> {
    let mut axes = Vec::new();
    for Entry { key, value } in crate::spec::keys::mapping(matrix, "`matrix`", problems) {
        crate::spec::read::check_name(key, "axis of a matrix", problems);
        let value = interpolator.expand(value, scope, problems);
        match value.value {
            NodeValue::List(values) if !values.is_empty() => axes.push(Axis { key: key.clone(), values }),
            NodeValue::Broken => {}
            _ => {
                let message = format!("axis `{}` must be a list of values, found {}", key.value, value.describe());
                let problem = Problem::at("bad-matrix", value.span, message).label("not a list with values");
                problems.push(match value.via {
                    Some(via) => problem.related(via, "used here"),
                    None => problem.help("write it as [1e-4, 1e-3]"),
                });
            }
        }
    }
    axes
}

/// Every combination, the last axis moving fastest.
fn combinations<'a>(
    stage: &StageSpec,
    axes: &'a [Axis],
    problems: &mut Vec<Problem>,
) -> Vec<Vec<(&'a Spanned<String>, usize, &'a Node)>> {
    if axes.is_empty() {
        // Either problems say why, or nothing was to be combined.
        if let Some(matrix) =
            stage.matrix.as_ref().filter(|matrix| matches!(&matrix.value, NodeValue::Map(e) if e.is_empty()))
        {
            problems.push(Problem::at("bad-matrix", matrix.span, "`matrix` is empty").label("no axis"));
        }
        return Vec::new();
    }
    let count = axes.iter().try_fold(1_usize, |count, axis| count.checked_mul(axis.values.len()));
    if count.is_none_or(|count| count > MAX_INSTANCES) {
        let span = stage.keys.get("matrix").copied().unwrap_or(stage.name.span);
        let message = format!("the matrix of `{}` has more than {MAX_INSTANCES} combinations", stage.name.value);
        problems.push(Problem::at("bad-matrix", span, message).label("too many"));
        return Vec::new();
    }
    let mut all = vec![Vec::new()];
    for axis in axes {
        let extended = |chosen: &Vec<_>| {
            let with = |(at, value)| [&chosen[..], &[(&axis.key, at, value)]].concat();
            axis.values.iter().enumerate().map(with).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(extended).collect();
    }
    all
}

fn label(values: &[(&Spanned<String>, usize, &Node)], axes: &[Axis], sources: &Sources) -> String {
    let one = |((key, at, value), axis): (&(&Spanned<String>, usize, &Node), &Axis)| {
        let texts: Vec<Option<String>> = axis.values.iter().map(|value| text(value, sources)).collect();
        let unique = |text: &String| texts.iter().flatten().filter(|other| *other == text).count() == 1;
        let text = text(value, sources).filter(unique).unwrap_or_else(|| (at + 1).to_string());
        format!("{}={text}", key.value)
    };
    values.iter().zip(axes).map(one).collect::<Vec<_>>().join(",")
}

/// A value as it was written, where that makes a good part of a file name.
fn text(value: &Node, sources: &Sources) -> Option<String> {
    let text = match &value.value {
        NodeValue::Text(text) => text.as_str(),
        NodeValue::Number(_) | NodeValue::Bool(_) => sources.slice(value.span),
        NodeValue::Broken | NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) => return None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    (!text.is_empty() && text.len() <= LONGEST && text.chars().all(plain)).then(|| text.to_owned())
}

fn as_node(values: &[(&Spanned<String>, usize, &Node)], span: Span) -> Node {
    let entry =
        |(key, _, value): &(&Spanned<String>, usize, &Node)| Entry { key: (*key).clone(), value: (*value).clone() };
    Node::new(NodeValue::Map(values.iter().map(entry).collect()), span)
}

/// What a name in a reference stands for.
#[derive(Debug)]
pub enum Named {
    /// One stage or one instance.
    One(usize),
    /// All instances of a stage, in their order.
    Family(Vec<usize>),
}

/// Positions in `units` by full name.
pub fn by_name(units: &[Unit]) -> HashMap<String, Named> {
    let mut names: HashMap<String, Named> = HashMap::with_capacity(units.len());
    for (at, unit) in units.iter().enumerate() {
        names.insert(unit.spec.name.value.as_str().to_owned(), Named::One(at));
        if let Some(instance) = &unit.instance {
            match names.entry(instance.family.clone()).or_insert_with(|| Named::Family(Vec::new())) {
                Named::Family(all) => all.push(at),
                Named::One(_) => {}
            }
        }
    }
    names
}

/// A reference, `stage`, `stage.port`, `prefix/stage[lr=1.5].port`, as name and port. A label may hold dots.
pub fn split_reference(text: &str) -> (&str, Option<&str>) {
    let after_label = text.rfind(']').map_or(0, |at| at + 1);
    match text[after_label..].find('.') {
        Some(dot) => (&text[..after_label + dot], Some(&text[after_label + dot + 1..])),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::split_reference;

    #[test]
    fn a_label_may_hold_dots_and_a_port_follows_it() {
        assert_eq!(split_reference("a"), ("a", None));
        assert_eq!(split_reference("a.b"), ("a", Some("b")));
        assert_eq!(split_reference("d/a[lr=1.5]"), ("d/a[lr=1.5]", None));
        assert_eq!(split_reference("d/a[lr=1.5].b"), ("d/a[lr=1.5]", Some("b")));
    }
}
