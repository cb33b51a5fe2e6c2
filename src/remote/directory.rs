//! A directory as a place that keeps objects: each is a file, written beside its place and linked or renamed to it.
//!
//! A link succeeds only where nothing lies, which makes `absent` atomic. A write that depends on a version, one that replaces and a
//! removal hold a lock, so that two programs that share the directory follow one another. A version is the digest of the content.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use contract::Digest;
use rustix::fs::OFlags;

use super::meter::Meter;
use super::names;
use super::objects::{Condition, LONGEST_TEXT, Listed, Listing, Objects, Put, Source, Version};
use super::{FailedClass, RemoteError};

/// Unfinished writes lie here, below the root: on the same filesystem, and no object's name begins with a dot.
const UNFINISHED: &str = ".unfinished";

/// The lock of writes that replace.
const LOCK: &str = ".lock";

/// Age at which an unfinished write counts as left by a killed program.
const STALE_SECONDS: u64 = 24 * 60 * 60;

/// Threads that read or write files at once.
const LANES: usize = 4;

/// Bytes copied between two checks for cancellation.
const CHUNK: usize = 1 << 20;

/// The directory.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    next: AtomicU64,
    /// Its marker was read, so that it is a store for as long as this process uses it.
    marked: AtomicBool,
}

impl Directory {
    /// Objects in `root`, which need not exist before something is written.
    pub(super) fn new(root: PathBuf) -> Directory {
        Directory { root, next: AtomicU64::new(0), marked: AtomicBool::new(false) }
    }

    /// Fails where the store is gone as a whole, unmounted or moved away: then no object is known to be absent, and none is written.
    fn still_there(&self) -> Result<(), RemoteError> {
        if self.marked.load(Ordering::Relaxed) && !self.root.join(names::MARKER).exists() {
            let message = format!("{} is not there any more", self.root.display());
            return Err(RemoteError::new(FailedClass::Unavailable, message).help("mount it, or move it back"));
        }
        Ok(())
    }

    /// The file of an object. A name that would lead elsewhere is refused.
    fn path(&self, name: &str) -> Result<PathBuf, RemoteError> {
        let relative = Path::new(name);
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        // `a//b` and `a/./b` have the components of `a/b`.
        let canonical = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        if plain && canonical {
            return Ok(self.root.join(relative));
        }
        Err(RemoteError::new(FailedClass::Invalid, format!("{name:?} cannot name an object")))
    }

    /// A new path for something unfinished.
    fn fresh(&self) -> Result<PathBuf, RemoteError> {
        let directory = self.root.join(UNFINISHED);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number == 0 {
            fs::create_dir_all(&directory).map_err(|e| RemoteError::io(&directory, &e))?;
            sweep(&directory);
        }
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos());
        Ok(directory.join(format!("{}-{moment:x}-{number}", std::process::id())))
    }

    /// The right to replace and to remove, until it is dropped.
    fn lock(&self) -> Result<File, RemoteError> {
        let path = self.root.join(LOCK);
        let locked = File::options().create(true).truncate(false).write(true).open(&path);
        let locked = locked.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|e| RemoteError::io(&path, &e))
    }

    fn install(&self, unfinished: &Path, name: &str, condition: &Condition) -> Result<Put, RemoteError> {
        let path = self.path(name)?;
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(|e| RemoteError::io(parent, &e))?;
        let failed = |e: io::Error| RemoteError::io(&path, &e);
        match condition {
            Condition::Absent => match fs::hard_link(unfinished, &path) {
                Ok(()) => Ok(Put::Made),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Put::Refused),
                // Some filesystems have no links.
                Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                    let _lock = self.lock()?;
                    match path.try_exists().map_err(failed)? {
                        true => Ok(Put::Refused),
                        false => fs::rename(unfinished, &path).map_err(failed).map(|()| Put::Made),
                    }
                }
                Err(error) => Err(failed(error)),
            },
            Condition::Any => {
                let _lock = self.lock()?;
                fs::rename(unfinished, &path).map_err(failed).map(|()| Put::Made)
            }
            Condition::Version(version) => {
                let _lock = self.lock()?;
                match self.read(name, &Meter::default())? {
                    Some((_, found)) if found == *version => {
                        fs::rename(unfinished, &path).map_err(failed).map(|()| Put::Made)
                    }
                    _ => Ok(Put::Refused),
                }
            }
        }
    }
}

impl Objects for Directory {
    fn has(&self, names: &[String], _: &Meter) -> Result<Vec<Option<u64>>, RemoteError> {
        let size = |name: &String| {
            let path = self.path(name)?;
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_file() => Ok(Some(found.len())),
                Ok(_) => Ok(None),
                Err(error) if is_none(&error) => self.still_there().map(|()| None),
                // Another user made this part of it for herself: nothing of it is of use here.
                Err(error) if error.kind() == ErrorKind::PermissionDenied && self.root.read_dir().is_ok() => Ok(None),
                Err(error) => Err(RemoteError::io(&path, &error)),
            }
        };
        names.iter().map(size).collect()
    }

    fn put(&self, name: &str, source: Source<'_>, condition: &Condition, meter: &Meter) -> Result<Put, RemoteError> {
        self.path(name)?;
        self.still_there()?;
        let unfinished = self.fresh()?;
        let written = match source {
            Source::Text(text) => {
                meter.moved(text.len() as u64);
                fs::write(&unfinished, text).map_err(|e| RemoteError::io(&unfinished, &e))
            }
            Source::File { path, size } => copy(path, &unfinished, size, meter).and_then(|copied| match copied {
                copied if copied == size => Ok(()),
                _ => {
                    Err(RemoteError::new(FailedClass::Broken, format!("{} changed while it was read", path.display())))
                }
            }),
        };
        let put = written.and_then(|()| self.install(&unfinished, name, condition));
        // Renamed away, or of no use any more.
        let _ = fs::remove_file(&unfinished);
        put
    }

    fn get(&self, name: &str, file: &Path, most: u64, meter: &Meter) -> Result<Option<u64>, RemoteError> {
        let path = self.path(name)?;
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => copy(&path, file, most, meter).map(Some),
            Ok(_) => Ok(None),
            Err(error) if is_none(&error) => self.still_there().map(|()| None),
            Err(error) => Err(RemoteError::io(&path, &error)),
        }
    }

    fn read(&self, name: &str, _: &Meter) -> Result<Option<(Vec<u8>, Version)>, RemoteError> {
        let path = self.path(name)?;
        let mut bytes = Vec::new();
        let read = open_file(&path).and_then(|file| match file {
            Some(file) => file.take(LONGEST_TEXT as u64 + 1).read_to_end(&mut bytes).map(Some),
            None => Ok(None),
        });
        match read {
            Ok(None) => Err(RemoteError::new(FailedClass::Invalid, format!("{} is no file", path.display()))
                .help("remove it; nothing of pipe is such a thing")),
            Ok(Some(read)) if read > LONGEST_TEXT => {
                Err(RemoteError::new(FailedClass::Invalid, format!("{name} is larger than {LONGEST_TEXT} bytes")))
            }
            Ok(Some(_)) => {
                if name == names::MARKER {
                    self.marked.store(true, Ordering::Relaxed);
                }
                let version = Version(Digest::of(&bytes).to_string());
                Ok(Some((bytes, version)))
            }
            Err(error) if is_none(&error) => self.still_there().map(|()| None),
            Err(error) => Err(RemoteError::io(&path, &error)),
        }
    }

    fn list(&self, prefix: &str, after: Option<&str>, most: usize, meter: &Meter) -> Result<Listing, RemoteError> {
        // Only the directory that the prefix names in full is looked through.
        let within = prefix.rfind('/').map_or("", |end| &prefix[..end]);
        let mut pending = vec![if within.is_empty() { self.root.clone() } else { self.path(within)? }];
        let mut objects = Vec::new();
        while let Some(directory) = pending.pop() {
            if meter.is_stopped() {
                return Err(RemoteError::interrupted());
            }
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if is_none(&error) => {
                    self.still_there()?;
                    continue;
                }
                Err(error) => return Err(RemoteError::io(&directory, &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|e| RemoteError::io(&directory, &e))?;
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let Ok(found) = entry.metadata() else { continue };
                let path = entry.path();
                if found.is_dir() {
                    pending.push(path);
                } else if found.is_file()
                    && let Some(name) = path.strip_prefix(&self.root).ok().and_then(Path::to_str)
                    && name.starts_with(prefix)
                    && after.is_none_or(|after| name > after)
                {
                    let modified = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                    let modified = modified.map_or(0, |since| since.as_secs());
                    objects.push(Listed { name: name.to_owned(), size: found.len(), modified });
                }
            }
        }
        objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let more = objects.len() > most;
        objects.truncate(most);
        Ok(Listing { objects, more })
    }

    fn delete(&self, names: &[String], _: &Meter) -> Result<(), RemoteError> {
        if names.is_empty() || !self.root.is_dir() {
            return Ok(());
        }
        let _lock = self.lock()?;
        for name in names {
            let path = self.path(name)?;
            match fs::remove_file(&path) {
                Err(error) if !is_none(&error) => return Err(RemoteError::io(&path, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn lanes(&self) -> usize {
        LANES
    }
}

/// Opens a file to be read; `None` where something else lies: to open a pipe would wait for somebody who writes to it.
fn open_file(path: &Path) -> io::Result<Option<File>> {
    let no_wait = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(no_wait).open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}

/// Copies `from` into the new file `to`, at most one byte more than `most`. Returns the number of bytes.
fn copy(from: &Path, to: &Path, most: u64, meter: &Meter) -> Result<u64, RemoteError> {
    let source = File::open(from).map_err(|e| RemoteError::io(from, &e))?;
    let mut target = File::create_new(to).map_err(|e| RemoteError::io(to, &e))?;
    let mut source = source.take(most.saturating_add(1));
    let mut chunk = vec![0; most.saturating_add(1).clamp(1, CHUNK as u64) as usize];
    let mut copied = 0;
    loop {
        if meter.is_stopped() {
            return Err(RemoteError::interrupted());
        }
        let read = match source.read(&mut chunk) {
            Ok(0) => return Ok(copied),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(RemoteError::io(from, &error)),
        };
        target.write_all(&chunk[..read]).map_err(|e| RemoteError::io(to, &e))?;
        copied += read as u64;
        meter.moved(read as u64);
    }
}

/// Removes unfinished writes that killed programs left. Another program may remove the same file first.
fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age.as_secs() > STALE_SECONDS) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_none(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
