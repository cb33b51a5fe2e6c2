//! Renews the lease, and hears the client's request to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::executor::remote::board::Board;
use crate::executor::remote::lease::Held;
use crate::executor::{Cancel, Control};

/// How soon a wish of the client is heard.
const HEARS: Duration = Duration::from_millis(500);

/// Controls the stage, and remembers whether the instance had notice to end.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    control: Arc<watch::Sender<Control>>,
    noticed: Arc<AtomicBool>,
    expired: Arc<AtomicBool>,
}

impl Asking {
    pub(super) fn new() -> (Asking, watch::Receiver<Control>) {
        let (control, receiver) = watch::channel(Control::default());
        (Asking { control: Arc::new(control), noticed: Arc::default(), expired: Arc::default() }, receiver)
    }

    /// Asks the stage to end; with `kill`, at once.
    pub(super) fn stop(&self, kill: bool) {
        self.noticed.store(true, Ordering::Relaxed);
        let wish = if kill { Cancel::Kill } else { Cancel::Stop };
        self.control.send_modify(|control| control.cancel = control.cancel.max(wish));
    }

    /// Asks the stage to end because the instance has reached its lifetime.
    pub(super) fn expire(&self) {
        self.expired.store(true, Ordering::Relaxed);
        self.stop(false);
    }

    /// Asks the stage to take a checkpoint and go on.
    pub(super) fn checkpoint(&self) {
        self.control.send_modify(|control| control.checkpoints += 1);
    }

    /// Nothing of it counts any more.
    fn abandon(&self) {
        self.control.send_modify(|control| {
            control.cancel = Cancel::Kill;
            control.abandoned = true;
        });
    }

    pub(super) fn expired(&self) -> bool {
        self.expired.load(Ordering::Relaxed)
    }

    pub(super) fn noticed(&self) -> bool {
        self.noticed.load(Ordering::Relaxed)
    }
}

/// The thread that keeps the lease.
pub(super) struct Keeper {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeper {
    pub(super) fn start(board: Board, held: Arc<Held>, asking: Asking) -> Keeper {
        let (end, ended) = channel::<()>();
        let thread = std::thread::spawn(move || {
            let tick = held.rhythm().min(HEARS);
            let mut renewed = Instant::now();
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(tick) {
                if renewed.elapsed() >= held.rhythm() {
                    renewed = Instant::now();
                    held.renew();
                }
                if held.is_lost() {
                    return asking.abandon();
                }
                // A place that does not answer asks for nothing.
                if let Ok(Some(_)) = board.stop(held.epoch()) {
                    asking.stop(false);
                }
            }
        });
        Keeper { end, thread }
    }

    /// Ends it. The lease is as it was.
    pub(super) fn end(self) {
        drop(self.end);
        // It panics for no reason of its own, and then the lease runs out.
        let _ = self.thread.join();
    }
}
