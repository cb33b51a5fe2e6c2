//! The plan's graph as a picture: stages as boxes coloured by their last outcomes, workspace inputs as rounded ones.

use std::fmt::Write;

use super::figure::{Block, Carries, Detail, Figure, StageBox, Wire, figure, lines};
use super::layout::{Direction, LAYER_GAP, Layout, layout};
use super::text::{AXIS, pairings, path_text, title};
use crate::engine::{RunReport, StageOutcome};
use crate::plan::Plan;

const MARGIN: f64 = 20.0;
/// The width of a page; a wider graph is laid out from the top down.
const PAGE: f64 = 1000.0 - 2.0 * MARGIN;
/// A box with a name and a kind; each further line adds to it.
const STAGE_HEIGHT: f64 = 42.0;
const LINE_HEIGHT: f64 = 15.0;
const PATH_HEIGHT: f64 = 26.0;
/// A letter of the larger type; wide enough for most.
const LETTER: f64 = 7.4;
/// A letter of the smaller type.
const SMALL_LETTER: f64 = 6.2;
/// Longer names are cut; the tooltip has them whole.
const LETTERS: usize = 36;
const LEGEND_HEIGHT: f64 = 34.0;

/// A box.
struct Shape {
    title: String,
    text: String,
    /// The lines below it; none on a path.
    details: Vec<String>,
    /// How many stages it stands for, where those are several.
    count: Option<usize>,
    /// The outcomes of its stages, those that need most attention first.
    outcomes: Vec<(StageOutcome, usize)>,
}

/// The wires between two boxes.
struct Connection {
    ends: (usize, usize),
    title: String,
    label: String,
}

/// An SVG document. `last` is the last run of the pipeline, whose outcomes colour the stages.
pub fn svg(plan: &Plan, last: Option<&RunReport>, detail: Detail) -> String {
    let figure = figure(plan, detail);
    let shapes: Vec<Shape> = figure.boxes.iter().map(|block| shape(plan, block, last)).collect();
    let lines: Vec<Connection> = lines(&figure)
        .into_iter()
        .map(|(ends, wires)| {
            let titles: Vec<String> = wires.iter().map(|wire| wire_title(&figure, wire)).collect();
            Connection { ends, title: titles.join("\n"), label: pairings(&wires) }
        })
        .collect();
    draw(plan, &shapes, &lines)
}

fn shape(plan: &Plan, block: &Block, last: Option<&RunReport>) -> Shape {
    match block {
        Block::Path(path) => {
            let text = path_text(path);
            Shape {
                title: text.clone(),
                text: shortened(&text),
                details: Vec::new(),
                count: None,
                outcomes: Vec::new(),
            }
        }
        Block::Stage(stage) => {
            let outcomes = outcomes(plan, stage, last);
            let mut details = [vec![stage.kind.clone()], stage.axis_lines(AXIS)].concat();
            if stage.members.len() > 1 && outcomes.len() > 1 {
                let words = outcomes.iter().map(|(outcome, count)| format!("{count} {}", word(*outcome)));
                details.push(words.collect::<Vec<_>>().join(", "));
            }
            let whole = stage.axis_lines(usize::MAX).iter().map(|line| format!("\n{line}")).collect::<String>();
            Shape {
                title: format!("{} ({}){whole}", title(stage), stage.kind),
                text: stage.count().map_or_else(
                    || shortened(&stage.name),
                    |count| format!("{} \u{d7}{count}", shortened(&stage.name)),
                ),
                details: details.iter().map(|line| shortened(line)).collect(),
                count: stage.count(),
                outcomes,
            }
        }
    }
}

/// The outcomes of the stages of a box in the last run, those that need most attention first.
fn outcomes(plan: &Plan, stage: &StageBox, last: Option<&RunReport>) -> Vec<(StageOutcome, usize)> {
    let Some(last) = last else { return Vec::new() };
    let found: Vec<StageOutcome> = stage
        .members
        .iter()
        .filter_map(|id| last.stages.get(&plan.graph[*id].name))
        .map(|stage| stage.outcome)
        .collect();
    let counts = OUTCOMES.iter().rev().map(|outcome| (*outcome, found.iter().filter(|it| *it == outcome).count()));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn wire_title(figure: &Figure, wire: &Wire) -> String {
    let name = |at: usize| match &figure.boxes[at] {
        Block::Stage(stage) => stage.name.clone(),
        Block::Path(path) => path_text(path),
    };
    let (from, to) = (name(wire.from), name(wire.to));
    let text = match &wire.carries {
        Carries::Output(output, input) => format!("{from}.{output} to {to}.{input}"),
        Carries::Path(input) => format!("{from} to {to}.{input}"),
        Carries::Condition => format!("when of {to}"),
    };
    wire.pairing.as_ref().map_or(text.clone(), |pairing| format!("{text}: {pairing}"))
}

fn draw(plan: &Plan, shapes: &[Shape], lines: &[Connection]) -> String {
    let sizes: Vec<_> = shapes.iter().map(size).collect();
    let edges: Vec<(usize, usize)> = lines.iter().map(|line| line.ends).collect();
    let longest = lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
    // Words stand in the gap behind the box that the wire leaves, and leave some of the wire to be seen.
    let gap = if longest == 0 { LAYER_GAP } else { LAYER_GAP.max(longest as f64 * 5.0 + 36.0) };
    let layout = layout(&sizes, &edges, gap, PAGE);
    let present: Vec<StageOutcome> =
        OUTCOMES.into_iter().filter(|outcome| shapes.iter().any(|shape| shape.outcome() == Some(*outcome))).collect();
    let legend = if present.is_empty() { 0.0 } else { LEGEND_HEIGHT };
    let width = (layout.size.0 + 2.0 * MARGIN).max(if present.is_empty() { 0.0 } else { 100.0 * present.len() as f64 });
    let height = layout.size.1 + 2.0 * MARGIN + legend;
    // A line at the edge of the page is not cut by rounding.
    let (width, height) = (width.ceil(), height.ceil());
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"system-ui, 'Segoe UI', Helvetica, 'DejaVu Sans', sans-serif\" text-anchor=\"middle\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0 L8 4 L0 8 Z\" fill=\"#8a94a3\"/></marker></defs>\n",
        escaped(plan.pipeline.as_str())
    );
    for (route, line) in layout.routes.iter().zip(lines) {
        let _ = writeln!(
            text,
            "<path d=\"{}\" fill=\"none\" stroke=\"#8a94a3\" stroke-width=\"1.3\" marker-end=\"url(#tip)\"><title>{}</title></path>",
            curve(route, layout.direction),
            escaped(&line.title)
        );
    }
    for ((shape, corner), size) in shapes.iter().zip(&layout.corners).zip(&sizes) {
        draw_shape(&mut text, shape, (corner.0 + MARGIN, corner.1 + MARGIN), *size);
    }
    draw_labels(&mut text, &layout, lines);
    draw_legend(&mut text, &present, height - LEGEND_HEIGHT);
    text + "</svg>\n"
}

/// How instances pair, on the wire where it has left its box. White letters below cover the wire: not every viewer knows `paint-order`.
fn draw_labels(text: &mut String, layout: &Layout, lines: &[Connection]) {
    for (route, line) in layout.routes.iter().zip(lines).filter(|(_, line)| !line.label.is_empty()) {
        let (a, b) = (route[0], route[1]);
        let (x, y) = ((a.0 + b.0) / 2.0 + MARGIN, (a.1 + b.1) / 2.0 + MARGIN + 3.5);
        let label = escaped(&line.label);
        for white in [" stroke=\"#ffffff\" stroke-width=\"4\"", ""] {
            let _ = writeln!(
                text,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"10\" fill=\"#5a6675\"{white}>{label}</text>"
            );
        }
    }
}

impl Shape {
    /// The outcome that its colour shows: the one that needs most attention.
    fn outcome(&self) -> Option<StageOutcome> {
        self.outcomes.first().map(|(outcome, _)| *outcome)
    }
}

fn word(outcome: StageOutcome) -> String {
    crate::report::style::Color::Off.outcome(outcome).trim().to_owned()
}

fn draw_shape(text: &mut String, shape: &Shape, (x, y): (f64, f64), (width, height): (f64, f64)) {
    let is_path = shape.details.is_empty();
    let (fill, stroke) = match shape.outcome() {
        _ if is_path => ("#f6f7f9", "#c3cad4"),
        None => ("#eef3fb", "#7f9cc9"),
        Some(outcome) => colors(outcome),
    };
    let round = if is_path { height / 2.0 } else { 5.0 };
    let rect = |shift: f64| {
        format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round:.1}\" fill=\"{fill}\" stroke=\"{stroke}\"/>",
            x + shift,
            y + shift
        )
    };
    // Several stages look like a pile of them.
    let pile = if shape.count.is_some() { rect(4.0) } else { String::new() };
    let _ = write!(text, "<g><title>{}</title>{pile}{}", escaped(&shape.title), rect(0.0));
    let (middle, name) = (x + width / 2.0, escaped(&shape.text));
    if is_path {
        let below = y + height / 2.0 + 4.0;
        let _ =
            write!(text, "<text x=\"{middle:.1}\" y=\"{below:.1}\" font-size=\"11\" fill=\"#5a6675\">{name}</text>");
    } else {
        let _ = write!(
            text,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\" fill=\"#1f2733\">{name}</text>",
            y + 18.0
        );
    }
    for (at, line) in shape.details.iter().enumerate() {
        let below = y + 33.0 + LINE_HEIGHT * at as f64;
        let line = escaped(line);
        let _ =
            write!(text, "<text x=\"{middle:.1}\" y=\"{below:.1}\" font-size=\"11\" fill=\"#5a6675\">{line}</text>");
    }
    text.push_str("</g>\n");
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
            word(*outcome)
        );
    }
}

/// From the outcome that needs no attention to the one that needs it most.
const OUTCOMES: [StageOutcome; 7] = [
    StageOutcome::Skipped,
    StageOutcome::Hit,
    StageOutcome::Restored,
    StageOutcome::Ran,
    StageOutcome::Blocked,
    StageOutcome::Interrupted,
    StageOutcome::Failed,
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
    let letters = |text: &str| text.chars().count() as f64;
    if shape.details.is_empty() {
        return (letters(&shape.text) * SMALL_LETTER + 22.0, PATH_HEIGHT);
    }
    let below = shape.details.iter().map(|line| letters(line) * SMALL_LETTER).fold(0.0, f64::max);
    let height = STAGE_HEIGHT + LINE_HEIGHT * (shape.details.len() - 1) as f64;
    ((letters(&shape.text) * LETTER).max(below) + 24.0, height)
}

/// A curve through the points that leaves and enters each of them in the direction of the layers.
fn curve(points: &[(f64, f64)], direction: Direction) -> String {
    let (x, y) = points[0];
    let mut text = format!("M{:.1} {:.1}", x + MARGIN, y + MARGIN);
    for pair in points.windows(2) {
        let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
        let (leave, enter) = match direction {
            Direction::Right => ((ax + (bx - ax) / 2.0, ay), (bx - (bx - ax) / 2.0, by)),
            Direction::Down => ((ax, ay + (by - ay) / 2.0), (bx, by - (by - ay) / 2.0)),
        };
        let _ = write!(
            text,
            " C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            leave.0 + MARGIN,
            leave.1 + MARGIN,
            enter.0 + MARGIN,
            enter.1 + MARGIN,
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
