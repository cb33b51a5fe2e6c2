//! `mounts`: options that sensitive mounts lack. Only with hardening checks on.

use crate::finding::Finding;
use crate::severity::Severity;

/// A check of one mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// The finding's id between `mount:` and the place.
    pub id: &'static str,
    /// The finding's title.
    pub title: &'static str,
    /// The finding's severity.
    pub severity: Severity,
    /// The finding's description.
    pub description: &'static str,
}

const TMP_NOEXEC: Check = Check {
    id: "tmp-noexec-missing",
    title: "/tmp style mount missing noexec",
    severity: Severity::Medium,
    description: "Temporary directory mount lacks noexec which can allow execution from world-writable space",
};
const TMP_NOSUID: Check = Check {
    id: "tmp-nosuid-missing",
    title: "/tmp style mount missing nosuid",
    severity: Severity::Medium,
    description: "Temporary directory mount lacks nosuid lowering barrier to SUID exploitation",
};
const TMP_NODEV: Check = Check {
    id: "tmp-nodev-missing",
    title: "/tmp style mount missing nodev",
    severity: Severity::Low,
    description: "Temporary directory mount lacks nodev allowing device nodes",
};
const NOSUID: Check = Check {
    id: "sensitive-nosuid-missing",
    title: "Sensitive mount missing nosuid",
    severity: Severity::Low,
    description: "Expected nosuid on sensitive mount",
};
const NODEV: Check = Check {
    id: "sensitive-nodev-missing",
    title: "Sensitive mount missing nodev",
    severity: Severity::Low,
    description: "Expected nodev on non-device mount",
};
const HOME_EXEC: Check = Check {
    id: "home-exec",
    title: "/home mounted exec",
    severity: Severity::Info,
    description: "Home directory allows execution; consider noexec for stricter hardening",
};
const BIND: Check = Check {
    id: "bind-generic",
    title: "Bind mount present",
    severity: Severity::Info,
    description: "Non-standard bind mount; review necessity",
};

/// Every check, in the scanner's order.
pub const CHECKS: [Check; 7] = [TMP_NOEXEC, TMP_NOSUID, TMP_NODEV, NOSUID, NODEV, HOME_EXEC, BIND];

const SENSITIVE: [&str; 7] = ["/", "/home", "/tmp", "/var", "/var/tmp", "/boot", "/efi"];
const SKIPPED: [&str; 9] =
    ["proc", "sysfs", "cgroup", "cgroup2", "debugfs", "devpts", "mqueue", "hugetlbfs", "tracefs"];

/// The checks that a line of /proc/mounts fails.
pub fn failed(place: &str, filesystem: &str, options: &str) -> Vec<Check> {
    if SKIPPED.contains(&filesystem) {
        return Vec::new();
    }
    let has = |option| options.split(',').any(|o| o == option);
    let temporary = ["/tmp", "/var/tmp"].contains(&place);
    let sensitive = SENSITIVE.contains(&place) || place.starts_with("/home/");
    let on_disk = sensitive && place != "/" && ["ext4", "xfs", "btrfs"].contains(&filesystem);
    let boots = ["/boot", "/efi"].contains(&place);
    let fails = [
        temporary && !has("noexec"),
        temporary && !has("nosuid"),
        temporary && !has("nodev"),
        on_disk && !has("nosuid"),
        on_disk && !has("nodev") && !boots,
        place.starts_with("/home") && has("exec"),
        has("bind") && !temporary && !sensitive,
    ];
    CHECKS.into_iter().zip(fails).filter(|(_, fails)| *fails).map(|(check, _)| check).collect()
}

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    let (id, _) = finding.id.strip_prefix("mount:")?.split_once(':')?;
    Some(CHECKS.iter().find(|check| check.id == id)?.severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_is_asked_of_the_mounts_that_need_it() {
        let check = |place, filesystem, options, expected: &[&str]| {
            let ids: Vec<_> = failed(place, filesystem, options).iter().map(|check| check.id).collect();
            assert_eq!(ids, expected, "{place} {filesystem} {options}");
        };
        check("/", "ext4", "rw,relatime", &[]);
        check("/tmp", "tmpfs", "rw,nosuid,nodev", &["tmp-noexec-missing"]);
        check(
            "/tmp",
            "ext4",
            "rw",
            &["tmp-noexec-missing", "tmp-nosuid-missing", "tmp-nodev-missing", NOSUID.id, NODEV.id],
        );
        check("/boot", "ext4", "rw,relatime", &["sensitive-nosuid-missing"]);
        check("/boot/efi", "vfat", "rw", &[]);
        check("/home", "xfs", "rw,nosuid,nodev,exec", &["home-exec"]);
        check("/home/anna", "btrfs", "rw,nosuid", &["sensitive-nodev-missing"]);
        check("/srv", "ext4", "rw,bind", &["bind-generic"]);
        check("/var", "cgroup2", "rw", &[]);
        let finding = Finding::new("mount:tmp-noexec-missing:/tmp", "", Severity::Info, "");
        assert_eq!(of_finding(&finding), Some(Severity::Medium));
    }
}
