//! Keeps spinners and clocks of live lines going: one thread for all of them.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

const EVERY: Duration = Duration::from_millis(120);

/// Does something again and again until it is dropped.
pub(super) struct Ticker(Option<(Sender<()>, JoinHandle<()>)>);

impl Ticker {
    pub(super) fn start(tick: impl Fn() + Send + 'static) -> Ticker {
        let (stop, stopped) = mpsc::channel();
        let ticks = move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                tick();
            }
        };
        // Without a thread the lines stand still between two events, which is no reason not to run.
        let thread = std::thread::Builder::new().name("ticker".to_owned()).spawn(ticks);
        Ticker(thread.ok().map(|thread| (stop, thread)))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            // A thread that panicked has nothing to say about the run.
            let _ = thread.join();
        }
    }
}
