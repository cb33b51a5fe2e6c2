//! All examples, one per prompt: equal prompts are merged, different answers to one prompt are conflicts, and what is too
//! frequent is thinned out by the limits of [`Balance`].
//!
//! A merged example belongs to one of the hosts that gave it, drawn by hash: no prompt is in two splits.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::example::{Example, Task};
use crate::split::{Split, hash};

/// Conflicts that are kept for the message; all are counted.
const NAMED_CONFLICTS: usize = 5;

/// What one split may hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Balance {
    /// Most examples of one task in one split.
    #[schemars(range(min = 1))]
    pub max_per_task: u32,
    /// Most examples of one template in one split: same scanner, severity and risk.
    #[schemars(range(min = 1))]
    pub max_per_template: u32,
    /// Largest share of one severity among the `finding` examples of a split.
    #[schemars(range(min = 0.25, max = 1.0))]
    pub max_share: f64,
}

impl Default for Balance {
    fn default() -> Balance {
        Balance { max_per_task: 20_000, max_per_template: 400, max_share: 0.45 }
    }
}

/// One prompt with two answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The prompt.
    pub prompt: String,
    /// Both answers, and the hosts that gave them.
    pub answers: [(String, String); 2],
}

/// Examples by prompt.
pub struct Pool {
    seed: u64,
    entries: HashMap<(Task, String), Entry>,
    /// Examples that were offered.
    pub offered: u64,
    /// Conflicts in all.
    pub conflict_count: u64,
    /// The first conflicts.
    pub conflicts: Vec<Conflict>,
}

struct Entry {
    example: Example,
    host: String,
    /// Decides which host keeps it, and its place in the file.
    rank: u64,
}

/// An example in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The example.
    pub example: Example,
    /// The host it counts for.
    pub host: String,
    rank: u64,
}

/// What the limits left of one split.
#[derive(Debug, Default)]
pub struct Selection {
    /// In the order of the file.
    pub kept: Vec<Placed>,
    /// How many each limit left out.
    pub left_out: LeftOut,
}

/// Examples that a limit left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// By `max_per_template`.
    pub template: u64,
    /// By `max_share`.
    pub share: u64,
    /// By `max_per_task`.
    pub task: u64,
}

impl Pool {
    /// An empty pool.
    pub fn new(seed: u64) -> Pool {
        Pool { seed, entries: HashMap::new(), offered: 0, conflict_count: 0, conflicts: Vec::new() }
    }

    /// Adds an example of `host`.
    pub fn offer(&mut self, host: &str, example: Example) {
        self.offered += 1;
        let rank = hash(&[b"rank", &self.seed.to_le_bytes(), host.as_bytes(), example.prompt.as_bytes()]);
        let key = (example.task, example.prompt.clone());
        let Some(entry) = self.entries.get_mut(&key) else {
            self.entries.insert(key, Entry { example, host: host.to_owned(), rank });
            return;
        };
        if entry.example.answer != example.answer {
            self.conflict_count += 1;
            if self.conflicts.len() < NAMED_CONFLICTS {
                let first = (entry.example.answer.clone(), entry.host.clone());
                let answers = [first, (example.answer, host.to_owned())];
                self.conflicts.push(Conflict { prompt: example.prompt, answers });
            }
        } else if (rank, host) < (entry.rank, entry.host.as_str()) {
            *entry = Entry { example, host: host.to_owned(), rank };
        }
    }

    /// Prompts in the pool.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Distributes the examples over the splits and applies the limits in each.
    pub fn select(self, hosts: &BTreeMap<String, Split>, balance: Balance) -> BTreeMap<Split, Selection> {
        let mut splits: BTreeMap<Split, Vec<Placed>> = Split::ALL.map(|split| (split, Vec::new())).into();
        for (_, Entry { example, host, rank }) in self.entries {
            let split = hosts.get(&host).copied().unwrap_or(Split::Train);
            splits.entry(split).or_default().push(Placed { example, host, rank });
        }
        splits.into_iter().map(|(split, all)| (split, limit(all, balance))).collect()
    }
}

fn limit(mut all: Vec<Placed>, balance: Balance) -> Selection {
    all.sort_by(|a, b| (a.rank, &a.example.prompt).cmp(&(b.rank, &b.example.prompt)));
    let mut left_out = LeftOut::default();
    let mut templates: HashMap<(Task, String), u32> = HashMap::new();
    let before = all.len();
    all.retain(|placed| {
        let count = templates.entry((placed.example.task, placed.example.template.clone())).or_default();
        *count += 1;
        *count <= balance.max_per_template
    });
    left_out.template = (before - all.len()) as u64;
    left_out.share = limit_share(&mut all, balance.max_share);
    let before = all.len();
    let mut tasks: HashMap<Task, u32> = HashMap::new();
    all.retain(|placed| {
        let count = tasks.entry(placed.example.task).or_default();
        *count += 1;
        *count <= balance.max_per_task
    });
    left_out.task = (before - all.len()) as u64;
    Selection { kept: all, left_out }
}

/// Thins the frequent severities of task `finding` to the largest equal height at which none exceeds its share. Where there
/// are too few severities for that, everything stays.
fn limit_share(all: &mut Vec<Placed>, max_share: f64) -> u64 {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for placed in all.iter().filter(|placed| placed.example.task == Task::Finding) {
        *counts.entry(placed.example.class).or_default() += 1;
    }
    let Some(height) = height(&counts.into_values().collect::<Vec<_>>(), max_share) else { return 0 };
    let before = all.len();
    let mut kept: BTreeMap<_, u64> = BTreeMap::new();
    all.retain(|placed| {
        let count = kept.entry(placed.example.class).or_default();
        *count += u64::from(placed.example.task == Task::Finding);
        placed.example.task != Task::Finding || *count <= height
    });
    (before - all.len()) as u64
}

/// The largest height whose share of what it leaves is within `max_share`; the share grows with the height.
fn height(counts: &[u64], max_share: f64) -> Option<u64> {
    let fits = |height: u64| {
        let total: u64 = counts.iter().map(|count| (*count).min(height)).sum();
        height as f64 <= max_share * total as f64
    };
    let highest = *counts.iter().max()?;
    let (mut low, mut high) = (0, highest);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    (low > 0).then_some(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scan::Severity;

    fn example(prompt: &str, answer: &str, class: Severity) -> Example {
        Example {
            task: Task::Finding,
            class,
            template: format!("t {class}"),
            prompt: prompt.to_owned(),
            answer: answer.to_owned(),
        }
    }

    #[test]
    fn equal_prompts_merge_and_different_answers_conflict() {
        let mut pool = Pool::new(1);
        pool.offer("a", example("p", "x", Severity::Low));
        pool.offer("b", example("p", "x", Severity::Low));
        assert_eq!((pool.len(), pool.offered, pool.conflict_count), (1, 2, 0));
        pool.offer("c", example("p", "y", Severity::Low));
        assert_eq!(pool.conflict_count, 1);
        assert_eq!(pool.conflicts[0].prompt, "p");
    }

    #[test]
    fn a_merged_example_does_not_depend_on_the_order_of_hosts() {
        let select = |hosts: [&str; 3]| {
            let mut pool = Pool::new(1);
            hosts.iter().for_each(|host| pool.offer(host, example("p", "x", Severity::Low)));
            pool.select(&BTreeMap::new(), Balance::default()).remove(&Split::Train).unwrap().kept
        };
        assert_eq!(select(["a", "b", "c"]), select(["c", "a", "b"]));
    }

    #[test]
    fn no_severity_exceeds_its_share() {
        let mut pool = Pool::new(1);
        for n in 0..900 {
            pool.offer("a", example(&format!("i{n}"), "x", Severity::Info));
        }
        for n in 0..60 {
            pool.offer("a", example(&format!("l{n}"), "x", Severity::Low));
            pool.offer("a", example(&format!("m{n}"), "x", Severity::Medium));
        }
        let balance = Balance { max_share: 0.5, max_per_template: 1000, ..Balance::default() };
        let selection = pool.select(&BTreeMap::new(), balance).remove(&Split::Train).unwrap();
        let infos = selection.kept.iter().filter(|p| p.example.class == Severity::Info).count();
        assert_eq!((infos, selection.kept.len(), selection.left_out.share), (120, 240, 780));
    }

    #[test]
    fn heights_by_hand() {
        assert_eq!(height(&[900, 60, 60], 0.5), Some(120));
        assert_eq!(height(&[10, 10, 10], 0.4), Some(10));
        // Two severities cannot both be under 0.4 of what is left.
        assert_eq!(height(&[10, 10], 0.4), None);
        assert_eq!(height(&[], 0.4), None);
    }
}
