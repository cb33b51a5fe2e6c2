//! The agent's own rules on one finding, for profile `agent`: its policy on executables, its names of scanners, its exposure.
//!
//! Restated from `run_pipeline` of sys_scan_graph_agent, commit bddcab9. The agent follows symbolic links on the machine that it runs
//! on, which says nothing of the scanned host; here a path is resolved as text. Two of its rules need what the scanner never writes,
//! and are left out: the impact by host role (metadata `sysctl_key`), and the novelty of command lines (a scanner named `process`).

use scan::{Metadata, Severity};

use crate::category::Category;
use crate::risk::Exposure;

/// The directories under which the agent's policy approves of any executable.
const APPROVED: [&[&str]; 6] =
    [&["bin"], &["usr", "bin"], &["usr", "local", "bin"], &["sbin"], &["usr", "sbin"], &["opt", "trusted"]];

/// Whether the policy objects to a finding whose metadata have `exe`: an executable outside the approved directories.
pub fn denied(exe: Option<&str>) -> bool {
    exe.is_some_and(|path| !path.is_empty() && !approved(path))
}

/// The severity after the policy; `error` rises too, since the agent ranks it lowest.
pub fn severity(stated: Severity, exe: Option<&str>) -> Severity {
    match stated {
        Severity::Critical => stated,
        _ if denied(exe) => Severity::High,
        _ => stated,
    }
}

/// A relative path is resolved in the agent's own working directory, which no approved directory holds.
fn approved(path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else { return false };
    let mut resolved: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                resolved.pop();
            }
            _ => resolved.push(part),
        }
    }
    APPROVED.iter().any(|directory| resolved.starts_with(directory))
}

/// The category that the agent sees in a scanner's name. It expects other names than those that most scanners have.
pub(crate) fn category(scanner: &str) -> Category {
    match scanner.to_lowercase().as_str() {
        "network" | "network_socket" => Category::NetworkSocket,
        "kernel_params" | "kernel_param" => Category::KernelParam,
        "modules" | "kernel_modules" | "kernel_module" => Category::KernelModule,
        "suid" | "privilege_escalation_surface" => Category::PrivilegeEscalationSurface,
        "ioc" => Category::Ioc,
        _ => Category::Other,
    }
}

/// The exposure that the agent reads from metadata. It tags routing and NAT only after it has scored.
pub(crate) fn exposure(metadata: &Metadata) -> Exposure {
    let has = |key: &str, wanted: &str| metadata.get(key).is_some_and(|value| value == wanted);
    Exposure {
        listening: has("state", "LISTEN"),
        suid: has("suid", "true"),
        network_port: metadata.get("port").is_some_and(|port| !port.is_empty()),
        routing: false,
        nat: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_denies_what_lies_outside_the_approved_directories() {
        let approved = ["/bin/sh", "/usr/bin", "//usr//bin/./env", "/usr/lib/../sbin/cron", "/opt/trusted/a/b", ""];
        for path in approved.into_iter().chain(["/usr/bin/x (deleted)", "/../usr/local/bin/x"]) {
            assert!(!denied(Some(path)), "{path:?}");
        }
        let outside =
            ["/usr/bin2/x", "/usr/bin/../lib/x", "/usr", "/", "bin/sh", "/opt/trust", "/USR/bin/x", " /bin/sh"];
        for path in outside {
            assert!(denied(Some(path)), "{path:?}");
        }
        assert!(!denied(None));
    }

    #[test]
    fn the_policy_raises_every_severity_but_critical_to_high() {
        let raised = Severity::ALL.map(|stated| severity(stated, Some("/tmp/x")));
        let mut wanted = [Severity::High; 6];
        wanted[4] = Severity::Critical;
        assert_eq!(raised, wanted);
        assert_eq!(Severity::ALL.map(|stated| severity(stated, Some("/bin/x"))), Severity::ALL);
    }
}
