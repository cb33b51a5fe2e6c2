//! `mac`: SELinux, AppArmor, and whether there is neither or both.

use scan::Finding;
use scan::rules::HostContext;
use scan::rules::mac::{self, DUAL, Selinux};

use crate::emit::Output;
use crate::host::Host;
use crate::world::World;

/// Programs that count when AppArmor does not confine them.
const CRITICAL: [&str; 5] =
    ["/usr/sbin/sshd", "/usr/bin/dbus-daemon", "/usr/sbin/nginx", "/usr/bin/containerd", "/usr/bin/dockerd"];
/// The scanner stops counting labels here.
const MOST_LABELS: usize = 1000;

pub(super) fn emit(host: &Host, world: &World) -> Output {
    let state = &world.mac;
    let context = HostContext { container: host.container, apparmor: state.apparmor };
    let mut output = Output::new("mac");
    output.push(selinux(state.selinux, context), state.selinux_mark);
    output.push(apparmor(world, context), state.apparmor_mark);
    let present = state.selinux != Selinux::Absent;
    if !present && !state.apparmor {
        let description = "Neither SELinux nor AppArmor appears active";
        // Nothing is in force because what was is off.
        let finding = Finding::new("mac_none", "No MAC enforcement", mac::none(context), description);
        output.push(finding, state.apparmor_mark.or(state.selinux_mark));
    } else if present && state.apparmor {
        let description = "Both SELinux and AppArmor appear present (double-check for conflicts)";
        output.push(Finding::new("mac_dual", "Dual MAC layers", DUAL, description), None);
    }
    output
}

fn selinux(state: Selinux, context: HostContext) -> Finding {
    let finding = Finding::new("selinux", "SELinux status", mac::selinux(state, context), "SELinux detection");
    if state == Selinux::Absent {
        return finding.with("present", "false");
    }
    let word = |is: bool| if is { "true" } else { "false" };
    finding
        .with("present", "true")
        .with("enforcing", word(state == Selinux::Enforcing))
        .with("permissive", word(state == Selinux::Permissive))
        .with("config_mode", "enforcing")
}

fn apparmor(world: &World, context: HostContext) -> Finding {
    let finding = |severity| Finding::new("apparmor", "AppArmor status", severity, "AppArmor detection");
    if !world.mac.apparmor {
        return finding(mac::apparmor(0, context)).with("enabled", "false");
    }
    // Packages confine none of these; only what runs in a container has a profile.
    let unconfined = world.processes.iter().filter(|process| process.container.is_none());
    let critical = unconfined.filter(|process| CRITICAL.contains(&process.link().as_str())).count() as u64;
    let labels = (world.processes.len() + world.mac.kernel_threads as usize).min(MOST_LABELS);
    let finding = finding(mac::apparmor(critical, context))
        .with("enabled", "true")
        .with("mode_line", "Y")
        .with("profiles_seen", labels.to_string())
        .with("complain_count", world.mac.complaining.to_string());
    if critical > 0 { finding.with("unconfined_critical", critical.to_string()) } else { finding }
}
