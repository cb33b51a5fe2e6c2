//! The marker, which makes a directory a store. A directory of the user's is never taken for one, so nothing of theirs is removed.
//!
//! The marker is the first thing that is written, whole by one rename, so that two first runs recognize each other's beginnings.
//! Before there were markers a store had none: one that looks like a store through and through gets its marker at the first write.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::layout::{is_digest, is_run, is_scratch};
use crate::store::StoreError;
use crate::store::error::{At, StoreErrorKind};
use crate::store::objects::memo_file;
use crate::store::upkeep::inventory::ROOMS;

/// The marker's name in the store.
const MARKER: &str = "pipe-store";
const FIRST_WORDS: &str = "pipe store ";
const EXPLANATION: &str =
    "This directory belongs to pipe, which adds to it and removes from it; keep nothing of your own here.\n";

/// The format of stores that this version reads and writes. It rises with a change that an older version must not meet.
const FORMAT: u32 = 1;

/// By its convention backups and searches pass a directory over (<https://bford.info/cachedir/>).
const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory holds the store of pipe.\n";

/// The entries that a directory may hold before it becomes a store, besides files that begin with README.
const HARMLESS: [&str; 3] = [".gitignore", TAG, "lost+found"];
/// The entries of a store besides its rooms.
const OTHERS: [&str; 5] = ["locks", "last", "pins", "memo", "publishing"];

/// The most names that describe a directory.
const NAMED: usize = 3;

/// Whether the directory bears the marker; `false` for one that may get it. Any other is refused.
pub(in crate::store) fn recognize(root: &Path) -> Result<bool, StoreError> {
    let mut foreign = Vec::new();
    // Twice: another first run may have written its marker, and more, after it was looked for.
    for _ in 0..2 {
        if is_marked(root)? {
            return Ok(true);
        }
        let Some(names) = names(root)? else { return Ok(false) };
        if names.iter().all(|name| is_harmless(name)) {
            return Ok(false);
        }
        let mut others: Vec<_> = names.into_iter().filter(|name| !is_harmless(name)).collect();
        if others.iter().all(|name| is_of_a_store(name)) {
            if shows_use(root) {
                return Ok(false);
            }
        } else {
            others.retain(|name| !is_of_a_store(name));
        }
        foreign = others;
    }
    foreign.sort_unstable();
    let more = foreign.len().saturating_sub(NAMED);
    foreign.truncate(NAMED);
    Err(StoreError::new(root, StoreErrorKind::NotAStore { holds: foreign, more }))
}

/// Makes the directory, which was recognized, and marks it.
pub(in crate::store) fn mark(root: &Path) -> Result<(), StoreError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(root).at(root)?;
    let tag = root.join(TAG);
    match File::create_new(&tag).and_then(|mut file| file.write_all(TAG_TEXT.as_bytes())) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(StoreError::io(&tag, error)),
        _ => {}
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let temporary = root.join(format!("{MARKER}.{}-{number}.new", std::process::id()));
    fs::write(&temporary, format!("{FIRST_WORDS}{FORMAT}\n{EXPLANATION}")).at(&temporary)?;
    let marker = root.join(MARKER);
    fs::rename(&temporary, &marker).at(&marker)
}

/// Whether the marker is there and sound. One that a power cut emptied counts as none.
fn is_marked(root: &Path) -> Result<bool, StoreError> {
    let path = root.join(MARKER);
    // Opening does not wait, even if a pipe lies under the name.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(false),
        Err(Errno::NOTDIR) => return Err(StoreError::io(root, Errno::NOTDIR)),
        Err(error) => return Err(StoreError::io(&path, error)),
    };
    let mut text = String::new();
    // A few bytes are enough; a file that is no text is no marker.
    if file.take(64).read_to_string(&mut text).is_err() {
        return Ok(false);
    }
    let format = text.lines().next().and_then(|line| line.strip_prefix(FIRST_WORDS)).and_then(|it| it.parse().ok());
    match format {
        Some(found) if found > FORMAT => {
            Err(StoreError::new(root, StoreErrorKind::NewerStore { found, known: FORMAT }))
        }
        Some(1..) => Ok(true),
        _ => Ok(false),
    }
}

/// The names in a directory; `None` when it is not there.
fn names(root: &Path) -> Result<Option<Vec<String>>, StoreError> {
    match fs::read_dir(root) {
        Ok(entries) => {
            let names = entries.map(|entry| Ok(entry.at(root)?.file_name().to_string_lossy().into_owned()));
            names.collect::<Result<_, _>>().map(Some)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io(root, error)),
    }
}

fn is_harmless(name: &str) -> bool {
    let beginning = name.strip_prefix(MARKER).is_some_and(|rest| rest.is_empty() || rest.ends_with(".new"));
    beginning || name.starts_with("README") || HARMLESS.contains(&name)
}

fn is_of_a_store(name: &str) -> bool {
    OTHERS.contains(&name) || ROOMS.iter().any(|room| room.name == name)
}

/// Whether the name of `path` is one that something of a store has: an object, a record, a room, a run, a lock, a pin. Where it
/// was taken, a number follows it.
pub(in crate::store) fn is_from_a_store(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return false };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = name.rsplit_once('.').filter(|(_, end)| number(end)).map_or(name, |(name, _)| name);
    let family = name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let kept = name.ends_with(".json") || ["use", "kept"].contains(&name) || is_run(name);
    let own = name.strip_suffix(".lock").unwrap_or(name);
    family || kept || is_of_a_store(name) || is_scratch(own) || is_digest(path, &["", ".x", ".manifest", ".json"], true)
}

/// Whether the directory holds files that no user makes: a memo, a run, or the lock of runs beside records.
fn shows_use(root: &Path) -> bool {
    let is_file = |name: &str| fs::symlink_metadata(root.join(name)).is_ok_and(|it| it.is_file());
    let is_dir = |name: &str| fs::symlink_metadata(root.join(name)).is_ok_and(|it| it.is_dir());
    let has_run = || {
        let runs = fs::read_dir(root.join("runs")).into_iter().flatten().flatten();
        runs.map(|run| run.file_name()).any(|name| name.to_str().is_some_and(is_run))
    };
    memo_file::is_one(&root.join("memo")) || (is_file("locks/use") && is_dir("records")) || has_run()
}
