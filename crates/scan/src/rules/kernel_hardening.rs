//! `kernel_hardening`: kernel parameters beyond those of `kernel_params`, and what the firmware offers. Only with hardening checks on.

use crate::finding::Finding;
use crate::severity::Severity;

/// A parameter that the scanner compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// The finding's id after `kernel:sysctl:`.
    pub id: &'static str,
    /// The finding's title.
    pub title: &'static str,
    /// Its path.
    pub path: &'static str,
    /// The value that is well.
    pub expected: &'static str,
    /// The severity of any other value.
    pub otherwise: Severity,
    /// The description of the good value.
    pub good: &'static str,
    /// The description of any other.
    pub bad: &'static str,
}

/// In the scanner's order.
pub const SYSCTLS: [Sysctl; 8] = [
    Sysctl {
        id: "kptr_restrict",
        title: "kptr_restrict",
        path: "/proc/sys/kernel/kptr_restrict",
        expected: "1",
        otherwise: Severity::Low,
        good: "Kernel pointers restricted",
        bad: "Kernel pointers not restricted",
    },
    Sysctl {
        id: "dmesg_restrict",
        title: "dmesg_restrict",
        path: "/proc/sys/kernel/dmesg_restrict",
        expected: "1",
        otherwise: Severity::Low,
        good: "dmesg restricted",
        bad: "dmesg not restricted",
    },
    Sysctl {
        id: "kexec_disabled",
        title: "kexec disabled",
        path: "/proc/sys/kernel/kexec_load_disabled",
        expected: "1",
        otherwise: Severity::Medium,
        good: "kexec disabled",
        bad: "kexec not disabled",
    },
    Sysctl {
        id: "sysrq",
        title: "sysrq controls",
        path: "/proc/sys/kernel/sysrq",
        expected: "0",
        otherwise: Severity::Low,
        good: "sysrq disabled",
        bad: "sysrq not fully disabled",
    },
    Sysctl {
        id: "tcp_syncookies",
        title: "tcp_syncookies",
        path: "/proc/sys/net/ipv4/tcp_syncookies",
        expected: "1",
        otherwise: Severity::Low,
        good: "tcp_syncookies on",
        bad: "tcp_syncookies off",
    },
    Sysctl {
        id: "rp_filter",
        title: "rp_filter",
        path: "/proc/sys/net/ipv4/conf/all/rp_filter",
        expected: "1",
        otherwise: Severity::Low,
        good: "rp_filter strict",
        bad: "rp_filter not strict",
    },
    Sysctl {
        id: "accept_redirects",
        title: "accept_redirects",
        path: "/proc/sys/net/ipv4/conf/all/accept_redirects",
        expected: "0",
        otherwise: Severity::Low,
        good: "ICMP redirects blocked",
        bad: "ICMP redirects accepted",
    },
    Sysctl {
        id: "accept_source_route",
        title: "accept_source_route",
        path: "/proc/sys/net/ipv4/conf/all/accept_source_route",
        expected: "0",
        otherwise: Severity::Low,
        good: "Source routed packets blocked",
        bad: "Source routed packets accepted",
    },
];

impl Sysctl {
    /// The severity at a value.
    pub fn severity(&self, value: &str) -> Severity {
        if value == self.expected { Severity::Info } else { self.otherwise }
    }

    /// The finding's description.
    pub fn description(&self, value: &str) -> &'static str {
        if value == self.expected { self.good } else { self.bad }
    }
}

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    let id = finding.id.strip_prefix("kernel:")?;
    if let Some(id) = id.strip_prefix("sysctl:") {
        let sysctl = SYSCTLS.iter().find(|sysctl| sysctl.id == id)?;
        return Some(sysctl.severity(finding.get("value")?));
    }
    match id {
        "lockdown:disabled" => Some(Severity::Medium),
        "secureboot:dbx-missing" | "tpm:absent" => Some(Severity::Low),
        "lockdown:integrity" | "lockdown:confidentiality" | "secureboot:efi" | "ima:policy" | "tpm:present" => {
            Some(Severity::Info)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_value_is_worse_and_firmware_is_by_name() {
        let sysctl = |id: &str, value: &str| {
            of_finding(&Finding::new(format!("kernel:sysctl:{id}"), "", Severity::Info, "").with("value", value))
        };
        assert_eq!(
            [sysctl("kptr_restrict", "1"), sysctl("kptr_restrict", "2")],
            [Severity::Info, Severity::Low].map(Some)
        );
        assert_eq!(
            [sysctl("kexec_disabled", "0"), sysctl("sysrq", "176")],
            [Severity::Medium, Severity::Low].map(Some)
        );
        assert_eq!(
            [sysctl("accept_redirects", "0"), sysctl("rp_filter", "2")],
            [Severity::Info, Severity::Low].map(Some)
        );
        assert_eq!(sysctl("yama", "1"), None);
        let firmware = |id: &str| of_finding(&Finding::new(id, "", Severity::Info, ""));
        assert_eq!(firmware("kernel:lockdown:disabled"), Some(Severity::Medium));
        assert_eq!(firmware("kernel:lockdown:integrity"), Some(Severity::Info));
        assert_eq!(
            [firmware("kernel:tpm:absent"), firmware("kernel:tpm:present")],
            [Severity::Low, Severity::Info].map(Some)
        );
        assert_eq!(firmware("tpm:absent"), None);
    }
}
