//! Opens files of the store without waiting and without following links: a pipe, a link or a directory in place of a file is told
//! apart before anything is read.

use std::fs::File;
use std::io::{ErrorKind, Read, Result};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::stamp::{Stamp, in_words};

/// The thing in place of a file.
#[derive(Debug)]
pub(in crate::store) enum Opened<T> {
    /// Nothing, or a directory above it is missing or none.
    Nothing,
    /// A file.
    File(T),
    /// Something else.
    Other(FileType),
}

/// Opens the file at `path` for reading.
pub(in crate::store) fn file(path: &Path) -> Result<Opened<(File, Stamp)>> {
    open(path, OFlags::RDONLY)
}

/// The content of a file that a run left; an error where something else lies there.
pub fn read_kept(path: &Path) -> Result<Option<Vec<u8>>> {
    match read(path)? {
        Opened::File(bytes) => Ok(Some(bytes)),
        Opened::Nothing => Ok(None),
        Opened::Other(kind) => Err(std::io::Error::other(format!("{} lies there", in_words(kind)))),
    }
}

/// Opens the file at `path`, if it is one.
pub fn open_file(path: &Path) -> Option<File> {
    match file(path).ok()? {
        Opened::File((file, _)) => Some(file),
        Opened::Nothing | Opened::Other(_) => None,
    }
}

/// Opens the file at `path` for writing and makes it where nothing is.
pub(in crate::store) fn lock_file(path: &Path) -> Result<Opened<(File, Stamp)>> {
    // Also for reading: a pipe that nobody reads cannot be opened for writing alone, and is to be told by its kind.
    open(path, OFlags::RDWR | OFlags::CREATE)
}

/// Reads the file at `path`: of a regular file that did not grow meanwhile the second read is the last.
pub(in crate::store) fn read(path: &Path) -> Result<Opened<Vec<u8>>> {
    let (mut file, stamp) = match file(path)? {
        Opened::Nothing => return Ok(Opened::Nothing),
        Opened::Other(kind) => return Ok(Opened::Other(kind)),
        Opened::File(opened) => opened,
    };
    let mut bytes = Vec::with_capacity(stamp.size as usize + 1);
    file.read_to_end(&mut bytes)?;
    Ok(Opened::File(bytes))
}

/// Reads a file of a few kilobytes with as few calls as can be: of a regular file a short read is the last. A pipe reads as empty.
pub(in crate::store) fn read_small(path: &Path) -> Result<Opened<Vec<u8>>> {
    let mut file = match rustix::fs::open(path, OFlags::RDONLY | FLAGS, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(error) => return instead(path, error),
    };
    let (mut bytes, mut length) = (vec![0; 8 << 10], 0);
    loop {
        match file.read(&mut bytes[length..]) {
            Ok(count) => {
                length += count;
                if length < bytes.len() {
                    bytes.truncate(length);
                    return Ok(Opened::File(bytes));
                }
                // Only now, as most are short: a device never ends.
                let stamp = Stamp::open(&file)?;
                if !stamp.is_file() {
                    return Ok(Opened::Other(stamp.file_type()));
                }
                bytes.resize(2 * length, 0);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::WouldBlock) => {
                return Ok(Opened::Other(Stamp::open(&file)?.file_type()));
            }
            Err(error) => return Err(error),
        }
    }
}

const FLAGS: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

fn open(path: &Path, flags: OFlags) -> Result<Opened<(File, Stamp)>> {
    match rustix::fs::open(path, flags | FLAGS, Mode::from_raw_mode(0o666)) {
        Ok(opened) => {
            let stamp = Stamp::open(&opened)?;
            Ok(if stamp.is_file() {
                Opened::File((File::from(opened), stamp))
            } else {
                Opened::Other(stamp.file_type())
            })
        }
        Err(error) => instead(path, error),
    }
}

/// The thing at `path`, which could not be opened as a file: links and sockets cannot, directories not for writing.
fn instead<T>(path: &Path, error: Errno) -> Result<Opened<T>> {
    if !matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR | Errno::NXIO) {
        return Err(error.into());
    }
    match Stamp::stored(path)? {
        // Put there since it was looked for: to this look there was nothing, as it would have been a moment earlier.
        Some(stamp) if stamp.is_file() && error == Errno::NOENT => Ok(Opened::Nothing),
        Some(stamp) if stamp.is_file() => Err(error.into()),
        Some(stamp) => Ok(Opened::Other(stamp.file_type())),
        None => Ok(Opened::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_appears_after_the_look_was_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manifest");
        std::fs::write(&path, "by another run").unwrap();
        // Two runs that keep the same directory meet here: one looks, the other renames its manifest to the name.
        assert!(matches!(instead::<()>(&path, Errno::NOENT), Ok(Opened::Nothing)));
    }
}
