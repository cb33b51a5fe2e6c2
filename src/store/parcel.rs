//! Parcels: the parts of the store that travel, and the checks on parts that come in.
//!
//! A file travels as its bytes, a directory as its manifest and the bytes of its files, a record as its file. An incoming part was
//! written by somebody else: it gets a name here only when every byte is as announced, and in a form that this store would have made
//! itself.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use contract::Digest;

use super::error::{At, StoreErrorKind};
use super::files::hash;
use super::files::stamp::Stamp;
use super::files::walk::as_path;
use super::objects::check::Content;
use super::objects::manifest::{Manifest, Node, stays_inside};
use super::objects::seal;
use super::records::model::{Artifact, Record, Shape};
use super::records::record::{self, Unusable};
use super::{Presence, Store, StoreError};
use crate::action::ActionKey;

/// A file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of its bytes.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// Where it lies in the store.
    pub path: PathBuf,
}

/// An artifact as it travels.
#[derive(Debug)]
pub struct Parcel {
    /// Of a directory, the manifest, as a file of the store's.
    pub manifest: Option<Piece>,
    /// Its files, each content once.
    pub pieces: Vec<Piece>,
}

/// The manifest of a directory that came from elsewhere, found sound.
#[derive(Debug)]
pub struct Listing {
    manifest: Manifest,
    artifact: Artifact,
}

/// Longer paths than this are in no directory that this store takes in.
const LONGEST: usize = 4096 - 128;

impl Store {
    /// The pieces of `artifact`. It is checked first: a damaged artifact does not travel.
    pub fn parcel(&self, artifact: &Artifact) -> Result<Parcel, StoreError> {
        self.require(artifact)?;
        let object = self.object(artifact);
        if let Shape::File { .. } = artifact.shape {
            let piece = Piece { digest: artifact.digest, size: artifact.size, path: object };
            return Ok(Parcel { manifest: None, pieces: vec![piece] });
        }
        let tree = self.required_tree(artifact)?;
        let mut seen = HashSet::new();
        let files = tree.manifest.entries.iter().filter_map(|entry| match entry.node {
            Node::File { digest, size, .. } => {
                seen.insert(digest).then(|| Piece { digest, size, path: object.join(entry.path()) })
            }
            Node::Dir | Node::Link { .. } => None,
        });
        let pieces = files.collect();
        let path = self.layout.manifest(&artifact.digest);
        let size = fs::metadata(&path).at(&path)?.len();
        Ok(Parcel { manifest: Some(Piece { digest: artifact.digest, size, path }), pieces })
    }

    /// The record as it travels.
    pub fn record_text(&self, record: &Record) -> Result<String, StoreError> {
        let failed =
            |why: String| StoreError::new(&self.layout.record(&record.key), StoreErrorKind::Unrepresentable(why));
        let bytes = record::encode(record).map_err(failed)?;
        String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
    }

    /// A file with this text, for as long as this process lives.
    pub fn departing(&self, text: &str) -> Result<PathBuf, StoreError> {
        let path = self.fresh()?;
        fs::write(&path, text).at(&path)?;
        Ok(path)
    }

    /// A path for a file that is on its way. It goes with this process.
    pub fn arriving(&self) -> Result<PathBuf, StoreError> {
        self.fresh()
    }

    /// Whether the store has `artifact`.
    pub fn holds(&self, artifact: &Artifact) -> Result<bool, StoreError> {
        Ok(self.check(artifact)? == Presence::Present)
    }

    /// Takes in the file that arrived at `path`, if it has the right content. It is no longer at `path` afterwards. Returns whether it
    /// was taken.
    pub fn take_in(&self, path: &Path, file: &Artifact) -> Result<bool, StoreError> {
        let Artifact { digest, size, shape } = *file;
        let executable = shape == Shape::File { executable: true };
        let opened = File::open(path).at(path)?;
        let stamp = Stamp::open(&opened).at(path)?;
        if !stamp.is_file() || stamp.size != size || hash::in_place(&opened, size).at(path)? != digest {
            fs::remove_file(path).at(path)?;
            return Ok(false);
        }
        seal::apply(&opened, &stamp, &digest, executable).at(path)?;
        self.note_seal(&opened, &digest).at(path)?;
        self.install_blob(path, Content { digest, size, executable })?;
        Ok(true)
    }

    /// Makes the directory of `listing`, all of whose files are in the store.
    pub fn assemble(&self, listing: &Listing) -> Result<(), StoreError> {
        self.make_tree(&listing.manifest).map(|_| ())
    }

    /// Makes the directory of `manifest`, all of whose files are in the store.
    pub(super) fn make_tree(&self, manifest: &Manifest) -> Result<Artifact, StoreError> {
        let made = self.fresh()?;
        fs::create_dir(&made).at(&made)?;
        for entry in &manifest.entries {
            let to = made.join(entry.path());
            match &entry.node {
                Node::Dir => fs::create_dir(&to).at(&to)?,
                Node::Link { target } => std::os::unix::fs::symlink(as_path(target), &to).at(&to)?,
                Node::File { digest, size, executable } => {
                    let file =
                        Artifact { digest: *digest, size: *size, shape: Shape::File { executable: *executable } };
                    self.build(&file, &to)?;
                }
            }
        }
        self.install_tree(&made, manifest)
    }
}

impl Listing {
    /// The directory that `bytes` describe, or why they do not describe `artifact`.
    pub fn read(bytes: &[u8], artifact: &Artifact) -> Result<Listing, String> {
        if Manifest::digest(bytes) != artifact.digest {
            return Err("its content has another digest".to_owned());
        }
        let manifest = Manifest::decode(bytes).ok_or("it is no manifest")?;
        let Shape::Dir { files } = artifact.shape else { return Err("it was said to be a file".to_owned()) };
        let (mut count, mut total) = (0u64, 0u64);
        let mut directories: HashSet<&[u8]> = HashSet::from([b"".as_slice()]);
        let mut last: Option<&[u8]> = None;
        for entry in &manifest.entries {
            let path = entry.path.as_slice();
            let shown = String::from_utf8_lossy(&path[..path.len().min(80)]);
            if !is_plain(path) {
                return Err(format!("the path {shown:?} leads out of it or is not in plain form"));
            }
            if last.is_some_and(|last| last >= path) {
                return Err(format!("the path {shown:?} is out of order"));
            }
            let above = path.iter().rposition(|byte| *byte == b'/').map_or(b"".as_slice(), |end| &path[..end]);
            if !directories.contains(above) {
                return Err(format!("the path {shown:?} lies in no directory of it"));
            }
            match &entry.node {
                Node::Dir => {
                    directories.insert(path);
                }
                Node::Link { target } if target.is_empty() || !stays_inside(entry.path(), as_path(target)) => {
                    return Err(format!("the symbolic link {shown:?} leaves it"));
                }
                Node::Link { .. } => {}
                Node::File { size, .. } => {
                    count += 1;
                    total = total.checked_add(*size).ok_or("its sizes are absurd")?;
                }
            }
            last = Some(path);
        }
        if (count, total) != (files, artifact.size) {
            return Err(format!("it holds {count} files of {total} bytes and not {files} of {}", artifact.size));
        }
        if manifest.encode() != bytes {
            return Err("it is not in canonical form".to_owned());
        }
        Ok(Listing { manifest, artifact: artifact.clone() })
    }

    /// The digests of the files of the directory of this digest, which `bytes` describe, or why they do not.
    pub fn digests(bytes: &[u8], digest: &Digest) -> Result<Vec<Digest>, String> {
        if Manifest::digest(bytes) != *digest {
            return Err("its content has another digest".to_owned());
        }
        let manifest = Manifest::decode(bytes).ok_or("it is no manifest")?;
        let files = manifest.entries.iter().filter_map(|entry| match entry.node {
            Node::File { digest, .. } => Some(digest),
            Node::Dir | Node::Link { .. } => None,
        });
        Ok(files.collect())
    }

    /// The directory.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// Its files, each content and mode once.
    pub fn files(&self) -> Vec<Artifact> {
        let mut seen = HashSet::new();
        let files = self.manifest.entries.iter().filter_map(|entry| match entry.node {
            Node::File { digest, size, executable } => seen.insert((digest, executable)).then_some(Artifact {
                digest,
                size,
                shape: Shape::File { executable },
            }),
            Node::Dir | Node::Link { .. } => None,
        });
        files.collect()
    }
}

/// The record of `key` in bytes that came from elsewhere, or why there is none in them.
pub fn read_record(bytes: &[u8], key: &ActionKey) -> Result<Record, String> {
    let record = match record::parse(bytes, key) {
        Ok(record) => record,
        Err(Unusable::OtherFormat) => return Err("another version of pipe wrote it".to_owned()),
        Err(Unusable::Damaged) => return Err("it is damaged, or the record of another action".to_owned()),
    };
    if record.action.key() != *key {
        return Err("its action has another key".to_owned());
    }
    let sizes = record.outputs.values().try_fold(0u64, |total, artifact| total.checked_add(artifact.size));
    if sizes.is_none_or(|total| i64::try_from(total).is_err()) {
        return Err("its sizes are absurd".to_owned());
    }
    Ok(record)
}

/// Whether a path stays below its directory and is written in the one way that this store writes it.
fn is_plain(path: &[u8]) -> bool {
    path.len() <= LONGEST
        && path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b"..") && part.len() <= 255)
}

#[cfg(test)]
mod tests;
