//! `ioc`: a process gives one finding when any of five signs applies; the gravest decides the severity.

use crate::finding::Finding;
use crate::severity::Severity;

const NAMES: [&str; 7] = ["kworker", "cryptominer", "xmrig", "minerd", "kthreadd", "malware", "bot"];
const PLACES: [&str; 4] = ["/tmp", "/dev/shm", "/var/tmp", "/home"];

/// A process as the scanner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process<'a> {
    /// Target of /proc/PID/exe, with ` (deleted)` where the kernel says so.
    pub exe: &'a str,
    /// All of argv, joined by any byte.
    pub argv: &'a str,
    /// LD_PRELOAD or LD_LIBRARY_PATH is set.
    pub preload: bool,
}

/// The signs found on a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// The executable was deleted.
    pub deleted: bool,
    /// The executable lies where anyone may write.
    pub writable: bool,
    /// The environment changes the loader.
    pub environment: bool,
    /// argv holds a notorious name or a writable place.
    pub pattern: bool,
}

impl Traits {
    /// The signs on a process.
    pub fn of(process: Process<'_>) -> Traits {
        Traits {
            deleted: process.exe.contains("(deleted)"),
            writable: PLACES.iter().any(|place| process.exe.starts_with(place)),
            environment: process.preload,
            pattern: NAMES.iter().chain(&PLACES).any(|text| process.argv.contains(text)),
        }
    }

    /// The signs that a finding states.
    pub fn of_finding(finding: &Finding) -> Traits {
        Traits {
            deleted: finding.flag("deleted_executable"),
            writable: finding.flag("world_writable_executable"),
            environment: finding.flag("environment_issue"),
            pattern: finding.flag("pattern_match"),
        }
    }

    /// Whether there is a finding at all.
    pub fn any(self) -> bool {
        self != Traits::default()
    }

    /// The description's first words, before the executable.
    pub const fn description(self) -> &'static str {
        if self.deleted {
            "Process with deleted executable"
        } else if self.writable {
            "Process with world-writable executable"
        } else if self.environment {
            "Process with suspicious environment"
        } else {
            "Process with suspicious patterns"
        }
    }
}

/// The severity of a process with these signs.
pub fn severity(traits: Traits) -> Severity {
    if traits.deleted {
        Severity::Critical
    } else if traits.writable {
        Severity::High
    } else if traits.environment {
        Severity::Medium
    } else {
        Severity::Low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_sign_decides() {
        let check = |exe, argv, preload| {
            let traits = Traits::of(Process { exe, argv, preload });
            traits.any().then(|| severity(traits))
        };
        assert_eq!(check("/usr/sbin/nginx", "nginx: master", false), None);
        assert_eq!(check("/tmp/x (deleted)", "/tmp/x", true), Some(Severity::Critical));
        assert_eq!(check("/dev/shm/.k", "[kworker/0:1]", true), Some(Severity::High));
        assert_eq!(check("/usr/sbin/sshd", "sshd", true), Some(Severity::Medium));
        // Places match anywhere in argv but only at the start of the executable.
        assert_eq!(check("/opt/tmp/tool", "tool --dir /opt/home", false), Some(Severity::Low));
        assert_eq!(check("/opt/tmp/tool", "tool", false), None);
        assert_eq!(check("/usr/bin/python3", "python3 chatbot.py", false), Some(Severity::Low));
    }
}
