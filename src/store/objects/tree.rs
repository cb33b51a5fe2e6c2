//! Directories in the store: as they are, beside the manifest that lists their entries.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use contract::Digest;
use rayon::prelude::*;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::check::Content;
use super::manifest::{Manifest, Member, Node, stays_inside};
use crate::store::error::{At, StoreErrorKind};
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::{Stamp, in_words};
use crate::store::files::walk::Found;
use crate::store::records::model::Artifact;
use crate::store::{Presence, Store, StoreError};

/// A directory of the store that was found sound.
#[derive(Debug)]
pub(in crate::store) struct Tree {
    pub manifest: Arc<Manifest>,
    pub dev: u64,
    /// Of each entry that is a file, in the manifest's order; 0 for the others.
    pub inodes: Vec<u64>,
}

/// The trees used last: a hit checks one and then publishes it, and ten thousand entries should be parsed once.
#[derive(Debug, Default)]
pub(in crate::store) struct RecentTrees(Vec<(Digest, Arc<Tree>)>);

const RECENT: usize = 4;

/// Fewer entries than this are not worth waking other threads for.
const PARALLEL: usize = 64;

impl Store {
    pub(super) fn check_tree(&self, digest: &Digest) -> Result<Presence, StoreError> {
        Ok(self.load_tree(digest)?.map_or_else(|presence| presence, |_| Presence::Present))
    }

    /// A tree that this process checked lately, or checks now; `None` when it is not there or not sound.
    pub(in crate::store) fn tree(&self, digest: &Digest) -> Result<Option<Arc<Tree>>, StoreError> {
        match self.recent_tree(digest) {
            Some(tree) => Ok(Some(tree)),
            None => Ok(self.load_tree(digest)?.ok()),
        }
    }

    /// As [`Store::tree`], for an artifact that must be there.
    pub(in crate::store) fn required_tree(&self, artifact: &Artifact) -> Result<Arc<Tree>, StoreError> {
        let missing = || StoreError::new(&self.object(artifact), StoreErrorKind::Missing);
        self.tree(&artifact.digest)?.ok_or_else(missing)
    }

    /// The tree, checked now, or why it cannot be used.
    fn load_tree(&self, digest: &Digest) -> Result<Result<Arc<Tree>, Presence>, StoreError> {
        // Taken out: unless it is sound, it no longer holds.
        let manifest = match self.take_recent_tree(digest) {
            Some(tree) => Arc::clone(&tree.manifest),
            None => match self.read_manifest(digest)? {
                Ok(manifest) => Arc::new(manifest),
                Err(presence) => return Ok(Err(presence)),
            },
        };
        let path = self.layout.tree(digest);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let root = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(root) => root,
            Err(Errno::NOENT) => return Ok(Err(Presence::Missing)),
            // Something else lies there, or where a directory above it should.
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Ok(Err(match Stamp::stored(&path).at(&path)? {
                    Some(_) => self.quarantine(&path, path.clone()),
                    None => Presence::Missing,
                }));
            }
            Err(error) => return Err(StoreError::io(&path, error)),
        };
        let dev = Stamp::open(&root).at(&path)?.dev;
        let mut inodes = Vec::with_capacity(manifest.entries.len());
        for Member { path: name, node } in &manifest.entries {
            let name = crate::store::files::walk::as_path(name);
            let stamp = Stamp::below(&root, name).at(&path)?;
            let sound = match (node, &stamp) {
                (Node::File { digest, size, executable }, Some(stamp)) => {
                    let content = Content { digest: *digest, size: *size, executable: *executable };
                    self.is_intact(stamp, || path.join(name), &content)?
                }
                (Node::Dir, Some(stamp)) => stamp.is_dir(),
                (Node::Link { target }, Some(stamp)) => {
                    stamp.file_type() == FileType::Symlink && links_to(&path.join(name), target)?
                }
                (_, None) => false,
            };
            if !sound {
                return Ok(Err(self.quarantine(&path, path.join(name))));
            }
            inodes.push(stamp.filter(Stamp::is_file).map_or(0, |stamp| stamp.ino));
        }
        let tree = Arc::new(Tree { manifest, dev, inodes });
        self.keep_tree(digest, Arc::clone(&tree));
        Ok(Ok(tree))
    }

    fn recent_tree(&self, digest: &Digest) -> Option<Arc<Tree>> {
        let recent = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        recent.0.iter().find(|(kept, _)| kept == digest).map(|(_, tree)| Arc::clone(tree))
    }

    fn keep_tree(&self, digest: &Digest, tree: Arc<Tree>) {
        let mut recent = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        recent.0.retain(|(kept, _)| kept != digest);
        recent.0.truncate(RECENT - 1);
        recent.0.insert(0, (*digest, tree));
    }

    fn take_recent_tree(&self, digest: &Digest) -> Option<Arc<Tree>> {
        let mut recent = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.0.iter().position(|(kept, _)| kept == digest)?;
        Some(recent.0.remove(at).1)
    }

    /// The manifest of a tree, or why there is none.
    fn read_manifest(&self, digest: &Digest) -> Result<Result<Manifest, Presence>, StoreError> {
        let path = self.layout.manifest(digest);
        let manifest = match open::read(&path).at(&path)? {
            Opened::Nothing => return Ok(Err(Presence::Missing)),
            Opened::File(bytes) => Manifest::decode(&bytes).filter(|_| Manifest::digest(&bytes) == *digest),
            Opened::Other(_) => None,
        };
        Ok(match manifest {
            Some(manifest) => Ok(manifest),
            None => Err(self.quarantine(&path, path.clone())),
        })
    }
}

/// Longer paths than this are refused: the store and the workspace put something before it, and Linux takes 4,096 bytes in all.
const LONGEST: usize = 4096 - 128;

/// Whether everything `found` below `path` can be named there and in the store at `root`. A longer path is refused when it is taken
/// in, as nobody could use it.
pub(in crate::store) fn require_depth(path: &Path, found: &[Found], root: &Path) -> Result<(), StoreError> {
    // `/trees/ab/`, 64 digits and a slash.
    let above = path.as_os_str().len().max(root.as_os_str().len() + 75) + 1;
    match found.iter().find(|found| above + found.path.len() > LONGEST) {
        // Told by its beginning: nobody reads thousands of bytes.
        Some(deep) => {
            let shown = deep.path().components().take(3).collect::<PathBuf>();
            Err(StoreError::new(&path.join(shown).join("..."), StoreErrorKind::TooDeep))
        }
        None => Ok(()),
    }
}

/// The manifest of a directory whose files `content` reads, hashes or copies. `found` are the entries below `root`.
pub(in crate::store) fn describe(
    root: &Path,
    found: &[Found],
    content: impl Fn(&Found) -> Result<Content, StoreError> + Sync,
) -> Result<Manifest, StoreError> {
    let entry = |found: &Found| -> Result<Member, StoreError> {
        let name = found.path();
        let node = match found.file_type {
            FileType::RegularFile => {
                let Content { digest, size, executable } = content(found)?;
                Node::File { digest, size, executable }
            }
            FileType::Directory => Node::Dir,
            FileType::Symlink => Node::Link { target: inner_target(root, name)? },
            other => {
                let kind = StoreErrorKind::SpecialFile { found: in_words(other) };
                return Err(StoreError::new(&root.join(name), kind));
            }
        };
        Ok(Member { path: found.path.clone(), node })
    };
    let entries: Result<Vec<_>, _> = match found.len() {
        ..PARALLEL => found.iter().map(entry).collect(),
        _ => found.par_iter().map(entry).collect(),
    };
    Ok(Manifest { entries: entries? })
}

/// Whether the symbolic link at `path` points to `target`.
pub(in crate::store) fn links_to(path: &Path, target: &[u8]) -> Result<bool, StoreError> {
    match rustix::fs::readlink(path, Vec::new()) {
        Ok(found) => Ok(found.as_bytes() == target),
        // Gone, or no link any more, since it was looked at.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::INVAL) => Ok(false),
        Err(error) => Err(StoreError::io(path, error)),
    }
}

fn inner_target(root: &Path, name: &Path) -> Result<Vec<u8>, StoreError> {
    let path = root.join(name);
    let target = rustix::fs::readlink(&path, Vec::new()).at(&path)?.into_bytes();
    let as_path: PathBuf = crate::store::files::walk::as_path(&target).into();
    if stays_inside(name, &as_path) {
        Ok(target)
    } else {
        Err(StoreError::new(&path, StoreErrorKind::EscapingLink { target: as_path }))
    }
}
