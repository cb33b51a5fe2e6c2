//! The plan's graph as a picture: stages as boxes coloured by what came of them last, workspace inputs as rounded ones.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::Path;

use petgraph::visit::EdgeRef;

use super::graph::kind;
use super::layout::layout;
use crate::engine::{RunReport, StageOutcome};
use crate::plan::{InputSource, Plan};

const MARGIN: f64 = 20.0;
const STAGE_HEIGHT: f64 = 42.0;
const PATH_HEIGHT: f64 = 26.0;
/// A letter of the larger type; wide enough for most.
const LETTER: f64 = 7.4;
/// Longer names are cut; the tooltip has them whole.
const LETTERS: usize = 36;
const LEGEND_HEIGHT: f64 = 34.0;

/// A box.
struct Shape {
    title: String,
    text: String,
    detail: Option<String>,
    outcome: Option<StageOutcome>,
}

/// An SVG document. `last` is the last run of the pipeline, whose outcomes colour the stages.
pub fn svg(plan: &Plan, last: Option<&RunReport>) -> String {
    let mut shapes: Vec<Shape> = plan
        .graph
        .node_weights()
        .map(|stage| Shape {
            title: format!("{} ({})", stage.name, kind(stage)),
            text: shortened(stage.name.as_str()),
            detail: Some(kind(stage).to_owned()),
            outcome: last.and_then(|report| report.stages.get(&stage.name)).map(|stage| stage.outcome),
        })
        .collect();
    let mut wires: Vec<(usize, usize, String)> = Vec::new();
    let mut paths: HashMap<&Path, usize> = HashMap::new();
    for stage in plan.graph.node_indices() {
        for input in &plan.graph[stage].inputs {
            let (from, label) = match &input.source {
                InputSource::Stage { stage, port } => (stage.index(), format!("{}.{port}", plan.graph[*stage].name)),
                InputSource::Path(path) => {
                    let text = path.display().to_string();
                    let at = *paths.entry(path).or_insert_with(|| {
                        shapes.push(Shape { title: text.clone(), text: shortened(&text), detail: None, outcome: None });
                        shapes.len() - 1
                    });
                    (at, text)
                }
            };
            wires.push((from, stage.index(), format!("{label} to {}.{}", plan.graph[stage].name, input.port)));
        }
    }
    // What a condition reads is no input, but orders the stages all the same.
    let wired: HashSet<_> = wires.iter().map(|(from, to, _)| (*from, *to)).collect();
    for edge in plan.graph.edge_references() {
        let (from, to) = (edge.source().index(), edge.target().index());
        if !wired.contains(&(from, to)) {
            wires.push((from, to, format!("when of {}", plan.graph[edge.target()].name)));
        }
    }
    draw(plan, &shapes, &wires)
}

fn draw(plan: &Plan, shapes: &[Shape], wires: &[(usize, usize, String)]) -> String {
    let sizes: Vec<_> = shapes.iter().map(size).collect();
    // Several wires between two boxes lie on one another; one line says as much, and its tooltip names them all.
    let mut edges: Vec<(usize, usize)> = Vec::new();
    let mut titles: Vec<String> = Vec::new();
    let mut seen: HashMap<(usize, usize), usize> = HashMap::new();
    for (from, to, title) in wires {
        match seen.get(&(*from, *to)) {
            Some(at) => titles[*at] = format!("{}\n{title}", titles[*at]),
            None => {
                seen.insert((*from, *to), edges.len());
                edges.push((*from, *to));
                titles.push(title.clone());
            }
        }
    }
    let layout = layout(&sizes, &edges);
    let present: Vec<StageOutcome> =
        OUTCOMES.into_iter().filter(|outcome| shapes.iter().any(|shape| shape.outcome == Some(*outcome))).collect();
    let legend = if present.is_empty() { 0.0 } else { LEGEND_HEIGHT };
    let width = (layout.size.0 + 2.0 * MARGIN).max(if present.is_empty() { 0.0 } else { 100.0 * present.len() as f64 });
    let height = layout.size.1 + 2.0 * MARGIN + legend;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"system-ui, 'Segoe UI', Helvetica, 'DejaVu Sans', sans-serif\" text-anchor=\"middle\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0 L8 4 L0 8 Z\" fill=\"#8a94a3\"/></marker></defs>\n",
        escaped(plan.pipeline.as_str())
    );
    for (route, title) in layout.routes.iter().zip(&titles) {
        let _ = writeln!(
            text,
            "<path d=\"{}\" fill=\"none\" stroke=\"#8a94a3\" stroke-width=\"1.3\" marker-end=\"url(#tip)\"><title>{}</title></path>",
            curve(route),
            escaped(title)
        );
    }
    for ((shape, corner), size) in shapes.iter().zip(&layout.corners).zip(&sizes) {
        draw_shape(&mut text, shape, (corner.0 + MARGIN, corner.1 + MARGIN), *size);
    }
    draw_legend(&mut text, &present, height - LEGEND_HEIGHT);
    text + "</svg>\n"
}

fn draw_shape(text: &mut String, shape: &Shape, (x, y): (f64, f64), (width, height): (f64, f64)) {
    let (fill, stroke) = match (&shape.detail, shape.outcome) {
        (None, _) => ("#f6f7f9", "#c3cad4"),
        (Some(_), None) => ("#eef3fb", "#7f9cc9"),
        (Some(_), Some(outcome)) => colors(outcome),
    };
    let round = if shape.detail.is_some() { 5.0 } else { height / 2.0 };
    let _ = write!(
        text,
        "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round:.1}\" fill=\"{fill}\" stroke=\"{stroke}\"/>",
        escaped(&shape.title)
    );
    let (middle, name) = (x + width / 2.0, escaped(&shape.text));
    let _ = match &shape.detail {
        Some(detail) => writeln!(
            text,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\" fill=\"#1f2733\">{name}</text>\
             <text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"#5a6675\">{}</text></g>",
            y + 18.0,
            y + 33.0,
            escaped(detail)
        ),
        None => writeln!(
            text,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"#5a6675\">{name}</text></g>",
            y + height / 2.0 + 4.0
        ),
    };
}

fn draw_legend(text: &mut String, present: &[StageOutcome], top: f64) {
    for (at, outcome) in present.iter().enumerate() {
        let (fill, stroke) = colors(*outcome);
        let x = MARGIN + 96.0 * at as f64;
        let _ = writeln!(
            text,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{fill}\" stroke=\"{stroke}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"#5a6675\" text-anchor=\"start\">{}</text>",
            x + 18.0,
            top + 10.5,
            super::style::Color::Off.outcome(*outcome).trim()
        );
    }
}

const OUTCOMES: [StageOutcome; 7] = [
    StageOutcome::Ran,
    StageOutcome::Hit,
    StageOutcome::Restored,
    StageOutcome::Skipped,
    StageOutcome::Blocked,
    StageOutcome::Failed,
    StageOutcome::Interrupted,
];

/// Fill and stroke.
fn colors(outcome: StageOutcome) -> (&'static str, &'static str) {
    match outcome {
        StageOutcome::Ran => ("#dcf3e1", "#3f9b57"),
        StageOutcome::Hit => ("#eef1f5", "#97a3b3"),
        StageOutcome::Restored => ("#dcf0f6", "#4497b3"),
        StageOutcome::Skipped => ("#ffffff", "#c3cad4"),
        StageOutcome::Blocked => ("#fdf3d8", "#c79a2b"),
        StageOutcome::Failed => ("#fbdedd", "#c8423d"),
        StageOutcome::Interrupted => ("#fde6d3", "#d0762c"),
    }
}

fn size(shape: &Shape) -> (f64, f64) {
    let letters = shape.text.chars().count() as f64;
    match &shape.detail {
        Some(detail) => ((letters * LETTER).max(detail.chars().count() as f64 * 6.2) + 24.0, STAGE_HEIGHT),
        None => (letters * 6.2 + 22.0, PATH_HEIGHT),
    }
}

/// A curve through the points that leaves and enters each of them level.
fn curve(points: &[(f64, f64)]) -> String {
    let (x, y) = points[0];
    let mut text = format!("M{:.1} {:.1}", x + MARGIN, y + MARGIN);
    for pair in points.windows(2) {
        let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
        let bend = (bx - ax) / 2.0;
        let _ = write!(
            text,
            " C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            ax + bend + MARGIN,
            ay + MARGIN,
            bx - bend + MARGIN,
            by + MARGIN,
            bx + MARGIN,
            by + MARGIN
        );
    }
    text
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
