//! The sets that rules ask about earlier scans for, as a host's earlier scans held them.

use std::borrow::Cow;
use std::collections::HashMap;

/// The latest scan with each value, by rule.
#[derive(Default)]
pub struct History {
    latest: HashMap<usize, HashMap<String, u32>>,
    noted: Vec<(usize, String)>,
    scan: u32,
}

impl History {
    /// Whether one of the last `scans` scans had `value`.
    pub fn within(&self, rule: usize, value: &str, scans: u32) -> bool {
        let latest = self.latest.get(&rule).and_then(|values| values.get(value));
        latest.is_some_and(|scan| self.scan - scan <= scans)
    }

    /// Notes what the current scan has of a rule's set.
    pub fn note<'a>(&mut self, rule: usize, values: impl Iterator<Item = Cow<'a, str>>) {
        self.noted.extend(values.map(|value| (rule, value.into_owned())));
    }

    /// Ends the current scan: what it held is history from now on.
    pub fn end_scan(&mut self) {
        for (rule, value) in self.noted.drain(..) {
            self.latest.entry(rule).or_default().insert(value, self.scan);
        }
        self.scan += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_remembered_for_as_many_scans_as_asked() {
        let mut history = History::default();
        history.note(3, [Cow::Borrowed("x")].into_iter());
        assert!(!history.within(3, "x", 9), "the current scan is not an earlier one");
        history.end_scan();
        assert!(history.within(3, "x", 1) && !history.within(4, "x", 1));
        history.end_scan();
        assert!(history.within(3, "x", 2) && !history.within(3, "x", 1));
    }
}
