//! Kernel parameters, kernel modules and mandatory access control.

use scan::rules::kernel_params::{PARAMS, Param};
use scan::rules::mac::Selinux;

use crate::host::Host;
use crate::stream::{Draw, Purpose};
use crate::tables::{Anomaly, Mac, TABLES};
use crate::world::Mark;

/// A kernel parameter as it stands.
pub(crate) struct ParamValue {
    pub param: &'static Param,
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
    /// Below /lib/modules/<release>.
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

pub(super) fn params(host: &Host) -> Vec<ParamValue> {
    let mut draw = host.streams(Purpose::Kernel).at(0);
    let value = |param: &'static Param| {
        let forwards = draw.chance(host.role.forwards);
        let current = param_value(host, param.path).unwrap_or(if forwards { "1" } else { "0" });
        ParamValue { param, current: current.to_owned(), mark: None }
    };
    PARAMS.iter().map(value).collect()
}

/// The value that the host's distribution, or its administrator, gives to a kernel parameter.
pub(crate) fn param_value(host: &Host, path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let values = host.distribution.params.get(name)?;
    let place = host.distribution.params.keys().position(|key| key == name)?;
    let mut draw = host.streams(Purpose::Kernel).at(1000 + place as u64);
    Some(draw.pick::<String>(values))
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
fn leftovers(host: &Host, draw: &mut Draw) -> u32 {
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
