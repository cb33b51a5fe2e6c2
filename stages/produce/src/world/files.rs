//! Files that the scanners `suid_sgid` and `world_writable` look at. They stay over reboots.

use scan::rules::world_writable::Check;

use crate::host::Host;
use crate::stream::Purpose;
use crate::tables::{Program, TABLES};
use crate::world::Mark;

/// Left out of images that containers are made of.
const NOT_IN_CONTAINERS: [&str; 7] =
    ["sudo", "crontab", "pkexec", "fusermount3", "at", "userhelper", "pam_extrausers_chkpwd"];

/// Never left out. Of the other programs of a distribution minimal installations lack some.
const ESSENTIAL: [&str; 7] = ["su", "passwd", "mount", "umount", "unix_chkpwd", "chage", "ping"];
/// Share of hosts, per mille, that have one of those others.
const USUAL: u32 = 860;

/// A program with the setuid or setgid bit.
#[derive(Clone, Debug)]
pub(crate) struct SuidFile {
    pub path: String,
    /// Its place in its directory.
    pub order: u32,
    pub mark: Option<Mark>,
}

/// A file that a check of `world_writable` would report.
#[derive(Clone, Debug)]
pub(crate) struct WritableFile {
    pub check: Check,
    pub path: String,
    /// Its place in its directory.
    pub order: u32,
    pub mark: Option<Mark>,
}

/// Programs of packages that only some hosts have lie from this slot on.
const SOME: u64 = 100;
const CAPABLE: u64 = 1000;

pub(super) fn suid(host: &Host) -> Vec<SuidFile> {
    let file = |(path, order): (&String, u32)| SuidFile { path: path.clone(), order, mark: None };
    let all = installed(host, &host.distribution.suid, &TABLES.programs.setuid, 0);
    all.into_iter().filter(|(path, _)| !(host.container && is_left_out(path))).map(file).collect()
}

pub(super) fn writable(host: &Host) -> Vec<WritableFile> {
    if host.container {
        return Vec::new();
    }
    let file = |(path, order): (&String, u32)| {
        let check = Check::FileCapability;
        WritableFile { check, path: path.clone(), order, mark: None }
    };
    let all = installed(host, &host.distribution.capabilities, &TABLES.programs.capabilities, CAPABLE);
    all.into_iter().map(file).collect()
}

fn is_left_out(path: &str) -> bool {
    NOT_IN_CONTAINERS.contains(&name(path))
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The paths of a distribution's programs and of those of further packages that a host has, with their places.
fn installed<'a>(host: &Host, base: &'a [String], some: &'a [Program], slot: u64) -> Vec<(&'a String, u32)> {
    let streams = host.streams(Purpose::File);
    let mut all = Vec::new();
    for (path, slot) in base.iter().zip(slot..) {
        let mut draw = streams.at(slot);
        let order = draw.word();
        if ESSENTIAL.contains(&name(path)) || draw.chance(USUAL) {
            all.push((path, order));
        }
    }
    for (program, slot) in some.iter().zip(slot + SOME..) {
        let mut draw = streams.at(slot);
        if draw.chance(program.share) && !base.contains(&program.path) {
            all.push((&program.path, draw.word()));
        }
    }
    all
}
