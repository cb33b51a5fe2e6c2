//! Parcels that must not come in.

use super::*;
use crate::store::objects::manifest::Member;

fn file(path: &str, content: &[u8]) -> Member {
    let node = Node::File { digest: Digest::of(content), size: content.len() as u64, executable: false };
    Member { path: path.into(), node }
}

fn dir(path: &str) -> Member {
    Member { path: path.into(), node: Node::Dir }
}

fn link(path: &str, target: &str) -> Member {
    Member { path: path.into(), node: Node::Link { target: target.into() } }
}

/// Reads a manifest with these entries, as if of a directory of so many files and bytes.
fn read(entries: Vec<Member>, files: u64, size: u64) -> Result<Listing, String> {
    let bytes = Manifest { entries }.encode();
    let artifact = Artifact { digest: Manifest::digest(&bytes), shape: Shape::Dir { files }, size };
    Listing::read(&bytes, &artifact)
}

#[test]
fn a_sound_manifest_is_read() {
    let listing = read(vec![file("a", b"one"), dir("b"), file("b/c", b"one"), link("b/l", "../a")], 2, 6).unwrap();
    assert_eq!(listing.files().len(), 1, "each content once");
}

#[test]
fn a_path_that_leads_out_is_refused() {
    for path in ["../x", "/etc/x", "a/../../x", ".", "..", "", "a//b", "./a", "a/"] {
        let refused = read(vec![dir("a"), file(path, b"x")], 1, 1).unwrap_err();
        assert!(
            refused.contains("leads out") || refused.contains("order") || refused.contains("directory"),
            "{refused}"
        );
    }
    for (name, target) in [("l", "/etc"), ("l", "../x"), ("l", ""), ("l", "a/../../x")] {
        assert!(read(vec![link(name, target)], 0, 0).unwrap_err().contains("leaves it"), "{target}");
    }
    // A link is no directory: nothing is written through it.
    assert!(read(vec![link("l", "d"), file("l/x", b"x")], 1, 1).unwrap_err().contains("no directory"));
    assert!(read(vec![file("f", b"x"), file("f/x", b"x")], 2, 2).unwrap_err().contains("no directory"));
}

#[test]
fn what_is_not_canonical_is_refused() {
    assert!(read(vec![file("b", b"x"), file("a", b"x")], 2, 2).unwrap_err().contains("order"));
    assert!(read(vec![file("a", b"x"), file("a", b"y")], 2, 2).unwrap_err().contains("order"));
    assert!(read(vec![file("a", b"x")], 2, 1).unwrap_err().contains("1 files of 1 bytes"));
    let bytes = String::from_utf8(Manifest { entries: vec![file("a", b"x")] }.encode()).unwrap();
    for other in [bytes.replace(" 1 ", " 01 "), bytes.replace(" 1 ", " +1 "), bytes.to_uppercase()] {
        let artifact = Artifact { digest: Manifest::digest(other.as_bytes()), shape: Shape::Dir { files: 1 }, size: 1 };
        assert!(Listing::read(other.as_bytes(), &artifact).is_err(), "{other}");
    }
}

#[test]
fn absurd_sizes_are_refused_and_overflow_nothing() {
    let huge = |path: &str| {
        let node = Node::File { digest: Digest::of(b"x"), size: u64::MAX, executable: false };
        Member { path: path.into(), node }
    };
    assert!(read(vec![huge("a"), huge("b")], 2, 1).unwrap_err().contains("absurd"));
}

#[test]
fn a_manifest_under_the_name_of_another_is_refused() {
    let bytes = Manifest { entries: vec![file("a", b"x")] }.encode();
    let artifact = Artifact { digest: Digest::of(b"other"), shape: Shape::Dir { files: 1 }, size: 1 };
    assert!(Listing::read(&bytes, &artifact).unwrap_err().contains("another digest"));
    let cut = &bytes[..bytes.len() - 2];
    let artifact = Artifact { digest: Manifest::digest(cut), ..artifact };
    assert!(Listing::read(cut, &artifact).unwrap_err().contains("no manifest"));
}

#[test]
fn a_file_with_other_bytes_gets_no_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let artifact = Artifact { digest: Digest::of(b"right"), shape: Shape::File { executable: true }, size: 5 };
    for wrong in ["wrong", "right and more", ""] {
        let path = store.departing(wrong).unwrap();
        assert!(!store.take_in(&path, &artifact).unwrap(), "{wrong:?}");
        assert!(!path.exists() && !store.holds(&artifact).unwrap());
    }
    let path = store.departing("right").unwrap();
    assert!(store.take_in(&path, &artifact).unwrap());
    assert!(store.holds(&artifact).unwrap());
}
