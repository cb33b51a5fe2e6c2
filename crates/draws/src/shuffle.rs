//! Shuffles.

/// A permutation of `0..length`: the Fisher-Yates shuffle in Durstenfeld's form (Communications of the ACM 7, 1964, algorithm 235).
/// `below` draws a number below its argument, which is at least 2.
pub fn permutation(length: usize, mut below: impl FnMut(usize) -> usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    for last in (1..length).rev() {
        order.swap(last, below(last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SplitMix64, Stream};

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut stream = Stream::seeded(3);
        let mut order = permutation(50, |bound| stream.index(bound));
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        assert!(permutation(0, |_| unreachable!("nothing is drawn")).is_empty());
    }

    #[test]
    fn every_permutation_is_about_equally_frequent() {
        let mut random = SplitMix64::new(1);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            *seen.entry(permutation(3, |bound| random.below(bound))).or_insert(0) += 1;
        }
        assert!(seen.len() == 6 && seen.values().all(|count| (900..1100).contains(count)), "{seen:?}");
    }
}
