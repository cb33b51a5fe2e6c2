//! What attempts beyond this machine cost, added up: an estimate, from the price that each had at its launch and the time since.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::outcome::RunReport;
use crate::executor::RemoteAttempt;

/// The cost of attempts, as far as it is known. What has no known price is counted, never taken for 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Spending {
    /// US dollars of those attempts whose cost is known: an estimate.
    pub dollars: f64,
    /// How many attempts there are.
    pub attempts: usize,
    /// How many of them are not in `dollars`: their places named no price.
    pub unpriced: usize,
}

impl<'a> FromIterator<&'a RemoteAttempt> for Spending {
    fn from_iter<I: IntoIterator<Item = &'a RemoteAttempt>>(attempts: I) -> Spending {
        let mut spending = Spending::default();
        for attempt in attempts {
            spending.attempts += 1;
            match attempt.cost {
                Some(cost) => spending.dollars += cost,
                None => spending.unpriced += 1,
            }
        }
        spending
    }
}

/// The cost of several runs together. An attempt that more than one of them saw counts once, as the newest knew it. `reports` come newest
/// first.
pub fn together<'a>(reports: impl IntoIterator<Item = &'a RunReport>) -> Spending {
    let mut seen = BTreeMap::new();
    for stage in reports.into_iter().flat_map(|report| report.stages.values()) {
        for attempt in &stage.attempts {
            // Two backends may have the same objects, and an action may have been removed there and begun anew.
            let name = (stage.key.map(|key| key.to_string()), &attempt.backend, attempt.attempt, &attempt.instance);
            seen.entry(name).or_insert(attempt);
        }
    }
    seen.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::AttemptEnd;

    #[test]
    fn what_has_no_price_is_counted_and_not_taken_for_nothing() {
        let attempt = |cost| RemoteAttempt {
            attempt: 1,
            backend: "gpu".into(),
            instance: None,
            what: None,
            host: None,
            launched: None,
            started: None,
            ended: None,
            end: AttemptEnd::Finished,
            price: None,
            cost,
        };
        let all = [attempt(Some(0.25)), attempt(None), attempt(Some(0.5))];
        assert_eq!(all.iter().collect::<Spending>(), Spending { dollars: 0.75, attempts: 3, unpriced: 1 });
    }
}
