//! The manifest: the entries of a directory, in one canonical form. Its BLAKE3 is the directory's digest.
//!
//! ```text
//! pipe tree 1\n
//! d <path>\0                      a directory
//! f <digest> <size> <path>\0      a file            x ...  an executable one
//! l <path>\0<target>\0            a symbolic link that stays inside
//! ```
//! Entries are sorted by the bytes of their paths, parents are listed, the root is not. Times, owners and other permission
//! bits are not part of a directory. Paths are bytes, so the text need not be UTF-8.

use std::path::{Component, Path};

use contract::Digest;

use crate::action::canonical::Encoder;
use crate::store::files::walk::as_path;
use crate::store::records::model::{Artifact, Shape};

const HEADER: &[u8] = b"pipe tree 1\n";

/// The entries of a directory, sorted by path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Manifest {
    pub entries: Vec<Member>,
}

/// One thing in a directory.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct Member {
    /// Relative to the directory.
    pub path: Vec<u8>,
    pub node: Node,
}

/// The type of an entry, and its content.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum Node {
    Dir,
    File { digest: Digest, size: u64, executable: bool },
    Link { target: Vec<u8> },
}

impl Member {
    pub(crate) fn path(&self) -> &Path {
        as_path(&self.path)
    }
}

impl Manifest {
    /// The canonical bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER.len() + self.entries.len() * 100);
        bytes.extend_from_slice(HEADER);
        for Member { path, node } in &self.entries {
            match node {
                Node::Dir => bytes.extend_from_slice(b"d "),
                Node::File { digest, size, executable } => {
                    bytes.extend_from_slice(if *executable { b"x " } else { b"f " });
                    bytes.extend_from_slice(blake3::Hash::from_bytes(*digest.as_bytes()).to_hex().as_bytes());
                    bytes.extend_from_slice(format!(" {size} ").as_bytes());
                }
                Node::Link { .. } => bytes.extend_from_slice(b"l "),
            }
            bytes.extend_from_slice(path);
            bytes.push(0);
            if let Node::Link { target } = node {
                bytes.extend_from_slice(target);
                bytes.push(0);
            }
        }
        bytes
    }

    /// Reads canonical bytes back; `None` when they are not a manifest.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Manifest> {
        let mut rest = bytes.strip_prefix(HEADER)?;
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let (tag, after) = rest.split_at_checked(2)?;
            rest = after;
            let node = match tag {
                b"d " => Node::Dir,
                b"l " => Node::Link { target: Vec::new() },
                b"f " | b"x " => {
                    let hex = take_until(&mut rest, b' ')?;
                    let digest = blake3::Hash::from_hex(hex).ok()?.into();
                    let size = std::str::from_utf8(take_until(&mut rest, b' ')?).ok()?.parse().ok()?;
                    Node::File { digest, size, executable: tag == b"x " }
                }
                _ => return None,
            };
            let path = take_until(&mut rest, 0)?.to_vec();
            let node = match node {
                Node::Link { .. } => Node::Link { target: take_until(&mut rest, 0)?.to_vec() },
                other => other,
            };
            entries.push(Member { path, node });
        }
        Some(Manifest { entries })
    }

    /// The digest of a manifest's canonical bytes.
    pub(crate) fn digest(bytes: &[u8]) -> Digest {
        let mut encoder = Encoder::new("pipe tree");
        encoder.bytes(bytes);
        encoder.finish()
    }

    /// Symbolic links with their targets.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.entries.iter().filter_map(|entry| match &entry.node {
            Node::Link { target } => Some((entry.path(), as_path(target))),
            Node::Dir | Node::File { .. } => None,
        })
    }

    /// The directory as an artifact, with the bytes its digest is of.
    pub(crate) fn artifact(&self) -> (Artifact, Vec<u8>) {
        let bytes = self.encode();
        let sizes = self.entries.iter().filter_map(|entry| match entry.node {
            Node::File { size, .. } => Some(size),
            _ => None,
        });
        let (files, size) = sizes.fold((0, 0), |(files, total), size| (files + 1, total + size));
        (Artifact { digest: Manifest::digest(&bytes), shape: Shape::Dir { files }, size }, bytes)
    }
}

/// Whether a symbolic link at `path` below a directory stays in it. Only `../` up to the directory itself, then plain names:
/// a `..` behind a name could leave through another link.
pub(in crate::store) fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count() - 1;
    let mut descending = false;
    target.components().all(|component| match component {
        Component::CurDir => true,
        Component::ParentDir if descending || depth == 0 => false,
        Component::ParentDir => {
            depth -= 1;
            true
        }
        Component::Normal(_) => {
            descending = true;
            true
        }
        Component::RootDir | Component::Prefix(_) => false,
    })
}

fn take_until<'a>(rest: &mut &'a [u8], end: u8) -> Option<&'a [u8]> {
    let position = rest.iter().position(|byte| *byte == end)?;
    let (taken, after) = rest.split_at(position);
    *rest = &after[1..];
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links_may_climb_to_the_directory_and_no_further() {
        let inside = |path: &str, target: &str| stays_inside(Path::new(path), Path::new(target));
        assert!(inside("link", "file") && inside("a/link", "../file") && inside("a/b/link", "./../../c/d"));
        assert!(!inside("link", "../file") && !inside("a/link", "../../file") && !inside("link", "/etc/passwd"));
        // With `sub` a link to a directory elsewhere, its `..` would not be where it seems.
        assert!(!inside("a/b/link", "sub/../x"));
    }

    #[test]
    fn the_digest_of_a_directory_is_fixed() {
        let file = Node::File { digest: Digest::of(b"abc"), size: 3, executable: false };
        let link = Node::Link { target: b"b".to_vec() };
        let entries = [("a", Node::Dir), ("b", file), ("c", link)];
        let entries = entries.into_iter().map(|(path, node)| Member { path: path.into(), node }).collect();
        let (artifact, bytes) = Manifest { entries }.artifact();
        let expected =
            b"pipe tree 1\nd a\0f 6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85 3 b\0l c\0b\0";
        assert_eq!(bytes, expected);
        assert_eq!((artifact.size, artifact.shape), (3, Shape::Dir { files: 1 }));
        assert_eq!(artifact.digest.to_string(), "b8f87b64c3cbecc68b9ced8fe2a354125b82fabf53331330dec38c5f12977dca");
    }

    fn node() -> impl Strategy<Value = Node> {
        let file = (any::<u64>(), any::<u64>(), any::<bool>());
        prop_oneof![
            any::<()>().prop_map(|()| Node::Dir),
            file.prop_map(|(seed, size, executable)| Node::File {
                digest: Digest::of(&seed.to_le_bytes()),
                size,
                executable
            }),
            proptest::collection::vec(1..=255_u8, 1..20).prop_map(|target| Node::Link { target }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_back(tree in proptest::collection::btree_map(proptest::collection::vec(1..=255_u8, 1..30), node(), 0..20)) {
            let manifest = Manifest { entries: tree.into_iter().map(|(path, node)| Member { path, node }).collect() };
            prop_assert_eq!(Manifest::decode(&manifest.encode()), Some(manifest));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut text = HEADER.to_vec();
            text.extend(bytes);
            let _ = Manifest::decode(&text);
        }
    }
}
