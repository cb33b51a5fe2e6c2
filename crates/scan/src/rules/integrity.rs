//! `integrity`: packages whose files differ, and measurements of the kernel. Only with integrity checks on.

use crate::finding::Finding;
use crate::severity::Severity;

/// The id of the summary, which every scan with integrity checks has.
pub const SUMMARY: &str = "integrity_summary";

/// A file that differs from its package.
pub const MISMATCH: Severity = Severity::Medium;

/// The summary.
pub const fn summary(mismatches: u64, failed_measurements: u64) -> Severity {
    if failed_measurements > 0 {
        Severity::High
    } else if mismatches > 0 {
        Severity::Medium
    } else {
        Severity::Info
    }
}

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    match finding.id.split_once(':') {
        None if finding.id == SUMMARY => {
            Some(summary(finding.number("pkg_mismatch_count")?, finding.number("ima_fail").unwrap_or(0)))
        }
        Some(("pkg_mismatch", _)) => Some(MISMATCH),
        Some(("pkg_rehash", _)) => Some(Severity::Info),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_as_grave_as_what_it_counts() {
        let check = |mismatches: &str, failed: Option<&str>| {
            let finding = Finding::new(SUMMARY, "", Severity::Info, "").with("pkg_mismatch_count", mismatches);
            of_finding(&failed.into_iter().fold(finding, |finding, n| finding.with("ima_fail", n)))
        };
        assert_eq!(check("0", None), Some(Severity::Info));
        assert_eq!(check("3", None), Some(Severity::Medium));
        assert_eq!(check("0", Some("1")), Some(Severity::High));
        let other = |id: &str| of_finding(&Finding::new(id, "", Severity::Info, ""));
        assert_eq!([other("pkg_mismatch:0"), other("pkg_rehash:/x")], [Severity::Medium, Severity::Info].map(Some));
        assert_eq!(other("summary"), None);
    }
}
