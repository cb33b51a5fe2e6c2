//! A client of the jobserver that the engine gives each launch: one token for each further item that is worked on at once.
//!
//! The protocol is GNU make's (its manual, "Sharing Job Slots with GNU make"): a pipe or a named pipe with one byte a token, named
//! in `MAKEFLAGS`. The first thing needs no token. The engine takes tokens back while the machine is short of something.
//! Nothing here blocks: no free token gives `None`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The jobserver of this process.
#[derive(Debug)]
pub struct Jobserver {
    /// A description of our own: reading without waiting must not change how others read.
    take: File,
    give: File,
}

/// The right to do one thing more at once; goes back when dropped, as the byte that it was.
#[derive(Debug)]
pub struct Token<'j> {
    byte: u8,
    jobserver: &'j Jobserver,
}

impl Jobserver {
    /// The jobserver that a value of `MAKEFLAGS` names; none where it names none.
    pub fn from_make_flags(flags: &str) -> io::Result<Option<Jobserver>> {
        let named = |word: &str| {
            let value = word.strip_prefix("--jobserver-auth=").or_else(|| word.strip_prefix("--jobserver-fds="))?;
            Some(value.to_owned())
        };
        // Where make was called by make, the last one counts.
        let Some(value) = flags.split_ascii_whitespace().filter_map(named).next_back() else { return Ok(None) };
        let [take, give] = paths(&value)?;
        Ok(Some(Jobserver {
            take: open(&take, File::options().read(true))?,
            give: open(&give, File::options().write(true))?,
        }))
    }

    /// A token, where one is free now.
    pub fn token(&self) -> Option<Token<'_>> {
        let mut byte = [0];
        // An error means that none is there now, or that the pipe is gone: both leave us the one thing that needs none.
        let read = (&self.take).read(&mut byte).unwrap_or(0);
        (read == 1).then(|| Token { byte: byte[0], jobserver: self })
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        // The pipe has room for what came out of it, and one that nobody reads any more needs no tokens.
        let _ = (&self.jobserver.give).write_all(&[self.byte]);
    }
}

/// Where to take and where to give: `fifo:PATH`, or the descriptors `R,W`.
fn paths(value: &str) -> io::Result<[PathBuf; 2]> {
    if let Some(path) = value.strip_prefix("fifo:") {
        return Ok([path.into(), path.into()]);
    }
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("`{value}` names no descriptors"));
    let (read, write) = value.split_once(',').ok_or_else(invalid)?;
    let path = |descriptor: &str| {
        // Negative numbers are how make says that it kept the jobserver to itself.
        let descriptor: u32 = descriptor.parse().map_err(|_| invalid())?;
        Ok::<_, io::Error>(format!("/proc/self/fd/{descriptor}").into())
    };
    Ok([path(read)?, path(write)?])
}

fn open(path: &Path, options: &mut std::fs::OpenOptions) -> io::Result<File> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    // Looked at before it is opened: the number may by now belong to a file, which must not be written to.
    if !std::fs::metadata(path).map_err(named)?.file_type().is_fifo() {
        return Err(named(io::Error::new(io::ErrorKind::InvalidInput, "not a pipe")));
    }
    options.custom_flags(OFlags::NONBLOCK.bits() as i32).open(path).map_err(named)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn the_last_jobserver_of_the_flags_counts() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&write, b"t").unwrap();
        let (read_number, write_number) = (read.as_raw_fd(), write.as_raw_fd());
        let flags = format!("ks -j4 --jobserver-auth=0,0 --jobserver-fds={read_number},{write_number} -- A=b");
        let server = Jobserver::from_make_flags(&flags).unwrap().unwrap();
        let token = server.token().unwrap();
        assert_eq!(token.byte, b't');
        assert!(server.token().is_none(), "there is only one");
        drop(token);
        assert!(server.token().is_some());
        for none in ["", "k", " -j4", "w -- X=1"] {
            assert!(Jobserver::from_make_flags(none).unwrap().is_none(), "{none:?}");
        }
    }

    #[test]
    fn a_named_pipe_serves_too_and_anything_else_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
        let mut other = File::options().read(true).write(true).open(&fifo).unwrap();
        other.write_all(b"t").unwrap();
        let server =
            Jobserver::from_make_flags(&format!(" --jobserver-auth=fifo:{}", fifo.display())).unwrap().unwrap();
        assert_eq!(server.token().unwrap().byte, b't');

        let file = directory.path().join("file");
        std::fs::write(&file, "kept").unwrap();
        let open = File::options().read(true).write(true).open(&file).unwrap();
        let number = open.as_raw_fd();
        for (value, reason) in [
            (format!("{number},{number}"), "not a pipe"),
            (format!("fifo:{}", file.display()), "not a pipe"),
            ("-2,-2".to_owned(), "names no descriptors"),
            ("4095,4095".to_owned(), "No such file"),
        ] {
            let error = Jobserver::from_make_flags(&format!(" --jobserver-auth={value}")).unwrap_err();
            assert!(error.to_string().contains(reason), "{value}: {error}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
    }
}
