//! Processes: daemons with their workers, containers, sessions, and what else comes and goes.

use draws::Stream;

use crate::host::Host;
use crate::stream::Purpose;
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
    for (index, running) in host.running.iter().enumerate() {
        let slot = index as u32;
        let since = ids.since(|at| streams.at2(at, COIN + slot), scan, DAEMON_CHURN);
        let pids = match since {
            Since::Scan(at) if index > 0 => restarted(running.workers, at, ids, &mut streams.at2(at, COIN * 3 + slot)),
            _ => ids.of_daemon(index).to_vec(),
        };
        let service = running.service;
        let argv0 = service.argv0.as_deref().unwrap_or(&service.exe);
        let main = Process {
            container: running.container.clone(),
            running: Some(index),
            is_main: true,
            ..Process::plain(pids[0], &service.exe, argv0, service.uid, since)
        };
        for (pid, workers) in pids[1..].iter().zip(service.workers.iter().cycle()) {
            processes.push(Process {
                pid: *pid,
                exe: workers.exe.clone().unwrap_or_else(|| main.exe.clone()),
                argv0: workers.argv0.clone(),
                uid: workers.uid,
                is_main: false,
                ..main.clone()
            });
        }
        processes.push(main);
    }
}

/// The pids of a daemon, and of its workers, that was restarted before a scan.
fn restarted(workers: u32, scan: u32, ids: &mut Ids, draw: &mut Stream) -> Vec<u32> {
    let mut pids = vec![ids.late_pid(scan, draw)];
    for place in 0..workers as usize {
        pids.push(ids.claim(pids[place] + 1 + draw.below(2)));
    }
    pids
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
