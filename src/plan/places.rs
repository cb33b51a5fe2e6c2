//! Where each field of a stage was written, by path (`with.optimizer.lion.lr`, `in.tokens`, `run`); `why` points there.

use std::collections::BTreeMap;

use crate::spec::{Location, Node, NodeValue, Sources, Span, StageSpec};

/// The places of a stage's fields, its params aside.
pub(super) fn of_fields(stage: &StageSpec, sources: &Sources) -> BTreeMap<String, Location> {
    let mut places = BTreeMap::new();
    let mut add = |path: String, span: Span| places.insert(path, sources.locate(span));
    for (key, span) in &stage.keys {
        add(key.clone(), *span);
    }
    for input in &stage.inputs {
        add(format!("in.{}", input.port.value), input.port.span);
    }
    for output in &stage.outputs {
        add(format!("out.{}", output.port.value), output.port.span);
    }
    for variable in &stage.environment {
        add(format!("env.{}", variable.name.value), variable.name.span);
    }
    for tool in &stage.tools {
        add(format!("tools {}", tool.path.value), tool.path.span);
    }
    places
}

/// Adds the place of each value under `path`. A value that came through `${params.x}` stands at the param, where it is changed.
pub(super) fn add_values(path: &str, node: &Node, sources: &Sources, places: &mut BTreeMap<String, Location>) {
    let mut children: Vec<(String, &Node)> = Vec::new();
    match &node.value {
        NodeValue::Map(entries) => children.extend(entries.iter().map(|e| (e.key.value.clone(), &e.value))),
        NodeValue::List(items) => children.extend(items.iter().enumerate().map(|(at, item)| (at.to_string(), item))),
        _ => {}
    }
    for (step, child) in children {
        let path = format!("{path}.{step}");
        places.insert(path.clone(), sources.locate(child.span));
        add_values(&path, child, sources, places);
    }
}
