//! The seal: how an object in the store shows, to one `stat`, that nobody has written to it since it was hashed.
//!
//! Sealing makes a file read-only and sets its mtime to the newest moment before its last write whose nanoseconds are a
//! function of its digest. A write sets the mtime to the present, which lies later and, but for one chance in 10^9, carries
//! other nanoseconds. So a seal needs no table: it survives a lost memo, a moved store, `cp -a`, and a kill at any moment. A
//! filesystem that rounds times breaks it; `Memo` remembers the objects there instead.

use std::fs::File;

use contract::Digest;
use rustix::fs::{Mode, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Result;

use crate::store::files::stamp::Stamp;

const SECOND: i64 = 1_000_000_000;

/// Whether a file of this stamp carries the seal of `digest`.
pub(in crate::store) fn holds(stamp: &Stamp, digest: &Digest) -> bool {
    stamp.mtime.rem_euclid(SECOND) == nanoseconds(digest)
}

/// Makes `file`, which was hashed when it had `stamp`, read-only and seals it.
pub(in crate::store) fn apply(file: &File, stamp: &Stamp, digest: &Digest, executable: bool) -> Result<()> {
    if stamp.mode & 0o7777 != mode(executable) {
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode(executable)))?;
    }
    if holds(stamp, digest) { Ok(()) } else { set_mtime(file, sealed_mtime(stamp.mtime, digest)) }
}

/// Sets the mtime and leaves the access time.
pub(in crate::store) fn set_mtime(file: &File, mtime: i64) -> Result<()> {
    let kept = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let set = Timespec { tv_sec: mtime.div_euclid(SECOND), tv_nsec: mtime.rem_euclid(SECOND) };
    rustix::fs::futimens(file, &Timestamps { last_access: kept, last_modification: set })
}

/// Permissions of an object: read-only, so that an edit through a link fails instead of damaging the store.
pub(in crate::store) fn mode(executable: bool) -> u32 {
    if executable { 0o555 } else { 0o444 }
}

fn sealed_mtime(mtime: i64, digest: &Digest) -> i64 {
    let candidate = mtime - mtime.rem_euclid(SECOND) + nanoseconds(digest);
    if candidate < mtime { candidate } else { candidate - SECOND }
}

fn nanoseconds(digest: &Digest) -> i64 {
    let [a, b, c, d, ..] = *digest.as_bytes();
    i64::from(u32::from_le_bytes([a, b, c, d])) % SECOND
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sealed_time_lies_at_most_a_second_before_the_last_write(mtime in 0..4_000_000_000_000_000_000_i64, seed: u64) {
            let digest = Digest::of(&seed.to_le_bytes());
            let sealed = sealed_mtime(mtime, &digest);
            prop_assert!(sealed < mtime && mtime - sealed <= SECOND);
            let stamp = Stamp { dev: 1, ino: 1, size: 0, mtime: sealed, ctime: 0, mode: 0, shared: false };
            prop_assert!(holds(&stamp, &digest));
            prop_assert!(!holds(&stamp, &Digest::of(b"other")));
        }
    }
}
