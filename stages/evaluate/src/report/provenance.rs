//! What was measured: the inputs by their digests, and the params. The page of one action is the same in every run, so it names no run;
//! `pipe show` and `pipe history` find the runs by these digests.

use serde_json::Value;

use super::html::Table;
use crate::metrics::Metrics;

/// The section.
pub(super) fn section(metrics: &Metrics, params: &Value) -> String {
    let mut inputs = Table::new("Inputs, by digest", &["Port", "Digest"]);
    for (port, digest) in &metrics.inputs {
        inputs.row(port, [format!("<code>{digest}</code>")]);
    }
    let mut table = Table::new("Params", &["Param", "Value"]);
    for (name, value) in params.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        table.row(name, [super::html::escape(&text)]);
    }
    format!("<h2>What was measured</h2>\n{}{}", inputs.markup(), table.markup())
}
