//! `auditd`: whether the audit rules cover what matters. Only with hardening checks on.

use crate::finding::Finding;
use crate::severity::Severity;

/// Something that audit rules should cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The finding's id after `auditd:`.
    pub id: &'static str,
    /// The finding's title; ` missing` follows in the description where it is not covered.
    pub title: &'static str,
    /// The description where it is covered.
    pub good: &'static str,
}

const fn coverage(id: &'static str, title: &'static str, good: &'static str) -> Coverage {
    Coverage { id, title, good }
}

/// In the scanner's order.
pub const COVERAGE: [Coverage; 7] = [
    coverage("execve", "Audit execve present", "Execve syscall auditing present"),
    coverage("setuid", "Audit setuid present", "setuid syscall auditing present"),
    coverage("setgid", "Audit setgid present", "setgid syscall auditing present"),
    coverage("chmod", "Audit chmod present", "chmod syscall auditing present"),
    coverage("chown", "Audit chown present", "chown syscall auditing present"),
    coverage("capset", "Audit capset present", "capset syscall auditing present"),
    coverage("insmod", "Module load auditing", "Module load operations likely audited"),
];

/// The finding where there are no rules at all.
pub const NO_RULES: Severity = Severity::Medium;

/// The finding beside that of `execve` where it is not covered.
pub const NO_EXECVE: Severity = Severity::High;

/// Something that is covered, or not.
pub const fn covered(is: bool) -> Severity {
    if is { Severity::Info } else { Severity::Medium }
}

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    match finding.id.strip_prefix("auditd:")? {
        "rules:missing" => Some(NO_RULES),
        "execve:absent" => Some(NO_EXECVE),
        id => {
            let coverage = COVERAGE.iter().find(|coverage| coverage.id == id)?;
            Some(covered(finding.description == coverage.good))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_covered_is_medium_and_execve_high_besides() {
        let check = |id: &str, description: &str| of_finding(&Finding::new(id, "", Severity::Info, description));
        assert_eq!(check("auditd:rules:missing", ""), Some(Severity::Medium));
        assert_eq!(check("auditd:execve", "Execve syscall auditing present"), Some(Severity::Info));
        assert_eq!(check("auditd:execve", "Audit execve present missing"), Some(Severity::Medium));
        assert_eq!(check("auditd:execve:absent", ""), Some(Severity::High));
        assert_eq!(check("auditd:ptrace", ""), None);
    }
}
