//! Counts what is usual, for the table that `examples/usual.rs` prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::facts::Facts;
use crate::sign::{SIGNS, program, role};
use crate::subject::subjects;
use crate::usual::together;

/// How often a pair must be seen to be worth a line of the table.
const LEAST: u32 = 2;
/// How many scans must show a program or role before what it does not do says anything.
const LEAST_SCANS: u32 = 100;

/// What the table says of itself.
const HEAD: &str = "\
# Made by benches/recovery/usual.py: how many of so many scans of clean simulated hosts show a sign, and two signs of one subject;
# and of each program and role how many scans show it, and how many of these a sign of it. What fewer than two show is left out.
";

/// Counts what is usual, for the table.
#[derive(Default)]
pub struct Count {
    scans: u32,
    signs: BTreeMap<String, u32>,
    together: BTreeMap<String, u32>,
    of: BTreeMap<String, BTreeMap<String, u32>>,
}

/// The scans that show a program or role, among its signs.
const SCANS: &str = "scans";

impl Count {
    /// Adds one scan of a clean host.
    pub fn add(&mut self, findings: &[Facts<'_>]) {
        self.scans += 1;
        let members: Vec<usize> = (0..findings.len()).filter(|&i| SIGNS.speak_of(findings[i].scanner)).collect();
        let mut pairs = BTreeSet::new();
        for subject in subjects(findings, &members) {
            let signs = SIGNS.of_all(findings, &subject);
            let plain: Vec<&String> = signs.iter().filter(|sign| sign.of.is_none()).map(|sign| &sign.text).collect();
            for (place, sign) in plain.iter().enumerate() {
                pairs.extend(plain[place + 1..].iter().map(|other| together(sign, other)));
            }
        }
        pairs.into_iter().for_each(|pair| *self.together.entry(pair).or_default() += 1);
        let mut present: BTreeSet<String> =
            members.iter().filter_map(|&i| program(&findings[i])).map(Into::into).collect();
        present.extend(findings.first().and_then(role));
        for name in present {
            *self.of.entry(name).or_default().entry(SCANS.to_owned()).or_default() += 1;
        }
        for sign in SIGNS.of_all(findings, &members) {
            let signs = match sign.of {
                Some(name) => self.of.entry(name).or_default(),
                None => &mut self.signs,
            };
            *signs.entry(sign.text).or_default() += 1;
        }
    }

    /// The table, as YAML.
    pub fn table(&self) -> String {
        let mut text = format!("{HEAD}scans: {}\n", self.scans);
        for (name, counts) in [("signs", &self.signs), ("together", &self.together)] {
            writeln!(text, "{name}:").expect("text grows");
            for (key, count) in counts.iter().filter(|(_, count)| **count >= LEAST) {
                writeln!(text, "  {key}: {count}").expect("text grows");
            }
        }
        text.push_str("of:\n");
        let known = |counts: &BTreeMap<String, u32>| {
            counts.len() > 1 && counts.get(SCANS).is_some_and(|scans| *scans >= LEAST_SCANS)
        };
        for (name, counts) in self.of.iter().filter(|(_, counts)| known(counts)) {
            writeln!(text, "  {name}:").expect("text grows");
            for (key, count) in counts.iter().filter(|(_, count)| **count >= LEAST) {
                writeln!(text, "    {key}: {count}").expect("text grows");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_table_reads_as_the_one_that_is_here() {
        let cron = [(SCANS.into(), LEAST_SCANS), ("x".into(), 2), ("y".into(), 1)].into();
        let seldom = [(SCANS.into(), LEAST_SCANS - 1), ("x".into(), 2)].into();
        let count = Count {
            scans: 3,
            signs: [("ioc a".into(), 2), ("ioc b".into(), 1)].into(),
            of: [("cron".into(), cron), ("caddy".into(), seldom)].into(),
            ..Count::default()
        };
        let of = format!("of:\n  cron:\n    {SCANS}: {LEAST_SCANS}\n    x: 2\n");
        assert_eq!(count.table(), format!("{HEAD}scans: 3\nsigns:\n  ioc a: 2\ntogether:\n{of}"));
        assert!(include_str!("../knowledge/usual.yaml").starts_with(HEAD));
    }
}
