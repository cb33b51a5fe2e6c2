//! Ids that are unique within one document, made of those that the scanner wrote, and back again.
//!
//! The second `x` becomes `x#2`, the third `x#3`. The scanner may write `x#2` itself: where that could be taken for a second `x`,
//! its first use is numbered as well, `x#2#1`. So every id of a document says of its own which finding it is.

use std::collections::HashMap;

use crate::record::EnrichedFinding;

/// The document's id of each finding, from the ids as the scanner wrote them, in the order of the document.
pub fn unique<'r>(raw: impl Iterator<Item = &'r str>) -> Vec<String> {
    let mut uses: HashMap<&str, u32> = HashMap::with_capacity(raw.size_hint().0);
    let mut counted: Vec<(&str, u32)> = Vec::with_capacity(raw.size_hint().0);
    for id in raw {
        let count = uses.entry(id).or_default();
        *count += 1;
        counted.push((id, *count));
    }
    let written = |(id, use_number)| match use_number {
        1 if !is_ambiguous(id, &uses) => String::from(id),
        _ => format!("{id}#{use_number}"),
    };
    counted.into_iter().map(written).collect()
}

/// The ids as the scanner wrote them, from those of a document in any order. An id that [`unique`] did not make is kept.
pub fn raw<'d>(ids: &[&'d str]) -> Vec<&'d str> {
    let mut raw = ids.to_vec();
    let (mut with_number, plain): (Vec<usize>, Vec<usize>) =
        (0..ids.len()).partition(|place| numbered(ids[*place]).is_some());
    if with_number.is_empty() {
        return raw;
    }
    let mut uses: HashMap<&str, u32> = plain.into_iter().map(|place| (ids[place], 1)).collect();
    // The uses before the one that an id names are shorter, or as long and smaller.
    with_number.sort_by_key(|place| (ids[*place].len(), ids[*place]));
    for place in with_number {
        if let Some((of, number)) = numbered(ids[place]) {
            let made = match number {
                1 => numbered(of).is_some(),
                _ => uses.get(of).is_some_and(|count| *count == number - 1),
            };
            raw[place] = if made { of } else { ids[place] };
        }
        *uses.entry(raw[place]).or_default() += 1;
    }
    raw
}

/// Whether a finding has the id of one before it in the document.
pub fn is_repeated(finding: &EnrichedFinding) -> bool {
    finding.document_id.strip_prefix(&finding.id).is_some_and(|number| !matches!(number, "" | "#1"))
}

/// Whether an id, written as it is, could be taken for a use of a shorter one.
fn is_ambiguous(id: &str, uses: &HashMap<&str, u32>) -> bool {
    match numbered(id) {
        None => false,
        // Only what ends in a number by itself has its first use numbered.
        Some((of, 1)) => numbered(of).is_some(),
        Some((of, number)) => uses.get(of).is_some_and(|count| *count >= number - 1),
    }
}

/// The parts of an id that ends in a number as [`unique`] writes them.
fn numbered(id: &str) -> Option<(&str, u32)> {
    let (of, number) = id.rsplit_once('#')?;
    let canonical = !number.starts_with(['0', '+']);
    Some((of, number.parse().ok().filter(|_| canonical)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ids and what they become, there and back.
    fn check(raw_ids: &[&str], expected: &[&str]) {
        assert_eq!(unique(raw_ids.iter().copied()), expected);
        assert_eq!(raw(expected), raw_ids);
    }

    #[test]
    fn a_repeated_id_is_numbered_from_its_second_use_on() {
        check(&["8", "8", "8", "9"], &["8", "8#2", "8#3", "9"]);
        // Of another scanner, with others between.
        check(&["/a", "/b", "/a"], &["/a", "/b", "/a#2"]);
        check(&["/a#2", "/a#2", "/a#2"], &["/a#2", "/a#2#2", "/a#2#3"]);
    }

    #[test]
    fn an_id_that_ends_in_a_number_of_its_own_is_told_from_a_repetition() {
        check(&["x", "x", "x#2"], &["x", "x#2", "x#2#1"]);
        check(&["x#2", "x", "x", "x#2"], &["x#2#1", "x", "x#2", "x#2#2"]);
        check(&["x", "x#2"], &["x", "x#2#1"]);
        check(&["x", "x", "x#2", "x#2#1"], &["x", "x#2", "x#2#1", "x#2#1#1"]);
        check(&["x", "x#1", "x", "x#1"], &["x", "x#1", "x#2", "x#1#2"]);
    }

    #[test]
    fn an_id_that_cannot_be_taken_for_a_repetition_is_kept() {
        for ids in
            [&["/a#2", "/b#3", "/tmp/#x:40"][..], &["/a", "/a#3", "/a#02", "/a#+2", "/a#"], &["#1", "a#0", "a#1"]]
        {
            check(ids, ids);
        }
    }

    #[test]
    fn what_no_document_should_hold_is_read_as_far_as_it_goes() {
        assert_eq!(raw(&["8", "8", "8#2"]), ["8", "8", "8"]);
        assert_eq!(raw(&["8", "8#2", "8#2"]), ["8", "8", "8#2"]);
    }

    proptest! {
        #[test]
        fn ids_are_unique_and_lead_back_whatever_the_scanner_wrote(
            ids in prop::collection::vec("(x|y|)(#1|#2|#3|#10|#02|#){0,4}", 0..40),
            order in any::<prop::sample::Index>(),
        ) {
            let mut made = unique(ids.iter().map(String::as_str));
            let mut distinct = made.clone();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), ids.len());
            // The order of the document is of no account.
            let mut ids = ids;
            if !ids.is_empty() {
                let first = order.index(ids.len());
                ids.rotate_left(first);
                made.rotate_left(first);
            }
            let made: Vec<&str> = made.iter().map(String::as_str).collect();
            prop_assert_eq!(raw(&made), ids);
        }

        #[test]
        fn ids_without_a_number_are_counted_and_nothing_else(ids in prop::collection::vec("(/a|/a#|8|b#x)", 0..20)) {
            let uses = |place: usize| ids[..=place].iter().filter(|id| **id == ids[place]).count();
            let expected: Vec<String> = (0..ids.len())
                .map(|place| if uses(place) == 1 { ids[place].clone() } else { format!("{}#{}", ids[place], uses(place)) })
                .collect();
            prop_assert_eq!(unique(ids.iter().map(String::as_str)), expected);
        }
    }
}
