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
///
/// Only the time that was watched counts. Between two looks that lie far apart the place answered nobody, so that the attempt could not
/// show life either.
#[derive(Debug)]
pub(super) struct Pulse<T> {
    seen: Option<T>,
    /// The last look, and how long the sign had been the same by then.
    last: Instant,
    same: Duration,
    patience: Duration,
}

impl<T: PartialEq> Pulse<T> {
    pub(super) fn new(patience: Duration, now: Instant) -> Pulse<T> {
        Pulse { seen: None, last: now, same: Duration::ZERO, patience }
    }

    /// Whether this was seen before.
    pub(super) fn is_same(&self, sign: Option<T>) -> bool {
        self.seen == sign
    }

    /// Notes the sign that is seen now. Returns whether it has been the same for too long.
    pub(super) fn is_lost(&mut self, sign: Option<T>, now: Instant) -> bool {
        let watched = now.duration_since(self.last).min(self.patience / 4);
        self.last = now;
        if self.seen == sign {
            self.same += watched;
        } else {
            self.seen = sign;
            self.same = Duration::ZERO;
        }
        self.same > self.patience
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
        let mut pulse = Pulse::new(Duration::from_secs(8), begin);
        assert!((1..=8).all(|second| !pulse.is_lost(None, at(second))));
        assert!(!pulse.is_lost(Some(1), at(9)));
        assert!((10..=17).all(|second| !pulse.is_lost(Some(1), at(second))));
        assert!(!pulse.is_lost(Some(2), at(18)));
        assert!((19..=26).all(|second| !pulse.is_lost(Some(2), at(second))));
        assert!(pulse.is_lost(Some(2), at(27)));
    }

    #[test]
    fn time_in_which_the_place_answered_nobody_is_no_sign_of_death() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut pulse = Pulse::new(Duration::from_secs(8), begin);
        assert!(!pulse.is_lost(Some(1), at(1)));
        assert!(!pulse.is_lost(Some(1), at(3600)));
        assert!(!pulse.is_lost(Some(1), at(3602)));
        assert!(!pulse.is_lost(Some(1), at(3604)));
        assert!(!pulse.is_lost(Some(1), at(3606)));
        assert!(pulse.is_lost(Some(1), at(3608)));
    }
}
