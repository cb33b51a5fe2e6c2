//! The synthetic clock: when each scan of a host ran, and which of them lie in one boot.
//!
//! No wall clock: times are a function of the seed. A reboot between two scans changes every pid and inode.

use crate::stream::{Purpose, Streams};

/// 2026-01-05T00:00:00Z.
const BEGIN: u64 = 1_767_571_200;
const DAY: u64 = 86_400;
/// Share of the intervals between scans, per mille, with a reboot in them.
const REBOOTS: u32 = 250;

/// One scan in a host's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds since 1970.
    pub started_at: u64,
    /// How long the scan took.
    pub duration_ms: u32,
    /// The first scan of the same boot.
    pub boot: u32,
}

/// The moments of a host's scans, in order.
pub(crate) fn moments(seed: u64, host: u32, scans: u32) -> Vec<Moment> {
    let streams = Streams::new(seed, Purpose::Clock, host);
    let mut at = BEGIN + u64::from(streams.at(u64::MAX).below(DAY as u32));
    let mut boot = 0;
    let mut all = Vec::with_capacity(scans as usize);
    for scan in 0..scans {
        let mut draw = streams.at(u64::from(scan));
        if scan > 0 {
            at += DAY - 1800 + u64::from(draw.below(3600));
            if draw.chance(REBOOTS) {
                boot = scan;
            }
        }
        all.push(Moment { started_at: at, duration_ms: draw.between([900, 4200]), boot });
    }
    all
}

/// A time as the scanner writes it: ISO 8601, UTC, whole seconds.
pub(crate) fn iso(seconds: u64) -> String {
    let (days, rest) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day since 1970, by the era arithmetic of Howard Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_the_scanner_writes_them() {
        // date -u -d @N +%FT%TZ
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(iso(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(iso(BEGIN), "2026-01-05T00:00:00Z");
        assert_eq!(iso(4_102_444_799), "2099-12-31T23:59:59Z");
    }

    #[test]
    fn scans_follow_each_other_and_some_hosts_reboot_between_them() {
        let hosts: Vec<_> = (0..50).map(|host| moments(1, host, 6)).collect();
        assert!(hosts.iter().all(|all| all.windows(2).all(|m| m[0].started_at + DAY / 2 < m[1].started_at)));
        assert!(hosts.iter().all(|all| all.iter().zip(0..).all(|(m, scan)| m.boot <= scan)));
        let reboots: usize = hosts.iter().map(|all| all.windows(2).filter(|m| m[0].boot != m[1].boot).count()).sum();
        assert!((30..100).contains(&reboots), "{reboots} of 250");
    }
}
