//! The error of every quantized linear: a bar for GPTQ, and behind it one for round-to-nearest.

use std::fmt::Write;

use formats::LayerReport;

use super::axis::Axis;
use super::format::percent;
use super::html::escape;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 190.0;
const ROW: f64 = 16.0;
const TOP: f64 = 22.0;

/// The picture, when there is anything to show.
pub(super) fn svg(layers: &[LayerReport]) -> Option<String> {
    let worst = layers.iter().max_by(|a, b| a.relative_error.total_cmp(&b.relative_error))?;
    let widest = layers.iter().map(|layer| layer.relative_error.max(layer.nearest_relative_error)).fold(0.0, f64::max);
    let x = Axis::new((0.0, widest), (LEFT, WIDTH - 20.0));
    let height = TOP + ROW * layers.len() as f64 + 8.0;
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"layers-title layers-text\">\n\
         <title id=\"layers-title\">Relative error of each layer</title>\n\
         <desc id=\"layers-text\">The worst of {} layers is {} with {}; round-to-nearest gives {} there.</desc>\n",
        layers.len(),
        escape(&short(&worst.module)),
        percent(worst.relative_error),
        percent(worst.nearest_relative_error),
    );
    for tick in x.ticks(5) {
        let place = x.place(tick);
        // Writing into a string cannot fail.
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"{TOP}\" y2=\"{height}\"/><text class=\"soft\" x=\"{place:.1}\" y=\"14\" text-anchor=\"middle\">{}</text>",
            percent(tick)
        );
    }
    for (row, layer) in layers.iter().enumerate() {
        let y = TOP + ROW * row as f64 + 3.0;
        let width = |error: f64| x.place(error) - LEFT;
        let _ = writeln!(
            out,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><rect class=\"bar-b\" fill-opacity=\"0.4\" x=\"{LEFT}\" y=\"{y:.1}\" height=\"11\" width=\"{:.1}\"/><rect class=\"bar-a\" x=\"{LEFT}\" y=\"{:.1}\" height=\"5\" width=\"{:.1}\"/>",
            LEFT - 6.0,
            y + 10.0,
            escape(&short(&layer.module)),
            width(layer.nearest_relative_error),
            y + 3.0,
            width(layer.relative_error),
        );
    }
    out.push_str("</svg>\n");
    Some(out)
}

/// `model.layers.0.self_attn.q_proj` as `0 self_attn.q_proj`.
fn short(module: &str) -> String {
    module.trim_start_matches("model.layers.").replacen('.', " ", 1)
}
