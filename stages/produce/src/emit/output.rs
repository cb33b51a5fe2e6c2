//! The findings that one scanner reports, and those it misses.

use scan::Finding;

use crate::host::Host;
use crate::world::Mark;

/// A finding and the story it belongs to.
pub(crate) struct Found {
    pub finding: Finding,
    pub mark: Option<Mark>,
}

/// The output of one scanner.
pub(crate) struct Output {
    pub scanner: &'static str,
    pub found: Vec<Found>,
    /// Ids of traces that the scanner does not report.
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
    pub(super) fn new(scanner: &'static str) -> Output {
        Output { scanner, found: Vec::new(), missed: Vec::new(), results: Results::Once }
    }

    /// Of a scanner that begins its own result where hardening checks are on.
    pub(super) fn hardening(scanner: &'static str, host: &Host) -> Output {
        let results = if host.mode.hardening { Results::EmptyAfter } else { Results::Once };
        Output { results, ..Output::new(scanner) }
    }

    pub(super) fn push(&mut self, finding: Finding, mark: Option<Mark>) {
        match mark {
            Some(mark) if mark.missed => self.missed.push((finding.id, mark)),
            _ => self.found.push(Found { finding, mark }),
        }
    }

    /// Keeps at most `limit` findings: those of chains first, then by the order in which they stand.
    pub(super) fn limit(&mut self, limit: u32, is_chain: impl Fn(Mark) -> bool) {
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
