//! The loss over the steps of training: a line for training, dots for validation.

use std::fmt::Write;

use formats::history::{EvaluationPoint, History, StepPoint};

use super::axis::Axis;
use super::format::{figure, tick as label};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 48.0;
const BOTTOM: f64 = 230.0;

/// Points of the line at most: more than this cannot be told apart.
const POINTS: usize = 240;

/// The picture, when there is anything to show.
pub(super) fn svg(history: &History) -> Option<String> {
    let last = history.steps.last()?;
    let highest = history.steps.iter().map(|point| point.loss);
    let highest = highest.chain(history.evaluations.iter().map(|point| point.loss)).fold(0.0, f64::max);
    let x = Axis::new((0.0, last.step as f64), (LEFT, WIDTH - 20.0));
    let y = Axis::new((0.0, highest), (BOTTOM, 12.0));
    let validation =
        history.evaluations.last().map_or(String::new(), |point| format!(", validation {}", figure(point.loss)));
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"loss-title loss-text\">\n\
         <title id=\"loss-title\">Loss over training</title>\n\
         <desc id=\"loss-text\">From {} to {} in {} steps{validation}.</desc>\n",
        figure(history.steps[0].loss),
        figure(last.loss),
        last.step,
    );
    for tick in y.ticks(5) {
        let place = y.place(tick);
        // Writing into a string cannot fail.
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{place:.1}\" y2=\"{place:.1}\"/><text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            place + 4.0,
            label(tick)
        );
    }
    for tick in x.ticks(8) {
        let _ = writeln!(
            out,
            "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>",
            x.place(tick),
            BOTTOM + 18.0
        );
    }
    let line: Vec<String> = thinned(&history.steps)
        .into_iter()
        .map(|(step, loss)| format!("{:.1},{:.1}", x.place(step), y.place(loss)))
        .collect();
    let _ =
        writeln!(out, "<polyline class=\"a\" fill=\"none\" stroke=\"currentColor\" points=\"{}\"/>", line.join(" "));
    for EvaluationPoint { step, loss } in &history.evaluations {
        let _ = writeln!(
            out,
            "<circle class=\"dot\" r=\"3.5\" cx=\"{:.1}\" cy=\"{:.1}\"/>",
            x.place(*step as f64),
            y.place(*loss)
        );
    }
    out.push_str("</svg>\n");
    Some(out)
}

/// Neighbouring steps merged into their mean until few enough are left.
fn thinned(steps: &[StepPoint]) -> Vec<(f64, f64)> {
    let share = steps.len().div_ceil(POINTS).max(1);
    let mean = |points: &[StepPoint]| {
        let count = points.len() as f64;
        let sum = points.iter().fold((0.0, 0.0), |(a, b), point| (a + point.step as f64, b + point.loss));
        (sum.0 / count, sum.1 / count)
    };
    steps.chunks(share).map(mean).collect()
}
