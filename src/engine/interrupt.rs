//! Signals that end a run. One thread listens from the run's beginning to the program's end, also while the run is busy:
//!
//! ```text
//!   INT, TERM, HUP, USR1, USR2, XCPU ──> stop: nothing more is started, stages may take a checkpoint, the report is written
//!   INT or TERM a second time        ──> kill: nobody waits for stages, nor for files that are hashed; after a moment the program
//!                                        ends, wherever it is, and the guardian ends the stages
//! ```
//!
//! Only INT and TERM hurry: a closing terminal sends HUP more than once, and who has set a limit on CPU time gets XCPU each second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::EngineError;
use crate::signals::{self, SignalName};
use crate::store;

/// The exit status that a shell reports of a program that ended by SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// Signals that ask a run to stop.
const ASKING: [i32; 6] = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU];

/// `timeout` sends its SIGTERM to the program and then to the whole group; the two are one.
const SAME: Duration = Duration::from_millis(100);

/// A run that has not taken note by then is busy with something long, and its user is told that it was heard.
const SILENCE: Duration = Duration::from_millis(500);

/// How long the run may take to write its report after it was told to kill.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// How a run is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Stages may take a checkpoint.
    Stop,
    /// At once.
    Kill,
}

/// A signal that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub signal: i32,
    pub how: How,
}

impl Asked {
    /// Whether it may turn a stop that is under way into a kill.
    pub(super) fn hurries(self) -> bool {
        hurries(self.signal)
    }
}

/// Listens until the program ends.
#[derive(Debug)]
pub struct Interrupt {
    state: Arc<State>,
    asked: UnboundedReceiver<Asked>,
    listener: Handle,
}

#[derive(Debug, Default)]
struct State {
    /// The first signal; 0 before it came.
    first: AtomicI32,
    /// The run has taken note of it.
    noted: AtomicBool,
    killed: AtomicBool,
}

impl Interrupt {
    /// Begins to listen; signals that were ignored when the program began stay ignored. `say` tells the user what the run itself is too
    /// busy to tell.
    pub fn listen(say: fn(&str)) -> Result<Interrupt, EngineError> {
        let failed = |error| EngineError::system("listening for signals", error);
        let wanted = ASKING.into_iter().filter(|signal| !signals::is_unwanted(*signal));
        let mut signals = Signals::new(wanted).map_err(failed)?;
        let (sender, asked) = unbounded_channel();
        let state = Arc::new(State::default());
        let interrupt = Interrupt { state: Arc::clone(&state), asked, listener: signals.handle() };
        let listener = move || {
            let mut hearing = Hearing { state, sender, say, hurried: 0, last: None };
            signals.forever().for_each(|signal| hearing.on(signal));
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(listener).map_err(failed)?;
        Ok(interrupt)
    }

    /// Whether somebody asked to stop.
    pub(super) fn asked(&self) -> bool {
        let asked = self.state.first.load(Ordering::Relaxed) != 0;
        if asked {
            self.state.noted.store(true, Ordering::Relaxed);
        }
        asked
    }

    /// Whether the run is to end at once: then errors of work that breaks off are expected.
    pub(super) fn killed(&self) -> bool {
        self.state.killed.load(Ordering::Relaxed)
    }

    /// The name of the first signal.
    pub(super) fn signal(&self) -> Option<String> {
        match self.state.first.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(SignalName(signal).to_string()),
        }
    }

    /// The next signal, if one came.
    pub(super) fn heard(&mut self) -> Option<Asked> {
        self.asked.try_recv().ok()
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> Asked {
        match self.asked.recv().await {
            Some(asked) => {
                self.state.noted.store(true, Ordering::Relaxed);
                asked
            }
            // The listener has ended: nobody asks any more.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.listener.close();
    }
}

/// The state of the listener.
struct Hearing {
    state: Arc<State>,
    sender: UnboundedSender<Asked>,
    say: fn(&str),
    /// How often INT or TERM came.
    hurried: u32,
    last: Option<(i32, Instant)>,
}

impl Hearing {
    fn on(&mut self, signal: i32) {
        let last = self.last.replace((signal, Instant::now()));
        if signal == SIGTERM && last.is_some_and(|(last, at)| last == signal && at.elapsed() < SAME) {
            return;
        }
        let first = self.state.first.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        self.hurried += u32::from(hurries(signal));
        let how = if hurries(signal) && self.hurried > 1 { How::Kill } else { How::Stop };
        if how == How::Kill {
            self.state.killed.store(true, Ordering::Relaxed);
            store::halt();
        }
        // A run that is over does not listen.
        let _ = self.sender.send(Asked { signal, how });
        match how {
            How::Kill if self.hurried > 2 => end(self.say, signal),
            How::Kill => self.end_soon(signal),
            How::Stop if first => self.answer_for_a_busy_run(signal),
            How::Stop => {}
        }
    }

    /// The run has a moment for its report, if it is in a state to write one.
    fn end_soon(&self, signal: i32) {
        let say = self.say;
        let timer = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(LAST_WORDS);
            end(say, signal);
        });
        if timer.is_err() {
            end(say, signal);
        }
    }

    fn answer_for_a_busy_run(&self, signal: i32) {
        let (state, say) = (Arc::clone(&self.state), self.say);
        // Without a thread nobody says so; the run stops all the same.
        let _ = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(SILENCE);
            if !state.noted.load(Ordering::Relaxed) {
                let signal = SignalName(signal);
                say(&format!(
                    "{signal}: stops when what is read or written now is done; press Ctrl-C again to end at once\n"
                ));
            }
        });
    }
}

fn hurries(signal: i32) -> bool {
    signal == SIGINT || signal == SIGTERM
}

/// Ends the program wherever it is, as kill -9 would: the store stays whole, and the guardian ends the stages.
fn end(say: fn(&str), signal: i32) -> ! {
    say(&format!("ended at once by a second {}; the next run goes on from what was finished\n", SignalName(signal)));
    low_level::exit(EXIT_INTERRUPTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_noted_in_their_order_and_only_int_and_term_hurry() {
        let mut interrupt = Interrupt::listen(|_| ()).unwrap();
        assert!(!interrupt.asked());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut next = |signal| {
            low_level::raise(signal).unwrap();
            let asked = runtime.block_on(interrupt.next());
            (asked.signal, asked.how)
        };
        assert_eq!(next(SIGHUP), (SIGHUP, How::Stop));
        assert_eq!(next(SIGHUP), (SIGHUP, How::Stop));
        assert_eq!(next(SIGUSR1), (SIGUSR1, How::Stop));
        assert_eq!(next(SIGINT), (SIGINT, How::Stop));
        assert!(interrupt.asked() && !interrupt.killed());
        assert_eq!(interrupt.signal().as_deref(), Some("SIGHUP"));
    }
}
