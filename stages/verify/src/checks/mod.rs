//! The checks, one file each. `label_conflicts` compares scans with each other and `truth` looks at another artifact, so
//! both are fed by the stage; the others are functions of one scan.

pub mod coverage;
pub mod duplicates;
pub mod formats;
pub mod history;
pub mod labels;
pub mod references;
pub mod schema;
pub mod scores;
pub mod severity_rules;
pub mod truth;

use crate::check::{Check, CheckName};

/// The checks that look at one scan at a time.
pub const OF_ONE_SCAN: [(CheckName, Check); 8] = [
    (CheckName::Schema, schema::check),
    (CheckName::Coverage, coverage::check),
    (CheckName::Duplicates, duplicates::check),
    (CheckName::References, references::check),
    (CheckName::Scores, scores::check),
    (CheckName::SeverityRules, severity_rules::check),
    (CheckName::Formats, formats::check),
    (CheckName::History, history::check),
];
