//! Kernel parameters, kernel modules and mandatory access control.

use draws::Stream;
use scan::rules::kernel_hardening::SYSCTLS;
use scan::rules::kernel_params::PARAMS;
use scan::rules::mac::Selinux;

use crate::host::Host;
use crate::stream::Purpose;
use crate::tables::{Anomaly, Mac, TABLES};
use crate::world::Mark;

/// A kernel parameter as it stands.
pub(crate) struct ParamValue {
    pub path: &'static str,
    pub current: String,
    pub mark: Option<Mark>,
}

/// The kernel's modules as the scanner sees them.
pub(crate) struct Modules {
    pub loaded: Vec<KernelModule>,
    /// Directories of /sys/module that belong to no loaded or built-in module.
    pub sysfs_only: u32,
}

/// A loaded module.
#[derive(Clone, Debug)]
pub(crate) struct KernelModule {
    pub name: String,
    /// Below `/lib/modules/<release>`.
    pub path: String,
    pub anomaly: Option<Anomaly>,
    /// Its place in /proc/modules.
    pub order: u32,
    pub mark: Option<Mark>,
}

/// Mandatory access control.
pub(crate) struct MacState {
    pub selinux: Selinux,
    pub apparmor: bool,
    /// Profiles that only complain.
    pub complaining: u32,
    /// Threads of the kernel, which carry a label too.
    pub kernel_threads: u32,
    pub selinux_mark: Option<Mark>,
    pub apparmor_mark: Option<Mark>,
}

/// The last part of the path of the only parameter that a role decides alone.
const FORWARD: &str = "ip_forward";

/// Every parameter that `kernel_params` or `kernel_hardening` reads, each once.
pub(crate) fn param_paths() -> impl Iterator<Item = &'static str> {
    let own = PARAMS.iter().map(|param| param.path);
    let further = SYSCTLS.iter().map(|sysctl| sysctl.path);
    own.chain(further.filter(|path| PARAMS.iter().all(|param| param.path != *path)))
}

pub(super) fn params(host: &Host) -> Vec<ParamValue> {
    let streams = host.streams(Purpose::Kernel);
    let tuned = streams.at(0).chance(host.role.tuned.share);
    let value = |(path, place): (&'static str, u64)| {
        let mut draw = streams.at(1000 + place);
        ParamValue { path, current: benign_value(host, path, tuned, &mut draw).to_owned(), mark: None }
    };
    param_paths().zip(0..).map(value).collect()
}

/// The value that the host's distribution, or its administrator, gives to a kernel parameter.
fn benign_value(host: &Host, path: &str, tuned: bool, draw: &mut Stream) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == FORWARD {
        return if draw.chance(host.role.forwards) { "1" } else { "0" };
    }
    let own = host.role.tuned.params.get(name).filter(|_| tuned);
    let values = own.or_else(|| host.distribution.params.get(name));
    draw.pick::<String>(values.expect("every distribution has values of every parameter that is read"))
}

pub(super) fn modules(host: &Host, scan: u32) -> Modules {
    let streams = host.streams(Purpose::Kernel);
    let mut draw = streams.at(1);
    let ending = &host.distribution.modules;
    let mut loaded = Vec::new();
    let tables = [(&TABLES.modules.base, 900), (&TABLES.modules.extra, 170)];
    for (names, share) in tables {
        for name in names {
            let (keep, order) = (draw.chance(share), draw.word());
            if keep {
                let path = if host.container { String::new() } else { format!("kernel/drivers/{name}{ending}") };
                loaded.push(KernelModule { name: name.clone(), path, anomaly: None, order, mark: None });
            }
        }
    }
    let boot = host.moments[scan as usize].boot;
    Modules { loaded, sysfs_only: leftovers(host, &mut streams.at2(boot, 2)) }
}

/// Built-in modules are known only from a file below /lib/modules, which a container lacks; and where their names are spelt
/// with `-` in one place and `_` in the other the scanner counts some everywhere.
fn leftovers(host: &Host, draw: &mut Stream) -> u32 {
    if host.container {
        draw.between([70, 130])
    } else if draw.chance(300) {
        draw.between([1, 6])
    } else {
        0
    }
}

pub(super) fn mac(host: &Host) -> MacState {
    let mut draw = host.streams(Purpose::Kernel).at(3);
    let mac = host.mac();
    let state = if draw.chance(930) { Selinux::Enforcing } else { Selinux::Permissive };
    MacState {
        selinux: if mac == Some(Mac::Selinux) { state } else { Selinux::Absent },
        apparmor: mac == Some(Mac::Apparmor),
        complaining: draw.between(host.distribution.complaining),
        kernel_threads: draw.between([90, 260]),
        selinux_mark: None,
        apparmor_mark: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::tables::Trace;

    use super::*;

    #[test]
    fn tables_hold_values_of_all_parameters_that_are_read_and_of_no_other() {
        let names = param_paths().map(|path| path.rsplit('/').next().unwrap());
        let read: BTreeSet<&str> = names.filter(|name| *name != FORWARD).collect();
        assert_eq!(read.len(), 9);
        for distribution in &TABLES.distributions {
            let held: BTreeSet<&str> = distribution.params.keys().map(String::as_str).collect();
            assert_eq!(held, read, "distributions.yaml: {} {}", distribution.id, distribution.version);
            assert!(distribution.params.values().all(|values| !values.is_empty()), "{}", distribution.id);
        }
        for role in &TABLES.roles {
            for (name, values) in &role.tuned.params {
                assert!(read.contains(name.as_str()) && !values.is_empty(), "roles.yaml: {} {name}", role.name);
            }
        }
        for template in TABLES.chains.iter().chain(&TABLES.lookalikes) {
            for step in &template.steps {
                let Trace::Param(trace) = &step.leaves else { continue };
                assert!(param_paths().any(|path| path == trace.path), "{}: nobody reads {}", template.name, trace.path);
            }
        }
    }
}
