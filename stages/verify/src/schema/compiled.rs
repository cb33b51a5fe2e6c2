//! A compiled schema, and what is wrong with a text.

use std::sync::LazyLock;

use serde_json::Value;

use super::node::Node;
use super::path::Path;
use super::walk::Walk;

/// `schemas/ground_truth_schema.json`.
pub static GROUND_TRUTH: LazyLock<Schema> =
    LazyLock::new(|| Schema::embedded(include_str!("../../../../schemas/ground_truth_schema.json")));

/// `schemas/scanner/v2.json`.
pub static SCANNER_REPORT: LazyLock<Schema> =
    LazyLock::new(|| Schema::embedded(include_str!("../../../../schemas/scanner/v2.json")));

/// A compiled schema.
#[derive(Debug)]
pub struct Schema(Node);

/// A value that is not as the schema wants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mismatch {
    /// JSON pointer (RFC 6901) to the value; empty = the document.
    pub pointer: String,
    /// The defect.
    pub message: String,
}

impl Schema {
    /// Reads a schema. An error names the keyword that is not understood.
    pub fn compile(schema: &Value) -> Result<Schema, String> {
        Node::compile(schema).map(Schema)
    }

    fn embedded(text: &str) -> Schema {
        let schema: Value = serde_json::from_str(text).expect("an embedded schema is JSON");
        Schema::compile(&schema).unwrap_or_else(|error| panic!("an embedded schema compiles: {error}"))
    }

    /// Everything that is wrong with a JSON text. Text that is no JSON is one mismatch of the document.
    pub fn mismatches(&self, text: &str) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let mut reader = serde_json::Deserializer::from_str(text);
        let walk = Walk { node: &self.0, path: Path::ROOT, found: &mut found };
        let walked = serde::de::DeserializeSeed::deserialize(walk, &mut reader).and_then(|()| reader.end());
        if let Err(error) = walked {
            found.push(Mismatch { pointer: String::new(), message: format!("no JSON: {error}") });
        }
        found
    }
}
