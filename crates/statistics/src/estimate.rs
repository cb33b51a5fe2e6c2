//! A figure with its interval.

use serde::{Deserialize, Serialize};

/// A figure with its interval, which is a 95 % one unless its function says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end: of 95 % intervals, 2.5 % of resamples lie below.
    pub low: f64,
    /// Upper end: of 95 % intervals, 2.5 % of resamples lie above.
    pub high: f64,
}
