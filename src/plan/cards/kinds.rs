//! The kinds the engine knows: cards embedded at build time, parsed when a pipeline first uses them, and those that the
//! configuration brings in.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use contract::{Card, Digest, Worker};

use super::foreign::{self, Foreign};
use crate::action::canonical::Encoder;
use crate::plan::params;
use crate::spec::Invalid;

/// Cards under `schemas/cards/` as (kind, document); written by the build script.
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/cards.rs"));

/// Every kind that a pipeline may use, besides `command`.
#[derive(Debug)]
pub struct Cards(Vec<Slot>);

#[derive(Debug)]
struct Slot {
    kind: String,
    document: std::borrow::Cow<'static, str>,
    parsed: OnceLock<Result<Arc<Card>, CardError>>,
    /// The file of a card that does not ship with the engine.
    path: Option<PathBuf>,
}

/// A card that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("card `{kind}`: {reason}")]
pub struct CardError {
    /// The kind it was found under.
    pub kind: String,
    /// The error in it.
    pub reason: String,
}

impl Cards {
    /// The cards that ship with the engine.
    pub fn built_in() -> Cards {
        Cards::from_documents(BUILT_IN.iter().copied())
    }

    /// Those, and the cards in `directories`; or everything that is wrong with these.
    pub fn with(directories: &[PathBuf]) -> Result<Cards, Invalid> {
        let mut cards = Cards::built_in();
        if directories.is_empty() {
            return Ok(cards);
        }
        for Foreign { card, path, document } in foreign::load(directories, &|kind| cards.get(kind).is_some())? {
            let kind = card.kind.clone();
            let parsed = OnceLock::from(Ok(Arc::new(card)));
            cards.0.push(Slot { kind, document: document.into(), parsed, path: Some(path) });
        }
        Ok(cards)
    }

    /// The file of a card that does not ship with the engine.
    pub fn path(&self, kind: &str) -> Option<&Path> {
        self.0.iter().find(|slot| slot.kind == kind)?.path.as_deref()
    }

    /// Every file of the cards that do not ship with the engine: the cards themselves, and the files of their workers.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.0.iter().filter_map(|slot| Some((slot, slot.path.as_ref()?))).flat_map(|(slot, path)| {
            let of_worker = match slot.card().map(|card| &card.worker) {
                Ok(Worker::Command(worker)) => worker.files.as_slice(),
                _ => &[],
            };
            let home = path.parent().unwrap_or(Path::new(""));
            std::iter::once(path.clone()).chain(of_worker.iter().map(move |file| home.join(file)))
        })
    }

    /// Cards given as (kind, document). The first of two with one kind counts.
    pub fn from_documents(documents: impl IntoIterator<Item = (&'static str, &'static str)>) -> Cards {
        let slot = |(kind, document): (&str, &'static str)| Slot {
            kind: kind.to_owned(),
            document: document.into(),
            parsed: OnceLock::new(),
            path: None,
        };
        Cards(documents.into_iter().map(slot).collect())
    }

    /// The card of `kind`; `None` when there is no such kind.
    pub fn get(&self, kind: &str) -> Option<Result<&Arc<Card>, &CardError>> {
        self.0.iter().find(|slot| slot.kind == kind).map(Slot::card)
    }

    /// Every card, parsed; sorted by kind when they are the built-in ones.
    pub fn iter(&self) -> impl Iterator<Item = Result<&Arc<Card>, &CardError>> {
        self.0.iter().map(Slot::card)
    }

    /// Identifies all of them together.
    pub fn fingerprint(&self) -> Digest {
        let mut encoder = Encoder::new("pipe cards");
        encoder.count(self.0.len());
        for slot in &self.0 {
            let path = slot.path.as_deref().unwrap_or(Path::new(""));
            encoder.text(&slot.kind).text(&slot.document).bytes(path.as_os_str().as_encoded_bytes());
        }
        encoder.finish()
    }

    /// The kinds, without parsing a card.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|slot| slot.kind.as_str())
    }
}

impl Slot {
    fn card(&self) -> Result<&Arc<Card>, &CardError> {
        self.parsed.get_or_init(|| parse(&self.kind, &self.document).map(Arc::new)).as_ref()
    }
}

fn parse(kind: &str, document: &str) -> Result<Card, CardError> {
    let error = |reason: String| CardError { kind: kind.to_owned(), reason };
    let card: Card = serde_json::from_str(document).map_err(|e| error(e.to_string()))?;
    if card.kind != kind {
        return Err(error(format!("it describes the kind `{}`", card.kind)));
    }
    match params::unsupported(&card.params) {
        Some(keyword) => Err(error(format!("its params schema uses `{keyword}`, which the engine does not check"))),
        None => Ok(card),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_cards_parse_and_stay_within_the_checked_subset() {
        for card in Cards::built_in().iter() {
            if let Err(error) = card {
                panic!("{error}");
            }
        }
    }

    #[test]
    fn a_card_under_another_name_or_with_an_unchecked_schema_is_refused() {
        let card = r#"{"kind":"a","version":1,"summary":"","worker":{"program":"w"},"outputs":[],
            "params":{"type":"object","properties":{"x":{"type":"string","pattern":"^a"}}}}"#;
        let cards = Cards::from_documents([("a", card), ("b", card), ("c", "{")]);
        let reason = |kind| cards.get(kind).unwrap().unwrap_err().reason.clone();
        assert!(reason("a").contains("`pattern`"));
        assert!(reason("b").contains("describes the kind `a`"));
        assert!(reason("c").contains("EOF"));
        assert!(cards.get("d").is_none());
    }
}
