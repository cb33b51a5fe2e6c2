//! Whether a failed stage is tried again, and when: pure bookkeeping over the plan's retry rules.
//!
//! The wait doubles with each attempt and is jittered, so that stages which failed together come back apart. The jitter is derived from
//! run, stage and attempt, so it is reproducible.

use std::collections::HashMap;
use std::time::Duration;

use contract::{Digest, FailureClass};

use crate::plan::{Retry, StageId};

/// The longest wait that doubling leads to; a longer first wait is kept as it is.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The decision after a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sequel {
    /// Another attempt after this wait.
    Again {
        /// The attempt that failed, counted from 1.
        failed: u32,
        /// The wait.
        wait: Duration,
    },
    /// The failure stands.
    Enough,
}

/// Failed attempts by stage.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: HashMap<StageId, u32>,
}

impl Attempts {
    /// Judges a failure of `stage`; `lot` names the draw.
    pub(super) fn failed(&mut self, stage: StageId, class: FailureClass, retry: &Retry, lot: &str) -> Sequel {
        let failed = self.failed.entry(stage).or_default();
        *failed += 1;
        if *failed >= retry.attempts || !may_help(class) {
            return Sequel::Enough;
        }
        let chance = draw(&format!("{lot}/{failed}"));
        Sequel::Again { failed: *failed, wait: wait(retry, *failed, chance) }
    }
}

/// The same input is refused again, and a worker that is not built does not build itself.
fn may_help(class: FailureClass) -> bool {
    match class {
        FailureClass::InvalidInput | FailureClass::NotBuilt => false,
        FailureClass::StageBug | FailureClass::Resources | FailureClass::Interrupted => true,
    }
}

/// The wait after the `failed`-th attempt, where `chance` is from 0 to 1.
fn wait(retry: &Retry, failed: u32, chance: f64) -> Duration {
    let doubled = retry.backoff.saturating_mul(1_u32.checked_shl(failed - 1).unwrap_or(u32::MAX));
    let capped = doubled.min(LONGEST.max(retry.backoff));
    capped.mul_f64(1.0 - retry.jitter.clamp(0.0, 1.0) * chance)
}

fn draw(lot: &str) -> f64 {
    let digest = Digest::of(lot.as_bytes());
    let head = digest.as_bytes().iter().take(4).fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
    f64::from(head) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn retry(attempts: u32, seconds: u64, jitter: f64) -> Retry {
        Retry { attempts, backoff: Duration::from_secs(seconds), jitter }
    }

    #[test]
    fn a_stage_has_its_attempts_and_no_more() {
        let mut attempts = Attempts::default();
        let stage = StageId::new(0);
        let mut fail = |class| attempts.failed(stage, class, &retry(3, 2, 0.0), "run/stage");
        let again = |failed, seconds| Sequel::Again { failed, wait: Duration::from_secs(seconds) };
        assert_eq!(fail(FailureClass::StageBug), again(1, 2));
        assert_eq!(fail(FailureClass::Resources), again(2, 4));
        assert_eq!(fail(FailureClass::StageBug), Sequel::Enough);
    }

    #[test]
    fn what_cannot_help_is_not_tried() {
        for class in [FailureClass::InvalidInput, FailureClass::NotBuilt] {
            let mut attempts = Attempts::default();
            assert_eq!(attempts.failed(StageId::new(0), class, &retry(9, 0, 0.0), "x"), Sequel::Enough);
        }
    }

    proptest! {
        /// Invariants for any `retry`: no overflow, no wait beyond the cap or the first wait, and no more jitter than allowed.
        #[test]
        fn waits_are_bounded(seconds in 0_u64..100_000, failed in 1_u32..80, jitter in 0.0_f64..=1.0, chance in 0.0_f64..=1.0) {
            let rule = retry(100, seconds, jitter);
            let most = LONGEST.max(rule.backoff);
            let whole = wait(&rule, failed, 0.0);
            prop_assert!(whole >= rule.backoff && whole <= most);
            let drawn = wait(&rule, failed, chance);
            prop_assert!(drawn <= whole + Duration::from_millis(1));
            prop_assert!(drawn.as_secs_f64() >= whole.as_secs_f64() * (1.0 - jitter) - 1e-6);
        }
    }
}
