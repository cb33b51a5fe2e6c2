//! Prompts of validation and test that nearly are prompts of training.
//!
//! Nearly: the sets of word triples, digits masked, have a Jaccard similarity of about 0.85, which 32 MinHash values estimate
//! (27 equal) and whose bands find the candidates. Short prompts about ordinary findings are alike on every host, so the share is a figure to know, and a threshold one to choose.

use std::collections::{BTreeMap, HashMap};

use draws::{hash, mix};
use statistics::bootstrap;
use statistics::minhash::{MinHash, Signature, agreement};

use crate::check::Outcome;
use crate::report::Measure;
use crate::tally::Measured;

/// Of the values of two prompts, how many agree where they are near.
const EQUAL: usize = 27;

/// Words of a shingle.
const WORDS: usize = 3;

/// Prompts of training that are kept per task: the first of a file whose order is that of a hash.
const MOST_KEPT: usize = 300_000;

/// Prompts with the same band that a prompt is compared with.
const MOST_COMPARED: usize = 64;

/// The interval over fewer hosts is too narrow to warn by.
const FEWEST_HOSTS: usize = 10;

/// The comparison on its way, by task.
#[derive(Default)]
pub(super) struct NearDuplicates {
    tasks: BTreeMap<String, Task>,
}

#[derive(Default)]
struct Task {
    trained: u64,
    signatures: Vec<Signature>,
    bands: HashMap<u64, Vec<u32>>,
    /// Prompts that were compared, by host: those that are near, and all.
    compared: BTreeMap<String, (u64, u64)>,
}

impl NearDuplicates {
    /// Takes a prompt of training.
    pub(super) fn learn(&mut self, task: &str, prompt: &str) {
        let task = self.task(task);
        task.trained += 1;
        if task.signatures.len() >= MOST_KEPT {
            return;
        }
        let shingles = shingles(prompt);
        let place = task.signatures.len() as u32;
        task.signatures.push(shingles.signature());
        for band in shingles.bands() {
            let held = task.bands.entry(band).or_default();
            if held.len() < MOST_COMPARED {
                held.push(place);
            }
        }
    }

    /// Compares a prompt of another split.
    pub(super) fn compare(&mut self, task: &str, host: &str, prompt: &str) {
        let task = self.task(task);
        let shingles = shingles(prompt);
        let own = shingles.signature();
        let near = |place: &u32| agreement(&own, &task.signatures[*place as usize]) >= EQUAL;
        let found = shingles.bands().any(|band| task.bands.get(&band).is_some_and(|held| held.iter().any(near)));
        if !task.compared.contains_key(host) {
            task.compared.insert(host.to_owned(), (0, 0));
        }
        let (near, all) = task.compared.get_mut(host).expect("it was put there");
        *near += u64::from(found);
        *all += 1;
    }

    /// The figure: the highest share of a task. A task beyond the threshold is told, and one that surely is beyond `warn_beyond`.
    pub(super) fn measure(self, threshold: f64, warn_beyond: f64) -> (Outcome, Measured) {
        let mut outcome = Outcome::default();
        let mut measures = Vec::new();
        let mut highest: Option<f64> = None;
        for (name, task) in self.tasks {
            let hosts: Vec<(u64, u64)> = task.compared.into_values().collect();
            let (near, compared) = hosts.iter().fold((0, 0), |(near, all), (n, a)| (near + n, all + a));
            outcome.items += compared;
            let share = (compared > 0).then(|| near as f64 / compared as f64);
            let interval = bootstrap::cluster_share(&hosts);
            let sure = interval.filter(|(low, _)| hosts.len() >= FEWEST_HOSTS && *low > warn_beyond);
            if let Some(share) = share {
                let message = format!("{share:.3} of {compared} prompts are near one of training");
                match sure {
                    _ if share > threshold => outcome.tell(&name, "", message),
                    Some((low, _)) => outcome.tell_tolerated(&name, "", format!("{message}, at least {low:.3}")),
                    None => {}
                }
            }
            highest = match (highest, share) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
            let note = format!("of validation and test, {near} near one of {} of training", task.trained);
            let (low, high) = interval.unzip();
            measures.push(Measure { part: name, items: compared, value: share, low, high, note });
        }
        let reason = match highest {
            Some(_) => "highest share of any task".to_owned(),
            None => "validation and test hold no example".to_owned(),
        };
        (outcome, Measured { figure: highest, reason, measures })
    }

    fn task(&mut self, name: &str) -> &mut Task {
        if !self.tasks.contains_key(name) {
            self.tasks.insert(name.to_owned(), Task::default());
        }
        self.tasks.get_mut(name).expect("it was put there")
    }
}

/// The word triples of a prompt; a shorter prompt is one member.
fn shingles(prompt: &str) -> MinHash {
    let mut hash = MinHash::default();
    let mut last = [0_u64; WORDS];
    let mut count = 0;
    for word in words(prompt) {
        last.rotate_left(1);
        last[WORDS - 1] = word;
        count += 1;
        if count >= WORDS {
            hash.insert(last.iter().fold(0, |sum, word| mix(sum ^ word)));
        }
    }
    if count < WORDS {
        hash.insert(last.iter().fold(1, |sum, word| mix(sum ^ word)));
    }
    hash
}

/// Hashes of the words, digits masked.
fn words(prompt: &str) -> impl Iterator<Item = u64> + '_ {
    let words = prompt.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| {
        if !word.bytes().any(|b| b.is_ascii_digit()) {
            return hash(word);
        }
        // Numbers of any length are alike.
        let mut masked = String::with_capacity(word.len());
        for c in word.chars() {
            match c.is_ascii_digit() {
                true if masked.ends_with('0') => {}
                true => masked.push('0'),
                false => masked.push(c),
            }
        }
        hash(&masked)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(trained: &[&str], compared: &str) -> f64 {
        let mut near = NearDuplicates::default();
        trained.iter().for_each(|prompt| near.learn("finding", prompt));
        near.compare("finding", "h", compared);
        near.measure(1.0, 1.0).1.figure.unwrap()
    }

    #[test]
    fn numbers_do_not_part_prompts_and_words_do() {
        let trained = ["network: /usr/sbin/sshd listens on tcp 22 of all addresses\nweb host; seen once before"];
        assert_eq!(share(&trained, trained[0]), 1.0);
        assert_eq!(share(&trained, &trained[0].replace("22", "2222")), 1.0);
        assert_eq!(share(&trained, "network: /opt/x listens on udp 53 of one address\ndb container; first scan"), 0.0);
        assert_eq!(share(&[], trained[0]), 0.0);
    }

    #[test]
    fn one_changed_word_in_many_is_near_and_in_few_is_not() {
        let long: Vec<String> =
            (0..100_u8).map(|n| format!("w{}", char::from(b'a' + n % 26)).repeat(1 + usize::from(n) / 26)).collect();
        let mut changed = long.clone();
        changed[50] = "other".to_owned();
        assert_eq!(share(&[&long.join(" ")], &changed.join(" ")), 1.0);
        assert_eq!(share(&["a b c d"], "a b c e"), 0.0);
    }

    #[test]
    fn a_task_beyond_the_threshold_is_told_with_an_interval_over_hosts() {
        let mut near = NearDuplicates::default();
        near.learn("finding", "one two three four five six");
        for host in 0..40 {
            let prompt = if host % 4 == 0 { "one two three four five six" } else { "seven eight nine ten eleven" };
            near.compare("finding", &format!("h{host}"), prompt);
        }
        let (outcome, measured) = near.measure(0.2, 1.0);
        let measure = &measured.measures[0];
        assert_eq!((measured.figure, measure.items), (Some(0.25), 40));
        assert!(measure.low.unwrap() < 0.2 && measure.high.unwrap() > 0.3, "{measure:?}");
        assert_eq!(outcome.violations[0].message, "0.250 of 40 prompts are near one of training");
    }

    #[test]
    fn a_share_that_is_surely_beyond_what_warns_is_told_and_tolerated() {
        let told = |hosts: u32, warn_beyond: f64| {
            let mut near = NearDuplicates::default();
            near.learn("finding", "one two three four five six");
            for host in 0..hosts {
                let prompt = if host % 4 > 0 { "one two three four five six" } else { "seven eight nine ten eleven" };
                near.compare("finding", &format!("h{host}"), prompt);
            }
            let (outcome, _) = near.measure(1.0, warn_beyond);
            (outcome.violations.len(), outcome.tolerated)
        };
        assert_eq!(told(40, 0.5), (1, 1));
        // The interval begins below, or is one of too few hosts.
        assert_eq!((told(40, 0.7), told(8, 0.1)), ((0, 0), (0, 0)));
    }

    #[test]
    fn nothing_to_compare_is_not_measurable() {
        let mut near = NearDuplicates::default();
        near.learn("finding", "a");
        let (_, measured) = near.measure(1.0, 1.0);
        assert_eq!((measured.figure, measured.reason.as_str()), (None, "validation and test hold no example"));
    }
}
