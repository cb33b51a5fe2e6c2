//! How both models foresee text, and how far quantization moves their distributions: in domain and out of it.

use super::format::{bytes, estimate, figure, percent};
use super::html::{Table, escape};
use crate::metrics::{Likelihood, Metrics};

/// The section.
pub(super) fn section(metrics: &Metrics) -> String {
    format!("<h2>Likelihood and divergence</h2>\n{}{}{}", likelihoods(metrics), drift(metrics), sizes(metrics))
}

fn likelihoods(metrics: &Metrics) -> String {
    let Metrics { original, quantized, out_of_domain, examples, .. } = metrics;
    let mut table = Table::new(&format!("{examples} test examples"), &["", "Original", "Quantized"]);
    let mut rows = |name: &str, sides: [&Likelihood; 2]| {
        table.row(&format!("Perplexity, {name}"), sides.map(|side| estimate(&side.perplexity, figure)));
        table.row(&format!("Bits per byte, {name}"), sides.map(|side| figure(side.bits_per_byte)));
    };
    rows("answers", [&original.likelihood.answers, &quantized.likelihood.answers]);
    rows("all tokens", [&original.likelihood.all, &quantized.likelihood.all]);
    rows("out of domain", [&out_of_domain.original, &out_of_domain.quantized]);
    format!("{}<p class=\"note\">Out of domain: {}.</p>\n", table.markup(), escape(&out_of_domain.text))
}

fn drift(metrics: &Metrics) -> String {
    let sides = [&metrics.drift.answers, &metrics.drift.all, &metrics.out_of_domain.drift];
    let head = ["Divergence (KL, nats)", "Answers", "All tokens", "Out of domain"];
    let mut table = Table::new("Next-token distributions of both models, token by token", &head);
    table.row("Mean", sides.map(|side| figure(side.kl_mean)));
    table.row("Median", sides.map(|side| figure(side.kl_p50)));
    table.row("99th percentile", sides.map(|side| figure(side.kl_p99)));
    table.row("Largest", sides.map(|side| figure(side.kl_max)));
    table.row("Same favourite", sides.map(|side| percent(side.top1_agreement)));
    table.row("Tokens", sides.map(|side| side.tokens.to_string()));
    table.markup()
}

fn sizes(metrics: &Metrics) -> String {
    let sizes = &metrics.sizes;
    let mut table = Table::new("Bytes on disk", &["", "Original", "Quantized"]);
    table.row("Weights", [bytes(sizes.original), bytes(sizes.gptq)]);
    if let Some(gguf) = sizes.gguf {
        table.row("Weights as GGUF", ["-".to_owned(), bytes(gguf)]);
    }
    table.markup()
}
