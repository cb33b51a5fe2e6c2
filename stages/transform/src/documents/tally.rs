//! Counts of names in an order that does not depend on hashes.

use std::collections::HashMap;

/// Counts in the order of first occurrence.
pub(crate) fn counted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in names {
        let place = *places.entry(name).or_insert(counts.len());
        match counts.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts
}

/// The most frequent first; the earlier first on a tie, as Python's `Counter.most_common`.
pub(crate) fn most_common<'a>(names: impl Iterator<Item = &'a str>, limit: usize) -> Vec<(String, usize)> {
    let mut counts = counted(names);
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().take(limit).map(|(name, count)| (name.to_owned(), count)).collect()
}
