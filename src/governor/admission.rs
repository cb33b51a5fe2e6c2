//! The governor: decides whether one more stage may start.

use std::collections::BTreeMap;
use std::fmt;

use super::escalation::{Decision, Escalation};
use super::policy::{Gate, Gibibytes, Limits, Machine, Pressure, Sample};
use super::probe;

/// Workers at once when nobody says otherwise, on a machine that has the cores.
const DEFAULT_WORKERS: usize = 4;

/// With so few stages to run, running them at once gains little and makes the machine less usable.
const SEQUENTIAL_UP_TO: usize = 2;

/// Tenths of memory that the running stages may declare together.
const MEMORY_TENTHS: u64 = 8;

/// The resources that a stage wants while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Cores; 0 counts as one.
    pub cpus: u32,
    /// Bytes; 0 = unknown.
    pub memory: u64,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Admission {
    /// Start it.
    Now,
    /// Ask again when a stage has ended or the gate has moved.
    Wait(Reason),
}

/// Why a stage has to wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// As many run as may.
    Workers(usize),
    /// So few stages remain that they run one after the other.
    Sequential,
    /// The gate is closed.
    Pressure(Pressure),
    /// Paused stages go on first.
    Paused,
    /// Not enough cores are free.
    Cpus {
        /// Cores it wants.
        wanted: u32,
        /// Cores that the running stages leave.
        free: u32,
    },
    /// Not enough memory is free, by the declarations of stages.
    Memory {
        /// Bytes it wants.
        wanted: u64,
        /// Bytes that the running stages leave of 80 % of the machine's.
        free: u64,
    },
}

/// Decides how much may run now.
#[derive(Debug)]
pub struct Governor {
    workers: Workers,
    cores: u32,
    memory: u64,
    gate: Gate,
    limits: Limits,
    escalation: Escalation,
    /// By the caller's id.
    running: BTreeMap<u64, Request>,
}

#[derive(Clone, Copy, Debug)]
enum Workers {
    /// One, because there is so little to do.
    One,
    UpTo(usize),
}

impl Governor {
    /// A governor of this machine for a run with `items` stages to execute; `jobs` is the user's own number of workers.
    pub fn new(jobs: Option<usize>, items: usize, limits: Limits) -> Governor {
        Governor { limits, ..Governor::of(probe::machine(), jobs, items) }
    }

    /// A governor of `machine`.
    pub fn of(machine: Machine, jobs: Option<usize>, items: usize) -> Governor {
        let cores = machine.cores.max(1);
        let workers = match jobs {
            Some(jobs) => Workers::UpTo(jobs.max(1)),
            None if items <= SEQUENTIAL_UP_TO => Workers::One,
            None => Workers::UpTo(DEFAULT_WORKERS.min(cores as usize)),
        };
        // A user who asks for eight workers on two cores means eight stages of one core each.
        let cores = cores.max(u32::try_from(jobs.unwrap_or(0)).unwrap_or(u32::MAX));
        let memory = if machine.memory == 0 { u64::MAX } else { machine.memory / 10 * MEMORY_TENTHS };
        Governor {
            workers,
            cores,
            memory,
            gate: Gate::default(),
            limits: Limits::default(),
            escalation: Escalation::default(),
            running: BTreeMap::new(),
        }
    }

    /// Whether a stage that wants `request` may start now. When nothing runs the answer is yes, for any request.
    pub fn admit(&self, request: &Request) -> Admission {
        self.obstacle(request).map_or(Admission::Now, Admission::Wait)
    }

    /// Whether nothing new is to be started: nor are jobs within the stages that run.
    pub fn is_closed(&self) -> bool {
        matches!(self.gate, Gate::Closed(_))
    }

    /// Notes that the stage `id` runs.
    pub fn started(&mut self, id: u64, request: Request) {
        if self.running.insert(id, request).is_none() {
            self.escalation.started(id);
        }
    }

    /// Notes that the stage `id` has ended.
    pub fn ended(&mut self, id: u64) {
        self.running.remove(&id);
        self.escalation.ended(id);
    }

    /// Notes how many cores each stage keeps busy, as far as it is known: a stage that only waits is not paused for load.
    pub fn saw(&mut self, cores: &BTreeMap<u64, f64>) {
        self.escalation.saw(cores);
    }

    /// Takes a look at the machine into account. The caller carries out the decisions, in this order.
    pub fn observe(&mut self, sample: &Sample) -> Vec<Decision> {
        let next = self.gate.after(sample, self.limits);
        let change = std::mem::replace(&mut self.gate, next).change(next, sample);
        change.map(Decision::Gate).into_iter().chain(self.escalation.after(next)).collect()
    }

    fn obstacle(&self, request: &Request) -> Option<Reason> {
        if self.running.is_empty() {
            return None;
        }
        match self.workers {
            Workers::One => return Some(Reason::Sequential),
            Workers::UpTo(most) if self.running.len() >= most => return Some(Reason::Workers(most)),
            Workers::UpTo(_) => {}
        }
        if let Gate::Closed(pressure) = self.gate {
            return Some(Reason::Pressure(pressure));
        }
        if self.escalation.holds_any() {
            return Some(Reason::Paused);
        }
        let used = self.running.values().map(|it| it.cpus.max(1)).fold(0, u32::saturating_add);
        let (wanted, free) = (request.cpus.max(1), self.cores.saturating_sub(used));
        if wanted > free {
            return Some(Reason::Cpus { wanted, free });
        }
        let used = self.running.values().map(|it| it.memory).fold(0, u64::saturating_add);
        let (wanted, free) = (request.memory, self.memory.saturating_sub(used));
        // Beside a stage that wants more than there is, no other stage runs.
        (used.saturating_add(wanted) > self.memory).then_some(Reason::Memory { wanted, free })
    }
}

impl Reason {
    /// Whether both say the same but for figures, which change with every look at the machine.
    pub fn is_like(&self, other: &Reason) -> bool {
        match (self, other) {
            (Reason::Pressure(one), Reason::Pressure(other)) => {
                std::mem::discriminant(one) == std::mem::discriminant(other)
            }
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Workers(1) => f.write_str("one stage runs at a time"),
            Reason::Workers(most) => write!(f, "{most} stages run already; --jobs N allows more"),
            Reason::Sequential => f.write_str("so few stages run one after the other; --jobs N runs them at once"),
            Reason::Pressure(pressure) => pressure.fmt(f),
            Reason::Paused => f.write_str("paused stages go on first"),
            Reason::Cpus { wanted, free } => write!(f, "wants {wanted} cores, {free} are free"),
            Reason::Memory { wanted: 0, .. } => f.write_str("what runs declares more than 80 % of the memory"),
            Reason::Memory { wanted, free } => {
                write!(f, "wants {} of memory, {} are free within 80 %", Gibibytes(*wanted), Gibibytes(*free))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governor::policy::{Change, Memory};
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;
    const MACHINE: Machine = Machine { cores: 8, memory: 20 * GIB };

    fn small() -> Request {
        Request { cpus: 1, memory: 0 }
    }

    /// Starts `wants` one after the other until one has to wait; returns how many run, and why no more.
    fn fill(governor: &mut Governor, wants: &[Request]) -> (usize, String) {
        for (id, want) in wants.iter().enumerate() {
            match governor.admit(want) {
                Admission::Now => governor.started(id as u64, *want),
                Admission::Wait(reason) => return (id, reason.to_string()),
            }
        }
        (wants.len(), String::new())
    }

    #[test]
    fn the_default_is_four_or_the_cores_and_jobs_overrides_it() {
        let check = |cores, jobs, items, expected: usize, words: &str| {
            let mut governor = Governor::of(Machine { cores, memory: 0 }, jobs, items);
            let (running, reason) = fill(&mut governor, &[small(); 20]);
            assert_eq!((running, reason.as_str()), (expected, words), "{cores} cores, {jobs:?}, {items} items");
        };
        check(8, None, 10, 4, "4 stages run already; --jobs N allows more");
        check(2, None, 10, 2, "2 stages run already; --jobs N allows more");
        check(2, Some(8), 10, 8, "8 stages run already; --jobs N allows more");
        check(8, Some(1), 10, 1, "one stage runs at a time");
        check(8, Some(0), 10, 1, "one stage runs at a time");
        check(8, None, 2, 1, "so few stages run one after the other; --jobs N runs them at once");
        check(8, Some(2), 2, 2, "2 stages run already; --jobs N allows more");
    }

    #[test]
    fn declared_cores_and_memory_are_shared_out() {
        let mut governor = Governor::of(MACHINE, None, 10);
        let wants = [Request { cpus: 6, memory: 0 }, small(), Request { cpus: 2, memory: 0 }];
        assert_eq!(fill(&mut governor, &wants), (2, "wants 2 cores, 1 are free".into()));

        let mut governor = Governor::of(MACHINE, None, 10);
        let wants = [Request { cpus: 1, memory: 10 * GIB }, Request { cpus: 1, memory: 7 * GIB }];
        assert_eq!(fill(&mut governor, &wants), (1, "wants 7.0 GiB of memory, 6.0 GiB are free within 80 %".into()));
        governor.ended(0);
        assert_eq!(governor.admit(&wants[1]), Admission::Now);
    }

    #[test]
    fn what_wants_more_than_the_machine_runs_alone() {
        let mut governor = Governor::of(MACHINE, None, 10);
        let giant = Request { cpus: 64, memory: 900 * GIB };
        assert_eq!(fill(&mut governor, &[giant, small()]), (1, "wants 1 cores, 0 are free".into()));
    }

    #[test]
    fn under_pressure_one_stage_runs_and_no_more() {
        let mut governor = Governor::of(MACHINE, Some(8), 10);
        let full = Sample { memory: Some(Memory { used: 18 * GIB, total: 20 * GIB }), ..Sample::default() };
        assert!(matches!(governor.observe(&full)[..], [Decision::Gate(Change::Closed(_))]));
        assert_eq!(governor.observe(&full), []);
        let words = "memory at 90 % of 20.0 GiB (limit 80 %): admitting nothing until below 70 %";
        assert_eq!(fill(&mut governor, &[small(); 3]), (1, words.into()));
        let calm = Sample { memory: Some(Memory { used: 2 * GIB, total: 20 * GIB }), ..Sample::default() };
        assert!(matches!(governor.observe(&calm)[..], [Decision::Gate(Change::Opened(_))]));
        assert_eq!(governor.admit(&small()), Admission::Now);
    }

    proptest! {
        /// Invariants for any requests: never more workers or declared resources than allowed, unless one runs alone; never idle.
        #[test]
        fn limits_hold_and_something_always_runs(
            jobs in proptest::option::of(1_usize..12),
            items in 0_usize..40,
            steps in proptest::collection::vec((0_u32..12, 0_u64..24, 0_u64..100, any::<bool>()), 1..60),
        ) {
            let mut governor = Governor::of(MACHINE, jobs, items);
            let most = jobs.unwrap_or(if items <= 2 { 1 } else { 4 });
            for (id, (cpus, gib, percent, ends)) in steps.into_iter().enumerate() {
                if ends {
                    let first = governor.running.keys().next().copied();
                    first.into_iter().for_each(|first| governor.ended(first));
                }
                let memory = Memory { used: percent * MACHINE.memory / 100, total: MACHINE.memory };
                governor.observe(&Sample { memory: Some(memory), ..Sample::default() });
                let request = Request { cpus, memory: gib * GIB };
                let before = governor.running.len();
                if governor.admit(&request) == Admission::Now {
                    governor.started(id as u64, request);
                    prop_assert!(before == 0 || percent < 80);
                } else {
                    prop_assert!(before > 0);
                }
                let running: Vec<_> = governor.running.values().collect();
                prop_assert!(running.len() <= most);
                prop_assert!(running.len() == 1 || running.iter().map(|it| it.cpus.max(1)).sum::<u32>() <= 8.max(most as u32));
                prop_assert!(running.len() == 1 || running.iter().map(|it| it.memory).sum::<u64>() <= 16 * GIB);
            }
        }
    }
}
