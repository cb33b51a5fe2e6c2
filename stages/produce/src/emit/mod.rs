//! From the state of a host to findings, one file a scanner, in the scanner's words, formats and order.
//!
//! Severities come from `scan::rules` alone. Every function returns what the scanner reports and what it misses.

mod ioc;
mod kernel_params;
mod mac;
mod modules;
mod network;
mod processes;
mod suid_sgid;
mod systemd_units;
mod world_writable;

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
    /// The scanner registers itself a second time, so that its report holds an empty result after its own.
    pub registers_twice: bool,
}

impl Output {
    fn new(scanner: &'static str) -> Output {
        Output { scanner, found: Vec::new(), missed: Vec::new(), registers_twice: false }
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

/// The results of the scanners that are not switched off, in the order in which they run.
pub(crate) fn outputs(host: &Host, world: &World, counts: &Counts, is_chain: impl Fn(Mark) -> bool) -> Vec<Output> {
    type Emit = fn(&Host, &World) -> Output;
    let scanners: [(Emit, Option<u32>); 9] = [
        (processes::emit, counts.processes),
        (network::emit, counts.network),
        (kernel_params::emit, counts.kernel_params),
        (modules::emit, counts.modules),
        (world_writable::emit, counts.world_writable),
        (suid_sgid::emit, counts.suid),
        (ioc::emit, counts.ioc),
        (mac::emit, counts.mac),
        (systemd_units::emit, None),
    ];
    let switched_on = scanners.into_iter().filter(|(_, limit)| *limit != Some(0));
    switched_on
        .map(|(emit, limit)| {
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
