//! The kinds that the worker `pipe-data` serves: the light stages, from scans to datasets, and the one that brings a model.

use contract::Kind;

/// In the order in which data passes through them.
pub const KINDS: &[Kind] = &[
    Kind::of::<fetch::Fetch>(),
    Kind::of::<ingest::Ingest>(),
    Kind::of::<produce::Produce>(),
    Kind::of::<correlate::Correlate>(),
    Kind::of::<verify::Verify>(),
    Kind::of::<transform::Transform>(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_names_this_worker_and_a_kind_of_its_own() {
        let cards: Vec<_> = KINDS.iter().map(|kind| (kind.card)()).collect();
        for card in &cards {
            assert_eq!(card.worker, contract::Worker::Program("pipe-data".to_owned()), "{}", card.kind);
            assert_eq!(cards.iter().filter(|other| other.kind == card.kind).count(), 1, "{}", card.kind);
        }
    }
}
