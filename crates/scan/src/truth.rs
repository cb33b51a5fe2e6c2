//! The artifact type `truth`: what each finding of simulated scans really is, one JSON object a line.
//!
//! It exists to score, to gate and to keep the hosts of one chain in one split; no stage that trains or judges may read it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One finding, or one trace that no finding reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TruthLine {
    /// The host's name.
    pub host: String,
    /// The number of the scan, from 0.
    pub scan: u32,
    /// The scanner.
    pub scanner: String,
    /// The finding's id. As in real reports, two findings of a scanner may share one (closed sockets do).
    pub id: String,
    /// The attack chain it belongs to.
    pub chain_id: Option<String>,
    /// The template of the chain or look-alike.
    pub template: Option<String>,
    /// The ATT&CK technique of the chain's step.
    pub technique: Option<String>,
    /// What it is.
    pub role: Role,
    /// Whether the report holds it. Traces of chains and look-alikes that a scan missed, that its scanner cannot see or that
    /// a count cut off are listed too, as not visible.
    pub visible: bool,
}

/// What a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Of an attack.
    Chain,
    /// Harmless, though it looks like one.
    Lookalike,
    /// Harmless.
    Benign,
}
