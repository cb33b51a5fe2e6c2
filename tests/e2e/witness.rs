//! The shared state of a test and the processes of a stage: FIFOs in a directory beside the project.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// A test that waits longer has hung.
const GUARD: Duration = Duration::from_secs(60);

/// Hears what processes write to the FIFO `held`, and when the last of them has closed it.
pub(crate) struct Witness {
    directory: tempfile::TempDir,
    lines: Receiver<String>,
}

impl Witness {
    pub(crate) fn new() -> Witness {
        let directory = tempfile::tempdir().unwrap();
        let held = directory.path().join("held");
        fifo(&held);
        fifo(&directory.path().join("never"));
        let (sender, lines) = channel();
        // Opening waits for the first writer, hence the thread; it ends with the FIFO or with the test process.
        std::thread::spawn(move || {
            for line in BufReader::new(File::open(held).unwrap()).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Witness { directory, lines }
    }

    /// The FIFO that processes hold open: its end shows that they are gone.
    pub(crate) fn held(&self) -> PathBuf {
        self.directory.path().join("held")
    }

    /// A FIFO that nobody ever writes to.
    pub(crate) fn never(&self) -> PathBuf {
        self.directory.path().join("never")
    }

    /// A file beside the FIFOs.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The next line, or `None` when nobody holds the FIFO any more.
    pub(crate) fn next(&self) -> Option<String> {
        match self.lines.recv_timeout(GUARD) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("a process that should be gone still holds the FIFO"),
        }
    }
}

pub(crate) fn fifo(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}
