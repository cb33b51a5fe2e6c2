//! The plan's graph as text that other tools draw: Mermaid (Markdown renders it) and DOT (Graphviz).

use std::fmt::Write;

use petgraph::visit::EdgeRef;

use crate::plan::{InputSource, Plan, PlannedInput, PlannedStage, Work};

/// `graph LR` of Mermaid: stages as boxes, wires labelled with ports, workspace inputs as rounded boxes.
pub fn mermaid(plan: &Plan) -> String {
    let mut text = String::from("graph LR\n");
    for stage in plan.graph.node_indices() {
        let planned = &plan.graph[stage];
        let _ = writeln!(text, "  s{}[\"{}<br/><small>{}</small>\"]", stage.index(), planned.name, kind(planned));
    }
    for stage in plan.graph.node_indices() {
        let inputs = &plan.graph[stage].inputs;
        for producer in plan.graph.neighbors_directed(stage, petgraph::Direction::Incoming) {
            let feeds =
                |input: &PlannedInput| matches!(input.source, InputSource::Stage { stage, .. } if stage == producer);
            // What a condition reads is no input, but orders the stages all the same.
            if !inputs.iter().any(feeds) {
                let _ = writeln!(text, "  s{} -.->|when| s{}", producer.index(), stage.index());
            }
        }
        for (at, input) in inputs.iter().enumerate() {
            match &input.source {
                InputSource::Stage { stage: producer, port } => {
                    let _ = writeln!(text, "  s{} -->|{port}| s{}", producer.index(), stage.index());
                }
                InputSource::Path(path) => {
                    let _ = writeln!(text, "  p{}_{at}([\"{}\"]) --> s{}", stage.index(), quoted(path), stage.index());
                }
            }
        }
    }
    text
}

/// A path within the quotes of a Mermaid label.
fn quoted(path: &std::path::Path) -> String {
    path.display().to_string().replace('"', "#quot;")
}

/// A digraph for Graphviz.
pub fn dot(plan: &Plan) -> String {
    let mut text = format!("digraph {:?} {{\n  rankdir=LR;\n  node [shape=box];\n", plan.pipeline.as_str());
    for stage in plan.graph.node_indices() {
        let planned = &plan.graph[stage];
        let _ = writeln!(text, "  {:?} [label=\"{}\\n{}\"];", planned.name.as_str(), planned.name, kind(planned));
    }
    for edge in plan.graph.edge_references() {
        let (from, to) = (&plan.graph[edge.source()], &plan.graph[edge.target()]);
        let _ = writeln!(text, "  {:?} -> {:?};", from.name.as_str(), to.name.as_str());
    }
    text + "}\n"
}

/// The graph as data: stages with their kinds, wires with their ports.
pub fn json(plan: &Plan) -> serde_json::Value {
    let stages = plan.graph.node_weights().map(|stage| {
        let inputs = stage.inputs.iter().map(|input| match &input.source {
            InputSource::Stage { stage, port } => {
                serde_json::json!({"port": input.port, "stage": plan.graph[*stage].name, "output": port})
            }
            InputSource::Path(path) => serde_json::json!({"port": input.port, "path": path}),
        });
        serde_json::json!({"name": stage.name, "uses": kind(stage), "inputs": inputs.collect::<Vec<_>>()})
    });
    serde_json::json!({"pipeline": plan.pipeline, "stages": stages.collect::<Vec<_>>()})
}

pub(super) fn kind(stage: &PlannedStage) -> &str {
    match &stage.work {
        Work::Card { card, .. } => &card.kind,
        Work::Command(_) => "command",
    }
}
