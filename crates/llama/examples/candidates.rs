//! The tokens that may be drawn of some logits, as JSON: tests/reference/check_sampling.py holds them against transformers.
//!
//!     cargo run -p llama --example candidates < cases.json
//!
//! `cases.json` is a list of `{"logits": [..], "temperature": 1.0, "top_k": null, "top_p": null}`; a logit of null is minus infinity. The
//! output has, for each, a list of `[token, probability]`.

use std::error::Error;
use std::io::Write;
use std::num::NonZeroU32;

use llama::Sampling;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    logits: Vec<Option<f32>>,
    temperature: f64,
    top_k: Option<NonZeroU32>,
    top_p: Option<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let cases: Vec<Case> = serde_json::from_reader(std::io::stdin())?;
    let of = |Case { logits, temperature, top_k, top_p }: Case| {
        let logits: Vec<f32> = logits.into_iter().map(|logit| logit.unwrap_or(f32::NEG_INFINITY)).collect();
        let candidates = Sampling { temperature, top_k, top_p }.candidates(&logits);
        candidates.iter().map(|candidate| (candidate.token, candidate.probability)).collect::<Vec<_>>()
    };
    let candidates: Vec<_> = cases.into_iter().map(of).collect();
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(&candidates)?)?)
}
