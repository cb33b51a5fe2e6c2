//! `systemd_units`: thirteen settings of each unit, of /etc first.
//!
//! Where /lib is a link to /usr/lib the scanner reads the packages' units in both places and reports every finding twice, to
//! the byte. Here each is written once: a repeated finding teaches nothing, and two labels with one id would be ambiguous.

use scan::Finding;
use scan::rules::systemd_units::{SETTINGS, Setting};

use crate::emit::Output;
use crate::host::Host;
use crate::world::{Unit, World};

pub(super) fn emit(host: &Host, world: &World) -> Output {
    let on = host.mode.hardening;
    let mut output = Output::hardening("systemd_units", host);
    let mut units: Vec<&Unit> = world.units.iter().collect();
    units.sort_by_key(|unit| (&unit.directory, unit.order));
    for unit in units {
        for setting in &SETTINGS {
            if on {
                output.push(finding(unit, setting), unit.mark);
            } else {
                output.missed.extend(unit.mark.map(|mark| (id(unit, setting), mark)));
            }
        }
    }
    output
}

fn id(unit: &Unit, setting: &Setting) -> String {
    format!("systemd:{}:{}", setting.key, unit.name)
}

fn finding(unit: &Unit, setting: &Setting) -> Finding {
    let value = unit.sets.get(setting.key).map(String::as_str);
    let title = format!("{} {}", unit.name, setting.key);
    let finding = Finding::new(id(unit, setting), title, setting.severity(value), setting.description(value))
        .with("expected", setting.expected)
        .with("key", setting.key)
        .with("unit", &unit.name);
    match value {
        Some(value) => finding.with("value", value),
        None => finding,
    }
}
