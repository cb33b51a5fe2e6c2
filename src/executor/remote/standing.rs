//! Whether an instance is to be launched: pure.

use std::time::{Duration, Instant};

/// A client's next step for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Launches this attempt.
    Launch(u32),
    /// Follows this attempt, which may still live.
    Follow(u32),
}

/// The next step, where `newest` is the newest attempt that anybody meant to launch, or 0.
pub(super) fn next(newest: u32, ended: bool) -> Step {
    if newest == 0 || ended { Step::Launch(newest + 1) } else { Step::Follow(newest) }
}

/// Tells when an attempt has shown no life for too long, by the clock of the one who watches: the clocks of two machines differ.
#[derive(Debug)]
pub(super) struct Pulse<T> {
    seen: Option<T>,
    since: Instant,
    patience: Duration,
}

impl<T: PartialEq> Pulse<T> {
    pub(super) fn new(patience: Duration, now: Instant) -> Pulse<T> {
        Pulse { seen: None, since: now, patience }
    }

    /// Whether this was seen before.
    pub(super) fn is_same(&self, sign: Option<T>) -> bool {
        self.seen == sign
    }

    /// Notes the sign that is seen now. Returns whether it has been the same for too long.
    pub(super) fn is_lost(&mut self, sign: Option<T>, now: Instant) -> bool {
        if self.seen != sign {
            self.seen = sign;
            self.since = now;
        }
        now.duration_since(self.since) > self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_or_was_never_begun_is_launched() {
        assert_eq!(next(0, false), Step::Launch(1));
        assert_eq!(next(3, false), Step::Follow(3));
        assert_eq!(next(3, true), Step::Launch(4));
    }

    #[test]
    fn a_sign_of_life_begins_the_wait_anew() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut pulse = Pulse::new(Duration::from_secs(10), begin);
        assert!(!pulse.is_lost(None, at(10)));
        assert!(!pulse.is_lost(Some(1), at(11)));
        assert!(!pulse.is_lost(Some(2), at(20)));
        assert!(!pulse.is_lost(Some(2), at(30)));
        assert!(pulse.is_lost(Some(2), at(31)));
    }
}
