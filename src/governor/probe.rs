//! The only place that looks at the machine. The run loop calls it every half second while something runs; on the way of
//! a run that is all hits it is never made.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sysinfo::{MemoryRefreshKind, System};

use super::cgroup::{Cgroups, CpuQuota};
use super::nvml::Library;
use super::own;
use super::policy::{Machine, Memory, Sample};
use super::psi;

/// CPU shares over less time than this are noise.
const SHORTEST: Duration = Duration::from_millis(200);

/// Looks at a machine.
pub trait Probe {
    /// The current sample; a CPU share covers the time since the last sample that had one.
    fn sample(&mut self) -> Sample;

    /// The cores that each stage keeps busy, as far as it is known, given the process group of each. Of the time that the CPU share
    /// of the last sample covers.
    fn cores_of(&mut self, groups: &BTreeMap<String, u32>) -> BTreeMap<String, f64>;

    /// The memory of the GPUs of these names, as far as it is known.
    fn gpu_memory(&mut self, names: &[String]) -> BTreeMap<String, Memory>;
}

/// Looks at this machine. A figure that cannot be read is not known and holds nothing back; the cap on workers stands in any case.
#[derive(Debug)]
pub struct SystemProbe {
    system: Option<System>,
    cgroups: Cgroups,
    last: Reading,
    /// Cores that each process group keeps busy.
    busy: BTreeMap<u32, f64>,
    /// Loaded when it is first asked for.
    nvml: Option<Library>,
}

/// CPU times at one moment.
#[derive(Clone, Debug)]
struct Reading {
    at: Instant,
    own: own::Used,
    quota: Option<CpuQuota>,
}

impl SystemProbe {
    /// Takes the first reading.
    #[expect(clippy::new_without_default, reason = "it reads the machine, which a default should not")]
    pub fn new() -> SystemProbe {
        let cgroups = Cgroups::own();
        let mut system = System::new().ok();
        system.iter_mut().for_each(System::refresh_cpu_usage);
        let last = Reading::take(&cgroups);
        SystemProbe { system, cgroups, last, busy: BTreeMap::new(), nvml: None }
    }

    fn cpu(&mut self) -> Option<f64> {
        let elapsed = self.last.at.elapsed();
        if elapsed < SHORTEST {
            return None;
        }
        let now = Reading::take(&self.cgroups);
        let before = std::mem::replace(&mut self.last, now.clone());
        let seconds = (now.at - before.at).as_secs_f64();
        let own = (now.own.all - before.own.all) / seconds;
        // One that is new has been there for less than that time: nothing is known of it yet.
        let both = now.own.groups.iter().filter_map(|(group, now)| Some((*group, *now, before.own.groups.get(group)?)));
        self.busy = both.map(|(group, now, before)| (group, ((now - before) / seconds).max(0.0))).collect();
        let system = self.system.as_mut()?;
        system.refresh_cpu_usage();
        let cores = system.cpus().len() as f64;
        let busy = f64::from(system.global_cpu_usage()) / 100.0 * cores;
        let quota = now.quota.zip(before.quota);
        let in_quota = quota.map(|(now, before)| others((now.used - before.used) / seconds, own, now.cores));
        Some(others(busy, own, cores).max(in_quota.unwrap_or(0.0)))
    }
}

impl Probe for SystemProbe {
    fn sample(&mut self) -> Sample {
        let machine = self.system.as_mut().map(memory_of);
        let memory =
            [machine, self.cgroups.memory()].into_iter().flatten().max_by(|a, b| a.share().total_cmp(&b.share()));
        let stalled = [psi::memory(), self.cgroups.stalled()].into_iter().flatten().max_by(f64::total_cmp);
        Sample { cpu: self.cpu(), memory, stalled }
    }

    fn cores_of(&mut self, groups: &BTreeMap<String, u32>) -> BTreeMap<String, f64> {
        groups.iter().filter_map(|(stage, group)| Some((stage.clone(), *self.busy.get(group)?))).collect()
    }

    fn gpu_memory(&mut self, names: &[String]) -> BTreeMap<String, Memory> {
        self.nvml.get_or_insert_with(Library::load).memory(names)
    }
}

impl Reading {
    fn take(cgroups: &Cgroups) -> Reading {
        Reading { at: Instant::now(), own: own::used(), quota: cgroups.cpu() }
    }
}

/// The share of `cores` that is busy with anything but us. The two figures are not taken at one instant, so the
/// difference may come out a little below nothing.
fn others(busy: f64, own: f64, cores: f64) -> f64 {
    ((busy - own) / cores).clamp(0.0, 1.0)
}

fn memory_of(system: &mut System) -> Memory {
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let total = system.total_memory();
    Memory { used: total.saturating_sub(system.available_memory()), total }
}

/// The resources of this machine, or of the container around us.
pub(super) fn machine() -> Machine {
    let total = System::new().ok().map_or(0, |mut system| memory_of(&mut system).total);
    let memory = Cgroups::own().memory().map_or(total, |limit| limit.total.min(total));
    Machine { cores: cores(), memory }
}

/// Cores that this process may use, at least one: affinity and the quotas of cgroups, of both versions, are taken into account.
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}

/// The machine's name, for records.
pub fn host_name() -> String {
    System::host_name().unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_and_memory_and_a_name() {
        let machine = machine();
        assert!(machine.cores >= 1 && machine.memory > 64 << 20, "{machine:?}");
        let memory = SystemProbe::new().sample().memory.unwrap();
        assert!(memory.used > 0 && memory.used <= memory.total, "{memory:?}");
        assert!(!host_name().is_empty());
    }

    #[test]
    fn load_of_our_own_is_not_load_by_others() {
        assert_eq!(others(1.5, 1.0, 2.0), 0.25);
        assert_eq!(others(1.0, 1.2, 2.0), 0.0);
        assert_eq!(others(9.0, 0.0, 2.0), 1.0);
    }

    #[test]
    fn a_cpu_share_needs_some_time() {
        let mut probe = SystemProbe::new();
        assert_eq!(probe.sample().cpu, None);
        probe.last.at -= SHORTEST;
        let share = probe.sample().cpu.unwrap();
        assert!((0.0..=1.0).contains(&share), "{share}");
    }
}
