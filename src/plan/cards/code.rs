//! The code behind the kinds that ship with the engine. It is no part of a key: a card's version says when what a stage gives moved.
//! A record carries it all the same, so that code which changed under the same version is noticed.

use contract::{Digest, Worker};

use crate::plan::model::Work;

/// The digest of the sources of every kind that ships with the engine, and of libtorch's lock file where it computes with that;
/// written by the build script.
const BUILT_IN: &[(&str, [u8; 32])] = include!(concat!(env!("OUT_DIR"), "/code.rs"));

/// The digest of the code that does this work in this build; `None` for programs that do not ship with the engine.
pub fn source(work: &Work) -> Option<Digest> {
    match work {
        Work::Card { card, .. } => match &card.worker {
            Worker::Program(_) => of_kind(&card.kind),
            Worker::Command(_) => None,
        },
        Work::Command(_) => None,
    }
}

fn of_kind(kind: &str) -> Option<Digest> {
    let (_, digest) = BUILT_IN.iter().find(|(known, _)| *known == kind)?;
    Some(Digest::from_bytes(*digest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::Cards;

    #[test]
    fn every_built_in_kind_has_a_source_and_no_two_have_the_same() {
        let cards = Cards::built_in();
        let sources: Vec<_> = cards.kinds().map(|kind| of_kind(kind).expect(kind)).collect();
        assert!(!sources.is_empty());
        assert_eq!(sources.iter().collect::<BTreeSet<_>>().len(), sources.len());
        assert_eq!(of_kind("command"), None);
    }
}
