//! The laws of pids and inodes.
//!
//! A daemon that runs since boot has a low number, one that was restarted and whatever came later a number anywhere up to
//! what the boot has reached. What a story adds draws from the mixture of both, in the host's own proportion, so that a
//! number alone tells nothing about it.

use std::collections::HashSet;

use crate::host::Host;
use crate::stream::{Draw, Purpose};
use crate::world::process::casual_slots;

/// Share of daemons, per mille, that were restarted between boot and the first scan.
const RESTARTED_EARLY: u32 = 250;
const BOOT_INODES: [u32; 2] = [14_000, 45_000];

/// The numbers of one host at one scan.
pub(crate) struct Ids {
    boot: u32,
    /// Pids given at boot end here.
    boot_pids: [u32; 2],
    /// How far pids and inodes have come at the boot's first scan, and how far they go between scans.
    pid_reach: [u32; 2],
    inode_reach: [u32; 2],
    /// Shares of processes and of sockets, per mille, that are as old as the boot.
    boot_processes: u32,
    boot_sockets: u32,
    /// Membership only; never iterated.
    used: HashSet<u32>,
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
        let middle = |[low, high]: [u32; 2]| (low + high) / 2;
        // Some of the short-lived processes rest at each scan.
        let others = casual_slots(host) * 85 / 100 + 3 * middle(host.role.sessions);
        let on_host = host.running.iter().filter(|running| running.container.is_none());
        let listeners: u32 = on_host.map(|running| running.service.listens.len() as u32).sum();
        let connections = middle(host.role.clients) + middle(host.role.outbound);
        let (low, pid_reach) = if host.container {
            (7, [draw.between([3_000, 9_000]), draw.between([4_000, 20_000])])
        } else {
            (260, [draw.between([6_000, 40_000]), draw.between([8_000, 90_000])])
        };
        Ids {
            boot,
            boot_pids: [low, low + 14 * daemons + 40],
            pid_reach,
            inode_reach: [draw.between([90_000, 400_000]), draw.between([60_000, 500_000])],
            boot_processes: daemons * (1000 - RESTARTED_EARLY) / (daemons + others),
            boot_sockets: listeners * (1000 - RESTARTED_EARLY) / (listeners + connections).max(1),
            used: HashSet::new(),
        }
    }

    /// The first pid that a daemon may have at boot.
    pub(super) fn first_pid(&self) -> u32 {
        self.boot_pids[0]
    }

    /// Since when slot `slot` of a kind of things has been what it is at `scan`: things are replaced with `churn` (per
    /// mille) from scan to scan.
    pub(super) fn since(&self, coins: impl Fn(u32) -> Draw, scan: u32, churn: u32) -> Since {
        let replaced = (self.boot + 1..=scan).rev().find(|at| coins(*at).chance(churn));
        match replaced {
            Some(at) => Since::Scan(at),
            None if coins(self.boot).chance(RESTARTED_EARLY) => Since::Scan(self.boot),
            None => Since::Boot,
        }
    }

    /// A pid of something that came at or before `scan`.
    pub(crate) fn late_pid(&mut self, scan: u32, draw: &mut Draw) -> u32 {
        let [first, step] = self.pid_reach;
        let high = first + scan.saturating_sub(self.boot) * step;
        let pid = draw.between([self.boot_pids[1], high.min(4_194_000)]);
        self.claim(pid)
    }

    /// A pid for what a story adds.
    pub(crate) fn pid_like_others(&mut self, scan: u32, draw: &mut Draw) -> u32 {
        if draw.chance(self.boot_processes) {
            let pid = draw.between(self.boot_pids);
            self.claim(pid)
        } else {
            self.late_pid(scan, draw)
        }
    }

    /// The next free pid at or after `pid`.
    pub(crate) fn claim(&mut self, pid: u32) -> u32 {
        let free = (pid..).find(|pid| self.used.insert(*pid));
        free.expect("a host runs fewer processes than there are numbers")
    }

    /// The inode of a socket.
    pub(crate) fn inode(&self, since: Since, draw: &mut Draw) -> u32 {
        match since {
            Since::Boot => draw.between(BOOT_INODES),
            Since::Scan(scan) => {
                let [first, step] = self.inode_reach;
                draw.between([BOOT_INODES[1], first + scan.saturating_sub(self.boot) * step])
            }
        }
    }

    /// The inode of a socket that a story adds.
    pub(crate) fn inode_like_others(&self, scan: u32, draw: &mut Draw) -> u32 {
        let since = if draw.chance(self.boot_sockets) { Since::Boot } else { Since::Scan(scan) };
        self.inode(since, draw)
    }
}
