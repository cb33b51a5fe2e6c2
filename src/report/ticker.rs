//! Keeps spinners and clocks of live lines going: one thread for all of them, started with the first. indicatif's own way is a
//! thread a line, which a run of many short stages would pay for.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, WeakProgressBar};

const EVERY: Duration = Duration::from_millis(120);

/// The lines that tick.
pub(super) struct Ticker {
    lines: Arc<Mutex<Vec<WeakProgressBar>>>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Ticker {
    pub fn new() -> Ticker {
        Ticker { lines: Arc::default(), thread: None }
    }

    /// Lets `line` tick until it is dropped.
    pub fn add(&mut self, line: &ProgressBar) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.downgrade());
        if self.thread.is_some() {
            return;
        }
        let (stop, stopped) = mpsc::channel();
        let lines = Arc::clone(&self.lines);
        let tick = move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                lines.lock().unwrap_or_else(PoisonError::into_inner).retain(|line| {
                    let line = line.upgrade();
                    line.iter().for_each(ProgressBar::tick);
                    line.is_some()
                });
            }
        };
        // Without a thread the lines stand still between two events, which is no reason not to run.
        self.thread =
            std::thread::Builder::new().name("ticker".to_owned()).spawn(tick).ok().map(|thread| (stop, thread));
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            // A thread that panicked has nothing to say about the run.
            let _ = thread.join();
        }
    }
}
