//! Which signs clean hosts show together, and which signs of each packaged program. A sign of a program that no clean host shows is a
//! reason to look, whichever attack it may be: no attack has a part in these figures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::facts::Facts;
use crate::knowledge::table;
use crate::sign::{SIGNS, Sign};
use crate::subject::{self, subjects};

/// The counts of this build.
pub static USUAL: LazyLock<Usual> = LazyLock::new(|| table!("usual"));

/// A sign of a program that at most this many of ten thousand scans show stands out from its daily work.
const OUTSTANDING: u32 = 40;

/// How many scans of clean hosts show which signs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usual {
    scans: u32,
    /// Where enough hosts are compared to tell what is rare.
    compared: Counts,
    /// The same scans where each host stands alone or among few: nothing is rare there.
    alone: Counts,
}

/// The counts of one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    signs: BTreeMap<String, u32>,
    together: BTreeMap<String, u32>,
    of: BTreeMap<String, Group>,
}

/// The signs of one program, or of hosts of one role, in the scans that show it.
#[derive(Deserialize)]
struct Group {
    scans: u32,
    #[serde(flatten)]
    signs: BTreeMap<String, u32>,
}

impl Usual {
    /// The rarest sign of a finding and how many clean scans show it, if at most `in_10000` of ten thousand do.
    pub fn rarest_of(&self, facts: &Facts<'_>, in_10000: u32) -> Option<(u32, Sign)> {
        let counted = SIGNS.of(facts).filter_map(|sign| Some((self.count(&sign)?, sign)));
        counted.min().filter(|(count, _)| self.seldom(*count, in_10000))
    }

    fn seldom(&self, count: u32, in_10000: u32) -> bool {
        u64::from(count) * 10_000 <= u64::from(in_10000) * u64::from(self.scans)
    }

    /// How many scans show a sign; for a sign of one program or role, the count scaled to the whole table. Unknown for a program or
    /// role that the table lacks.
    fn count(&self, sign: &Sign) -> Option<u32> {
        let counts = self.counts(sign);
        let Some(name) = &sign.of else {
            return Some(counts.signs.get(&sign.text).copied().unwrap_or(0));
        };
        let group = counts.of.get(name)?;
        let count = u64::from(group.signs.get(&sign.text).copied().unwrap_or(0));
        u32::try_from((count * u64::from(self.scans)).div_ceil(u64::from(group.scans.max(1)))).ok()
    }

    /// The counts that were taken as the sign was told.
    fn counts(&self, sign: &Sign) -> &Counts {
        if sign.compared { &self.compared } else { &self.alone }
    }

    /// The rarest sign of a subject, or the rarest pair, and how many clean scans show it. Of a pair that was not told alike no count says
    /// anything.
    pub fn rarest(&self, signs: &BTreeSet<Sign>) -> Option<(u32, Vec<Sign>)> {
        let mut rarest: Option<(u32, Vec<Sign>)> = None;
        let mut offer = |count: u32, signs: &[&Sign]| {
            if rarest.as_ref().is_none_or(|(least, _)| count < *least) {
                rarest = Some((count, signs.iter().map(|sign| (*sign).clone()).collect()));
            }
        };
        let signs: Vec<&Sign> = signs.iter().collect();
        for (place, sign) in signs.iter().enumerate() {
            if let Some(count) = self.count(sign) {
                offer(count, &[sign]);
            }
            let pairs = |other: &&&Sign| sign.of.is_none() && other.of.is_none() && sign.compared == other.compared;
            for other in signs[place + 1..].iter().filter(pairs) {
                let both = together(&sign.text, &other.text);
                offer(self.counts(sign).together.get(&both).copied().unwrap_or(0), &[sign, other]);
            }
        }
        rarest
    }
}

/// Findings of one subject with their rarest signs.
pub struct Oddity {
    /// Two or more places among the findings, in order.
    pub members: Vec<usize>,
    /// The subject and the signs; unique in the scan.
    pub key: String,
    scans: u32,
}

impl Oddity {
    /// The oddity of each subject of `members` (places among `findings`). A single finding is none.
    pub fn all(findings: &[Facts<'_>], members: &[usize]) -> Vec<Oddity> {
        let of = |subject: Vec<usize>| Oddity::of(findings, subject);
        subjects(findings, members).into_iter().filter(|subject| subject.len() > 1).filter_map(of).collect()
    }

    fn of(findings: &[Facts<'_>], mut members: Vec<usize>) -> Option<Oddity> {
        let (scans, signs) = USUAL.rarest(&SIGNS.of_all(findings, &members))?;
        // The findings of a common daemon are its daily work, except those that stand out.
        if members.iter().all(|&index| findings[index].is_of_daemon()) {
            let stands_out = |own: &Sign| {
                signs.contains(own)
                    || own.of.is_some() && USUAL.count(own).is_some_and(|count| USUAL.seldom(count, OUTSTANDING))
            };
            members.retain(|&index| SIGNS.of(&findings[index]).any(|own| stands_out(&own)));
        }
        let shown: Vec<String> = signs.iter().map(Sign::shown).collect();
        let key = format!("{}: {}", subject::name(findings, &members), shown.join(" + "));
        (members.len() > 1).then_some(Oddity { members, key, scans })
    }

    /// Whether at most `in_10000` of ten thousand clean scans show it.
    pub fn is_rare(&self, in_10000: u32) -> bool {
        USUAL.seldom(self.scans, in_10000)
    }
}

/// Two signs of one subject as the table has them, in the order of their texts.
pub fn together(one: &str, other: &str) -> String {
    format!("{one} + {other}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Usual {
        let compared = Counts {
            signs: [("a".into(), 500), ("b".into(), 400), ("c".into(), 9)].into(),
            together: [("a + b".into(), 3), ("a + c".into(), 9)].into(),
            of: [("cron".into(), Group { scans: 1_000, signs: [("x".into(), 1)].into() })].into(),
        };
        let alone = Counts { signs: [("c".into(), 800)].into(), together: [].into(), of: [].into() };
        Usual { scans: 10_000, compared, alone }
    }

    fn signs(texts: &[&str]) -> BTreeSet<Sign> {
        let sign = |text: &&str| match text.split_once(" of ") {
            Some((text, program)) => Sign { text: text.to_owned(), of: Some(program.to_owned()), compared: true },
            None => Sign { text: (*text).to_owned(), of: None, compared: true },
        };
        texts.iter().map(sign).collect()
    }

    #[test]
    fn the_rarest_of_a_subject_is_named_with_how_rare_it_is() {
        let rarest = |texts: &[&str]| usual().rarest(&signs(texts));
        let some = |count: u32, texts: &[&str]| Some((count, signs(texts).into_iter().collect()));
        assert_eq!(rarest(&[]), None);
        assert_eq!(rarest(&["a"]), some(500, &["a"]));
        assert_eq!(rarest(&["b", "a"]), some(3, &["a", "b"]));
        assert_eq!(rarest(&["a", "b", "c"]), some(0, &["b", "c"]));
        assert_eq!(rarest(&["never seen"]), some(0, &["never seen"]));
        assert!(usual().seldom(3, 3) && !usual().seldom(4, 3));
    }

    #[test]
    fn a_sign_is_held_against_what_was_counted_as_it_was_told() {
        let alone = |text: &str| Sign { text: text.to_owned(), of: None, compared: false };
        assert_eq!(usual().rarest(&BTreeSet::from([alone("c")])), Some((800, vec![alone("c")])));
        // One of each makes no pair.
        let both = signs(&["a"]).into_iter().chain([alone("c")]).collect();
        assert_eq!(usual().rarest(&both), Some((500, signs(&["a"]).into_iter().collect())));
    }

    #[test]
    fn what_a_program_does_is_measured_by_the_scans_that_show_it() {
        let rarest = |texts: &[&str]| usual().rarest(&signs(texts)).map(|(count, signs)| (count, signs[0].shown()));
        // One scan in a thousand that show cron: as ten in ten thousand.
        assert_eq!(rarest(&["a", "x of cron"]), Some((10, "x of cron".to_owned())));
        assert_eq!(rarest(&["a", "y of cron"]), Some((0, "y of cron".to_owned())));
        // Nothing is known of a program that the table lacks, and a program's signs make no pairs.
        assert_eq!(rarest(&["a", "y of caddy"]), Some((500, "a".to_owned())));
        assert_eq!(rarest(&["y of caddy"]), None);
    }

    #[test]
    fn every_sign_of_the_table_can_be() {
        assert!(USUAL.scans >= 10_000);
        let one = |sign: &String| SIGNS.speak_of(sign.split(' ').next().unwrap_or_default());
        let sound = |group: &Group| group.signs.keys().all(one) && group.signs.values().all(|n| *n <= group.scans);
        for Counts { signs, together, of } in [&USUAL.compared, &USUAL.alone] {
            assert!(signs.keys().all(one));
            assert!(together.keys().all(|pair| pair.split(" + ").all(|sign| signs.contains_key(sign))));
            assert!(!of.is_empty() && of.values().all(sound));
        }
        let rare = |counts: &Counts| counts.signs.keys().any(|sign| sign.contains(" rare "));
        assert!(rare(&USUAL.compared) && !rare(&USUAL.alone));
    }
}
