//! `pci_compliance`: four controls, each with a severity of its own whether passed or not. Only with compliance checks on.
//!
//! Their findings are operational: the base score is 0.

use crate::finding::Finding;
use crate::severity::Severity;

/// The standard's name in ids, titles and metadata.
pub const STANDARD: &str = "pci_dss_4_0";

/// The base score of every finding.
pub const SCORE: u8 = 0;

/// A control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Its number in the standard.
    pub id: &'static str,
    /// Its requirement; also the finding's description.
    pub requirement: &'static str,
    /// The finding's severity.
    pub severity: Severity,
}

/// In the scanner's order.
pub const CONTROLS: [Control; 4] = [
    Control {
        id: "3.4",
        requirement: "Sensitive data encryption configurations present (approximation)",
        severity: Severity::Medium,
    },
    Control {
        id: "7.1",
        requirement: "Access control files have expected permissions (/etc/passwd, /etc/shadow)",
        severity: Severity::High,
    },
    Control {
        id: "10.2",
        requirement: "Logging configuration present (/etc/rsyslog.conf or /etc/syslog.conf)",
        severity: Severity::Medium,
    },
    Control {
        id: "2.2.4",
        requirement: "Critical system file permissions restrictive (/etc/ssh/sshd_config)",
        severity: Severity::Medium,
    },
];

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    let id = finding.get("control_id")?;
    Some(CONTROLS.iter().find(|control| control.id == id)?.severity)
}
