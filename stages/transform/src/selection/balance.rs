//! Thins out frequent examples: limits on each template, severity and task of a split.
//!
//! [`Reservoirs`] holds no more than the limits let through: of each template the examples of lowest rank.

use std::collections::{BTreeMap, BinaryHeap};

use scan::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::selection::split::Split;
use crate::selection::spool::Entry;
use crate::tasks::task::Task;

/// What one split may hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Balance {
    /// Most examples of one task in one split.
    #[schemars(range(min = 1))]
    pub max_per_task: u32,
    /// Most examples of one template in one split: same scanner, severity and risk. Memory grows with it.
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

/// What the limits left of one split.
#[derive(Debug, Default)]
pub struct Selection {
    /// In the order of the file.
    pub kept: Vec<Entry>,
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

/// Examples of each split and template, those of lowest rank.
pub struct Reservoirs {
    balance: Balance,
    heaps: BTreeMap<(Split, u64), BinaryHeap<Ranked>>,
    left_out: BTreeMap<Split, u64>,
}

/// Ordered by rank, then by prompt, which is there once.
#[derive(PartialEq, Eq)]
struct Ranked(Entry);

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> std::cmp::Ordering {
        place(&self.0).cmp(&place(&other.0))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn place(entry: &Entry) -> (u64, u128) {
    (entry.rank, entry.prompt)
}

impl Reservoirs {
    /// Empty ones.
    pub fn new(balance: Balance) -> Reservoirs {
        Reservoirs { balance, heaps: BTreeMap::new(), left_out: BTreeMap::new() }
    }

    /// Takes an example, and lets go of the one of highest rank where its template is full.
    pub fn offer(&mut self, split: Split, entry: Entry) {
        let heap = self.heaps.entry((split, entry.template)).or_default();
        heap.push(Ranked(entry));
        if heap.len() > self.balance.max_per_template as usize {
            heap.pop();
            *self.left_out.entry(split).or_default() += 1;
        }
    }

    /// Applies the other limits.
    pub fn select(self) -> BTreeMap<Split, Selection> {
        let mut splits: BTreeMap<Split, Selection> = Split::ALL.map(|split| (split, Selection::default())).into();
        for ((split, _), heap) in self.heaps {
            splits.entry(split).or_default().kept.extend(heap.into_iter().map(|ranked| ranked.0));
        }
        for (split, selection) in &mut splits {
            let all = &mut selection.kept;
            all.sort_unstable_by_key(place);
            selection.left_out = LeftOut {
                template: self.left_out.get(split).copied().unwrap_or(0),
                share: limit_share(all, self.balance.max_share),
                task: limit_task(all, self.balance.max_per_task),
            };
        }
        splits
    }
}

fn limit_task(all: &mut Vec<Entry>, max_per_task: u32) -> u64 {
    let before = all.len();
    let mut tasks: BTreeMap<Task, u32> = BTreeMap::new();
    all.retain(|entry| {
        let count = tasks.entry(entry.task).or_default();
        *count += 1;
        *count <= max_per_task
    });
    (before - all.len()) as u64
}

/// Thins the frequent severities of task `finding` to the largest equal height at which none exceeds its share. Where there
/// are too few severities for that, everything stays.
fn limit_share(all: &mut Vec<Entry>, max_share: f64) -> u64 {
    let mut counts: BTreeMap<Severity, u64> = BTreeMap::new();
    for entry in all.iter().filter(|entry| entry.task == Task::Finding) {
        *counts.entry(entry.class).or_default() += 1;
    }
    let Some(height) = height(&counts.into_values().collect::<Vec<_>>(), max_share) else { return 0 };
    let before = all.len();
    let mut kept: BTreeMap<Severity, u64> = BTreeMap::new();
    all.retain(|entry| {
        let count = kept.entry(entry.class).or_default();
        *count += u64::from(entry.task == Task::Finding);
        entry.task != Task::Finding || *count <= height
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

    fn entry(number: u64, template: u64, class: Severity) -> Entry {
        let rank = draws::mix(number);
        Entry {
            prompt: number.into(),
            answer: 0,
            rank,
            template,
            offset: 0,
            host: 0,
            line: 0,
            content: 0,
            task: Task::Finding,
            class,
        }
    }

    #[test]
    fn no_severity_exceeds_its_share() {
        let balance = Balance { max_share: 0.5, max_per_template: 1000, ..Balance::default() };
        let mut reservoirs = Reservoirs::new(balance);
        for number in 0..1020 {
            let class = match number {
                0..900 => Severity::Info,
                900..960 => Severity::Low,
                _ => Severity::Medium,
            };
            reservoirs.offer(Split::Train, entry(number, class as u64, class));
        }
        let selection = reservoirs.select().remove(&Split::Train).unwrap();
        let infos = selection.kept.iter().filter(|entry| entry.class == Severity::Info).count();
        assert_eq!((infos, selection.kept.len(), selection.left_out.share), (120, 240, 780));
    }

    #[test]
    fn a_template_keeps_its_lowest_ranks_in_any_order_of_arrival() {
        let select = |numbers: &mut dyn Iterator<Item = u64>| {
            let mut reservoirs =
                Reservoirs::new(Balance { max_per_template: 10, max_per_task: 15, ..Balance::default() });
            for number in numbers {
                reservoirs.offer(Split::Test, entry(number, number % 2, Severity::Low));
            }
            reservoirs.select().remove(&Split::Test).unwrap()
        };
        let selection = select(&mut (0..100));
        assert_eq!(selection.left_out, LeftOut { template: 80, share: 0, task: 5 });
        assert_eq!(selection.kept, select(&mut (0..100).rev()).kept);
        let lowest = (0..100).map(draws::mix).min();
        assert_eq!(selection.kept.first().map(|entry| entry.rank), lowest);
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
