//! One example per prompt: equal prompts are merged, and a prompt with different answers is left out.
//!
//! The prompt of such a conflict hides something that the answer depends on. A report of a scanner whose form nobody knows can always bring
//! that about, so it costs the prompt and not the dataset.
//!
//! A merged example belongs to one of the hosts that gave it, drawn by hash: no prompt is in two splits.

use std::path::PathBuf;

use contract::{Context, StageError};

use crate::selection::balance::{Balance, Reservoirs};
use crate::selection::split::Split;
use crate::selection::spool::{Entry, Lines, read_partition};

/// Conflicts that are kept for the message; all are counted.
const NAMED: usize = 5;

/// All prompts of a spool.
pub struct Merged {
    /// The limits' choice among those without a conflict.
    pub reservoirs: Reservoirs,
    /// Prompts.
    pub distinct: u64,
    /// Prompts with more than one answer, which are left out.
    pub conflicting: u64,
    /// The first of them, with two examples each.
    pub conflicts: Vec<[Entry; 2]>,
}

/// Merges partition by partition. `splits` has the split of each host by its place.
pub fn merge(
    partitions: &[PathBuf],
    splits: &[Split],
    balance: Balance,
    context: &Context,
) -> Result<Merged, StageError> {
    let reservoirs = Reservoirs::new(balance);
    let mut merged = Merged { reservoirs, distinct: 0, conflicting: 0, conflicts: Vec::new() };
    for path in partitions {
        context.check_cancelled()?;
        let mut entries = read_partition(path)?;
        entries.sort_unstable_by_key(|entry| (entry.prompt, entry.rank, entry.host, entry.offset));
        for equal in entries.chunk_by(|a, b| a.prompt == b.prompt) {
            merged.take(equal, splits)?;
        }
    }
    Ok(merged)
}

impl Merged {
    /// Takes the examples of one prompt, the lowest rank first.
    fn take(&mut self, equal: &[Entry], splits: &[Split]) -> Result<(), StageError> {
        let Some(first) = equal.first() else { return Ok(()) };
        self.distinct += 1;
        if let Some(other) = equal.iter().find(|entry| entry.answer != first.answer) {
            self.conflicting += 1;
            if self.conflicts.len() < NAMED {
                self.conflicts.push([*first, *other]);
            }
        } else {
            // Never a split by default: a host that has none would bring its prompts into one that others were kept out of.
            let split = splits.get(first.host as usize).copied();
            let split =
                split.ok_or_else(|| StageError::bug(format!("host {} of the examples has no split", first.host)))?;
            self.reservoirs.offer(split, *first);
        }
        Ok(())
    }

    /// Warns of conflicts and names some, where there are any.
    pub fn tell_conflicts(&self, lines: &Lines, context: &Context) -> Result<(), StageError> {
        if self.conflicting > 0 {
            context.warn(self.describe(lines)?);
        }
        Ok(())
    }

    /// The named conflicts in words.
    fn describe(&self, lines: &Lines) -> Result<String, StageError> {
        let mut text = format!(
            "{} prompts are left out: they have two answers, and nothing they show decides which",
            self.conflicting
        );
        for pair in &self.conflicts {
            let read = |entry: &Entry| lines.get(entry).map(|line| line.trim_end().to_owned());
            let [first, second] = [read(&pair[0])?, read(&pair[1])?];
            text.push_str(&format!("\n  {first}\n  {second}"));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::spool::{Offers, Spool};
    use crate::tasks::example::Example;
    use crate::tasks::task::Task;
    use scan::Severity;

    fn example(prompt: &str, answer: &str) -> Example {
        Example {
            task: Task::Finding,
            findings: Vec::new(),
            class: Severity::Low,
            template: "t".to_owned(),
            prompt: prompt.to_owned(),
            answer: answer.to_owned(),
        }
    }

    /// Merges what hosts offer, in this order; all are in training.
    fn merged(offers: &[(&str, Example)]) -> (Merged, Lines) {
        let (merged, lines) = merge_with(offers, &vec![Split::Train; offers.len()]);
        (merged.unwrap(), lines)
    }

    fn merge_with(offers: &[(&str, Example)], splits: &[Split]) -> (Result<Merged, StageError>, Lines) {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(directory.path()).unwrap();
        for (host, (name, example)) in offers.iter().enumerate() {
            let mut offers = Offers::new(directory.path().join("offers"));
            if let Some(offer) = spool.cache().offer(1, (name, 0), example) {
                offers.push(offer).unwrap();
            }
            spool.add(host as u32, offers, 1).unwrap();
        }
        assert_eq!(spool.offered, offers.len() as u64);
        let (lines, partitions) = spool.finish().unwrap();
        let job = serde_json::from_value(serde_json::json!({
            "kind": "transform", "version": 1, "params": {}, "inputs": {}, "outputs": {}, "scratch": "", "checkpoints": "",
            "limits": {"threads": 1, "memory": 0}, "trace": "test",
        }));
        let context = Context::new(job.unwrap(), Box::new(std::io::sink()));
        (merge(&partitions, splits, Balance::default(), &context), lines)
    }

    #[test]
    fn equal_prompts_merge_and_different_answers_conflict() {
        let (same, _) = merged(&[("a", example("p", "x")), ("b", example("p", "x")), ("b", example("q", "x"))]);
        assert_eq!((same.distinct, same.conflicting), (2, 0));
        let (different, lines) =
            merged(&[("a", example("p", "x")), ("b", example("p", "x")), ("c", example("p", "y"))]);
        assert_eq!((different.distinct, different.conflicting), (1, 1));
        let text = different.describe(&lines).unwrap();
        assert!(text.contains(r#""content":"x""#) && text.contains(r#""host":"c""#), "{text}");
        assert!(different.reservoirs.select().values().all(|selection| selection.kept.is_empty()));
    }

    #[test]
    fn an_example_of_a_host_without_a_split_is_an_error() {
        let offers = [("a", example("p", "x")), ("b", example("q", "x"))];
        let (merged, _) = merge_with(&offers, &[Split::Test]);
        assert_eq!(merged.err().unwrap().message, "host 1 of the examples has no split");
    }

    #[test]
    fn a_merged_example_does_not_depend_on_the_order_of_hosts() {
        let kept = |hosts: [&str; 3]| {
            let (merged, lines) = merged(&hosts.map(|host| (host, example("p", "x"))));
            let kept = merged.reservoirs.select().remove(&Split::Train).unwrap().kept;
            assert_eq!(kept.len(), 1);
            lines.get(&kept[0]).unwrap()
        };
        assert_eq!(kept(["a", "b", "c"]), kept(["c", "a", "b"]));
        assert_eq!(kept(["a", "b", "c"]), kept(["b", "c", "a"]));
    }
}
