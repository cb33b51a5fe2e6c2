//! `manifest.json` of the artifact: figures of each split.

use std::collections::BTreeMap;

use dataset::Split;
use serde::{Deserialize, Serialize};
use statistics::quantile::nearest_rank;

/// `manifest.json`: what lies in the artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Tokens in the vocabulary; may be below the param when the text has no more pairs to merge.
    pub vocab_size: usize,
    /// The param.
    pub max_length: u32,
    /// Figures of each split.
    pub splits: BTreeMap<Split, SplitFigures>,
}

/// Figures of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitFigures {
    /// Lines in the dataset.
    pub lines: usize,
    /// Examples encoded.
    pub examples: usize,
    /// Examples whose question was cut to fit.
    pub truncated: usize,
    /// Lines left out because the answer alone does not fit.
    pub dropped: usize,
    /// Tokens.
    pub tokens: usize,
    /// Tokens to be learned.
    pub targets: usize,
    /// Example lengths in tokens.
    pub lengths: Lengths,
    /// UTF-8 bytes of the messages for each token of theirs.
    pub bytes_per_token: f64,
}

/// Quantiles of example lengths in tokens, by nearest rank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lengths {
    /// Shortest.
    pub min: usize,
    /// Median.
    pub p50: usize,
    /// Nine tenths are no longer.
    pub p90: usize,
    /// 99 of 100 are no longer.
    pub p99: usize,
    /// Longest.
    pub max: usize,
}

impl Lengths {
    /// Of ascending `lengths`; zeros where there are none.
    pub fn of(lengths: &[usize]) -> Lengths {
        let rank = |percent: usize| nearest_rank(lengths, percent).unwrap_or(0);
        Lengths { min: rank(0), p50: rank(50), p90: rank(90), p99: rank(99), max: rank(100) }
    }
}
