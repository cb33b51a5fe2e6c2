//! Passes on a client's news of an execution elsewhere, each item once.

use std::sync::{Arc, Mutex, PoisonError};

use contract::Event;
use contract::backend::{Ended, Instance, State};
use tokio::sync::mpsc::UnboundedSender;

use super::allowance::Allowance;
use super::lease::unix_seconds;
use crate::action::ActionKey;
use crate::executor::{FailureReport, PlaceNews, PlaceState, RemoteAttempt, Told};

/// US dollars by which a cost must have grown to be told again.
const CENT: f64 = 0.01;

/// Passes news on. A closed channel means that the run has left, and then nobody needs it.
pub(super) struct Teller {
    /// The backend's name.
    pub place: String,
    told: UnboundedSender<Told>,
    last: Mutex<Option<PlaceNews>>,
    /// What places say of instances of this action counts here, where the run may cost only so much.
    counting: Option<(Arc<Allowance>, ActionKey)>,
}

impl Teller {
    pub(super) fn new(
        place: &str,
        told: UnboundedSender<Told>,
        counting: Option<(Arc<Allowance>, ActionKey)>,
    ) -> Teller {
        Teller { place: place.to_owned(), told, last: Mutex::default(), counting }
    }

    /// Counts an instance of the action towards what the run may cost.
    pub(super) fn count(&self, instance: &Instance) {
        if let Some((allowance, key)) = &self.counting {
            allowance.note(key, instance, unix_seconds());
        }
    }

    /// Why the run launches no further attempt at the action.
    pub(super) fn refusal(&self) -> Option<FailureReport> {
        self.counting.as_ref().and_then(|(allowance, key)| allowance.refusal(key, unix_seconds()))
    }

    /// Whether a run counts what its attempts cost.
    pub(super) fn is_counting(&self) -> bool {
        self.counting.is_some()
    }

    pub(super) fn event(&self, event: Event) {
        let _ = self.told.send(Told::Worker(event));
    }

    pub(super) fn warn(&self, message: String) {
        let _ = self.told.send(Told::warning(message));
    }

    pub(super) fn attempt(&self, attempt: RemoteAttempt) {
        let _ = self.told.send(Told::Attempt(attempt));
    }

    /// Tells the state of an instance in the place's own words.
    pub(super) fn instance(&self, instance: &Instance) {
        self.count(instance);
        let state = match instance.state {
            State::Waiting => PlaceState::Waiting,
            State::Starting => PlaceState::Starting,
            State::Running => PlaceState::Running,
            State::Stopping => PlaceState::Stopping,
            State::Ended => PlaceState::Ended,
        };
        let of_interest = state != PlaceState::Running && instance.end != Some(Ended::Finished);
        self.news(PlaceNews {
            backend: self.place.clone(),
            attempt: instance.attempt,
            state,
            what: Some(instance.what.clone()),
            why: of_interest.then(|| instance.why.clone()),
            price: instance.price,
            cost: instance.cost,
        });
    }

    /// Tells the state of an attempt in the client's words.
    pub(super) fn state(&self, attempt: u32, state: PlaceState, why: impl Into<String>) {
        let last = self.last().clone().filter(|last| last.attempt == attempt);
        self.news(PlaceNews {
            backend: self.place.clone(),
            attempt,
            state,
            what: last.as_ref().and_then(|last| last.what.clone()),
            why: Some(why.into()),
            price: last.as_ref().and_then(|last| last.price),
            cost: last.as_ref().and_then(|last| last.cost),
        });
    }

    /// Whether the latest news is that the place is silent.
    pub(super) fn was_silent(&self) -> bool {
        self.last().as_ref().is_some_and(|last| last.state == PlaceState::Silent)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<PlaceNews>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn news(&self, news: PlaceNews) {
        let mut last = self.last();
        if last.as_ref().is_some_and(|last| is_old(last, &news)) {
            return;
        }
        *last = Some(news.clone());
        let _ = self.told.send(Told::Place(news));
    }
}

fn is_old(last: &PlaceNews, news: &PlaceNews) -> bool {
    let grown = news.cost.unwrap_or(0.0) - last.cost.unwrap_or(0.0);
    grown < CENT && PlaceNews { cost: None, ..last.clone() } == PlaceNews { cost: None, ..news.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_told_by_the_cent_and_a_state_once() {
        let news = |state, cost| PlaceNews {
            backend: "spot".into(),
            attempt: 1,
            state,
            what: None,
            why: None,
            price: Some(0.5),
            cost: Some(cost),
        };
        let last = news(PlaceState::Running, 0.100);
        assert!(is_old(&last, &news(PlaceState::Running, 0.109)));
        assert!(!is_old(&last, &news(PlaceState::Running, 0.111)));
        assert!(!is_old(&last, &news(PlaceState::Stopping, 0.100)));
    }
}
