//! Processes that start while the scan watches for them. They are gone before anything else looks.

use crate::host::Host;
use crate::stream::Purpose;
use crate::tables::{TABLES, Where};
use crate::world::ids::Ids;
use crate::world::process::Process;

/// How many start in three seconds.
const COUNT: [u32; 2] = [0, 4];

/// An execution.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub pid: u32,
    pub parent: u32,
    /// The executable's file name.
    pub name: &'static str,
}

pub(super) fn executions(host: &Host, scan: u32, processes: &[Process], ids: &mut Ids) -> Vec<Execution> {
    if !host.mode.trace {
        return Vec::new();
    }
    let mut draw = host.streams(Purpose::Execution).at(u64::from(scan));
    let count = draw.between(COUNT);
    let parents: Vec<u32> = processes.iter().filter(|p| p.container.is_none()).map(|p| p.pid).collect();
    let one = |_| {
        let kind = draw.weighted(&TABLES.casual, |casual| if casual.place == Where::Any { casual.weight } else { 0 });
        let kind = kind.expect("some short-lived processes fit any host");
        let name = kind.exe.rsplit('/').next().unwrap_or(&kind.exe);
        Execution { pid: ids.late_pid(scan, &mut draw), parent: *draw.pick(&parents), name }
    };
    (0..count).map(one).collect()
}
