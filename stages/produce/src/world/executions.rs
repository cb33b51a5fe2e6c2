//! Processes that start while the scan watches for them, after everything else has looked: no other scanner sees them.

use crate::host::Host;
use crate::stream::Purpose;
use crate::tables::{Activity, KERNEL, Scene, TABLES};
use crate::world::ids::Ids;
use crate::world::process::Process;

/// The kernel's own threads are children of this process.
const KERNEL_PARENT: u32 = 2;
/// Share of a burst, per mille, that has the activity's first name.
const FIRST: u32 = 550;
/// Share of a burst, per mille, that the process before it starts.
const CHILD: u32 = 250;
/// How far the pids of processes lie apart that the watch sees one after the other: it misses most of those that live for moments.
const GAP: u32 = 8;

/// An execution.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub pid: u32,
    pub parent: u32,
    /// The name that the kernel has for it.
    pub name: String,
}

pub(super) fn executions(host: &Host, scan: u32, processes: &[Process], ids: &mut Ids) -> Vec<Execution> {
    if host.mode.untraced {
        return Vec::new();
    }
    let streams = host.streams(Purpose::Execution);
    let load = streams.at(u64::MAX).weighted(&TABLES.executions.loads, |load| load.weight);
    let mut draw = streams.at(u64::from(scan));
    let mut left = draw.between(load.expect("loads have weights").starts);
    let parents: Vec<u32> = processes.iter().filter(|p| p.container.is_none()).map(|p| p.pid).collect();
    let mut pid = ids.reached(scan);
    let mut all: Vec<Execution> = Vec::with_capacity(left as usize);
    while left > 0 {
        let weight = |activity: &Activity| if fits(activity, host) { activity.weight } else { 0 };
        let activity = draw.weighted(&TABLES.executions.activities, weight).expect("some activities fit any host");
        let parent = match activity.by.as_deref() {
            Some(KERNEL) => KERNEL_PARENT,
            Some(service) => daemon(service, host, processes).unwrap_or(1),
            None => *draw.pick(&parents),
        };
        let burst = draw.between(activity.burst).min(left);
        left -= burst;
        for place in 0..burst {
            let nested = place > 0 && parent != KERNEL_PARENT && draw.chance(CHILD);
            let parent = if nested { pid } else { parent };
            pid = ids.claim(pid + 1 + draw.below(GAP));
            let name = if draw.chance(FIRST) { &activity.names[0] } else { draw.pick(&activity.names) };
            let digit = |c| if c == '#' { char::from(b'0' + draw.below(8) as u8) } else { c };
            all.push(Execution { pid, parent, name: name.chars().map(digit).collect() });
        }
    }
    all
}

fn fits(activity: &Activity, host: &Host) -> bool {
    let scene = match activity.place {
        Scene::Any => true,
        Scene::Host => !host.container,
        Scene::Desktop => host.role.desktop,
        Scene::Developer => host.role.developer,
        Scene::Containers => host.running.iter().any(|running| running.container.is_some()),
    };
    let runs = |name: &str| host.running.iter().any(|r| r.container.is_none() && r.service.name == name);
    scene && activity.by.as_deref().is_none_or(|by| by == KERNEL || runs(by))
}

/// The daemon's process.
fn daemon(service: &str, host: &Host, processes: &[Process]) -> Option<u32> {
    let own = |process: &&Process| {
        let running = process.running.filter(|_| process.is_main && process.container.is_none());
        running.is_some_and(|index| host.running[index].service.name == service)
    };
    processes.iter().find(own).map(|process| process.pid)
}
