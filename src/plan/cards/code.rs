//! The code behind the kinds that ship with the engine. It is no part of a key: a card's version says when a stage's outputs changed.
//! A record carries it all the same, so that code which changed under the same version is noticed.
//!
//! A move is told from a change in two ways. Most moves leave the digest as it is (`build/code.rs`). Those that cannot, such as a
//! function cut in two, are stated in `same_code.txt`: a line names a kind, the digest before and the digest after, and means that
//! both give the same bytes, which the goldens show. The digests of a build stand in `code.txt` in the output of its build
//! script; `join BEFORE AFTER`, with such a file of each build, prints the lines.

use std::str::FromStr;

use contract::{Digest, Worker};

use crate::plan::model::Work;

/// The digest of the code of every kind that ships with the engine, written by the build script: a kind and a digest a line.
const BUILT_IN: &str = include_str!(concat!(env!("OUT_DIR"), "/code.txt"));

/// Digests of code that gives the same: a kind, a digest and the one that followed it a line, the oldest first.
const SAME: &str = include_str!("same_code.txt");

/// The digest of the code that does this work in this build; `None` for programs that do not ship with the engine.
pub fn source(work: &Work) -> Option<Digest> {
    of_kind(kind(work)?)
}

/// Whether code with the digest `made_by` gives other outputs than the code that does this work in this build. Where that is not
/// known, as for programs that do not ship with the engine, the answer is no.
pub fn changed(work: &Work, made_by: Digest) -> bool {
    let known = kind(work).and_then(|kind| Some((kind, of_kind(kind)?)));
    known.is_some_and(|(kind, now)| latest(kind, made_by, SAME) != latest(kind, now, SAME))
}

/// The newest digest of code that is known to give the same outputs as that of `digest`.
fn latest(kind: &str, digest: Digest, same: &str) -> Digest {
    same.lines().filter_map(moved).fold(
        digest,
        |digest, (of, before, after)| {
            if of == kind && before == digest { after } else { digest }
        },
    )
}

fn moved(line: &str) -> Option<(&str, Digest, Digest)> {
    let [kind, before, after] = line.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    Some((kind, Digest::from_str(before).ok()?, Digest::from_str(after).ok()?))
}

fn kind(work: &Work) -> Option<&str> {
    match work {
        Work::Card { card, .. } => match &card.worker {
            Worker::Program(_) => Some(&card.kind),
            Worker::Command(_) => None,
        },
        Work::Command(_) => None,
    }
}

fn of_kind(kind: &str) -> Option<Digest> {
    let digests = BUILT_IN.lines().filter_map(|line| line.split_once(' '));
    digests.into_iter().find(|(known, _)| *known == kind).and_then(|(_, digest)| digest.parse().ok())
}

#[cfg(test)]
#[path = "../../../build/items.rs"]
mod items;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::items::digests as items;
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

    #[test]
    fn every_line_of_code_that_gives_the_same_is_of_a_kind_and_two_digests() {
        let cards = Cards::built_in();
        for line in SAME.lines() {
            let (kind, before, after) = moved(line).unwrap_or_else(|| panic!("`{line}` is no kind and two digests"));
            assert!(cards.kinds().any(|known| known == kind), "{kind}");
            assert_ne!(before, after);
        }
    }

    #[test]
    fn code_that_moved_twice_is_still_the_same_and_only_for_its_kind() {
        let [a, b, c, other] = ["a", "b", "c", "other"].map(|text| Digest::of(text.as_bytes()));
        let same = format!("scan {a} {b}\nscan {b} {c}\n");
        assert_eq!([a, b, c, other].map(|digest| latest("scan", digest, &same)), [c, c, c, other]);
        assert_eq!(latest("train", a, &same), a);
    }

    const CODE: &str = r#"
//! A file.
use crate::place::{base_name, shell};
mod rest;
/// A limit.
pub(crate) const LIMIT: usize = 3;
fn first(text: &str) -> bool { crate::place::shell(text) && LIMIT > 2 }
pub struct Second<'a>(pub &'a str);
#[cfg(test)]
mod tests { #[test] fn works() { assert!(super::first("sh")); } }
"#;

    #[test]
    fn code_that_moves_to_another_file_or_crate_is_made_of_the_same_items() {
        let moved = r#"
use findings::place;
pub struct Second<'a>(pub &'a str); // behind it
pub(super) fn first(text: &str) -> bool {
    findings::place::shell(text) && LIMIT > 2
}
"#;
        let (all, of_moved) = (items(CODE), items(moved));
        assert_eq!((all.len(), of_moved.len()), (3, 2));
        assert!(of_moved.is_subset(&all));
        assert_eq!(items("const LIMIT: usize = 3;").union(&of_moved).copied().collect::<BTreeSet<_>>(), all);
    }

    #[test]
    fn code_that_does_something_else_is_made_of_other_items() {
        for (before, after) in [
            ("LIMIT > 2", "LIMIT > 1"),
            ("&& LIMIT", "|| LIMIT"),
            ("= 3", "= 4"),
            ("&'a str)", "&'a u8)"),
            ("usize", "u8"),
        ] {
            assert_ne!(items(CODE), items(&CODE.replace(before, after)), "{after}");
        }
        for (one, other) in [("a(b, c)", "a((b), c)"), ("a.sum::<u8>()", "a.product::<u8>()"), ("u8::MAX", "u16::MAX")]
        {
            assert_ne!(items(one), items(other));
        }
    }
}
