//! The lines of the artifacts `findings` and `correlations`: JSON, one object a line, sorted by host and scan.
//!
//! Optional fields are left out, never null. Host and scan come first, so that a reader can group lines without parsing them.

use scan::{Metadata, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::category::Category;
use crate::exact::exact;
use crate::prevalence::Prevalence;
use crate::risk::Profile;

/// From this suspicion on a cluster is called an attack, unless a pipeline says otherwise.
pub const SUSPECT_AT: u8 = 45;

/// A finding with everything that was computed about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrichedFinding {
    /// The host.
    pub host: String,
    /// Place in the host's history, from 0.
    pub scan: u32,
    /// The scanner.
    pub scanner: String,
    /// As the scanner wrote it.
    pub id: String,
    /// Unique within host and scan: `id`, or `id#2` for its second use; `x#2#1` where the scanner wrote `x#2` beside an `x`.
    pub document_id: String,
    /// As the scanner wrote it.
    pub title: String,
    /// As the scanner wrote it; `error` becomes `info` with `operational_error`. In profile `agent` its policy may have raised it.
    pub severity: Severity,
    /// As the scanner wrote it, where the agent's policy raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_before_policy: Option<Severity>,
    /// The scanner itself failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub operational_error: bool,
    /// As the scanner wrote it.
    pub base_severity_score: u8,
    /// As the scanner wrote it.
    pub description: String,
    /// As the scanner wrote it.
    pub metadata: Metadata,
    /// The v3 category.
    pub category: Category,
    /// Sorted.
    #[serde(deserialize_with = "exact")]
    pub tags: Vec<String>,
    /// The profile that the risk was computed in.
    pub risk_profile: Profile,
    /// 0..=100, by the formula.
    pub risk_score: u8,
    /// With what the correlations add, at most 100.
    pub risk_total: u8,
    /// The parts, each 0..=1.
    pub risk_subscores: Subscores,
    /// 0..=1.
    pub probability_actionable: f64,
    /// Whether the profile's baseline knows it.
    pub baseline_status: BaselineStatus,
    /// How many earlier scans hold it.
    pub sightings: u32,
    /// How often the agent's baseline counted it before, in profile `agent`: under the agent's own key, and every occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_count: Option<u32>,
    /// How many earlier scans there are.
    pub earlier_scans: u32,
    /// On how many hosts what it names is, where there are enough hosts to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prevalence: Option<Prevalence>,
    /// Whether the host is a real one, whose report `ingest` took in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub real: bool,
    /// The host's role.
    pub host_role: String,
    /// Why.
    pub host_role_rationale: String,
    /// Whether the host is a container, where the scan shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<bool>,
    /// ATT&CK techniques that it shows by itself, sorted.
    #[serde(deserialize_with = "exact")]
    pub techniques: Vec<String>,
    /// Further techniques that a finding of a suspected cluster may be a sign of, sorted: questions for an analyst and no labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "exact")]
    pub suspected_techniques: Vec<String>,
    /// Ids of correlations that name it, sorted.
    #[serde(deserialize_with = "exact")]
    pub correlation_refs: Vec<String>,
    /// In how many correlations it is.
    pub graph_degree: u32,
    /// The cluster it is in, where it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// How suspicious that cluster is, 0..=100: the points of every rule that speaks of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_suspicion: Option<u8>,
    /// The cluster is suspicious enough to be called an attack.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspected: bool,
}

impl EnrichedFinding {
    /// The severity as the scanner wrote it.
    pub fn stated_severity(&self) -> Severity {
        let unraised = if self.operational_error { Severity::Error } else { self.severity };
        self.severity_before_policy.unwrap_or(unraised)
    }

    /// How often the profile's baseline has seen it before, which its anomaly follows from.
    pub fn seen_before(&self) -> u32 {
        self.baseline_count.unwrap_or(self.sightings)
    }
}

/// The parts of a risk score, each as a share of its cap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscores {
    /// Severity and category.
    pub impact: f64,
    /// What is reachable.
    pub exposure: f64,
    /// How unusual it is for the host.
    pub anomaly: f64,
    /// How sure the scanner can be.
    pub confidence: f64,
}

/// Whether the host's earlier scans hold a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaselineStatus {
    /// None does.
    New,
    /// At least one does.
    Existing,
    /// There is no history to ask. Read from elsewhere; never written here.
    Unknown,
}

/// What a rule joined, as one host and scan has part in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correlation {
    /// The host.
    pub host: String,
    /// The scan.
    pub scan: u32,
    /// Unique within host and scan. A correlation across hosts has the same id on each.
    pub id: String,
    /// The rule.
    pub rule: String,
    /// For people and the model.
    pub title: String,
    /// What was joined.
    pub rationale: String,
    /// `document_id`s of this host and scan.
    #[serde(deserialize_with = "exact")]
    pub related_finding_ids: Vec<String>,
    /// How many were joined, also beyond those named.
    pub member_count: u32,
    /// The cluster that its members are in; those of a weak link may be in several or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Points of risk that it adds to its members.
    pub risk_score_delta: u8,
    /// Its severity.
    pub severity: Severity,
    /// Tags.
    #[serde(deserialize_with = "exact")]
    pub tags: Vec<String>,
    /// What is exposed.
    #[serde(deserialize_with = "exact")]
    pub exposure_tags: Vec<String>,
    /// ATT&CK techniques that the named findings show.
    #[serde(deserialize_with = "exact")]
    pub techniques: Vec<String>,
    /// All hosts that share it, where hosts were compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "exact")]
    pub hosts: Vec<String>,
}
