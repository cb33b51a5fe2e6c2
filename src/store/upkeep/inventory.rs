//! The inventory of the store: objects and records one by one, and how much each room takes.

use std::fs;
use std::path::{Path, PathBuf};

use contract::Digest;
use rustix::io::Errno;

use crate::action::ActionKey;
use crate::store::error::At;
use crate::store::files::measure::{RoomSize, measure};
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::{Stamp, in_words};
use crate::store::objects::manifest::Manifest;
use crate::store::records::record;
use crate::store::{Artifact, Damage, DamagedThing, Record, Shape, Store, StoreError};

/// The name under which an object lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::store) enum ObjectName {
    Blob { digest: Digest, executable: bool },
    Tree { digest: Digest },
}

/// An object in the store.
#[derive(Debug)]
pub(in crate::store) struct Object {
    pub name: ObjectName,
    /// Bytes in it.
    pub size: u64,
    /// Nanoseconds since the epoch when it was made or a link to it was made or removed.
    pub touched: i64,
}

/// A record as it lies in the store.
#[derive(Debug)]
pub(in crate::store) struct StoredRecord {
    pub key: ActionKey,
    pub path: PathBuf,
    pub size: u64,
    /// Nanoseconds since the epoch.
    pub written: i64,
    /// `None` when it cannot be read or was written by another version.
    pub record: Option<Record>,
    /// Whether a remote has its outputs.
    pub elsewhere: bool,
}

/// A part of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its directory below the store's.
    pub name: &'static str,
    /// Its content.
    pub holds: &'static str,
}

/// Every room, in the order in which people look for space.
pub const ROOMS: [Room; 12] = [
    Room { name: "blobs", holds: "files that stages gave or read" },
    Room { name: "trees", holds: "directories that stages gave or read" },
    Room { name: "records", holds: "what each action gave" },
    Room { name: "elsewhere", holds: "which records' outputs a remote has" },
    Room { name: "sent", holds: "which stages run at other places" },
    Room { name: "checkpoints", holds: "where interrupted stages go on" },
    Room { name: "runs", holds: "events, logs and reports" },
    Room { name: "plans", holds: "pipelines already resolved" },
    Room { name: "work", holds: "private directories of stages" },
    Room { name: "tmp", holds: "unfinished objects" },
    Room { name: "displaced", holds: "files of yours that stood where outputs go" },
    Room { name: "quarantine", holds: "what was found damaged" },
];

impl ObjectName {
    /// The name of an output.
    pub(crate) fn of(artifact: &Artifact) -> ObjectName {
        match artifact.shape {
            Shape::File { executable } => ObjectName::Blob { digest: artifact.digest, executable },
            Shape::Dir { .. } => ObjectName::Tree { digest: artifact.digest },
        }
    }

    /// The names under which an artifact may lie of which only the digest is known.
    pub(crate) fn any(digest: Digest) -> [ObjectName; 3] {
        let blob = |executable| ObjectName::Blob { digest, executable };
        [blob(false), blob(true), ObjectName::Tree { digest }]
    }

    pub(crate) fn digest(&self) -> Digest {
        match *self {
            ObjectName::Blob { digest, .. } | ObjectName::Tree { digest } => digest,
        }
    }
}

impl Store {
    /// How much `room` takes.
    pub fn room_size(&self, room: Room) -> RoomSize {
        measure(&self.root().join(room.name))
    }

    /// Every readable record.
    pub fn records(&self) -> Result<Vec<Record>, StoreError> {
        Ok(self.stored_records()?.into_iter().filter_map(|stored| stored.record).collect())
    }

    /// The rooms among `names` that are there and are no directories, in which things may have lain that are not seen now.
    pub fn no_rooms(&self, names: &[&str]) -> Result<Vec<Damage>, StoreError> {
        let mut damage = Vec::new();
        for path in names.iter().map(|name| self.root().join(name)) {
            if let Some(stamp) = Stamp::stored(&path).at(&path)?
                && !path.is_dir()
            {
                let why = format!("{} lies there", in_words(stamp.file_type()));
                damage.push(Damage { what: DamagedThing::Room, path, why, quarantined: None });
            }
        }
        Ok(damage)
    }
    pub(in crate::store) fn objects(&self) -> Result<Vec<Object>, StoreError> {
        let mut objects = Vec::new();
        for path in self.family("blobs")? {
            let Some((digest, suffix)) = parse(&path) else { continue };
            let Some(stamp) = Stamp::stored(&path).at(&path)? else { continue };
            let name = ObjectName::Blob { digest, executable: suffix == ".x" };
            objects.push(Object { name, size: stamp.size, touched: stamp.ctime });
        }
        for path in self.family("trees")? {
            let Some((digest, "")) = parse(&path) else { continue };
            let Some(stamp) = Stamp::stored(&path).at(&path)? else { continue };
            let manifest = match open::read(&self.layout.manifest(&digest)) {
                Ok(Opened::File(bytes)) => Manifest::decode(&bytes),
                _ => None,
            };
            let size = match manifest {
                Some(manifest) => manifest.artifact().0.size,
                None => measure(&path).bytes,
            };
            objects.push(Object { name: ObjectName::Tree { digest }, size, touched: stamp.ctime });
        }
        Ok(objects)
    }

    pub(in crate::store) fn stored_records(&self) -> Result<Vec<StoredRecord>, StoreError> {
        let mut records = Vec::new();
        for path in self.family("records")? {
            let Some((key, ".json")) = parse(&path) else { continue };
            let key = ActionKey::new(key);
            let Some(stamp) = Stamp::stored(&path).at(&path)? else { continue };
            let record = match open::read(&path) {
                Ok(Opened::File(bytes)) => record::parse(&bytes, &key).ok(),
                _ => None,
            };
            let elsewhere = self.elsewhere(&key).is_some();
            records.push(StoredRecord { key, size: stamp.size, written: stamp.mtime, record, elsewhere, path });
        }
        Ok(records)
    }

    /// The entries that have the name of a directory of a family. A room may be a link, by mistake to somebody else's files: nothing of
    /// another name is ever touched.
    pub(super) fn shards(&self, family: &str) -> Result<Vec<PathBuf>, StoreError> {
        let mut shards = entries(&self.root().join(family))?;
        shards.retain(|path| {
            path.file_name()
                .is_some_and(|name| name.len() == 2 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit))
        });
        Ok(shards)
    }

    /// The entries of a room that a digest names; as with [`Store::shards`], nothing else.
    pub(in crate::store) fn named_by_digest(&self, room: &str) -> Result<Vec<PathBuf>, StoreError> {
        let mut paths = entries(&self.root().join(room))?;
        paths.retain(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<Digest>().is_ok())
        });
        Ok(paths)
    }

    /// The paths of a family of objects, in order.
    pub(super) fn family(&self, name: &str) -> Result<Vec<PathBuf>, StoreError> {
        let mut paths = Vec::new();
        for directory in self.shards(name)? {
            // A link is not ours, with any target.
            if Stamp::stored(&directory).at(&directory)?.is_some_and(|stamp| stamp.is_dir()) {
                paths.extend(entries(&directory)?);
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }
}

/// The entries of a directory; none where there is no directory.
pub(in crate::store) fn entries(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if is_none(&error) => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io(directory, error)),
    };
    let mut paths = Vec::new();
    for entry in listed {
        match entry {
            Ok(entry) => paths.push(entry.path()),
            // It was removed while it was read.
            Err(error) if is_none(&error) => break,
            Err(error) => return Err(StoreError::io(directory, error)),
        }
    }
    Ok(paths)
}

fn is_none(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// The digest in an object's file name, and its ending.
pub(super) fn parse(path: &Path) -> Option<(Digest, &str)> {
    let (hex, suffix) = path.file_name()?.to_str()?.split_at_checked(64)?;
    Some((Digest::from_bytes(*blake3::Hash::from_hex(hex).ok()?.as_bytes()), suffix))
}
