//! Shares of severities, on the average of many hosts.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::severity::Severity;

/// Findings by severity.
pub type SeverityCounts = BTreeMap<Severity, u64>;

/// Lowest and highest share of each severity, in per mille. A severity without a band does not occur.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Bands(pub(super) BTreeMap<Severity, [u64; 2]>);

/// A share that lies outside its band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The severity.
    pub severity: Severity,
    /// Its share, in per mille, rounded.
    pub share: u64,
    /// Where it should lie.
    pub band: [u64; 2],
}

impl Bands {
    /// The band of a severity.
    pub fn band(&self, severity: Severity) -> [u64; 2] {
        self.0.get(&severity).copied().unwrap_or([0, 0])
    }

    /// The shares that lie outside their bands; nothing of nothing. Findings of scanners that failed do not count.
    pub fn outside(&self, counts: &SeverityCounts) -> Vec<Outside> {
        let count = |severity| counts.get(&severity).copied().unwrap_or(0);
        let severities = Severity::ALL.into_iter().filter(|severity| *severity != Severity::Error);
        let total: u64 = severities.clone().map(count).sum();
        if total == 0 {
            return Vec::new();
        }
        let outside = severities.map(|severity| {
            let share = (2000 * count(severity) + total) / (2 * total);
            Outside { severity, share, band: self.band(severity) }
        });
        outside.filter(|Outside { share, band: [low, high], .. }| !(low..=high).contains(&share)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_outside_its_band_or_without_one_is_told() {
        let bands = Bands(BTreeMap::from([(Severity::Info, [500, 900]), (Severity::Low, [100, 400])]));
        let counts = |info, low, high| {
            SeverityCounts::from([(Severity::Info, info), (Severity::Low, low), (Severity::High, high)])
        };
        assert_eq!(bands.outside(&counts(7, 3, 0)), []);
        assert_eq!(bands.outside(&SeverityCounts::new()), []);
        let outside = bands.outside(&counts(95, 4, 1));
        let told: Vec<_> = outside.iter().map(|o| (o.severity, o.share, o.band)).collect();
        let expected =
            [(Severity::Info, 950, [500, 900]), (Severity::Low, 40, [100, 400]), (Severity::High, 10, [0, 0])];
        assert_eq!(told, expected);
    }
}
