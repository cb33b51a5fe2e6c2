//! The jobserver of one launch, as GNU make speaks it: a pipe of tokens, one byte each. `make`, `cargo` and every other program that
//! knows the protocol take one before they start one more job beside their first.
//!
//! Every launch has a pipe of its own, so one that is killed takes no token of another with it. The pipe form
//! (`--jobserver-auth=R,W`) is understood by every GNU make since 4.2 and by cargo; the fifo form needs 4.4. (GNU make manual,
//! "Sharing Job Slots with GNU make".) Under pressure the tokens that are free are taken back, and those that come back too.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};

/// Our side of the pipe.
#[derive(Debug)]
pub(super) struct Tokens {
    /// A description of our own: reading without waiting must not change how the child's end reads.
    take: File,
    give: File,
    withdrawn: usize,
}

/// The child's ends, inherited by its start.
#[derive(Debug)]
pub(super) struct ChildEnds {
    read: OwnedFd,
    write: OwnedFd,
    jobs: u32,
}

/// A jobserver for `jobs` jobs at once; the first needs no token.
pub(super) fn jobserver(jobs: u32) -> io::Result<(Tokens, ChildEnds)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    let path = format!("/proc/self/fd/{}", read.as_raw_fd());
    let take = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mut give = File::from(write.try_clone()?);
    give.write_all(&vec![b'+'; jobs.saturating_sub(1) as usize])?;
    Ok((Tokens { take: File::from(take), give, withdrawn: 0 }, ChildEnds { read, write, jobs: jobs.max(1) }))
}

impl ChildEnds {
    /// The value of `MAKEFLAGS`. The first word is for single letters, and empty.
    pub(super) fn make_flags(&self) -> String {
        format!(" -j{} --jobserver-auth={},{}", self.jobs, self.read.as_raw_fd(), self.write.as_raw_fd())
    }

    /// Lets the next program that is started have them; to be called while no other is being started.
    pub(super) fn inherit(&self) -> io::Result<()> {
        fcntl_setfd(&self.read, FdFlags::empty())?;
        Ok(fcntl_setfd(&self.write, FdFlags::empty())?)
    }
}

impl Tokens {
    /// Takes back the tokens that nobody uses now.
    pub(super) fn withdraw(&mut self) {
        let mut bytes = [0; 256];
        // An error means that nothing is there now.
        while let Ok(count @ 1..) = self.take.read(&mut bytes) {
            self.withdrawn += count;
        }
    }

    /// Gives everything back that was withdrawn.
    pub(super) fn restore(&mut self) {
        let tokens = vec![b'+'; std::mem::take(&mut self.withdrawn)];
        // A pipe has room for the bytes it held before; one without a reader needs no tokens.
        let _ = self.give.write_all(&tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_one_less_than_jobs_and_come_back() {
        let (mut tokens, ends) = jobserver(4).unwrap();
        let mut client = File::from(ends.read.try_clone().unwrap());
        let mut one = [0];
        client.read_exact(&mut one).unwrap();
        tokens.withdraw();
        assert_eq!(tokens.withdrawn, 2, "one is in use");
        File::from(ends.write.try_clone().unwrap()).write_all(&one).unwrap();
        tokens.withdraw();
        assert_eq!(tokens.withdrawn, 3, "also what comes back");
        tokens.restore();
        let mut all = [0; 3];
        client.read_exact(&mut all).unwrap();
        assert_eq!((&all, tokens.withdrawn), (b"+++", 0));
        assert!(ends.make_flags().starts_with(" -j4 --jobserver-auth="));
    }
}
