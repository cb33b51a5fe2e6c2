//! Answered severities against true ones.

use std::fmt::Write;

use crate::confusion::Confusion;

const CELL: f64 = 60.0;
const LEFT: f64 = 76.0;
const TOP: f64 = 40.0;

/// The picture; `name` tells it from others on the page.
pub(super) fn svg(confusion: &Confusion, name: &str) -> String {
    let labels: Vec<&str> = confusion.labels.iter().map(|label| label.name()).collect();
    let (width, height) = (LEFT + CELL * (labels.len() + 1) as f64, TOP + CELL * labels.len() as f64);
    let right: usize = (0..labels.len()).map(|i| confusion.counts[i][i]).sum();
    let all: usize = confusion.counts.iter().flatten().sum();
    let mut out = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-text\">\n\
         <title id=\"{name}-title\">Severities answered by the {name} model</title>\n\
         <desc id=\"{name}-text\">{right} of {all} are right. Rows are true severities, columns answered ones.</desc>\n",
    );
    for (column, label) in labels.iter().copied().chain(["none"]).enumerate() {
        let x = LEFT + CELL * (column as f64 + 0.5);
        // Writing into a string cannot fail.
        let _ =
            writeln!(out, "<text class=\"soft\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", TOP - 8.0);
    }
    for (row, counts) in confusion.counts.iter().enumerate() {
        let y = TOP + CELL * row as f64;
        let _ = writeln!(
            out,
            "<text class=\"soft\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + CELL / 2.0 + 4.0,
            labels[row]
        );
        let total = counts.iter().sum::<usize>().max(1);
        for (column, &count) in counts.iter().enumerate() {
            let x = LEFT + CELL * column as f64;
            // At most half opaque, so that the count stays readable in both colour schemes.
            let shade = 0.5 * count as f64 / total as f64;
            let _ = writeln!(
                out,
                "<rect class=\"cell\" fill-opacity=\"{shade:.2}\" x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{count}</text>",
                x + CELL / 2.0,
                y + CELL / 2.0 + 4.0
            );
        }
    }
    out.push_str("</svg>\n");
    out
}
