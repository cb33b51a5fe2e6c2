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
        all.push(Moment { started_at: at, boot });
    }
    all
}

/// A time as the scanner writes it: ISO 8601, UTC, whole seconds. A time beyond the calendar of the library is its last moment.
pub(crate) fn iso(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
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
