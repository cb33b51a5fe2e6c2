//! `mac`: mandatory access control. Whether the host is a container decides, and the report does not say so.

use crate::finding::Finding;
use crate::rules::HostContext;
use crate::severity::Severity;

/// SELinux as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selinux {
    /// Not there.
    Absent,
    /// Warns only.
    Permissive,
    /// In force.
    Enforcing,
    /// There, in neither mode.
    Other,
}

/// Finding `selinux`.
pub fn selinux(state: Selinux, host: HostContext) -> Severity {
    match state {
        Selinux::Absent if host.container => Severity::Info,
        Selinux::Absent if host.apparmor => Severity::Low,
        Selinux::Absent => Severity::High,
        Selinux::Permissive => Severity::Medium,
        Selinux::Enforcing | Selinux::Other => Severity::Info,
    }
}

/// Finding `apparmor`, with the number of critical programs that run unconfined.
pub fn apparmor(unconfined_critical: u64, host: HostContext) -> Severity {
    match (host.apparmor, host.container) {
        (true, _) if unconfined_critical > 0 => Severity::Medium,
        (true, _) | (false, true) => Severity::Info,
        (false, false) => Severity::High,
    }
}

/// Finding `mac_none`: neither is there.
pub fn none(host: HostContext) -> Severity {
    if host.container { Severity::Low } else { Severity::High }
}

/// Finding `mac_dual`: both are there.
pub const DUAL: Severity = Severity::Info;

pub(super) fn of_finding(finding: &Finding, host: HostContext) -> Option<Severity> {
    match finding.id.as_str() {
        "selinux" => Some(selinux(selinux_state(finding)?, host)),
        "apparmor" => {
            let host = HostContext { apparmor: finding.flag("enabled"), ..host };
            Some(apparmor(finding.number("unconfined_critical").unwrap_or(0), host))
        }
        "mac_none" => Some(none(host)),
        "mac_dual" => Some(DUAL),
        _ => None,
    }
}

fn selinux_state(finding: &Finding) -> Option<Selinux> {
    Some(match finding.get("present")? {
        "false" => Selinux::Absent,
        _ if finding.flag("enforcing") => Selinux::Enforcing,
        _ if finding.flag("permissive") => Selinux::Permissive,
        _ => Selinux::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Severity::*;

    fn host(container: bool, apparmor: bool) -> HostContext {
        HostContext { container, apparmor }
    }

    #[test]
    fn absence_counts_less_in_a_container_and_beside_apparmor() {
        assert_eq!(selinux(Selinux::Absent, host(false, false)), High);
        assert_eq!(selinux(Selinux::Absent, host(false, true)), Low);
        assert_eq!(selinux(Selinux::Absent, host(true, false)), Info);
        assert_eq!(selinux(Selinux::Permissive, host(true, true)), Medium);
        assert_eq!(selinux(Selinux::Enforcing, host(false, false)), Info);
        assert_eq!([apparmor(0, host(false, false)), apparmor(0, host(true, false))], [High, Info]);
        assert_eq!([apparmor(0, host(false, true)), apparmor(2, host(false, true))], [Info, Medium]);
        assert_eq!([none(host(true, false)), none(host(false, false))], [Low, High]);
    }
}
