//! Artifact types: few and named, so that a wrong wire is found before anything runs.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a port carries. A type says what the bytes mean; `Form` says whether they lie in a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// A directory of scanner reports (`v2.json`), one file a host and scan.
    Scans,
    /// Enriched findings: JSON lines.
    Findings,
    /// The hidden truth of simulated scans: JSON lines.
    Truth,
    /// Correlations between findings: JSON lines.
    Correlations,
    /// A directory of ground-truth documents (`ground_truth_schema.json`).
    Documents,
    /// A directory of chat-form JSONL splits with a manifest.
    Dataset,
    /// A directory with a tokenizer and encoded splits.
    Tokens,
    /// A Hugging Face model directory.
    HfModel,
    /// A Hugging Face model directory with GPTQ safetensors.
    GptqModel,
    /// One GGUF file.
    Gguf,
    /// One JSON document of figures.
    Metrics,
    /// One self-contained HTML page.
    Report,
    /// Any file.
    File,
    /// Any directory.
    Dir,
}

/// How an artifact lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One regular file.
    File,
    /// A directory.
    Dir,
}

impl Type {
    /// Every type, for messages and schemas.
    pub const ALL: [Type; 14] = [
        Type::Scans,
        Type::Findings,
        Type::Truth,
        Type::Correlations,
        Type::Documents,
        Type::Dataset,
        Type::Tokens,
        Type::HfModel,
        Type::GptqModel,
        Type::Gguf,
        Type::Metrics,
        Type::Report,
        Type::File,
        Type::Dir,
    ];

    /// Whether an artifact of this type is a file or a directory.
    pub fn form(self) -> Form {
        match self {
            Type::Findings
            | Type::Truth
            | Type::Correlations
            | Type::Gguf
            | Type::Metrics
            | Type::Report
            | Type::File => Form::File,
            Type::Scans
            | Type::Documents
            | Type::Dataset
            | Type::Tokens
            | Type::HfModel
            | Type::GptqModel
            | Type::Dir => Form::Dir,
        }
    }

    /// Whether an artifact of this type may be wired into a port of type `port`: the same type, or the untyped form of it.
    pub fn fits(self, port: Type) -> bool {
        self == port
            || match port {
                Type::File => self.form() == Form::File,
                Type::Dir => self.form() == Form::Dir,
                _ => false,
            }
    }

    /// What the name of such a file in the workspace ends with, so that other programs know what it is.
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Type::Findings | Type::Truth | Type::Correlations => Some("jsonl"),
            Type::Metrics => Some("json"),
            Type::Report => Some("html"),
            Type::Gguf => Some("gguf"),
            Type::File => None,
            Type::Scans
            | Type::Documents
            | Type::Dataset
            | Type::Tokens
            | Type::HfModel
            | Type::GptqModel
            | Type::Dir => None,
        }
    }

    /// The name as written in cards.
    pub fn name(self) -> &'static str {
        match self {
            Type::Scans => "scans",
            Type::Findings => "findings",
            Type::Truth => "truth",
            Type::Correlations => "correlations",
            Type::Documents => "documents",
            Type::Dataset => "dataset",
            Type::Tokens => "tokens",
            Type::HfModel => "hf-model",
            Type::GptqModel => "gptq-model",
            Type::Gguf => "gguf",
            Type::Metrics => "metrics",
            Type::Report => "report",
            Type::File => "file",
            Type::Dir => "dir",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Type {
    type Err = ();

    fn from_str(text: &str) -> Result<Type, ()> {
        Type::ALL.into_iter().find(|t| t.name() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_names_are_the_printed_names() {
        for t in Type::ALL {
            assert_eq!(serde_json::to_value(t).unwrap(), t.name());
            assert_eq!(t.name().parse(), Ok(t));
        }
    }

    #[test]
    fn a_typed_artifact_fits_its_own_port_and_the_untyped_one_of_its_form() {
        assert!(Type::Scans.fits(Type::Scans));
        assert!(Type::Scans.fits(Type::Dir));
        assert!(!Type::Scans.fits(Type::File));
        assert!(!Type::Dir.fits(Type::Scans));
    }
}
