//! `kernel_params`: four parameters with a desired value each.

use crate::finding::Finding;
use crate::severity::Severity;

/// A parameter that the scanner compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its path, which is id and title of the finding.
    pub path: &'static str,
    /// The value that is well.
    pub desired: &'static str,
    /// The finding's description.
    pub description: &'static str,
    /// The severity of any other value.
    pub mismatch: Severity,
}

/// In the scanner's order.
pub const PARAMS: [Param; 4] = [
    Param {
        path: "/proc/sys/kernel/randomize_va_space",
        desired: "2",
        description: "ASLR should be full (2)",
        mismatch: Severity::Medium,
    },
    Param {
        path: "/proc/sys/kernel/kptr_restrict",
        desired: "1",
        description: "Kernel pointer addresses restricted",
        mismatch: Severity::Low,
    },
    Param {
        path: "/proc/sys/net/ipv4/conf/all/rp_filter",
        desired: "1",
        description: "Reverse path filtering",
        mismatch: Severity::Low,
    },
    Param {
        path: "/proc/sys/net/ipv4/ip_forward",
        desired: "0",
        description: "IP forwarding disabled unless a router",
        mismatch: Severity::Info,
    },
];

impl Param {
    /// The parameter at a path.
    pub fn at(path: &str) -> Option<&'static Param> {
        PARAMS.iter().find(|param| param.path == path)
    }

    /// Its severity at a value. A stricter value than the desired one is a mismatch too.
    pub fn severity(&self, current: &str) -> Severity {
        if current == self.desired { Severity::Info } else { self.mismatch }
    }
}

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    Some(Param::at(&finding.id)?.severity(finding.get("current")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_value_is_a_mismatch() {
        let kptr = Param::at("/proc/sys/kernel/kptr_restrict").unwrap();
        assert_eq!([kptr.severity("1"), kptr.severity("2")], [Severity::Info, Severity::Low]);
        let forward = Param::at("/proc/sys/net/ipv4/ip_forward").unwrap();
        assert_eq!(forward.severity("1"), Severity::Info);
        assert_eq!(Param::at("/proc/sys/kernel/randomize_va_space").unwrap().severity("1"), Severity::Medium);
    }
}
