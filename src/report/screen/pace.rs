//! How fast a stage counts, and when it will be done: from its counts in the last half minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Counts are kept this far apart, and so many of them.
const APART: Duration = Duration::from_secs(1);
const KEPT: usize = 30;

/// The counts of a stage, with their times.
#[derive(Debug, Default)]
pub(super) struct Pace {
    past: VecDeque<(Instant, u64)>,
    now: Option<(Instant, u64)>,
}

impl Pace {
    /// The stage has done so many at `now`. One that begins again is judged anew.
    pub(super) fn record(&mut self, now: Instant, done: u64) {
        if self.now.is_some_and(|(_, before)| done < before) {
            self.past.clear();
        }
        self.now = Some((now, done));
        if self.past.back().is_none_or(|(last, _)| now.duration_since(*last) >= APART) {
            self.past.push_back((now, done));
            if self.past.len() > KEPT {
                self.past.pop_front();
            }
        }
    }

    /// How many are done.
    pub(super) fn done(&self) -> u64 {
        self.now.map_or(0, |(_, done)| done)
    }

    /// Units a second, once there are two counts to judge by.
    pub(super) fn rate(&self) -> Option<f64> {
        let ((from, first), (to, last)) = (self.past.front()?, self.now?);
        let seconds = to.duration_since(*from).as_secs_f64();
        (seconds > 0.0 && last > *first).then(|| (last - first) as f64 / seconds)
    }

    /// Seconds from `now` until `total` are done, at this rate.
    pub(super) fn left(&self, now: Instant, total: u64) -> Option<f64> {
        let (counted, done) = self.now?;
        let left = total.saturating_sub(done) as f64 / self.rate()?;
        Some((left - now.duration_since(counted).as_secs_f64()).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_this_attempt_and_of_late() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        assert_eq!((pace.rate(), pace.left(begin, 10)), (None, None));
        pace.record(at(0), 500);
        assert_eq!(pace.rate(), None, "500 came with a checkpoint");
        pace.record(at(10), 600);
        assert_eq!((pace.rate(), pace.left(at(10), 700), pace.left(at(15), 700)), (Some(10.0), Some(10.0), Some(5.0)));
        for second in 11..100 {
            pace.record(at(second), 600 + 2 * (second - 10));
        }
        assert_eq!(pace.rate(), Some(2.0));
        pace.record(at(100), 1);
        assert_eq!((pace.done(), pace.rate()), (1, None));
    }
}
