//! The params of `verify`: thresholds by check, and what a failure does.

use dataset::TIED_HOSTS;
use findings::SUSPECT_AT;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::CheckName;

/// Params of `verify`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerifyParams {
    /// What each check lets pass. Of checks that count: violations per thing looked at that are only a warning.
    pub thresholds: Thresholds,
    /// What some checks warn of and let pass.
    pub warn_beyond: WarnBeyond,
    /// The lowest quality score that passes.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_quality: f64,
    /// Hosts whose reports fed the tables of `produce`; simulated findings are not compared with theirs.
    pub fed_tables: Vec<String>,
    /// The `suspect_at` that `correlate` had: findings of clusters from this suspicion on are suspected, and no others.
    #[schemars(range(min = 1, max = 100))]
    pub suspect_at: u8,
    /// So many hosts that share a correlation, or fewer, must be in one split; what more share ties nothing.
    #[schemars(range(min = 1))]
    pub tied_hosts: u32,
    /// What a failed check does to the pipeline.
    pub on_failed: OnFailed,
}

impl Default for VerifyParams {
    fn default() -> VerifyParams {
        VerifyParams {
            thresholds: Thresholds::default(),
            warn_beyond: WarnBeyond::default(),
            min_quality: 0.8,
            // The host of the report in pipelines/data/reports.
            fed_tables: vec!["host-a".to_owned()],
            suspect_at: SUSPECT_AT,
            tied_hosts: TIED_HOSTS as u32,
            on_failed: OnFailed::default(),
        }
    }
}

/// What a failed check does to the pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailed {
    /// The stage fails, and what depends on it does not run.
    #[default]
    Stop,
    /// The report says so, and the pipeline goes on.
    Report,
}

/// What each check lets pass.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the names of the checks")]
pub struct Thresholds {
    #[schemars(range(min = 0.0, max = 1.0))]
    pub schema: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub coverage: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duplicates: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub references: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub correlations: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub scores: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub severity_rules: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub formats: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub times: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub history: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub integrity: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub profile: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub marginals: f64,
    /// The highest area under the curve of any scanner. 1 only reports it: one real host is no fleet.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub realism: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub label_conflicts: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub truth: f64,
    /// The upper 95 % bound of the area under the curve over all scanners.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub leakage: f64,
    /// The share of the prompts of validation and test, of the task that has most, that nearly are prompts of training.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub near_duplicates: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub split_leakage: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub techniques: f64,
    /// The share of the technique that most answers bear, of those that bear any.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub technique_share: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub actions: f64,
    /// By how much the share of summaries that most misses its limit may miss it with the whole of its 95 % interval. 1 only reports it.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub summaries: f64,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds {
            schema: 0.0,
            coverage: 0.0,
            duplicates: 0.0,
            references: 0.0,
            correlations: 0.0,
            scores: 0.0,
            severity_rules: 0.0,
            formats: 0.0,
            times: 0.0,
            history: 0.0,
            integrity: 0.0,
            profile: 0.0,
            marginals: 0.0,
            realism: 1.0,
            label_conflicts: 0.0,
            truth: 0.0,
            leakage: 0.6,
            near_duplicates: 1.0,
            split_leakage: 0.0,
            techniques: 0.0,
            technique_share: 0.5,
            actions: 0.0,
            summaries: 0.0,
        }
    }
}

/// Figures of parts that only warn: of a scanner, of a task. Its whole 95 % interval must lie beyond, so that chance warns of nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WarnBeyond {
    /// The area under the curve of a scanner. 1 warns of nothing.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub realism: f64,
    /// The share of a task's prompts of validation and test that nearly are prompts of training. 1 warns of nothing.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub near_duplicates: f64,
}

impl Default for WarnBeyond {
    fn default() -> WarnBeyond {
        WarnBeyond {
            // Four of five pairs of a real and a simulated finding told apart.
            realism: 0.8,
            // More is known from training than is new.
            near_duplicates: 0.5,
        }
    }
}

impl VerifyParams {
    /// The figure of a part beyond which a check warns, for those that have one.
    pub fn warn_beyond(&self, check: CheckName) -> Option<f64> {
        match check {
            CheckName::Realism => Some(self.warn_beyond.realism),
            CheckName::NearDuplicates => Some(self.warn_beyond.near_duplicates),
            _ => None,
        }
    }

    /// The threshold of a check.
    pub fn threshold(&self, check: CheckName) -> f64 {
        let thresholds = &self.thresholds;
        match check {
            CheckName::Schema => thresholds.schema,
            CheckName::Coverage => thresholds.coverage,
            CheckName::Duplicates => thresholds.duplicates,
            CheckName::References => thresholds.references,
            CheckName::Correlations => thresholds.correlations,
            CheckName::Scores => thresholds.scores,
            CheckName::SeverityRules => thresholds.severity_rules,
            CheckName::Formats => thresholds.formats,
            CheckName::Times => thresholds.times,
            CheckName::History => thresholds.history,
            CheckName::Integrity => thresholds.integrity,
            CheckName::Profile => thresholds.profile,
            CheckName::Marginals => thresholds.marginals,
            CheckName::Realism => thresholds.realism,
            CheckName::LabelConflicts => thresholds.label_conflicts,
            CheckName::Truth => thresholds.truth,
            CheckName::Leakage => thresholds.leakage,
            CheckName::NearDuplicates => thresholds.near_duplicates,
            CheckName::SplitLeakage => thresholds.split_leakage,
            CheckName::Techniques => thresholds.techniques,
            CheckName::TechniqueShare => thresholds.technique_share,
            CheckName::Actions => thresholds.actions,
            CheckName::Summaries => thresholds.summaries,
            CheckName::Quality => self.min_quality,
        }
    }
}
