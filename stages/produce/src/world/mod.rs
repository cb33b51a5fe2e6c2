//! The state of a host at one scan: what the scanners would find if they looked.
//!
//! First the benign state is built (`process`, `socket`, `files`, `kernel`, `firmware`, with pids and inodes from `ids`); then stories
//! change it. Findings come from the state alone, so a chain's process passes through the same code as any other.

mod executions;
mod files;
mod firmware;
mod ids;
mod kernel;
pub(crate) mod process;
mod socket;
mod units;

pub(crate) use executions::Execution;
pub(crate) use files::{SuidFile, WritableFile};
pub(crate) use firmware::Firmware;
pub(crate) use ids::{Ids, Since};
pub(crate) use kernel::{KernelModule, MacState, Modules, ParamValue};
pub(crate) use process::{Process, user_uid};
pub(crate) use socket::{CONNECTION_CHURN, EPHEMERAL, Socket, part_datagrams, remote_address};
pub(crate) use units::Unit;

use crate::host::Host;

/// Everything of a host that stories change or that comes and goes. What neither touches (mounts, audit rules) is drawn
/// where it is emitted.
pub(crate) struct World {
    /// The number of the scan, from 0.
    pub scan: u32,
    pub ids: Ids,
    pub processes: Vec<Process>,
    pub sockets: Vec<Socket>,
    pub suid: Vec<SuidFile>,
    pub writable: Vec<WritableFile>,
    pub params: Vec<ParamValue>,
    pub firmware: Firmware,
    pub modules: Modules,
    pub mac: MacState,
    pub units: Vec<Unit>,
    pub executions: Vec<Execution>,
    /// Scanner, finding id and mark of what stories changed without the scan noticing: the finding is as if they had not.
    pub unseen: Vec<(&'static str, String, Mark)>,
}

/// Which step of which of the host's stories left something, and whether the scan missed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub story: u16,
    pub step: u16,
    /// It was there, but gone or unreadable at the moment the scanner looked.
    pub missed: bool,
}

impl World {
    /// The benign state of a host at a scan.
    pub(crate) fn benign(host: &Host, scan: u32) -> World {
        let mut ids = Ids::new(host, scan);
        let processes = process::benign(host, scan, &mut ids);
        let executions = executions::executions(host, scan, &processes, &mut ids);
        let sockets = socket::benign(host, scan, &processes, &mut ids);
        World {
            scan,
            ids,
            processes,
            sockets,
            suid: files::suid(host),
            writable: files::writable(host),
            params: kernel::params(host),
            firmware: firmware::firmware(host),
            modules: kernel::modules(host, scan),
            mac: kernel::mac(host),
            units: units::units(host),
            executions,
            unseen: Vec::new(),
        }
    }
}
