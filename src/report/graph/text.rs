//! The plan's graph as text that other tools draw: Mermaid (Markdown renders it) and DOT (Graphviz).

use std::fmt::Write;

use indexmap::IndexSet;

use super::figure::{Block, Carries, Detail, Figure, PathBox, StageBox, Wire, figure, lines};
use crate::plan::{InputSource, Plan, PlannedStage, Work};

/// The axis of a matrix with more letters is cut down to its ends.
pub(super) const AXIS: usize = 34;

/// `graph LR` of Mermaid: stages as boxes, wires labelled with ports, workspace inputs as rounded boxes.
pub fn mermaid(plan: &Plan, detail: Detail) -> String {
    let figure = figure(plan, detail);
    let mut text = String::from("graph LR\n");
    let ids = ids(&figure);
    for (block, id) in figure.boxes.iter().zip(&ids) {
        let _ = match block {
            Block::Stage(stage) => {
                let below = below(stage).iter().map(|line| quoted(line)).collect::<Vec<_>>().join("<br/>");
                writeln!(text, "  {id}[\"{}<br/><small>{below}</small>\"]", title(stage))
            }
            Block::Path(path) => writeln!(text, "  {id}([\"{}\"])", quoted(&path_text(path))),
        };
    }
    for wire in &figure.wires {
        let pairing = wire.pairing.as_ref().map(ToString::to_string);
        let (arrow, carries) = match &wire.carries {
            Carries::Output(port, _) => ("-->", Some(port.as_str())),
            Carries::Path(_) => ("-->", None),
            Carries::Condition => ("-.->", Some("when")),
        };
        let words: Vec<&str> = carries.into_iter().chain(pairing.as_deref()).collect();
        let label = if words.is_empty() { String::new() } else { format!("|{}|", words.join(", ")) };
        let _ = writeln!(text, "  {} {arrow}{label} {}", ids[wire.from], ids[wire.to]);
    }
    text
}

/// A name for each box that Mermaid accepts.
fn ids(figure: &Figure) -> Vec<String> {
    let id = |(at, block): (usize, &Block)| match block {
        Block::Stage(stage) => format!("s{}", stage.members[0].index()),
        Block::Path(_) => format!("p{at}"),
    };
    figure.boxes.iter().enumerate().map(id).collect()
}

/// Text within the quotes of a Mermaid label.
fn quoted(text: &str) -> String {
    text.replace('"', "#quot;")
}

/// A digraph for Graphviz.
pub fn dot(plan: &Plan, detail: Detail) -> String {
    let figure = figure(plan, detail);
    let mut text = format!("digraph {:?} {{\n  rankdir=LR;\n  node [shape=box];\n", plan.pipeline.as_str());
    let name = |at: usize| match &figure.boxes[at] {
        Block::Stage(stage) => Some(escaped(&stage.name)),
        Block::Path(_) => None,
    };
    for block in &figure.boxes {
        if let Block::Stage(stage) = block {
            let lines = [vec![title(stage)], below(stage)].concat();
            let label = lines.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("\\n");
            let _ = writeln!(text, "  \"{}\" [label=\"{label}\"];", escaped(&stage.name));
        }
    }
    for ((from, to), wires) in lines(&figure) {
        // A file of the workspace is no node here, as it always was.
        let (Some(from), Some(to)) = (name(from), name(to)) else { continue };
        let label = pairings(&wires);
        let label = if label.is_empty() { String::new() } else { format!(" [label=\"{label}\"]") };
        let _ = writeln!(text, "  \"{from}\" -> \"{to}\"{label};");
    }
    text + "}\n"
}

/// Text within the quotes of DOT.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The first line of a stage's box.
pub(super) fn title(stage: &StageBox) -> String {
    stage.count().map_or_else(|| stage.name.clone(), |count| format!("{} \u{d7}{count}", stage.name))
}

/// The lines below it: the kind and the axes of a matrix.
fn below(stage: &StageBox) -> Vec<String> {
    [vec![stage.kind.clone()], stage.axis_lines(AXIS)].concat()
}

/// A path, or how many.
pub(super) fn path_text(path: &PathBox) -> String {
    if path.count == 1 { path.text.clone() } else { format!("{} ({} paths)", path.text, path.count) }
}

/// How the instances of two boxes pair, over all wires between them.
pub(super) fn pairings(wires: &[&Wire]) -> String {
    let words: IndexSet<String> = wires.iter().filter_map(|wire| Some(wire.pairing.as_ref()?.to_string())).collect();
    words.into_iter().collect::<Vec<_>>().join(", ")
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
