//! From samples to pressure: a pure state machine with hysteresis, one threshold to close and a lower one to open again.

use std::fmt;

use serde::Deserialize;

/// How far below its limit a share must fall before the gate opens again. The distance keeps it from flapping with every stage
/// that ends.
const EASE: f64 = 0.10;

/// The share of time in which everything waits for memory, from which on nothing new is admitted. No setting: a healthy machine
/// of any size shows nearly none of it.
const STALLED: f64 = 0.20;

/// The shares from which on nothing new is admitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Of the CPU, used by others.
    pub cpu: f64,
    /// Of memory in use by any process.
    pub memory: f64,
}

impl Limits {
    /// Limits that nothing reaches: only the number of workers and the declarations of stages hold back.
    pub const NONE: Limits = Limits { cpu: f64::INFINITY, memory: f64::INFINITY };

    fn stalled(self) -> f64 {
        if self == Limits::NONE { f64::INFINITY } else { STALLED }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { cpu: 0.80, memory: 0.80 }
    }
}

/// The resources of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: u32,
    /// Bytes of memory that this process may use; 0 = unknown.
    pub memory: u64,
}

/// A sample at one moment. `None` = not known, and never a reason to hold anything back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sample {
    /// Share of the CPU that others use, 0 to 1. Our own stages do not count: the machine is for them.
    pub cpu: Option<f64>,
    /// Memory in use by any process.
    pub memory: Option<Memory>,
    /// Share of time in which everything waited for memory, 0 to 1.
    pub stalled: Option<f64>,
}

/// Memory of the machine or of the cgroup, whichever is scarcer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Bytes that cannot be had without somebody giving them up.
    pub used: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Memory {
    /// Whether as much is used as `limits` allow.
    pub fn is_short(self, limits: Limits) -> bool {
        self.share() >= limits.memory
    }

    pub(super) fn share(self) -> f64 {
        if self.total == 0 { 0.0 } else { self.used as f64 / self.total as f64 }
    }
}

/// The scarce resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pressure {
    /// Memory in use by any process.
    Memory {
        /// The used and the total memory.
        memory: Memory,
        /// The share that counts as too much.
        limit: f64,
    },
    /// Memory, as time lost in waiting for it, even while use looks harmless.
    Stalled {
        /// The share of time in which everything waited.
        share: f64,
        /// The share that counts as too much.
        limit: f64,
    },
    /// CPU, by others.
    Cpu {
        /// Their share.
        share: f64,
        /// The share that counts as too much.
        limit: f64,
    },
}

impl Pressure {
    /// Whether it is at the limit itself, and not only not yet eased.
    pub(super) fn is_acute(self) -> bool {
        match self {
            Pressure::Memory { memory, limit } => memory.share() >= limit,
            Pressure::Stalled { share, limit } | Pressure::Cpu { share, limit } => share >= limit,
        }
    }

    /// Whether giving memory back would help.
    pub(super) fn is_of_memory(self) -> bool {
        match self {
            Pressure::Memory { .. } | Pressure::Stalled { .. } => true,
            Pressure::Cpu { .. } => false,
        }
    }

    /// The figures, without the consequence.
    pub fn figures(self) -> String {
        match self {
            Pressure::Memory { memory, limit } => format!("{memory} (limit {})", Percent(limit)),
            Pressure::Stalled { share, limit } => format!("{} (limit {})", Stall(share), Percent(limit)),
            Pressure::Cpu { share, limit } => {
                format!("CPU use by others at {} (limit {})", Percent(share), Percent(limit))
            }
        }
    }
}

/// Whether anything new may start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Gate {
    /// Yes.
    #[default]
    Open,
    /// Not beyond the one local stage.
    Closed(Pressure),
}

/// A gate that has moved: one decision of the governor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Nothing new from now on.
    Closed(Pressure),
    /// Admitting again.
    Opened(Sample),
}

impl Gate {
    /// The gate after `sample`.
    pub fn after(self, sample: &Sample, limits: Limits) -> Gate {
        let ease = match self {
            Gate::Open => 0.0,
            Gate::Closed(_) => EASE,
        };
        let Limits { cpu, memory: limit } = limits;
        // Memory first: too much of it kills, too much load only slows.
        let memory = sample.memory.filter(|memory| memory.share() >= limit - ease);
        let memory = memory.map(|memory| Pressure::Memory { memory, limit });
        let limit = limits.stalled();
        let stalled = sample.stalled.filter(|share| *share >= limit - ease);
        let stalled = stalled.map(|share| Pressure::Stalled { share, limit });
        let load = sample.cpu.filter(|share| *share >= cpu - ease).map(|share| Pressure::Cpu { share, limit: cpu });
        let seen = [memory, stalled, load];
        // Acute pressure goes before pressure that only has not eased yet.
        let acute = seen.into_iter().flatten().find(|it| it.is_acute());
        let pressure = acute.or_else(|| seen.into_iter().flatten().next());
        pressure.map_or(Gate::Open, Gate::Closed)
    }

    /// The message about a move from this gate to `next`.
    pub fn change(self, next: Gate, sample: &Sample) -> Option<Change> {
        match (self, next) {
            (Gate::Open, Gate::Closed(pressure)) => Some(Change::Closed(pressure)),
            (Gate::Closed(_), Gate::Open) => Some(Change::Opened(*sample)),
            (Gate::Open, Gate::Open) | (Gate::Closed(_), Gate::Closed(_)) => None,
        }
    }
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Pressure::Memory { limit, .. } | Pressure::Stalled { limit, .. } | Pressure::Cpu { limit, .. }) = self;
        write!(f, "{}: admitting nothing until below {}", self.figures(), Percent(limit - EASE))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sample = match self {
            Change::Closed(pressure) => return pressure.fmt(f),
            Change::Opened(sample) => sample,
        };
        if let Some(memory) = sample.memory {
            write!(f, "{memory}, ")?;
        }
        if let Some(share) = sample.stalled {
            write!(f, "{}, ", Stall(share))?;
        }
        if let Some(share) = sample.cpu {
            write!(f, "CPU use by others at {}, ", Percent(share))?;
        }
        f.write_str("admitting again")
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory at {} of {}", Percent(self.share()), Gibibytes(self.total))
    }
}

/// Prints a share of time lost to memory.
struct Stall(f64);

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "everything waiting for memory {} of the time", Percent(self.0))
    }
}

/// Prints a share as whole percents.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} %", self.0 * 100.0)
    }
}

/// Prints bytes as GiB.
pub(super) struct Gibibytes(pub(super) u64);

impl fmt::Display for Gibibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} GiB", self.0 as f64 / f64::from(1 << 30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Percent of memory and of CPU by others, and the governor's message then (nothing = the gate does not move).
    fn check(script: &[(u64, u64, &str)]) {
        let mut gate = Gate::default();
        for (step, (memory, cpu, words)) in script.iter().enumerate() {
            let memory = Memory { used: memory * (24 << 30) / 100, total: 24 << 30 };
            let sample = Sample { cpu: Some(*cpu as f64 / 100.0), memory: Some(memory), stalled: None };
            let next = gate.after(&sample, Limits::default());
            let said = gate.change(next, &sample).map(|change| change.to_string()).unwrap_or_default();
            assert_eq!(said, *words, "step {step}");
            gate = next;
        }
    }

    #[test]
    fn memory_closes_at_80_and_opens_below_70() {
        check(&[
            (50, 0, ""),
            (79, 0, ""),
            (86, 0, "memory at 86 % of 24.0 GiB (limit 80 %): admitting nothing until below 70 %"),
            (95, 0, ""),
            (75, 0, ""),
            (71, 0, ""),
            (69, 10, "memory at 69 % of 24.0 GiB, CPU use by others at 10 %, admitting again"),
            (79, 0, ""),
        ]);
    }

    #[test]
    fn load_by_others_closes_too_and_both_must_ease() {
        check(&[
            (10, 85, "CPU use by others at 85 % (limit 80 %): admitting nothing until below 70 %"),
            (75, 20, ""),
            (60, 75, ""),
            (60, 69, "memory at 60 % of 24.0 GiB, CPU use by others at 69 %, admitting again"),
        ]);
    }

    #[test]
    fn what_is_not_known_holds_nothing_back() {
        let limits = Limits::default();
        let closed = Gate::Closed(Pressure::Cpu { share: 0.9, limit: 0.8 });
        assert_eq!(Gate::Open.after(&Sample::default(), limits), Gate::Open);
        assert_eq!(closed.after(&Sample::default(), limits), Gate::Open);
        let empty = Memory { used: 0, total: 0 };
        assert_eq!(Gate::Open.after(&Sample { memory: Some(empty), ..Sample::default() }, limits), Gate::Open);
    }

    /// The messages after each sample, as the injected probe reads them.
    fn said(limits: Limits, script: &[&str]) -> Vec<String> {
        let mut gate = Gate::default();
        let step = |line: &&str| {
            let sample = serde_json::from_str(line).unwrap();
            let next = gate.after(&sample, limits);
            let change = gate.change(next, &sample);
            gate = next;
            change.map(|change| change.to_string()).unwrap_or_default()
        };
        script.iter().map(step).collect()
    }

    #[test]
    fn waiting_for_memory_closes_at_20_and_opens_below_10() {
        let used = r#"{"cpu": 0.1, "memory": {"used": 50, "total": 100}, "stalled": 0.0}"#;
        let script =
            [used, r#"{"stalled": 0.19}"#, r#"{"stalled": 0.2}"#, r#"{"stalled": 0.11}"#, r#"{"stalled": 0.05}"#];
        let closed = "everything waiting for memory 20 % of the time (limit 20 %): admitting nothing until below 10 %";
        let opened = "everything waiting for memory 5 % of the time, admitting again";
        assert_eq!(said(Limits::default(), &script), ["", "", closed, "", opened]);
        assert_eq!(said(Limits::NONE, &script), [""; 5]);
    }

    #[test]
    fn what_is_acute_is_named_before_what_has_not_eased_yet() {
        let closed = Gate::Closed(Pressure::Cpu { share: 0.9, limit: 0.8 });
        let sample = Sample { cpu: Some(0.75), stalled: Some(0.5), memory: None };
        let stalled = Pressure::Stalled { share: 0.5, limit: 0.2 };
        assert_eq!(closed.after(&sample, Limits::default()), Gate::Closed(stalled));
        let sample = Sample { cpu: Some(0.9), stalled: Some(0.15), memory: None };
        assert_eq!(closed.after(&sample, Limits::default()), closed);
    }
}
