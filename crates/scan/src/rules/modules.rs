//! `modules`: a plain list, one summary, or anomalies only; the three modes exclude each other.

use crate::finding::Finding;
use crate::severity::Severity;

/// The id of the one finding in summary mode.
pub const SUMMARY: &str = "module_summary";

/// The metadata keys that name an anomaly of a single module.
pub const ANOMALIES: [&str; 4] = ["unsigned", "out_of_tree", "missing_file", "hidden_sysfs"];

/// The counts that decide the severity of the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Modules of updates, dkms or a vendor.
    pub out_of_tree: u64,
    /// Modules without a signature.
    pub unsigned: u64,
    /// Modules in /proc but not in /sys.
    pub hidden: u64,
    /// Modules whose file is gone.
    pub missing_file: u64,
    /// Modules in /sys but not in /proc.
    pub sysfs_only: u64,
}

/// The summary.
pub fn summary(counts: Counts) -> Severity {
    if counts.unsigned + counts.hidden + counts.missing_file + counts.sysfs_only > 0 {
        Severity::High
    } else if counts.out_of_tree > 0 {
        Severity::Medium
    } else {
        Severity::Info
    }
}

/// A module of the plain list.
pub const LISTED: Severity = Severity::Info;

/// A module in anomalies mode, whatever its anomaly.
pub const ANOMALY: Severity = Severity::High;

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    if finding.id != SUMMARY {
        return Some(if finding.metadata.is_empty() { LISTED } else { ANOMALY });
    }
    Some(summary(Counts {
        out_of_tree: finding.number("likely_out_of_tree")?,
        unsigned: finding.number("unsigned")?,
        hidden: finding.number("hidden_proc_only")?,
        missing_file: finding.number("missing_file")?,
        sysfs_only: finding.number("sysfs_only_count")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_out_of_tree_is_medium_and_anything_unaccounted_for_is_high() {
        assert_eq!(summary(Counts::default()), Severity::Info);
        let vendor = Counts { out_of_tree: 3, ..Counts::default() };
        assert_eq!(summary(vendor), Severity::Medium);
        assert_eq!(summary(Counts { unsigned: 1, ..vendor }), Severity::High);
        assert_eq!(summary(Counts { hidden: 1, ..Counts::default() }), Severity::High);
        assert_eq!(summary(Counts { missing_file: 1, ..Counts::default() }), Severity::High);
        assert_eq!(summary(Counts { sysfs_only: 1, ..Counts::default() }), Severity::High);
    }

    #[test]
    fn a_module_of_the_list_is_info_and_an_anomaly_is_high() {
        let listed = Finding::new("ext4", "Module ext4", Severity::Info, "Loaded kernel module");
        assert_eq!(of_finding(&listed), Some(Severity::Info));
        let anomaly = Finding::new("nvidia", "Module anomaly: nvidia", Severity::High, "Out-of-tree kernel module");
        assert_eq!(of_finding(&anomaly.with("out_of_tree", "true")), Some(Severity::High));
    }
}
