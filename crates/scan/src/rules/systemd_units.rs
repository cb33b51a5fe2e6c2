//! `systemd_units`: thirteen settings of every service's unit file, each one finding. Only with hardening checks on.

use crate::finding::Finding;
use crate::severity::Severity;

/// A setting that the scanner looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key in the unit file.
    pub key: &'static str,
    /// The one value that is well; empty where any will do.
    pub expected: &'static str,
    /// The severity of any other value, or of none.
    pub otherwise: Severity,
    /// The description of the good value.
    pub good: &'static str,
    /// The description of any other; ` (missing)` follows where the file has none.
    pub bad: &'static str,
}

const fn setting(
    key: &'static str,
    expected: &'static str,
    otherwise: Severity,
    good: &'static str,
    bad: &'static str,
) -> Setting {
    Setting { key, expected, otherwise, good, bad }
}

/// In the scanner's order.
pub const SETTINGS: [Setting; 13] = {
    use Severity::{Low, Medium};
    [
        setting("NoNewPrivileges", "yes", Medium, "NoNewPrivileges enforced", "NoNewPrivileges not set to yes"),
        setting("PrivateTmp", "yes", Low, "PrivateTmp enabled", "PrivateTmp not enabled"),
        setting("ProtectSystem", "strict", Medium, "ProtectSystem strict", "ProtectSystem not strict"),
        setting("ProtectHome", "read-only", Low, "ProtectHome read-only", "ProtectHome not read-only"),
        setting(
            "CapabilityBoundingSet",
            "",
            Low,
            "CapabilityBoundingSet present",
            "CapabilityBoundingSet not present (no reduction)",
        ),
        setting("RestrictNamespaces", "yes", Low, "RestrictNamespaces enabled", "RestrictNamespaces not enabled"),
        setting("RestrictSUIDSGID", "yes", Low, "RestrictSUIDSGID enabled", "RestrictSUIDSGID not enabled"),
        setting("ProtectKernelModules", "yes", Low, "ProtectKernelModules enabled", "ProtectKernelModules not enabled"),
        setting(
            "ProtectKernelTunables",
            "yes",
            Low,
            "ProtectKernelTunables enabled",
            "ProtectKernelTunables not enabled",
        ),
        setting("ProtectControlGroups", "yes", Low, "ProtectControlGroups enabled", "ProtectControlGroups not enabled"),
        setting(
            "MemoryDenyWriteExecute",
            "yes",
            Low,
            "MemoryDenyWriteExecute enabled",
            "MemoryDenyWriteExecute not enabled",
        ),
        setting("RestrictRealtime", "yes", Low, "RestrictRealtime enabled", "RestrictRealtime not enabled"),
        setting("LockPersonality", "yes", Low, "LockPersonality enabled", "LockPersonality not enabled"),
    ]
};

impl Setting {
    /// The setting of that key.
    pub fn of(key: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Whether a value is the one expected. Words that systemd reads alike (`true` for `yes`) are not.
    pub fn is_met(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| self.expected.is_empty() || value == self.expected)
    }

    /// The severity at a value.
    pub fn severity(&self, value: Option<&str>) -> Severity {
        if self.is_met(value) { Severity::Info } else { self.otherwise }
    }

    /// The finding's description.
    pub fn description(&self, value: Option<&str>) -> String {
        match value {
            _ if self.is_met(value) => self.good.to_owned(),
            Some(_) => self.bad.to_owned(),
            None => format!("{} (missing)", self.bad),
        }
    }
}

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    Some(Setting::of(finding.get("key")?)?.severity(finding.get("value")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_word_is_met_and_an_empty_expectation_by_any() {
        let check = |key, value, severity, description: &str| {
            let setting = Setting::of(key).unwrap();
            assert_eq!(
                (setting.severity(value), setting.description(value).as_str()),
                (severity, description),
                "{key}"
            );
        };
        check("NoNewPrivileges", Some("yes"), Severity::Info, "NoNewPrivileges enforced");
        check("NoNewPrivileges", Some("true"), Severity::Medium, "NoNewPrivileges not set to yes");
        check("NoNewPrivileges", None, Severity::Medium, "NoNewPrivileges not set to yes (missing)");
        check("ProtectSystem", Some("full"), Severity::Medium, "ProtectSystem not strict");
        check("ProtectHome", Some("yes"), Severity::Low, "ProtectHome not read-only");
        check("CapabilityBoundingSet", Some(""), Severity::Info, "CapabilityBoundingSet present");
        check("LockPersonality", None, Severity::Low, "LockPersonality not enabled (missing)");
        assert_eq!(Setting::of("PrivateDevices"), None);
    }
}
