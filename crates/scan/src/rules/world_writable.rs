//! `world_writable`: writable files, and the hygiene checks that share the scanner.

use crate::finding::Finding;
use crate::severity::Severity;

/// A check of this scanner; all but the first name themselves in the metadata key `rule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A file that anyone may write.
    File,
    /// A setuid shell or script interpreter.
    SetuidInterpreter,
    /// A binary with file capabilities.
    FileCapability,
    /// A directory of PATH that anyone may write.
    PathDirectory,
    /// A setuid binary hardlinked into a temporary place.
    DanglingSuidHardlink,
}

impl Check {
    /// Every check that names itself.
    pub const NAMED: [Check; 4] =
        [Check::SetuidInterpreter, Check::FileCapability, Check::PathDirectory, Check::DanglingSuidHardlink];

    /// The value of the metadata key `rule`.
    pub const fn rule(self) -> Option<&'static str> {
        match self {
            Check::File => None,
            Check::SetuidInterpreter => Some("setuid_interpreter"),
            Check::FileCapability => Some("file_capability"),
            Check::PathDirectory => Some("path_dir_world_writable"),
            Check::DanglingSuidHardlink => Some("dangling_suid_hardlink"),
        }
    }

    /// The finding's title.
    pub const fn title(self) -> &'static str {
        match self {
            Check::File => "World-writable file",
            Check::SetuidInterpreter => "Setuid interpreter",
            Check::FileCapability => "File capabilities binary",
            Check::PathDirectory => "World-writable PATH directory",
            Check::DanglingSuidHardlink => "Dangling SUID hardlink",
        }
    }

    /// The finding's description.
    pub const fn description(self) -> &'static str {
        match self {
            Check::File => "File is world writable",
            Check::SetuidInterpreter => "Setuid shell or script interpreter",
            Check::FileCapability => "Binary has file capabilities set",
            Check::PathDirectory => "Executable search path directory is world-writable",
            Check::DanglingSuidHardlink => "SUID binary hardlinked into temporary/untrusted location",
        }
    }

    /// The severity at a path; only plain files depend on it.
    pub fn severity(self, path: &str) -> Severity {
        match self {
            Check::File if path.contains("/tmp/") => Severity::Low,
            Check::File if path.contains(".so") || path.contains("/bin/") => Severity::High,
            Check::File | Check::FileCapability => Severity::Medium,
            Check::SetuidInterpreter => Severity::Critical,
            Check::PathDirectory | Check::DanglingSuidHardlink => Severity::High,
        }
    }
}

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    let check = match finding.get("rule") {
        None => Check::File,
        Some(rule) => Check::NAMED.into_iter().find(|check| check.rule() == Some(rule))?,
    };
    Some(check.severity(&finding.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_path_and_checks_by_rule() {
        for (path, severity) in [
            ("/var/tmp/cache.so", Severity::Low),
            ("/etc/ld.so.preload", Severity::High),
            ("/usr/local/bin/deploy", Severity::High),
            ("/etc/motd", Severity::Medium),
        ] {
            assert_eq!(Check::File.severity(path), severity, "{path}");
        }
        let finding = Finding::new("/usr/local/bin", "", Severity::High, "").with("rule", "path_dir_world_writable");
        assert_eq!(of_finding(&finding), Some(Severity::High));
        assert_eq!(of_finding(&finding.with("rule", "another")), None);
        assert_eq!(Check::SetuidInterpreter.severity("/usr/bin/bash"), Severity::Critical);
        assert_eq!(Check::FileCapability.severity("/usr/bin/ping"), Severity::Medium);
    }
}
