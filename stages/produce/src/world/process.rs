//! Processes: daemons with their workers, containers, sessions, and what else comes and goes.

use crate::host::{Host, Running};
use crate::stream::{Draw, Purpose};
use crate::tables::{Account, TABLES, Where};
use crate::world::Mark;
use crate::world::ids::{Ids, Since};

/// Share of daemons, per mille, that are restarted between two scans, and of short-lived processes that are others.
const DAEMON_CHURN: u32 = 60;
const CASUAL_CHURN: u32 = 600;
/// Slots of a kind of process lie this far apart in the position of a stream.
const CASUAL: u32 = 1 << 20;
const SESSIONS: u32 = 1 << 21;
const COIN: u32 = 1 << 24;

/// A process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub pid: u32,
    /// The executable's path, without the kernel's ` (deleted)`.
    pub exe: String,
    pub deleted: bool,
    pub argv0: String,
    /// The rest of argv.
    pub args: String,
    pub uid: u32,
    /// LD_PRELOAD or LD_LIBRARY_PATH is set.
    pub preload: bool,
    /// The id of the container it runs in.
    pub container: Option<String>,
    /// Index of the daemon it belongs to.
    pub running: Option<usize>,
    /// It is the daemon itself, no child of it.
    pub is_main: bool,
    pub since: Since,
    pub mark: Option<Mark>,
}

impl Process {
    /// A benign process that is no daemon's.
    pub(crate) fn plain(pid: u32, exe: &str, argv0: &str, uid: u32, since: Since) -> Process {
        Process {
            pid,
            exe: exe.to_owned(),
            deleted: false,
            argv0: argv0.to_owned(),
            args: String::new(),
            uid,
            preload: false,
            container: None,
            running: None,
            is_main: false,
            since,
            mark: None,
        }
    }

    /// The target of /proc/PID/exe.
    pub(crate) fn link(&self) -> String {
        if self.deleted { format!("{} (deleted)", self.exe) } else { self.exe.clone() }
    }
}

/// The uid of the host's n-th user.
pub(crate) fn user_uid(user: usize) -> u32 {
    1000 + user as u32
}

pub(super) fn benign(host: &Host, scan: u32, ids: &mut Ids) -> Vec<Process> {
    let mut processes = Vec::with_capacity(128);
    daemons(host, scan, ids, &mut processes);
    sessions(host, scan, ids, &mut processes);
    casual(host, scan, ids, &mut processes);
    processes
}

fn daemons(host: &Host, scan: u32, ids: &mut Ids, processes: &mut Vec<Process>) {
    let streams = host.streams(Purpose::Daemon);
    let boot = host.moments[scan as usize].boot;
    let mut next = ids.first_pid();
    for (index, running) in host.running.iter().enumerate() {
        let slot = index as u32;
        let since = ids.since(|at| streams.at2(at, COIN + slot), scan, DAEMON_CHURN);
        // The gap is drawn from the boot's stream even for a daemon that was restarted, so that the others keep their pids.
        next += 1 + streams.at2(boot, slot).below(12);
        let mut draw = match since {
            Since::Boot => streams.at2(boot, COIN * 2 + slot),
            Since::Scan(at) => streams.at2(at, COIN * 3 + slot),
        };
        let pid = match since {
            _ if index == 0 => ids.claim(1),
            Since::Boot => ids.claim(next),
            Since::Scan(at) => ids.late_pid(at, &mut draw),
        };
        let argv0 = running.service.argv0.as_deref().unwrap_or(&running.service.exe);
        let main = Process {
            container: running.container.clone(),
            running: Some(index),
            is_main: true,
            ..Process::plain(pid, &running.service.exe, argv0, running.service.uid, since)
        };
        workers(running, &main, ids, &mut draw, processes);
        if since == Since::Boot {
            next += running.workers;
        }
        processes.push(main);
    }
}

fn workers(running: &Running, main: &Process, ids: &mut Ids, draw: &mut Draw, processes: &mut Vec<Process>) {
    let Some(workers) = &running.service.workers else { return };
    let mut pid = main.pid.max(ids.first_pid());
    for _ in 0..running.workers {
        pid = ids.claim(pid + 1 + draw.below(2));
        processes.push(Process {
            pid,
            exe: workers.exe.clone().unwrap_or_else(|| main.exe.clone()),
            argv0: workers.argv0.clone(),
            uid: workers.uid,
            is_main: false,
            ..main.clone()
        });
    }
}

fn sessions(host: &Host, scan: u32, ids: &mut Ids, processes: &mut Vec<Process>) {
    let Some(sshd) = host.running.iter().position(|running| running.service.name == "sshd") else { return };
    let streams = host.streams(Purpose::Casual);
    let count = streams.at2(scan, SESSIONS - 1).between(host.role.sessions);
    for slot in SESSIONS..SESSIONS + count {
        let mut draw = streams.at2(scan, slot);
        let user = draw.below(host.users.len() as u32) as usize;
        let (name, since) = (host.users[user], Since::Scan(scan));
        let pid = ids.late_pid(scan, &mut draw);
        let terminal = slot - SESSIONS;
        let parent = format!("sshd: {name} [priv]");
        let child = format!("sshd: {name}@pts/{terminal}");
        let belongs = |process| Process { running: Some(sshd), ..process };
        processes.push(belongs(Process::plain(pid, "/usr/sbin/sshd", &parent, 0, since)));
        let pid = ids.claim(pid + 2 + draw.below(9));
        processes.push(belongs(Process::plain(pid, "/usr/sbin/sshd", &child, user_uid(user), since)));
        let pid = ids.claim(pid + 1);
        processes.push(Process::plain(pid, "/usr/bin/bash", "-bash", user_uid(user), since));
    }
}

/// How many short-lived processes a host has room for; some rest at each scan.
pub(crate) fn casual_slots(host: &Host) -> u32 {
    host.streams(Purpose::Casual).at(u64::MAX).between(host.role.casual)
}

fn casual(host: &Host, scan: u32, ids: &mut Ids, processes: &mut Vec<Process>) {
    let streams = host.streams(Purpose::Casual);
    let fits = |place| match place {
        Where::Any => true,
        Where::Desktop => host.role.desktop,
        Where::Developer => host.role.developer,
    };
    for slot in CASUAL..CASUAL + casual_slots(host) {
        if streams.at2(scan, COIN + slot).chance(150) {
            continue;
        }
        let since = ids.since(|at| streams.at2(at, 2 * COIN + slot), scan, CASUAL_CHURN);
        let came = match since {
            Since::Boot => host.moments[scan as usize].boot,
            Since::Scan(at) => at,
        };
        let mut draw = streams.at2(came, 3 * COIN + slot);
        let kind = draw.weighted(&TABLES.casual, |casual| if fits(casual.place) { casual.weight } else { 0 });
        let kind = kind.expect("some short-lived processes fit any host");
        let uid = match kind.account {
            Account::User => user_uid(draw.below(host.users.len() as u32) as usize),
            Account::Uid(uid) => uid,
            Account::Root | Account::Service => 0,
        };
        let pid = ids.late_pid(came, &mut draw);
        processes.push(Process::plain(pid, &kind.exe, &kind.argv0, uid, Since::Scan(came)));
    }
}
