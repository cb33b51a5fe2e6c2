//! The laws of pids and inodes.
//!
//! A daemon that runs since boot has a low number, one that was restarted and whatever came later a number anywhere up to
//! what the boot has reached. What a story adds takes numbers as benign things do: beside a daemon's among those of the boot,
//! or late, in the host's own proportion, so that a number alone tells nothing about it.

use std::collections::HashSet;

use draws::Stream;

use crate::host::Host;
use crate::story;
use crate::stream::Purpose;
use crate::world::process::casual_slots;

/// Share of daemons, per mille, that were restarted between boot and the first scan.
const RESTARTED_EARLY: u32 = 250;
const BOOT_INODES: [u32; 2] = [14_000, 45_000];
/// Share, per mille, of the processes of stories that serve, and so are daemons.
const SERVING: u32 = 350;
/// Share, per mille, of the late processes that came since the scan before.
const FRESH: u32 = 570;
/// Share, per mille, of boot's processes with sockets that belong to daemons which listen; and of those without to the others.
const OWN_KIND: u32 = 700;
/// How far pids of daemons lie apart that start one after the other, and those of a daemon's workers.
const DAEMON_GAP: u32 = 12;
const WORKER_GAP: u32 = 2;
const WORKERS: u32 = 1 << 25;

/// The numbers of one host at one scan.
pub(crate) struct Ids {
    boot: u32,
    /// How often the host is scanned.
    scans: u32,
    /// Pids given at boot: of each daemon, then of its workers. Nothing else ever has them.
    given: Vec<Vec<u32>>,
    /// Those of daemons that listen, and those of others; without process 1, which nothing follows.
    listening: Vec<u32>,
    silent: Vec<u32>,
    /// The last of them.
    boot_end: u32,
    /// How far pids and inodes have come at the boot's first scan, and how far they go between scans.
    pid_reach: [u32; 2],
    inode_reach: [u32; 2],
    /// Share of processes, per mille, that are as old as the boot.
    boot_processes: u32,
    /// Pids and inodes that are taken; never iterated.
    used: HashSet<u32>,
    inodes: HashSet<u32>,
}

/// Since when something runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// Since the boot.
    Boot,
    /// It came later, at or before this scan.
    Scan(u32),
}

impl Ids {
    pub(super) fn new(host: &Host, scan: u32) -> Ids {
        let boot = host.moments[scan as usize].boot;
        let mut draw = host.streams(Purpose::Daemon).at2(boot, u32::MAX);
        let daemons: u32 = host.running.iter().map(|running| 1 + running.workers).sum();
        let [low, high] = host.role.sessions;
        // Some of the short-lived processes rest at each scan.
        let others = casual_slots(host) * 85 / 100 + 3 * (low + high) / 2;
        let (first, pid_reach) = if host.container {
            (7, [draw.between([3_000, 9_000]), draw.between([4_000, 20_000])])
        } else {
            (260, [draw.between([6_000, 40_000]), draw.between([8_000, 90_000])])
        };
        let given = given_at_boot(host, boot, first);
        let (mut listening, mut silent) = (Vec::new(), Vec::new());
        for (running, family) in host.running.iter().zip(&given) {
            let listens = running.container.is_none() && !running.service.listens.is_empty();
            let kind = if listens { &mut listening } else { &mut silent };
            kind.extend(family.iter().filter(|pid| **pid > 1));
        }
        Ids {
            boot,
            scans: host.moments.len() as u32,
            listening,
            silent,
            boot_end: given.iter().flatten().copied().max().unwrap_or(first),
            used: given.iter().flatten().copied().collect(),
            inodes: HashSet::new(),
            given,
            pid_reach,
            inode_reach: [draw.between([90_000, 400_000]), draw.between([60_000, 500_000])],
            boot_processes: daemons * (1000 - RESTARTED_EARLY) / (daemons + others).max(1),
        }
    }

    /// The pids that a daemon and its workers have since boot.
    pub(super) fn of_daemon(&self, index: usize) -> &[u32] {
        &self.given[index]
    }

    /// Since when slot `slot` of a kind of things has been what it is at `scan`: things are replaced with `churn` (per
    /// mille) from scan to scan.
    pub(super) fn since(&self, coins: impl Fn(u32) -> Stream, scan: u32, churn: u32) -> Since {
        let replaced = (self.boot + 1..=scan).rev().find(|at| coins(*at).chance(churn));
        match replaced {
            Some(at) => Since::Scan(at),
            None if coins(self.boot).chance(RESTARTED_EARLY) => Since::Scan(self.boot),
            None => Since::Boot,
        }
    }

    /// Since when a process of a story runs that began before scan `begin` of this boot. Those that serve are daemons; of
    /// the others so many are as old as the boot that all of a host's stories together are like its processes.
    pub(crate) fn since_like_others(
        &self,
        coins: impl Fn(u32) -> Stream,
        begin: u32,
        scan: u32,
        serves: bool,
    ) -> Since {
        let daemons = 1000 - RESTARTED_EARLY;
        let others = (self.boot_processes * 1000).saturating_sub(SERVING * daemons) / (1000 - SERVING);
        if coins(begin).chance(if serves { daemons } else { others }) {
            return Since::Boot;
        }
        Since::Scan(self.scan_like_others(coins, begin, scan, FRESH))
    }

    /// The last scan since which something of a story that began before scan `begin` is what it is. Of stories seen at a scan
    /// some are new; the rest is replaced just so often that the share of what is fresh (per mille) is that of benign things.
    pub(crate) fn scan_like_others(&self, coins: impl Fn(u32) -> Stream, begin: u32, scan: u32, fresh: u32) -> u32 {
        let churn = |at: u32| {
            let [new, seen] = story::begun(at, self.scans);
            (fresh * seen).saturating_sub(1000 * new) / (seen - new)
        };
        (begin + 1..=scan).rev().find(|at| coins(*at).chance(churn(*at))).unwrap_or(begin)
    }

    /// The pid that the boot has reached when the scan begins.
    pub(super) fn reached(&self, scan: u32) -> u32 {
        let [first, step] = self.pid_reach;
        (first + scan.saturating_sub(self.boot) * step).min(4_190_000)
    }

    /// A pid of something that came at or before `scan`.
    pub(crate) fn late_pid(&mut self, scan: u32, draw: &mut Stream) -> u32 {
        let pid = draw.between([self.boot_end + 1, self.reached(scan)]);
        self.claim(pid)
    }

    /// A pid for a process of a story: close to one of the daemons of its kind, where it is as old as they are.
    pub(crate) fn pid(&mut self, since: Since, sockets: bool, draw: &mut Stream) -> u32 {
        match since {
            Since::Boot => {
                let (own, other) =
                    if sockets { (&self.listening, &self.silent) } else { (&self.silent, &self.listening) };
                let kinds = if draw.chance(OWN_KIND) { [own, other] } else { [other, own] };
                let kind = kinds.into_iter().find(|kind| !kind.is_empty());
                let neighbour = kind.map_or(self.boot_end, |kind| *draw.pick(kind));
                let pid = neighbour + draw.below(DAEMON_GAP) - DAEMON_GAP / 2;
                self.claim(pid)
            }
            Since::Scan(at) => self.late_pid(at, draw),
        }
    }

    /// The next free pid at or after `pid`.
    pub(crate) fn claim(&mut self, pid: u32) -> u32 {
        let free = (pid..).find(|pid| self.used.insert(*pid));
        free.expect("a host runs fewer processes than there are numbers")
    }

    /// The inode of a socket, unlike any other's.
    pub(crate) fn inode(&mut self, since: Since, draw: &mut Stream) -> u32 {
        let inode = match since {
            Since::Boot => draw.between(BOOT_INODES),
            Since::Scan(scan) => {
                let [first, step] = self.inode_reach;
                draw.between([BOOT_INODES[1], first + scan.saturating_sub(self.boot) * step])
            }
        };
        let free = (inode..).find(|inode| self.inodes.insert(*inode));
        free.expect("a host has fewer sockets than there are numbers")
    }
}

/// Pids in the order in which daemons start at a boot. They depend on the boot alone, so a daemon that is restarted leaves the
/// others theirs.
fn given_at_boot(host: &Host, boot: u32, first: u32) -> Vec<Vec<u32>> {
    let streams = host.streams(Purpose::Daemon);
    let mut next = first;
    let slots = host.running.iter().zip(0..);
    let family = slots.map(|(running, slot)| {
        next += 1 + streams.at2(boot, slot).below(DAEMON_GAP);
        let mut family = vec![if slot == 0 { 1 } else { next }];
        let mut draw = streams.at2(boot, WORKERS + slot);
        for _ in 0..running.workers {
            next += 1 + draw.below(WORKER_GAP);
            family.push(next);
        }
        family
    });
    family.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_drawn_twice_are_given_once() {
        let host = Host::new(1, 0, 1);
        let mut ids = Ids::new(&host, 0);
        // So many that some are drawn twice: of the boot's inodes there are 31,001, of pids at most 40,000.
        let mut draw = host.streams(Purpose::Socket).at(0);
        let inodes: HashSet<u32> = (0..4000).map(|_| ids.inode(Since::Boot, &mut draw)).collect();
        assert_eq!(inodes.len(), 4000);
        let pids: HashSet<u32> = (0..4000).map(|_| ids.late_pid(0, &mut draw)).collect();
        assert_eq!(pids.len(), 4000);
    }
}
