//! How long examples are in tokens: a sample of each task that was written, counted with the tokenizer that was given.

use std::collections::BTreeMap;

use contract::{Context, Digest, StageError};
use dataset::token_counter::TokenCounter;
use draws::mix;
use serde::Serialize;
use statistics::quantile::nearest_rank;

use crate::selection::balance::Selection;
use crate::selection::split::Split;
use crate::selection::spool::{Entry, Lines};
use crate::tasks::task::Task;
use crate::writing::conversation::Conversation;

/// Examples of one task that are counted; all, where there are fewer.
pub const SAMPLE: usize = 2_000;
/// Lengths that examples should keep to: the finding's, and that of everything about one scan of a host.
const LIMITS: [usize; 2] = [512, 4_096];
/// Examples that one thread counts at a time.
const SHARE: usize = 64;
/// Draws the sample apart from what the limits of a split kept, which went by the same hash.
const DRAW: u64 = 0x746f_6b65_6e73;

/// Lengths in tokens; part of the manifest.
#[derive(Debug, Serialize)]
pub struct TokenFigures {
    /// Of the `tokenizer.json`.
    pub tokenizer: Digest,
    /// Its tokens.
    pub vocabulary: usize,
    /// Most examples of one task that were counted.
    pub sample: usize,
    /// By task; one without examples is not there.
    pub tasks: BTreeMap<&'static str, Lengths>,
}

/// Lengths of whole examples, quantiles by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lengths {
    /// Examples counted.
    pub examples: usize,
    /// Shortest.
    pub min: usize,
    /// Half are no longer.
    pub median: usize,
    /// 95 of 100 are no longer.
    pub p95: usize,
    /// 99 of 100 are no longer.
    pub p99: usize,
    /// Longest.
    pub max: usize,
    /// Share of those with more than 512 tokens.
    pub share_over_512: f64,
    /// Share of those with more than 4,096 tokens.
    pub share_over_4096: f64,
}

/// Counts a sample of every task. The seed decides which, through the ranks of the entries.
pub fn measure(
    counter: &TokenCounter,
    selections: &BTreeMap<Split, Selection>,
    lines: &Lines,
    context: &Context,
) -> Result<TokenFigures, StageError> {
    let mut tasks = BTreeMap::new();
    for task in Task::ALL {
        let of_task = selections.values().flat_map(|selection| &selection.kept).filter(|entry| entry.task == task);
        let sample = sample(of_task.copied().collect());
        let shares: Vec<&[Entry]> = sample.chunks(SHARE).collect();
        let counted = context.map(&shares, |share| count(counter, share, lines))?;
        if let Some(lengths) = Lengths::of(counted.concat()) {
            lengths.warn_if_too_long(task, context);
            tasks.insert(task.name(), lengths);
        }
    }
    Ok(TokenFigures { tokenizer: counter.digest, vocabulary: counter.vocabulary, sample: SAMPLE, tasks })
}

fn sample(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_cached_key(|entry| (mix(entry.rank ^ DRAW), entry.prompt));
    entries.truncate(SAMPLE);
    entries
}

fn count(counter: &TokenCounter, share: &[Entry], lines: &Lines) -> Result<Vec<usize>, StageError> {
    let count = |entry: &Entry| {
        let Conversation { messages, .. } = Conversation::read(lines, entry)?;
        Ok(counter.conversation(messages.iter().map(|message| (message.role.as_str(), message.content.as_str()))))
    };
    share.iter().map(count).collect()
}

impl Lengths {
    /// Of counts in any order; none of no counts.
    fn of(mut counts: Vec<usize>) -> Option<Lengths> {
        counts.sort_unstable();
        let rank = |percent: usize| nearest_rank(&counts, percent);
        let over = |limit: usize| (counts.len() - counts.partition_point(|count| *count <= limit)) as f64;
        let share = |limit: usize| over(limit) / counts.len() as f64;
        Some(Lengths {
            examples: counts.len(),
            min: rank(0)?,
            median: rank(50)?,
            p95: rank(95)?,
            p99: rank(99)?,
            max: rank(100)?,
            share_over_512: share(LIMITS[0]),
            share_over_4096: share(LIMITS[1]),
        })
    }

    fn warn_if_too_long(&self, task: Task, context: &Context) {
        let limit = LIMITS[usize::from(task != Task::Finding)];
        if self.max > limit {
            context.warn(format!("`{}` examples have up to {} tokens, more than {limit}", task.name(), self.max));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::Severity;

    #[test]
    fn a_sample_is_drawn_by_the_seed_in_no_order_of_arrival_and_apart_from_what_limits_keep() {
        let entry = |number: u64, seed: u64| Entry {
            prompt: number.into(),
            answer: 0,
            rank: mix(number ^ mix(seed)),
            template: 0,
            offset: 0,
            host: 0,
            line: 0,
            content: 0,
            task: Task::Finding,
            class: Severity::Low,
        };
        let all = |seed: u64| -> Vec<Entry> { (0..5_000).map(|number| entry(number, seed)).collect() };
        let drawn = sample(all(1));
        assert_eq!(drawn.len(), SAMPLE);
        assert_eq!(drawn, sample(all(1).into_iter().rev().collect()));
        let numbers =
            |entries: &[Entry]| entries.iter().map(|entry| entry.prompt).collect::<std::collections::BTreeSet<_>>();
        assert_ne!(numbers(&drawn), numbers(&sample(all(2))));
        let mut lowest = all(1);
        lowest.sort_unstable_by_key(|entry| entry.rank);
        lowest.truncate(SAMPLE);
        // By chance two in five are in both.
        let both = numbers(&drawn).intersection(&numbers(&lowest)).count();
        assert!((700..900).contains(&both), "{both}");
        assert_eq!(sample(all(1)[..3].to_vec()).len(), 3);
    }

    #[test]
    fn quantiles_by_nearest_rank_and_shares() {
        let lengths = Lengths::of((1..=200).rev().map(|number| number * 5).collect()).unwrap();
        let Lengths { examples, min, median, p95, p99, max, .. } = lengths;
        assert_eq!((examples, min, median, p95, p99, max), (200, 5, 500, 950, 990, 1000));
        assert_eq!((lengths.share_over_512, lengths.share_over_4096), (98.0 / 200.0, 0.0));
        let one = Lengths::of(vec![513]).unwrap();
        assert_eq!((one.min, one.p99, one.share_over_512), (513, 513, 1.0));
        assert_eq!(Lengths::of(Vec::new()), None);
        assert_eq!(Lengths::of(vec![512, 4_096]).unwrap().share_over_4096, 0.0);
    }
}
