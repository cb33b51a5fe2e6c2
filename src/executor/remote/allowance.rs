//! What a run may cost beyond this machine: the cost of its attempts so far, at all places together, and whether another one may be
//! launched. Those that run go on: what ends them is their own lifetime.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use contract::FailureClass;
use contract::backend::{Instance, State};

use super::attempts::estimate;
use crate::action::ActionKey;
use crate::executor::FailureReport;

/// The dollars of a run, shared by its executors.
#[derive(Debug)]
pub struct Allowance {
    /// US dollars.
    most: f64,
    /// What places said last of the attempts that the run launched or followed.
    attempts: Mutex<BTreeMap<(ActionKey, u32), Seen>>,
}

/// What a place said of an attempt.
#[derive(Debug)]
struct Seen {
    instance: Instance,
    /// When, in Unix seconds.
    at: u64,
}

impl Allowance {
    /// So many US dollars, of which nothing is spent.
    pub fn new(most: f64) -> Allowance {
        Allowance { most, attempts: Mutex::default() }
    }

    /// The place says this of an attempt at the action, at this moment.
    pub(super) fn note(&self, key: &ActionKey, instance: &Instance, at: u64) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.insert((*key, instance.attempt), Seen { instance: instance.clone(), at });
    }

    /// Why no further attempt at the action is launched at this moment, in Unix seconds.
    pub(super) fn refusal(&self, key: &ActionKey, now: u64) -> Option<FailureReport> {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spent = 0.0;
        for seen in attempts.values() {
            let Some(cost) = cost(seen, now) else {
                let what = &seen.instance.what;
                let message = format!("was not launched: {what} has no known price, so --max-cost cannot be kept");
                return Some(refused(message, "leave --max-cost out, or run the stage on another backend"));
            };
            spent += cost;
        }
        // One more is billed for a minute at least, probably at the price of the one before.
        let before = attempts.range((*key, 0)..=(*key, u32::MAX)).next_back();
        let next = before.and_then(|(_, seen)| seen.instance.price).map_or(0.0, |price| estimate(price, now, now));
        if spent < self.most && spent + next <= self.most {
            return None;
        }
        let message = format!("was not launched: about ${spent:.2} of --max-cost ${:.2} are spent", self.most);
        Some(refused(
            message,
            "raise --max-cost: the next run goes on from here; `pipe runs --cost` shows what cost so much",
        ))
    }
}

/// US dollars of an attempt until now; `None` where its place names no price.
fn cost(Seen { instance, at }: &Seen, now: u64) -> Option<f64> {
    let Instance { state, price, cost, launched, ended, .. } = instance;
    let so_far = match (cost, launched) {
        (Some(cost), _) => *cost,
        (None, Some(launched)) => estimate((*price)?, *launched, ended.unwrap_or(*at)),
        // It waits for a machine.
        (None, None) => (*price).map(|_| 0.0)?,
    };
    match state {
        State::Ended | State::Waiting => Some(so_far),
        // What the place said of it is old by now.
        State::Starting | State::Running | State::Stopping => {
            Some(so_far + (*price)? * now.saturating_sub(*at) as f64 / 3600.0)
        }
    }
}

fn refused(message: String, help: &str) -> FailureReport {
    FailureReport { class: FailureClass::Resources, message, help: Some(help.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Digest;

    fn instance(attempt: u32, state: State, price: Option<f64>, cost: Option<f64>) -> Instance {
        Instance {
            id: "i".into(),
            action: String::new(),
            attempt,
            state,
            end: None,
            why: String::new(),
            what: "a machine".into(),
            launched: Some(1_000),
            ended: None,
            expires: None,
            price,
            cost,
        }
    }

    #[test]
    fn what_ended_and_what_runs_is_counted_at_its_own_price() {
        let (one, other) = (ActionKey::new(Digest::of(b"one")), ActionKey::new(Digest::of(b"other")));
        let allowance = Allowance::new(1.0);
        assert_eq!(allowance.refusal(&one, 1_000), None);
        allowance.note(&one, &instance(1, State::Ended, Some(3.6), Some(0.5)), 1_000);
        allowance.note(&other, &instance(1, State::Running, Some(0.36), Some(0.0)), 1_000);
        // 50 cents, and 10 a 1,000 seconds.
        assert_eq!(allowance.refusal(&one, 2_000), None);
        let refusal = allowance.refusal(&one, 6_000).unwrap();
        assert_eq!(refusal.message, "was not launched: about $1.00 of --max-cost $1.00 are spent");
        // A cent is left, and a minute of the first costs 6.
        assert!(allowance.refusal(&one, 5_900).is_some() && allowance.refusal(&other, 5_900).is_none());
        allowance.note(&other, &instance(2, State::Running, None, None), 1_000);
        assert!(allowance.refusal(&one, 2_000).unwrap().message.contains("a machine has no known price"));
    }

    #[test]
    fn of_nothing_nothing_is_launched() {
        assert!(Allowance::new(0.0).refusal(&ActionKey::new(Digest::of(b"one")), 0).is_some());
    }
}
