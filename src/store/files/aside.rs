//! Moves things out of the way without ever replacing anything: into the quarantine, into `displaced/`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::{Errno, Result};

/// Renames `from` to `to`, or to `to` with a number appended where that is taken, making the directory it lies in. Returns
/// where it went.
pub(in crate::store) fn numbered(from: &Path, to: &Path) -> Result<PathBuf> {
    let mut target = to.to_owned();
    for number in 1_u32.. {
        match install(from, &target) {
            Err(Errno::EXIST | Errno::NOTEMPTY) => {
                let mut name = OsString::from(to.as_os_str());
                name.push(format!(".{number}"));
                target = name.into();
            }
            result => return result.map(|()| target),
        }
    }
    Err(Errno::EXIST)
}

/// Renames `from` to `to`, where nothing may be.
pub(in crate::store) fn rename_new(from: &Path, to: &Path) -> Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A filesystem that cannot promise it (some network ones): look, then rename.
        Err(Errno::INVAL | Errno::NOSYS) => match rustix::fs::lstat(to) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => rustix::fs::rename(from, to),
            Err(error) => Err(error),
        },
        result => result,
    }
}

/// As [`rename_new`], making the directory that `to` lies in when it is missing.
pub(in crate::store) fn install(from: &Path, to: &Path) -> Result<()> {
    match rename_new(from, to) {
        Err(Errno::NOENT) => {
            let parent = to.parent().unwrap_or(to);
            fs::create_dir_all(parent).map_err(|error| match Errno::from_io_error(&error) {
                // A link that leads nowhere lies on the way. The name itself is not taken, as callers would take it.
                Some(Errno::EXIST) => Errno::NOTDIR,
                other => other.unwrap_or(Errno::IO),
            })?;
            rename_new(from, to)
        }
        result => result,
    }
}
