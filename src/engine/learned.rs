//! Estimates from earlier executions: how long a stage takes and how much memory it needs. They order stages and size their requests,
//! and are never part of a key.

use crate::plan::{Plan, StageId};
use crate::store::{Record, Store};

/// The estimate for every stage when no stage of the plan was ever executed.
const UNKNOWN_SECONDS: f64 = 1.0;

/// By stage: the time and memory of its last execution.
#[derive(Debug)]
pub struct Learned {
    past: Vec<Option<Past>>,
    /// The estimate for a stage that was never executed: the median of the others.
    typical: f64,
}

/// The time and memory of an execution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Peak resident bytes of its largest process.
    pub peak_memory: u64,
}

impl From<&Record> for Past {
    fn from(record: &Record) -> Past {
        Past { seconds: record.usage.seconds, peak_memory: record.usage.peak_memory }
    }
}

impl Learned {
    /// From the past of each stage, in the plan's order of nodes.
    pub fn new(past: Vec<Option<Past>>) -> Learned {
        let mut known: Vec<f64> = past.iter().flatten().map(|past| past.seconds).collect();
        let middle = known.len() / 2;
        let typical = match known.is_empty() {
            true => UNKNOWN_SECONDS,
            false => *known.select_nth_unstable_by(middle, f64::total_cmp).1,
        };
        Learned { past, typical }
    }

    /// The estimates from the store's records of these stages. It reads those records, so it is called only when something depends on it.
    pub fn of(plan: &Plan, store: &Store, stages: impl Iterator<Item = StageId>) -> Learned {
        let mut known = vec![None; plan.graph.node_count()];
        for stage in stages {
            known[stage.index()] = last(plan, store, stage).as_ref().map(Past::from);
        }
        Learned::new(known)
    }

    /// Seconds that `stage` is expected to take.
    pub fn seconds(&self, stage: StageId) -> f64 {
        self.past[stage.index()].map_or(self.typical, |past| past.seconds)
    }

    /// Bytes that `stage` needed last; 0 = unknown.
    pub fn peak_memory(&self, stage: StageId) -> u64 {
        self.past[stage.index()].map_or(0, |past| past.peak_memory)
    }
}

/// The record of the last action of `stage`, whether or not its outputs are still there.
pub fn last(plan: &Plan, store: &Store, stage: StageId) -> Option<Record> {
    let key = store.last(plan.pipeline.as_str(), plan.graph[stage].name.as_str())?;
    store.past_record(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_like_the_others() {
        let past = |seconds| Some(Past { seconds, peak_memory: 7 });
        let learned = Learned::new(vec![past(9.0), None, past(2.0), past(4.0)]);
        assert_eq!(learned.seconds(StageId::new(0)), 9.0);
        assert_eq!(learned.seconds(StageId::new(1)), 4.0);
        assert_eq!((learned.peak_memory(StageId::new(1)), learned.peak_memory(StageId::new(2))), (0, 7));
        assert_eq!(Learned::new(vec![None]).seconds(StageId::new(0)), UNKNOWN_SECONDS);
    }
}
