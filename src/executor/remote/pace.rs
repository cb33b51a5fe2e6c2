//! Polling intervals: short after news, longer after each look without news (backoff), and jittered, so that clients do not retry in step.

use std::time::{Duration, SystemTime};

use crate::remote::{FailedClass, RemoteError, TransferError};

/// The pause between two looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    soonest: Duration,
    latest: Duration,
    pause: Duration,
}

impl Pace {
    pub(super) fn new((soonest, latest): (Duration, Duration)) -> Pace {
        Pace { soonest, latest, pause: soonest }
    }

    /// There was news.
    pub(super) fn hurry(&mut self) {
        self.pause = self.soonest;
    }

    /// There was none.
    pub(super) fn slow_down(&mut self) {
        self.pause = (self.pause * 2).min(self.latest);
    }

    /// How long to wait now.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }
}

/// Adds jitter: 75 % to 125 % of `pause`, so that many clients that wait for one place do not retry at the same moment.
pub(super) fn about(pause: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    let lot = (nanos ^ std::process::id().wrapping_mul(0x9e37_79b9)) % 512;
    pause * (768 + lot) / 1024
}

/// Repeats `work` with backoff, while the place does not answer and `goes_on` agrees.
pub(super) fn patiently<T>(
    bounds: (Duration, Duration),
    mut goes_on: impl FnMut(&RemoteError) -> bool,
    mut work: impl FnMut() -> Result<T, TransferError>,
) -> Result<T, TransferError> {
    let mut pace = Pace::new(bounds);
    loop {
        match work() {
            Err(TransferError::Remote(error)) if error.class == FailedClass::Unavailable && goes_on(&error) => {
                std::thread::sleep(about(pace.pause()));
                pace.slow_down();
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_slows_down_to_a_limit_and_hurries_again() {
        let milliseconds = Duration::from_millis;
        let mut pace = Pace::new((milliseconds(200), milliseconds(3000)));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            pauses.push(pace.pause().as_millis());
            pace.slow_down();
        }
        assert_eq!(pauses, [200, 400, 800, 1600, 3000, 3000]);
        pace.hurry();
        assert_eq!(pace.pause(), milliseconds(200));
        assert!((milliseconds(75)..=milliseconds(125)).contains(&about(milliseconds(100))));
    }
}
