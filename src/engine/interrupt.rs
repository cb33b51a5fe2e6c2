//! Ctrl-C while stages are looked up, before the run loop listens: the run ends at the next stage and its report is written. A
//! second one ends the program at once, for somebody who does not want to wait for a large input to be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use super::EngineError;

/// What a shell reports of a program that ended by SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// Listens while it lives.
pub(super) struct Interrupt {
    asked: Arc<AtomicBool>,
    actions: Vec<SigId>,
}

impl Interrupt {
    /// Begins to listen.
    pub fn listen() -> Result<Interrupt, EngineError> {
        let failed = |error| EngineError::system("listening for signals", error);
        let mut interrupt = Interrupt { asked: Arc::default(), actions: Vec::new() };
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the first signal finds the flag unset and sets it, the second finds it set.
            let second = flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, Arc::clone(&interrupt.asked));
            interrupt.actions.push(second.map_err(failed)?);
            interrupt.actions.push(flag::register(signal, Arc::clone(&interrupt.asked)).map_err(failed)?);
        }
        Ok(interrupt)
    }

    /// Whether somebody asked to stop.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for action in self.actions.drain(..) {
            low_level::unregister(action);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_is_noted_and_nobody_dies() {
        let interrupt = Interrupt::listen().unwrap();
        assert!(!interrupt.asked());
        low_level::raise(SIGINT).unwrap();
        assert!(interrupt.asked());
        drop(interrupt);
        let again = Interrupt::listen().unwrap();
        low_level::raise(SIGTERM).unwrap();
        assert!(again.asked());
    }
}
