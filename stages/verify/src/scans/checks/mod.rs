//! The checks that look at one scan at a time, one file each.

mod correlations;
mod coverage;
mod duplicates;
mod formats;
pub(super) mod history;
mod profile;
mod references;
mod schema;
mod scores;
mod severity_rules;
mod suspicion;
pub(super) mod times;

use crate::check::CheckName;
use crate::scans::view::Check;

/// Those of every scan.
pub(super) const OF_EVERY_SCAN: [(CheckName, Check); 10] = [
    (CheckName::Schema, schema::check),
    (CheckName::Coverage, coverage::check),
    (CheckName::Duplicates, duplicates::check),
    (CheckName::References, references::check),
    (CheckName::Correlations, correlations::check),
    (CheckName::Scores, scores::check),
    (CheckName::SeverityRules, severity_rules::check),
    (CheckName::Formats, formats::check),
    (CheckName::Times, times::check),
    (CheckName::History, history::check),
];

/// That of simulated ones.
pub(super) const OF_SIMULATED: (CheckName, Check) = (CheckName::Profile, profile::check);
