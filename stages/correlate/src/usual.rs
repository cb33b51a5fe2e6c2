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
use crate::subject::{self, subjects};

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
    /// Whether at most `in_10000` of ten thousand clean scans show one of the signs of a finding.
    pub fn is_rare(&self, facts: &Facts<'_>, in_10000: u32) -> bool {
        let known = |sign: String| self.signs.get(&sign).copied().unwrap_or(0);
        SIGNS.of(facts).map(known).any(|count| self.seldom(count, in_10000))
    }

    fn seldom(&self, count: u32, in_10000: u32) -> bool {
        u64::from(count) * 10_000 <= u64::from(in_10000) * u64::from(self.scans)
    }

    /// Of the signs of one subject the one, or the two, that the fewest clean scans show, and how many do.
    pub fn rarest(&self, signs: &BTreeSet<String>) -> Option<(u32, String)> {
        let signs: Vec<&String> = signs.iter().collect();
        let mut rarest: Option<(u32, String)> = None;
        let mut offer = |count: u32, text: &str| {
            if rarest.as_ref().is_none_or(|(least, _)| count < *least) {
                rarest = Some((count, text.to_owned()));
            }
        };
        for (place, sign) in signs.iter().enumerate() {
            offer(self.signs.get(*sign).copied().unwrap_or(0), sign);
            for other in &signs[place + 1..] {
                let both = together(sign, other);
                offer(self.together.get(&both).copied().unwrap_or(0), &both);
            }
        }
        rarest
    }
}

/// Findings of one subject with the signs of theirs that clean hosts show least.
pub struct Oddity {
    /// Two or more places among the findings, in order.
    pub members: Vec<usize>,
    /// What it is and which signs these are; no other of the scan has this key.
    pub key: String,
    scans: u32,
}

impl Oddity {
    /// What `members` (places among `findings`) show together of one subject. A single finding is no oddity.
    pub fn all(findings: &[Facts<'_>], members: &[usize]) -> Vec<Oddity> {
        let of = |subject: Vec<usize>| Oddity::of(findings, subject);
        subjects(findings, members).into_iter().filter(|subject| subject.len() > 1).filter_map(of).collect()
    }

    fn of(findings: &[Facts<'_>], mut members: Vec<usize>) -> Option<Oddity> {
        let (scans, signs) = USUAL.rarest(&SIGNS.of_all(findings, &members))?;
        // Of a daemon that many hosts have, all but what stands out is its daily work.
        if members.iter().all(|&index| findings[index].is_of_daemon()) {
            members.retain(|&index| SIGNS.of(&findings[index]).any(|own| signs.split(" + ").any(|sign| sign == own)));
        }
        let key = format!("{}: {signs}", subject::name(findings, &members));
        (members.len() > 1).then_some(Oddity { members, key, scans })
    }

    /// Whether at most `in_10000` of ten thousand clean scans show it.
    pub fn is_rare(&self, in_10000: u32) -> bool {
        USUAL.seldom(self.scans, in_10000)
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
        }
        alone.extend(SIGNS.of_all(findings, &members));
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
    fn the_rarest_of_a_subject_is_named_with_how_rare_it_is() {
        let usual = Usual {
            scans: 10_000,
            signs: [("a".into(), 500), ("b".into(), 400), ("c".into(), 9)].into(),
            together: [("a + b".into(), 3), ("a + c".into(), 9)].into(),
        };
        let rarest = |signs: &[&str]| usual.rarest(&signs.iter().map(|sign| (*sign).to_owned()).collect());
        let some = |count: u32, text: &str| Some((count, text.to_owned()));
        assert_eq!(rarest(&[]), None);
        assert_eq!(rarest(&["a"]), some(500, "a"));
        assert_eq!(rarest(&["b", "a"]), some(3, "a + b"));
        assert_eq!(rarest(&["a", "b", "c"]), some(0, "b + c"));
        assert_eq!(rarest(&["never seen"]), some(0, "never seen"));
        assert!(usual.seldom(3, 3) && !usual.seldom(4, 3));
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
