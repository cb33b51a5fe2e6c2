//! A value in memory that a program reads like a file: nothing is written to a disk, and nobody can change it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A descriptor behind which `value` lies. It is closed on exec until somebody decides otherwise.
pub fn sealed(value: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("secret", flags)?);
    file.write_all(value)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    #[test]
    fn it_is_read_from_its_beginning_by_whoever_opens_it_and_cannot_be_written() {
        let sealed = sealed(b"two\nlines\n").unwrap();
        let path = format!("/proc/self/fd/{}", sealed.as_raw_fd());
        for _ in 0..2 {
            let mut text = String::new();
            File::open(&path).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "two\nlines\n");
        }
        assert!(File::from(sealed).write_all(b"x").is_err());
    }
}
