//! From the state of a host to findings, one file a scanner, in the scanner's words, formats and order.
//!
//! Severities come from `scan::rules` alone. Every function returns what the scanner reports and what it misses.

mod auditd;
mod containers;
mod ebpf_exec_trace;
mod integrity;
mod ioc;
pub(crate) mod kernel_hardening;
mod kernel_params;
mod mac;
mod modules;
mod mounts;
mod network;
mod pci_compliance;
mod processes;
mod suid_sgid;
mod systemd_units;
mod world_writable;
mod yara;

use scan::Finding;

use crate::host::Host;
use crate::params::Counts;
use crate::world::{Mark, World};

/// A finding and the story it belongs to.
pub(crate) struct Found {
    pub finding: Finding,
    pub mark: Option<Mark>,
}

/// What one scanner reports.
pub(crate) struct Output {
    pub scanner: &'static str,
    pub found: Vec<Found>,
    /// Ids of what stories left and the scanner does not report.
    pub missed: Vec<(String, Mark)>,
    pub results: Results,
}

/// How a scanner's findings appear in the report. Some begin their result a second time, beside the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Results {
    Once,
    /// An empty result follows.
    EmptyAfter,
    /// An empty result comes first.
    EmptyBefore,
}

impl Output {
    fn new(scanner: &'static str) -> Output {
        Output { scanner, found: Vec::new(), missed: Vec::new(), results: Results::Once }
    }

    /// Of a scanner that begins its own result where hardening checks are on.
    fn hardening(scanner: &'static str, host: &Host) -> Output {
        let results = if host.mode.hardening { Results::EmptyAfter } else { Results::Once };
        Output { results, ..Output::new(scanner) }
    }

    fn push(&mut self, finding: Finding, mark: Option<Mark>) {
        match mark {
            Some(mark) if mark.missed => self.missed.push((finding.id, mark)),
            _ => self.found.push(Found { finding, mark }),
        }
    }

    /// Keeps at most `limit` findings: those of chains first, then by the order in which they stand.
    fn limit(&mut self, limit: u32, is_chain: impl Fn(Mark) -> bool) {
        let limit = limit as usize;
        let chain = |found: &Found| found.mark.is_some_and(&is_chain);
        let chains = self.found.iter().filter(|found| chain(found)).count();
        let (mut chains, mut others) = (chains.min(limit), limit.saturating_sub(chains));
        let mut kept = Vec::with_capacity(limit.min(self.found.len()));
        for found in self.found.drain(..) {
            let left = if chain(&found) { &mut chains } else { &mut others };
            if *left > 0 {
                *left -= 1;
                kept.push(found);
            } else if let Some(mark) = found.mark {
                self.missed.push((found.finding.id, mark));
            }
        }
        self.found = kept;
    }
}

/// The results of the scanners that are not switched off, in the order in which they run. A scanner that is on may still have
/// nothing to look at: those of hardening checks have an empty result without them.
pub(crate) fn outputs(host: &Host, world: &World, counts: &Counts, is_chain: impl Fn(Mark) -> bool) -> Vec<Output> {
    type Emit = fn(&Host, &World) -> Output;
    let mode = host.mode;
    let scanners: [(bool, Emit, Option<u32>); 17] = [
        (true, processes::emit, counts.processes),
        (true, network::emit, counts.network),
        (true, kernel_params::emit, counts.kernel_params),
        (true, modules::emit, counts.modules),
        (true, world_writable::emit, counts.world_writable),
        (true, suid_sgid::emit, counts.suid),
        (true, ioc::emit, counts.ioc),
        (true, mac::emit, counts.mac),
        (true, mounts::emit, None),
        (true, kernel_hardening::emit, None),
        (true, systemd_units::emit, None),
        (true, auditd::emit, None),
        (true, containers::emit, None),
        (mode.integrity, integrity::emit, None),
        (true, yara::emit, None),
        (mode.trace, ebpf_exec_trace::emit, None),
        (mode.compliance, pci_compliance::emit, None),
    ];
    let switched_on = scanners.into_iter().filter(|(is, _, limit)| *is && *limit != Some(0));
    switched_on
        .map(|(_, emit, limit)| {
            let mut output = emit(host, world);
            let unseen = world.unseen.iter().filter(|(scanner, _, _)| *scanner == output.scanner);
            output.missed.extend(unseen.map(|(_, id, mark)| (id.clone(), *mark)));
            if let Some(limit) = limit {
                output.limit(limit, &is_chain);
            }
            output
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use scan::Severity;

    use super::*;

    #[test]
    fn a_limit_keeps_chains_first_and_the_order() {
        let mark = |story| Some(Mark { story, step: 0, missed: false });
        let check = |limit: u32| {
            let mut output = Output::new("x");
            for (id, mark) in [("a", None), ("b", mark(0)), ("c", mark(1)), ("d", None), ("e", mark(1))] {
                output.push(Finding::new(id, "t", Severity::Info, "d"), mark);
            }
            // Story 1 is a chain, story 0 a look-alike.
            output.limit(limit, |mark| mark.story == 1);
            let found: String = output.found.iter().map(|f| f.finding.id.as_str()).collect();
            let missed: String = output.missed.iter().map(|(id, _)| id.as_str()).collect();
            (found, missed)
        };
        let expect = |found: &str, missed: &str| (found.to_owned(), missed.to_owned());
        assert_eq!(check(9), expect("abcde", ""));
        assert_eq!(check(3), expect("ace", "b"));
        assert_eq!(check(2), expect("ce", "b"));
        assert_eq!(check(1), expect("c", "be"));
    }
}
