//! Stages as they will be run: those of every module under their full names, and of a `matrix` one instance for each combination.
//!
//! An instance is called `stage[lr=1e-4,seed=1]`: the axes in their order, the values as they were written. A value that makes no
//! good file name is called by its position, `prompt=2`. A label that is too long for a file name ends in a digest of the whole.

use std::collections::{BTreeSet, HashMap};

use contract::Digest;

use super::interpolate::{Resolving, Scope};
use super::modules::Module;
use crate::spec::{Entry, Node, NodeValue, Problem, Sources, Span, Spanned, StageName, StageSpec};

/// The most instances of one stage.
pub const MAX_INSTANCES: usize = 1000;
/// The most stages of a pipeline, instances counted.
pub const MAX_STAGES: usize = 10_000;
/// The longest value that a label holds.
const LONGEST: usize = 40;
/// The longest label. With the longest stage name, the brackets and `.attempt-100.log` it still is a file name of 255 bytes.
const LONGEST_LABEL: usize = 120;
/// The longest name of a stage with the prefixes of all includes, which are directories on the way to its log and outputs.
const LONGEST_NAME: usize = 1000;
/// Words of a matrix that are reserved for later: neither may name an axis.
pub const RESERVED_AXES: [&str; 2] = ["include", "exclude"];

/// A stage that will be planned.
#[derive(Debug)]
pub struct Unit {
    /// The stage as typed, under its full name.
    pub spec: StageSpec,
    /// The file it stands in.
    pub module: usize,
    /// Of an instance: the name of its stage and its values.
    pub instance: Option<Instance>,
}

/// One combination of a matrix.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The stage's full name.
    pub family: String,
    /// `lr=1e-4,seed=1`.
    pub label: String,
    /// The values by axis, a mapping: `${matrix.lr}` reads it.
    pub values: Node,
}

/// Every stage of `modules`, whose params are `scopes`.
pub fn units(modules: &[Module], scopes: &[Node], resolving: &mut Resolving<'_>) -> Vec<Unit> {
    let (sources, mut units) = (resolving.sources(), Vec::new());
    for (module, scope) in scopes.iter().enumerate() {
        for stage in &modules[module].spec.stages {
            let full = format!("{}{}", modules[module].prefix, stage.name.value);
            if full.len() > LONGEST_NAME {
                let message = format!("the whole name of this stage has {} bytes, prefixes counted", full.len());
                let problem = Problem::at("invalid-name", stage.name.span, message).label("too long");
                resolving.problems.push(problem.help(format!("files are named by it: {LONGEST_NAME} bytes at most")));
                continue;
            }
            let Some(matrix) = &stage.matrix else {
                units.push(Unit { spec: named(stage, full), module, instance: None });
                continue;
            };
            let axes = axes(matrix, &Scope::of(scope), resolving);
            refuse_doubles(&axes, sources, resolving.problems);
            let names: Vec<Vec<String>> = axes.iter().map(|axis| names(axis, sources)).collect();
            for values in combinations(stage, &axes, resolving.problems) {
                let label = label(&values, &names);
                let instance = Instance { family: full.clone(), values: as_node(&values, matrix.span), label };
                let spec = named(stage, format!("{full}[{}]", instance.label));
                units.push(Unit { spec, module, instance: Some(instance) });
            }
            if units.len() > MAX_STAGES {
                let message = format!("more than {MAX_STAGES} stages, instances counted");
                resolving
                    .problems
                    .push(Problem::at("too-many-values", stage.name.span, message).label("the budget ends here"));
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

fn axes(matrix: &Node, scope: &Scope<'_>, resolving: &mut Resolving<'_>) -> Vec<Axis> {
    let mut axes = Vec::new();
    for Entry { key, value } in crate::spec::keys::mapping(matrix, "`matrix`", resolving.problems) {
        crate::spec::read::check_name(key, "axis of a matrix", resolving.problems);
        if RESERVED_AXES.contains(&key.value.as_str()) {
            let problem = Problem::at("bad-matrix", key.span, format!("`{}` cannot name an axis", key.value));
            resolving.problems.push(problem.label("a reserved word").help("call the axis something else"));
        }
        let value = resolving.expand(value, scope);
        match value.value {
            NodeValue::List(values) if !values.is_empty() => axes.push(Axis { key: key.clone(), values }),
            NodeValue::Broken => {}
            NodeValue::List(_) => {
                let message = format!("axis `{}` is an empty list, so `matrix` gives no stage at all", key.value);
                let problem = Problem::at("bad-matrix", value.span, message).label("no values");
                let problem = problem.help("write at least one value, or take the axis out");
                resolving.problems.push(value.via.map_or(problem.clone(), |via| problem.related(via, "used here")));
            }
            _ => {
                let message = format!("axis `{}` must be a list of values, found {}", key.value, value.describe());
                let problem = Problem::at("bad-matrix", value.span, message).label("not a list with values");
                resolving.problems.push(match value.via {
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

/// A value that an axis lists twice makes two instances of one name that do the same.
fn refuse_doubles(axes: &[Axis], sources: &Sources, problems: &mut Vec<Problem>) {
    for axis in axes {
        let mut seen: HashMap<String, &Node> = HashMap::with_capacity(axis.values.len());
        for value in axis.values.iter().filter(|value| !value.is_broken()) {
            let Some(first) = seen.insert(value.to_json().to_string(), value) else { continue };
            let (one, other) = (shown(first, sources), shown(value, sources));
            let same = if one == other { String::new() } else { format!(", which `{one}` is too") };
            let message = format!("axis `{}` lists `{other}` twice{same}", axis.key.value);
            let problem = Problem::at("bad-matrix", value.span, message).label("again here");
            problems.push(problem.related(first.span, "first here").help("remove one of them"));
        }
    }
}

fn shown(value: &Node, sources: &Sources) -> String {
    text(value, sources).unwrap_or_else(|| value.to_json().to_string())
}

fn label(values: &[(&Spanned<String>, usize, &Node)], names: &[Vec<String>]) -> String {
    let parts = values.iter().zip(names).map(|((key, at, _), names)| format!("{}={}", key.value, names[*at]));
    shortened(parts.collect::<Vec<_>>().join(","))
}

/// The name of each value of `axis`. Names differ, also where a value is written like the position of another one.
fn names(axis: &Axis, sources: &Sources) -> Vec<String> {
    let texts: Vec<Option<String>> = axis.values.iter().map(|value| text(value, sources)).collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    texts.iter().flatten().for_each(|text| *count.entry(text).or_default() += 1);
    let unique: BTreeSet<&str> = count.into_iter().filter(|(_, count)| *count == 1).map(|(text, _)| text).collect();
    let name = |(at, text): (usize, &Option<String>)| match text {
        Some(text) if unique.contains(text.as_str()) => text.clone(),
        _ => {
            let mut position = (at + 1).to_string();
            while unique.contains(position.as_str()) {
                position.push('_');
            }
            position
        }
    };
    texts.iter().enumerate().map(name).collect()
}

/// A label that fits into a file name. The digest tells labels apart that begin alike.
fn shortened(label: String) -> String {
    if label.len() <= LONGEST_LABEL {
        return label;
    }
    let digest = Digest::of(label.as_bytes()).short();
    let kept = label.floor_char_boundary(LONGEST_LABEL - digest.len() - 1);
    format!("{}+{digest}", &label[..kept])
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

/// The stages that a name in a reference stands for.
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

/// The stage of which `name` is an instance, and the label of that instance.
pub fn family(name: &str) -> Option<(&str, &str)> {
    let (family, rest) = name.split_once('[')?;
    Some((family, rest.strip_suffix(']')?))
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
