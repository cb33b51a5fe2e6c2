//! Files that the scanners `suid_sgid` and `world_writable` look at. They stay over reboots.

use scan::rules::world_writable::Check;

use crate::host::Host;
use crate::stream::Purpose;
use crate::world::Mark;

/// Left out of images that containers are made of.
const NOT_IN_CONTAINERS: [&str; 7] =
    ["sudo", "crontab", "pkexec", "fusermount3", "at", "userhelper", "pam_extrausers_chkpwd"];

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

pub(super) fn suid(host: &Host) -> Vec<SuidFile> {
    let streams = host.streams(Purpose::File);
    let installed = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        !(host.container && NOT_IN_CONTAINERS.contains(&name))
    };
    let file =
        |(path, slot): (&String, u64)| SuidFile { path: path.clone(), order: streams.at(slot).word(), mark: None };
    host.distribution.suid.iter().filter(installed).zip(0..).map(file).collect()
}

pub(super) fn writable(host: &Host) -> Vec<WritableFile> {
    if host.container {
        return Vec::new();
    }
    let streams = host.streams(Purpose::File);
    let file = |(path, slot): (&String, u64)| WritableFile {
        check: Check::FileCapability,
        path: path.clone(),
        order: streams.at(1000 + slot).word(),
        mark: None,
    };
    host.distribution.capabilities.iter().zip(0..).map(file).collect()
}
