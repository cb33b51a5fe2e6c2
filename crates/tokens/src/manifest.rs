//! `manifest.json` of the artifact: its special tokens, and figures of each split.

use std::collections::BTreeMap;
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use dataset::Split;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statistics::quantile::nearest_rank;

use crate::template::Special;

/// Which answers of a conversation are learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Learn {
    /// All of them.
    #[default]
    All,
    /// The last one.
    Last,
}

/// `manifest.json`: what lies in the artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Tokens in the vocabulary: of a base, rows of its embedding; of a trained tokenizer, perhaps fewer than the param, where the text has
    /// no more pairs to merge.
    pub vocab_size: usize,
    /// Opens a sequence; `None` where the vocabulary has no token for it.
    #[serde(default = "trained_bos")]
    pub bos: Option<u32>,
    /// Each of them ends an answer. The first is the one that the chat template writes.
    #[serde(default = "trained_stop")]
    pub stop: Vec<u32>,
    /// Fills a batch.
    #[serde(default = "trained_pad")]
    pub pad: u32,
    /// The param.
    #[serde(default)]
    pub learn: Learn,
    /// The param.
    pub max_length: u32,
    /// Figures of each split.
    pub splits: BTreeMap<Split, SplitFigures>,
}

// Artifacts of earlier versions name no special tokens: those of `Special` were the only ones.

fn trained_bos() -> Option<u32> {
    Some(Special::BeginOfText.id())
}

fn trained_stop() -> Vec<u32> {
    vec![Special::EndOfTurn.id()]
}

fn trained_pad() -> u32 {
    Special::Pad.id()
}

impl Manifest {
    /// Reads the manifest of the artifact in `directory`.
    pub fn load(directory: &Path) -> Result<Manifest, StageError> {
        let path = directory.join("manifest.json");
        let bytes = std::fs::read(&path).at(&path)?;
        serde_json::from_slice(&bytes).map_err(|e| StageError::invalid_input(format!("{}: {e}", path.display())))
    }
}

/// Figures of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitFigures {
    /// Lines in the dataset.
    pub lines: usize,
    /// Examples encoded.
    pub examples: usize,
    /// Examples whose question was cut to fit. `cut.jsonl` has their lines.
    pub truncated: usize,
    /// Lines left out because they do not fit without their last question either. `cut.jsonl` has them too.
    pub dropped: usize,
    /// Tokens.
    pub tokens: usize,
    /// Tokens to be learned.
    pub targets: usize,
    /// Example lengths in tokens.
    pub lengths: Lengths,
    /// The lengths of all lines in tokens before any was cut.
    #[serde(default)]
    pub uncut: Lengths,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_an_earlier_version_has_the_tokens_of_then() {
        let text = r#"{"vocab_size": 400, "max_length": 256, "splits": {}}"#;
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert_eq!((manifest.bos, manifest.stop, manifest.pad), (Some(0), vec![3], 4));
    }
}
