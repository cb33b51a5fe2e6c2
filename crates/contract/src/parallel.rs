//! Work on many items at once, by as many threads as the job and its jobserver allow at each moment.
//!
//! The caller's thread works too and needs no token; every other thread holds one for one item at a time, so that what the
//! engine takes back is missed soon, and what it gives back is used soon. Results come in the order of the items: how many threads
//! there were changes when things happen, never what comes out.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};

use crate::context::Context;
use crate::jobserver::Token;
use crate::stage::StageError;

type Results<R> = Vec<(usize, Result<R, StageError>)>;

impl Context {
    /// Does `work` on each of `items` and returns what came of them, in their order. Of several that fail, the error is the
    /// first one's. Leaves with [`StageError::interrupted`] when the stage was asked to stop.
    pub fn map<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<R, StageError> + Sync,
    ) -> Result<Vec<R>, StageError> {
        let bench = Bench {
            context: self,
            items,
            work,
            next: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            helpers: AtomicUsize::new(0),
        };
        self.note_threads(1);
        let mut results = thread::scope(|scope| bench.run(scope));
        results.sort_unstable_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// The state that the threads share.
struct Bench<'b, T, W> {
    context: &'b Context,
    items: &'b [T],
    work: W,
    next: AtomicUsize,
    failed: AtomicBool,
    /// Threads besides the caller's.
    helpers: AtomicUsize,
}

impl<'b, T: Sync, R: Send, W: Fn(&T) -> Result<R, StageError> + Sync> Bench<'b, T, W> {
    fn run<'s>(&'s self, scope: &'s Scope<'s, '_>) -> Results<R>
    where
        'b: 's,
        R: 's,
    {
        let mut results = Vec::new();
        let mut helpers = Vec::new();
        loop {
            self.call_helpers(scope, &mut helpers);
            let Some(result) = self.one() else { break };
            results.push(result);
        }
        for helper in helpers {
            results.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results
    }

    /// Starts as many helpers as are wanted and may be had.
    fn call_helpers<'s>(&'s self, scope: &'s Scope<'s, '_>, helpers: &mut Vec<ScopedJoinHandle<'s, Results<R>>>)
    where
        'b: 's,
        R: 's,
    {
        let limit = self.context.threads().min(self.items.len());
        // The last item is the caller's own.
        while self.helpers.load(Ordering::Relaxed) + 1 < limit
            && self.next.load(Ordering::Relaxed) + 1 < self.items.len()
        {
            let Some(seat) = self.context.seat() else { return };
            self.context.note_threads(self.helpers.fetch_add(1, Ordering::Relaxed) + 2);
            match thread::Builder::new().spawn_scoped(scope, move || self.help(seat)) {
                Ok(helper) => helpers.push(helper),
                Err(_) => {
                    // The system gives no more threads: fewer do the same.
                    self.helpers.fetch_sub(1, Ordering::Relaxed);
                    return;
                }
            }
        }
    }

    fn help(&self, mut seat: Seat<'b>) -> Results<R> {
        let mut results = Vec::new();
        while let Some(result) = self.one() {
            results.push(result);
            drop(seat);
            let Some(next) = self.context.seat() else { break };
            seat = next;
        }
        self.helpers.fetch_sub(1, Ordering::Relaxed);
        results
    }

    /// Takes the next item and works on it. Items are taken in order and each that was taken is finished, so the first failure
    /// in that order is among the results whatever the threads do.
    fn one(&self) -> Option<(usize, Result<R, StageError>)> {
        if self.failed.load(Ordering::Relaxed) {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let item = self.items.get(index)?;
        let result = self.context.check_cancelled().and_then(|()| (self.work)(item));
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        Some((index, result))
    }
}

/// The right of a helper to work on an item: a token, or nothing where there is no jobserver.
pub(crate) type Seat<'c> = Option<Token<'c>>;

impl Context {
    /// A seat, where one is free.
    fn seat(&self) -> Option<Seat<'_>> {
        match self.jobserver() {
            Some(jobserver) => jobserver.token().map(Some),
            None => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::sync::{Arc, Barrier, Mutex};

    use rustix::pipe::pipe;

    use super::*;
    use crate::jobserver::Jobserver;
    use crate::{Job, Limits};

    fn context(threads: u32) -> Context {
        let job = Job {
            kind: "test".into(),
            version: 1,
            params: serde_json::json!({}),
            inputs: Default::default(),
            outputs: Default::default(),
            scratch: "/nonexistent".into(),
            checkpoints: "/nonexistent".into(),
            limits: Limits { threads, memory: 0 },
            trace: "test".into(),
        };
        Context::new(job, Box::new(std::io::sink()))
    }

    /// A jobserver with these tokens in it, and the ends of its pipe.
    fn jobserver(tokens: &[u8]) -> (Jobserver, OwnedFd, OwnedFd) {
        let (read, write) = pipe().unwrap();
        rustix::io::write(&write, tokens).unwrap();
        let flags = format!(" -j9 --jobserver-auth={},{}", read.as_raw_fd(), write.as_raw_fd());
        (Jobserver::from_make_flags(&flags).unwrap().unwrap(), read, write)
    }

    /// Everything that is in the pipe once nobody can write any more.
    fn rest((server, read, write): (Jobserver, OwnedFd, OwnedFd)) -> Vec<u8> {
        drop((server, write));
        let mut bytes = Vec::new();
        File::from(read).read_to_end(&mut bytes).unwrap();
        bytes.sort_unstable();
        bytes
    }

    fn threads_of(context: &Context) -> usize {
        let seen = Mutex::new(HashSet::new());
        let doubled = context
            .map(&(0..200).collect::<Vec<u32>>(), |item| {
                seen.lock().unwrap().insert(thread::current().id());
                Ok(item * 2)
            })
            .unwrap();
        assert_eq!(doubled, (0..200).map(|item| item * 2).collect::<Vec<_>>());
        seen.into_inner().unwrap().len()
    }

    #[test]
    fn without_tokens_the_callers_thread_does_everything() {
        let (server, read, write) = jobserver(b"");
        let context = context(8).with_jobserver(server);
        assert_eq!(threads_of(&context), 1);
        assert_eq!(context.most_threads(), 1);
        drop((context, read, write));
    }

    #[test]
    fn as_many_work_at_once_as_there_are_tokens_and_one() {
        let (server, read, write) = jobserver(b"ab");
        let context = context(8).with_jobserver(server);
        // Passes only when three are here at once.
        let barrier = Barrier::new(3);
        context
            .map(&[(); 3], |()| {
                barrier.wait();
                Ok(())
            })
            .unwrap();
        assert_eq!(context.most_threads(), 3);
        drop(context);
        let (spare, ..) = jobserver(b"");
        assert_eq!(rest((spare, read, write)), b"ab");
    }

    #[test]
    fn tokens_come_back_after_an_error_and_after_a_panic() {
        for panics in [false, true] {
            let (server, read, write) = jobserver(b"xyz");
            let context = context(4).with_jobserver(server);
            let barrier = Barrier::new(4);
            let work = |item: &u32| {
                barrier.wait();
                match item {
                    2 if panics => panic!("item 2"),
                    1 | 3 if !panics => Err(StageError::invalid_input(format!("item {item}"))),
                    _ => Ok(()),
                }
            };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| context.map(&[0, 1, 2, 3], work)));
            match outcome {
                Ok(result) => assert_eq!(result.unwrap_err().message, "item 1", "the first in order"),
                Err(panic) => assert_eq!(panic.downcast_ref::<&str>(), Some(&"item 2")),
            }
            drop(context);
            let (spare, ..) = jobserver(b"");
            assert_eq!(rest((spare, read, write)), b"xyz", "panics: {panics}");
        }
    }

    #[test]
    fn without_a_jobserver_the_jobs_threads_are_the_limit() {
        let context = context(3);
        let barrier = Barrier::new(3);
        context
            .map(&[(); 3], |()| {
                barrier.wait();
                Ok(())
            })
            .unwrap();
        assert!(threads_of(&context) <= 3);
        assert_eq!(context.most_threads(), 3);
    }

    #[test]
    fn a_stage_that_is_asked_to_stop_takes_no_further_item() {
        let context = context(1);
        let flag = context.cancel_flag();
        let done = Arc::new(Mutex::new(Vec::new()));
        let result = context.map(&[0, 1, 2], |item| {
            done.lock().unwrap().push(*item);
            flag.store(true, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!(result.unwrap_err().class, crate::FailureClass::Interrupted);
        assert_eq!(*done.lock().unwrap(), [0]);
    }
}
