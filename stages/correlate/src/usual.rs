//! Signs, and which of them clean hosts show together. What no clean host shows together of one program is a reason to look,
//! whatever attack it may be: no attack has a part in these figures.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::facts::Facts;
use crate::field::Field;
use crate::knowledge::embedded;
use crate::rule::{Test, all_hold};
use crate::subject::subjects;

/// The signs of this build.
pub static SIGNS: LazyLock<Signs> = LazyLock::new(|| Signs::new(embedded(include_str!("../knowledge/signs.yaml"))));

/// What is usual, as measured for this build.
pub static USUAL: LazyLock<Usual> = LazyLock::new(|| embedded(include_str!("../knowledge/usual.yaml")));

/// How often a pair must be seen to be worth a line of the table.
const LEAST: u32 = 2;

/// What the table says of itself.
const HEAD: &str = "\
# Made by benches/recovery/usual.py: how many of so many scans of clean simulated hosts show a sign, and two signs of one subject.
# What fewer than two show is left out.
";

/// One entry of `knowledge/signs.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    scanner: String,
    #[serde(default, rename = "where")]
    conditions: BTreeMap<Field, Test>,
    say: Vec<Field>,
}

/// How findings are told as signs.
pub struct Signs {
    by_scanner: HashMap<String, Vec<Entry>>,
}

/// How many of the scans of clean hosts show what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usual {
    scans: u32,
    signs: BTreeMap<String, u32>,
    together: BTreeMap<String, u32>,
}

impl Signs {
    fn new(entries: Vec<Entry>) -> Signs {
        let mut by_scanner: HashMap<String, Vec<Entry>> = HashMap::new();
        for entry in entries {
            by_scanner.entry(entry.scanner.clone()).or_default().push(entry);
        }
        Signs { by_scanner }
    }

    /// Whether findings of the scanner can be signs.
    pub fn speak_of(&self, scanner: &str) -> bool {
        self.by_scanner.contains_key(scanner)
    }

    /// The signs of one finding.
    pub fn of<'s>(&'s self, facts: &'s Facts<'_>) -> impl Iterator<Item = String> + 's {
        let entries = self.by_scanner.get(facts.scanner).into_iter().flatten();
        entries.filter(|entry| all_hold(&entry.conditions, facts)).map(|entry| entry.text(facts))
    }

    /// The distinct signs of some findings, in order.
    pub fn of_all(&self, findings: &[Facts<'_>], members: &[usize]) -> BTreeSet<String> {
        members.iter().flat_map(|&index| self.of(&findings[index])).collect()
    }
}

impl Entry {
    fn text(&self, facts: &Facts<'_>) -> String {
        let mut text = self.scanner.clone();
        for field in &self.say {
            match (field, facts.get(field).as_deref()) {
                (_, None) => {}
                (Field::Metadata(name), Some("true")) => write!(text, " {name}").expect("text grows"),
                (Field::Disguised, Some(_)) => text.push_str(" disguised"),
                (Field::Known, Some(_)) => text.push_str(" of no package"),
                (_, Some(value)) => write!(text, " {value}").expect("text grows"),
            }
        }
        text
    }
}

impl Usual {
    /// Of the signs of one subject the one, or the two, that the fewest clean scans show, where at most `in_10000` of ten thousand
    /// do.
    pub fn rarest(&self, signs: &BTreeSet<String>, in_10000: u32) -> Option<String> {
        let signs: Vec<&String> = signs.iter().collect();
        let mut rarest: Option<(u32, String)> = None;
        let mut offer = |count: u32, text: &str| {
            let rare = u64::from(count) * 10_000 <= u64::from(in_10000) * u64::from(self.scans);
            if rare && rarest.as_ref().is_none_or(|(least, _)| count < *least) {
                rarest = Some((count, text.to_owned()));
            }
        };
        for (place, sign) in signs.iter().enumerate() {
            let known = self.signs.get(*sign).copied().unwrap_or(0);
            offer(known, sign);
            for other in &signs[place + 1..] {
                let both = together(sign, other);
                offer(self.together.get(&both).copied().unwrap_or(0), &both);
            }
        }
        rarest.map(|(_, text)| text)
    }
}

fn together(one: &str, other: &str) -> String {
    format!("{one} + {other}")
}

/// Counts what is usual, for the table.
#[derive(Default)]
pub struct Count {
    scans: u32,
    signs: BTreeMap<String, u32>,
    together: BTreeMap<String, u32>,
}

impl Count {
    /// Adds one scan of a clean host.
    pub fn add(&mut self, findings: &[Facts<'_>]) {
        self.scans += 1;
        let members: Vec<usize> = (0..findings.len()).filter(|&i| SIGNS.speak_of(findings[i].scanner)).collect();
        let (mut alone, mut pairs) = (BTreeSet::new(), BTreeSet::new());
        for subject in subjects(findings, &members) {
            let signs: Vec<String> = SIGNS.of_all(findings, &subject).into_iter().collect();
            for (place, sign) in signs.iter().enumerate() {
                pairs.extend(signs[place + 1..].iter().map(|other| together(sign, other)));
            }
            alone.extend(signs);
        }
        alone.into_iter().for_each(|sign| *self.signs.entry(sign).or_default() += 1);
        pairs.into_iter().for_each(|pair| *self.together.entry(pair).or_default() += 1);
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
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_of_a_subject_is_named_where_it_is_rare_enough() {
        let usual = Usual {
            scans: 10_000,
            signs: [("a".into(), 500), ("b".into(), 400), ("c".into(), 9)].into(),
            together: [("a + b".into(), 3), ("a + c".into(), 9)].into(),
        };
        let rarest = |signs: &[&str], most| usual.rarest(&signs.iter().map(|sign| (*sign).to_owned()).collect(), most);
        assert_eq!(rarest(&["a"], 3), None);
        assert_eq!(rarest(&["a", "b"], 2), None);
        assert_eq!(rarest(&["b", "a"], 3).as_deref(), Some("a + b"));
        assert_eq!(rarest(&["a", "b", "c"], 9).as_deref(), Some("b + c"));
        assert_eq!(rarest(&["never seen"], 0).as_deref(), Some("never seen"));
    }

    #[test]
    fn a_new_table_reads_as_the_one_that_is_here() {
        let count =
            Count { scans: 3, signs: [("ioc a".into(), 2), ("ioc b".into(), 1)].into(), together: BTreeMap::new() };
        assert_eq!(count.table(), format!("{HEAD}scans: 3\nsigns:\n  ioc a: 2\ntogether:\n"));
        assert!(include_str!("../knowledge/usual.yaml").starts_with(HEAD));
    }

    #[test]
    fn every_sign_of_the_table_can_be() {
        assert!(USUAL.scans >= 10_000);
        let one = |sign: &String| SIGNS.speak_of(sign.split(' ').next().unwrap_or_default());
        assert!(USUAL.signs.keys().all(one));
        assert!(USUAL.together.keys().all(|pair| pair.split(" + ").all(|sign| USUAL.signs.contains_key(sign))));
    }
}
