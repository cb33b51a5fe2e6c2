//! Steps against pressure that lasts while stages run: a pure state machine, one step at a time.
//!
//! Closing the gate comes first. Pressure that lasts then pauses the youngest stage, step by step, until one is left; memory that
//! is still short when only one moves takes back the youngest paused one, which runs again later. Calm undoes this in reverse.
//!
//! A step must give something back. A stage that only waits, for time or for a network, takes no CPU from anybody: load by others
//! does not pause it, and of those that work one goes on.

use std::collections::BTreeMap;
use std::fmt;

use super::policy::{Change, Gate, Pressure};

/// Looks at the machine between two steps, up or down: a step must have time to show its effect.
const PATIENCE: u32 = 4;

/// A stage that keeps less than this of one core busy only waits.
const WAITS_BELOW: f64 = 0.05;

/// The governor's decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The gate has moved.
    Gate(Change),
    /// This stage stands still from now on.
    Pause {
        /// The caller's id.
        id: u64,
        /// The current pressure.
        pressure: Pressure,
    },
    /// This stage goes on.
    Resume {
        /// The caller's id.
        id: u64,
        /// Why now.
        cause: Relief,
    },
    /// These stages would be next, and go on: they only wait. Said once while the pressure lasts.
    Spare {
        /// The caller's ids, oldest first.
        ids: Vec<u64>,
        /// The current pressure.
        pressure: Pressure,
    },
    /// This stage is killed and runs again later, since only that gives its memory back. It is no attempt.
    Requeue {
        /// The caller's id.
        id: u64,
        /// The current pressure.
        pressure: Pressure,
    },
}

/// Why a paused stage goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relief {
    /// The pressure has eased.
    Calm,
    /// Nothing else runs, and one stage always does.
    Alone,
}

/// Which stages move and which stand still.
#[derive(Debug, Default)]
pub(super) struct Escalation {
    /// Oldest first.
    moving: Vec<u64>,
    /// In the order in which they were paused: youngest first.
    paused: Vec<u64>,
    acute: u32,
    calm: u32,
    /// For how many looks in a row each stage has kept no core busy.
    idle: BTreeMap<u64, u32>,
    /// Whether it was said who is spared.
    spared: bool,
}

impl Escalation {
    pub(super) fn started(&mut self, id: u64) {
        self.moving.push(id);
    }

    pub(super) fn ended(&mut self, id: u64) {
        self.moving.retain(|moving| *moving != id);
        self.paused.retain(|paused| *paused != id);
        self.idle.remove(&id);
    }

    /// Notes how many cores each stage keeps busy, as far as it is known.
    pub(super) fn saw(&mut self, cores: &BTreeMap<u64, f64>) {
        for id in &self.moving {
            let looks = self.idle.entry(*id).or_default();
            let waits = cores.get(id).is_some_and(|cores| *cores < WAITS_BELOW);
            *looks = if waits { looks.saturating_add(1) } else { 0 };
        }
    }

    pub(super) fn holds_any(&self) -> bool {
        !self.paused.is_empty()
    }

    /// The step that follows from one more look at the machine, which left the gate like this.
    pub(super) fn after(&mut self, gate: Gate) -> Option<Decision> {
        if self.moving.is_empty() {
            return self.resume(Relief::Alone);
        }
        let Gate::Closed(pressure) = gate else {
            self.acute = 0;
            self.spared = false;
            self.calm += 1;
            return (self.calm >= PATIENCE).then(|| self.resume(Relief::Calm)).flatten();
        };
        self.calm = 0;
        self.acute = if pressure.is_acute() { self.acute + 1 } else { 0 };
        // The first look closes the gate; the patience begins behind it.
        if self.acute <= PATIENCE {
            return None;
        }
        self.acute = 1;
        self.escalate(pressure)
    }

    fn escalate(&mut self, pressure: Pressure) -> Option<Decision> {
        if !pressure.is_of_memory() {
            return self.pause_one_that_works(pressure);
        }
        if self.moving.len() > 1 {
            let id = self.moving.pop()?;
            self.paused.push(id);
            return Some(Decision::Pause { id, pressure });
        }
        let takes_back = pressure.is_of_memory() && !self.paused.is_empty();
        takes_back.then(|| Decision::Requeue { id: self.paused.remove(0), pressure })
    }

    /// Pauses the youngest stage that uses the CPU, unless it is the only one.
    fn pause_one_that_works(&mut self, pressure: Pressure) -> Option<Decision> {
        let waits = |id: &u64| self.idle.get(id).is_some_and(|looks| *looks >= PATIENCE);
        let (waiting, working): (Vec<u64>, Vec<u64>) = self.moving.iter().partition(|id| waits(id));
        // The oldest one goes on in any case, so that alone nobody is spared.
        if !waiting.is_empty() && self.moving.len() > 1 && !std::mem::replace(&mut self.spared, true) {
            // The next look decides about the others.
            self.acute = PATIENCE;
            return Some(Decision::Spare { ids: waiting, pressure });
        }
        let [_, .., youngest] = working.as_slice() else { return None };
        self.moving.retain(|id| id != youngest);
        self.paused.push(*youngest);
        Some(Decision::Pause { id: *youngest, pressure })
    }

    fn resume(&mut self, cause: Relief) -> Option<Decision> {
        let id = self.paused.pop()?;
        self.moving.push(id);
        self.calm = 0;
        Some(Decision::Resume { id, cause })
    }
}

impl fmt::Display for Relief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Relief::Calm => "the pressure has eased",
            Relief::Alone => "nothing else runs",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governor::{Limits, Memory, Sample};
    use proptest::prelude::*;

    fn memory(percent: u64) -> Sample {
        Sample { memory: Some(Memory { used: percent, total: 100 }), ..Sample::default() }
    }

    fn load(percent: u64) -> Sample {
        Sample { cpu: Some(percent as f64 / 100.0), ..Sample::default() }
    }

    /// Starts stages 0, 1, 2, shows each sample so many times, and returns the decisions about them.
    fn script(samples: &[(Sample, usize)]) -> Vec<String> {
        script_of(&BTreeMap::new(), samples)
    }

    /// As [`script`], with stages that keep so many cores busy.
    fn script_of(cores: &BTreeMap<u64, f64>, samples: &[(Sample, usize)]) -> Vec<String> {
        let (mut escalation, mut gate) = (Escalation::default(), Gate::default());
        (0..3).for_each(|id| escalation.started(id));
        let mut said = Vec::new();
        for (look, sample) in samples.iter().flat_map(|(sample, times)| vec![sample; *times]).enumerate() {
            gate = gate.after(sample, Limits::default());
            escalation.saw(cores);
            said.extend(escalation.after(gate).map(|decision| match decision {
                Decision::Pause { id, .. } => format!("{look}: pause {id}"),
                Decision::Resume { id, cause } => format!("{look}: resume {id}, {cause}"),
                Decision::Requeue { id, .. } => format!("{look}: requeue {id}"),
                Decision::Spare { ids, .. } => format!("{look}: spare {ids:?}"),
                Decision::Gate(_) => "gate".to_owned(),
            }));
        }
        said
    }

    #[test]
    fn memory_that_stays_short_pauses_the_youngest_then_takes_them_back_but_never_the_last() {
        let said = script(&[(memory(90), 30)]);
        assert_eq!(said, ["4: pause 2", "8: pause 1", "12: requeue 2", "16: requeue 1"]);
    }

    #[test]
    fn time_lost_to_memory_takes_stages_back_too() {
        let stalled = Sample { stalled: Some(0.3), ..Sample::default() };
        let said = script(&[(stalled, 30)]);
        assert_eq!(said, ["4: pause 2", "8: pause 1", "12: requeue 2", "16: requeue 1"]);
    }

    #[test]
    fn load_by_others_pauses_and_kills_nothing_and_calm_resumes_in_reverse() {
        let said = script(&[(load(90), 30), (load(10), 20)]);
        let eased = "the pressure has eased";
        assert_eq!(
            said,
            ["4: pause 2", "8: pause 1", &format!("33: resume 1, {eased}"), &format!("37: resume 2, {eased}")]
        );
    }

    #[test]
    fn what_only_waits_is_not_paused_for_load_and_that_is_said_once() {
        let said =
            |cores: &[(u64, f64)], samples: &[(Sample, usize)]| script_of(&cores.iter().copied().collect(), samples);
        let busy = [(load(90), 30)];
        assert_eq!(said(&[(0, 0.0), (1, 0.0), (2, 0.01)], &busy), ["4: spare [0, 1, 2]"]);
        assert_eq!(said(&[(0, 1.0), (1, 0.9), (2, 0.0)], &busy), ["4: spare [2]", "5: pause 1"]);
        assert_eq!(said(&[(0, 0.0), (1, 0.3), (2, 1.5)], &busy), ["4: spare [0]", "5: pause 2"]);
        assert_eq!(said(&[(0, 0.0), (1, 0.0), (2, 1.0)], &busy), ["4: spare [0, 1]"], "one that works goes on");
        let twice = [(load(90), 8), (load(10), 8), (load(90), 8)];
        assert_eq!(said(&[(2, 0.0)], &twice)[0], "4: spare [2]");
        assert!(said(&[(2, 0.0)], &twice).contains(&"20: spare [2]".to_owned()), "{:?}", said(&[(2, 0.0)], &twice));
    }

    #[test]
    fn memory_pauses_also_what_waits_since_that_is_killed_next() {
        let said = script_of(&[(0, 0.0), (1, 0.0), (2, 0.0)].into(), &[(memory(90), 14)]);
        assert_eq!(said, ["4: pause 2", "8: pause 1", "12: requeue 2"]);
    }

    #[test]
    fn a_short_peak_and_what_has_not_quite_eased_pause_nothing() {
        assert_eq!(script(&[(memory(95), 4), (memory(75), 40)]), Vec::<String>::new());
    }

    proptest! {
        /// Invariant for any samples and endings: after each look, one of the remaining stages moves.
        #[test]
        fn one_always_moves(steps in proptest::collection::vec((0_u64..100, 0_u64..8), 1..200)) {
            let (mut escalation, mut gate) = (Escalation::default(), Gate::default());
            (0..8).for_each(|id| escalation.started(id));
            for (percent, ends) in steps {
                if percent % 7 == 0 {
                    escalation.ended(ends);
                }
                gate = gate.after(&memory(percent), Limits::default());
                escalation.after(gate);
                prop_assert!(!escalation.moving.is_empty() || escalation.paused.is_empty());
            }
        }
    }
}
