//! `mounts`: what sensitive mounts lack. A container mounts nothing of the kind.

use scan::Finding;
use scan::rules::mounts::failed;

use crate::emit::Output;
use crate::host::Host;
use crate::stream::Purpose;
use crate::tables::TABLES;
use crate::world::World;

pub(super) fn emit(host: &Host, _world: &World) -> Output {
    let mut output = Output::new("mounts");
    if !host.mode.hardening || host.container {
        return output;
    }
    let streams = host.streams(Purpose::Mount);
    let mut taken: Vec<&str> = Vec::new();
    for (mount, slot) in TABLES.mounts.iter().zip(0..) {
        let mut draw = streams.at(slot);
        let there = draw.chance(mount.share) && (mount.desktop || !host.role.desktop);
        if !there || taken.contains(&mount.place.as_str()) {
            continue;
        }
        taken.push(&mount.place);
        let options = draw.pick(&mount.options);
        for check in failed(&mount.place, &mount.filesystem, options) {
            let id = format!("mount:{}:{}", check.id, mount.place);
            let finding = Finding::new(id, check.title, check.severity, check.description)
                .with("device", &mount.device)
                .with("fstype", &mount.filesystem)
                .with("mount", &mount.place)
                .with("options", options);
            output.push(finding, None);
        }
    }
    output
}
