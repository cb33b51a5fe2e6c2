//! BLAKE3 of files: in place, or while they are copied.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use std::sync::atomic::{AtomicBool, Ordering};

use contract::Digest;
use rayon::prelude::*;

/// Whether everything that reads or copies a file breaks off, because the program is to end at once.
static HALTED: AtomicBool = AtomicBool::new(false);

/// Lets everything that reads or copies a file, now or later, break off. There is no way back.
pub fn halt() {
    HALTED.store(true, Ordering::Relaxed);
}

fn go_on() -> io::Result<()> {
    if HALTED.load(Ordering::Relaxed) { Err(io::Error::other("broken off: the program is to end")) } else { Ok(()) }
}

/// Bytes that are read and hashed by all cores at a time. A file is never mapped: mapped bytes count as memory of this process, and
/// thus as memory of every program that it starts (see `backend::memory`).
const WINDOW: usize = 4 << 20;
/// Bytes of it that one core reads.
const PART: usize = 512 << 10;

/// The digest of `file`, which has about `size` bytes.
pub(in crate::store) fn in_place(file: &File, size: u64) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    if size < WINDOW as u64 {
        hasher.update_reader(file)?;
        return Ok(hasher.finalize().into());
    }
    let (mut window, mut offset) = (vec![0; WINDOW], 0);
    loop {
        go_on()?;
        let parts = window.par_chunks_mut(PART).enumerate();
        let read: Vec<usize> =
            parts.map(|(at, part)| fill(file, part, offset + (at * PART) as u64)).collect::<io::Result<_>>()?;
        // Only the end of the file leaves a part short, and bytes behind a short one were written meanwhile.
        let whole = read.iter().take_while(|read| **read == PART).count();
        let count = whole * PART + read.get(whole).copied().unwrap_or(0);
        hasher.update_rayon(&window[..count]);
        if count < WINDOW {
            return Ok(hasher.finalize().into());
        }
        offset += WINDOW as u64;
    }
}

/// Reads into all of `part`, or up to the end of the file.
fn fill(file: &File, part: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < part.len() {
        match file.read_at(&mut part[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The digest of `file` by reading it, for files that others may write to.
pub(in crate::store) fn by_reading(file: &File) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(Heeding(file))?;
    Ok(hasher.finalize().into())
}

/// Reads until the program is to end.
struct Heeding<'a>(&'a File);

impl Read for Heeding<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        go_on()?;
        self.0.read(buffer)
    }
}

/// Copies all of `from` to `to`; the digest is that of the bytes written.
pub(in crate::store) fn copying(mut from: &File, mut to: &File, size: u64) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    // One byte more than a small file has, so that its end is seen by the first short read.
    let mut buffer = vec![0; (size + 1).clamp(4 << 10, 1 << 20) as usize];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        go_on()?;
        to.write_all(&buffer[..read])?;
        if read >= 256 << 10 {
            hasher.update_rayon(&buffer[..read])
        } else {
            hasher.update(&buffer[..read])
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_gives_the_digest_of_the_bytes() {
        let directory = tempfile::tempdir().unwrap();
        for size in [0, 1, 4095, 4096, 4097, 300_000, (1 << 20) + 1, 4 << 20, (4 << 20) + 3, (9 << 20) - 1] {
            let bytes: Vec<u8> = (0..size).map(|i: usize| (i * 7 + i / 251) as u8).collect();
            let path = directory.path().join("file");
            std::fs::write(&path, &bytes).unwrap();
            let open = || File::open(&path).unwrap();
            let expected = Digest::of(&bytes);
            assert_eq!(in_place(&open(), size as u64).unwrap(), expected);
            assert_eq!(by_reading(&open()).unwrap(), expected);
            let copy = directory.path().join("copy");
            assert_eq!(copying(&open(), &File::create(&copy).unwrap(), size as u64).unwrap(), expected);
            assert_eq!(std::fs::read(&copy).unwrap(), bytes);
        }
    }
}
