//! Unit files of systemd services. They stay over reboots.

use std::collections::BTreeMap;

use crate::host::Host;
use crate::stream::Purpose;
use crate::tables::TABLES;
use crate::world::Mark;

/// A unit file with an `ExecStart`.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// `nginx.service`
    pub name: String,
    /// `/etc/systemd/system` for what an administrator (or an intruder) adds, `/usr/lib/systemd/system` for packages.
    pub directory: String,
    /// Its values of the settings that the scanner looks for, by key.
    pub sets: BTreeMap<String, String>,
    /// Its place in its directory.
    pub order: u32,
    pub mark: Option<Mark>,
}

/// A unit file that is installed.
struct Installed {
    name: &'static str,
    directory: &'static str,
    sets: &'static BTreeMap<String, String>,
}

/// The units that a scan of this host reads: none without hardening checks, else as many of those installed as its mode has.
pub(super) fn units(host: &Host) -> Vec<Unit> {
    if !host.mode.hardening {
        return Vec::new();
    }
    let streams = host.streams(Purpose::Unit);
    let slots = installed(host).into_iter().zip(0..);
    let mut ranked: Vec<(u32, u64, Installed)> =
        slots.map(|(unit, slot)| (streams.at(slot).word(), slot, unit)).collect();
    ranked.sort_unstable_by_key(|(rank, slot, _)| (*rank, *slot));
    ranked.truncate(streams.at(u64::MAX).between(host.mode.units) as usize);
    let unit = |(_, slot, unit): (u32, u64, Installed)| Unit {
        name: unit.name.to_owned(),
        directory: unit.directory.to_owned(),
        sets: unit.sets.clone(),
        order: streams.at(1 << 32 | slot).word(),
        mark: None,
    };
    ranked.into_iter().map(unit).collect()
}

fn installed(host: &Host) -> Vec<Installed> {
    let mut all = Vec::new();
    for group in &TABLES.units.base {
        let (directory, sets) = (group.directory.as_str(), &group.sets);
        all.extend(group.names.iter().map(|name| Installed { name, directory, sets }));
    }
    for unit in &TABLES.units.services {
        if host.running.iter().any(|r| r.container.is_none() && r.service.name == unit.of) {
            all.push(Installed { name: &unit.unit, directory: &unit.directory, sets: &unit.sets });
        }
    }
    all
}
