//! `when:` of a stage, parsed: a boolean expression over params and the metrics of other stages.

/// What a `when:` says, without its `${ }`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Condition {
    /// As written.
    pub text: String,
}
