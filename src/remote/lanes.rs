//! Many transfers at once, while the calling thread watches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::meter::Meter;
use super::{RemoteError, TransferError};

/// How often the calling thread calls `watch`.
const LOOK: Duration = Duration::from_millis(50);

/// Does `work` in another thread, while this one calls `watch`.
pub(super) fn one<R: Send>(meter: &Meter, watch: &mut dyn FnMut(&Meter), work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let (working, ended) = sync_channel::<()>(0);
        let working_thread = scope.spawn(move || {
            let done = work();
            drop(working);
            done
        });
        while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            watch(meter);
        }
        working_thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Does `work` for each of `items`, `lanes` at once. The answers keep the order of the items. Meanwhile the calling thread calls `watch`.
/// The first failure cancels the rest.
pub(super) fn each<T: Sync, R: Send>(
    lanes: usize,
    items: &[T],
    meter: &Meter,
    watch: &mut dyn FnMut(&Meter),
    work: impl Fn(&T) -> Result<R, TransferError> + Sync,
) -> Result<Vec<R>, TransferError> {
    let next = AtomicUsize::new(0);
    let answers: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let failure: Mutex<Option<TransferError>> = Mutex::new(None);
    let lane = || {
        while !meter.is_stopped() {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            match work(item) {
                Ok(answer) => *answers[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(answer),
                Err(error) => {
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    // An interruption that follows from a failure must not replace it.
                    if failure.as_ref().is_none_or(TransferError::is_interruption) {
                        *failure = Some(error);
                    }
                    meter.stop();
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let (sender, ended) = sync_channel::<()>(0);
        for _ in 0..lanes.clamp(1, 256).min(items.len()) {
            let (lane, sender) = (&lane, sender.clone());
            scope.spawn(move || {
                lane();
                drop(sender);
            });
        }
        drop(sender);
        while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            watch(meter);
        }
    });
    watch(meter);
    if let Some(failure) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    let answers = answers.into_iter().map(|answer| answer.into_inner().unwrap_or_else(PoisonError::into_inner));
    answers.collect::<Option<Vec<R>>>().ok_or_else(|| RemoteError::interrupted().into())
}
