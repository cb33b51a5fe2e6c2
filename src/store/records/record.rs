//! Records: the results of actions, looked up by key. A record is believed only while everything it names is there.
//!
//! The file has two lines of JSON: the record, and the digest of the first line. Without that, one flipped digit in a digest
//! would make a sound blob look damaged.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use contract::Digest;

use super::elsewhere::Away;
use super::model::{Artifact, RECORD_FORMAT, Record};
use crate::action::ActionKey;
use crate::failpoint::{self, Failpoint};
use crate::store::error::{At, StoreErrorKind};
use crate::store::files::open::{self, Opened};
use crate::store::{Presence, Store, StoreError};

/// The store's answer about an action.
#[derive(Debug)]
pub enum Lookup {
    /// It was done, and all that it gave is here.
    Hit(Box<Record>),
    /// It was done, and some of what it gave lies on the remote that this store counts on.
    Elsewhere(Box<Away>),
    /// It has to be done.
    Miss(MissReason),
}

/// Why an action has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// Nobody did it yet.
    NoRecord,
    /// The record was written by another version of the engine.
    OtherFormat,
    /// The record lacks an output that is wanted now.
    OtherOutputs,
    /// The record was unreadable.
    DamagedRecord {
        /// Where it was found.
        path: PathBuf,
        /// Where it was moved; `None` when it could not be moved.
        quarantined: Option<PathBuf>,
    },
    /// Outputs are no longer in the store.
    MissingOutputs {
        /// Which, by port; at least one.
        outputs: Vec<(String, Artifact)>,
    },
    /// Outputs lie on a remote that is not counted on here.
    OnOtherRemote {
        /// Which, by port; at least one.
        outputs: Vec<(String, Artifact)>,
        /// That remote.
        remote: String,
    },
    /// An output was changed behind the store's back.
    DamagedOutput {
        /// Its port.
        port: String,
        /// Where the wrong content was found.
        path: PathBuf,
        /// Where it was moved; `None` when it could not be moved.
        quarantined: Option<PathBuf>,
        /// The published file that it was changed through, where somebody found that; the store does not know.
        through: Option<PathBuf>,
    },
}

impl MissReason {
    /// Whether something was found broken, which people should hear about.
    pub fn is_damage(&self) -> bool {
        matches!(self, MissReason::DamagedRecord { .. } | MissReason::DamagedOutput { .. })
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quarantined = match self {
            MissReason::NoRecord => return f.write_str("never run with these inputs and params"),
            MissReason::OtherOutputs => return f.write_str("its outputs had other names when it ran last"),
            MissReason::OtherFormat => return f.write_str("it ran last under another version of pipe"),
            MissReason::MissingOutputs { outputs } => {
                return write!(f, "{} no longer in the store", named(outputs));
            }
            MissReason::OnOtherRemote { outputs, remote } => {
                return write!(f, "{} only on {remote}, which is no remote that runs share here", named(outputs));
            }
            MissReason::DamagedRecord { path, quarantined } => {
                write!(f, "its record {} is damaged", path.display())?;
                quarantined
            }
            MissReason::DamagedOutput { port, path, quarantined, through } => {
                write!(f, "its output {port} was changed behind the store's back at {}", path.display())?;
                if let Some(through) = through {
                    write!(f, " by a write to {}, which is a link to it", through.display())?;
                }
                quarantined
            }
        };
        match quarantined {
            Some(place) => write!(f, " (moved to {})", place.display()),
            None => Ok(()),
        }
    }
}

/// Outputs, as the subject of a sentence with its verb.
fn named(outputs: &[(String, Artifact)]) -> String {
    let named = outputs.iter().map(|(port, artifact)| format!("{port} ({})", artifact.digest.short()));
    let named = named.collect::<Vec<_>>().join(", ");
    if outputs.len() == 1 { format!("its output {named} is") } else { format!("its outputs {named} are") }
}

/// How hard a record is pressed onto the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Outputs, then the record, are on the disk when this returns. For stages that took a second or more.
    Synced,
    /// A power cut may lose it. The next use finds the damage.
    Relaxed,
}

impl Store {
    /// The answer about the action `key`. Objects that are found damaged are put into quarantine.
    pub fn record(&self, key: &ActionKey) -> Result<Lookup, StoreError> {
        let path = self.layout.record(key);
        let parsed = match open::read_small(&path).at(&path)? {
            Opened::Nothing => return Ok(Lookup::Miss(MissReason::NoRecord)),
            Opened::File(bytes) => parse(&bytes, key),
            Opened::Other(_) => Err(Unusable::Damaged),
        };
        let record = match parsed {
            Ok(record) => record,
            Err(Unusable::OtherFormat) => return Ok(Lookup::Miss(MissReason::OtherFormat)),
            Err(Unusable::Damaged) => {
                let quarantined = self.quarantined(&path);
                return Ok(Lookup::Miss(MissReason::DamagedRecord { path, quarantined }));
            }
        };
        let mut missing = Vec::new();
        for ((port, artifact), found) in record.outputs.iter().zip(self.check_all(record.outputs.values())?) {
            let port = port.clone();
            match found {
                Presence::Present => {}
                Presence::Missing => missing.push((port, artifact.clone())),
                Presence::Damaged { path, quarantined } => {
                    return Ok(Lookup::Miss(MissReason::DamagedOutput { port, path, quarantined, through: None }));
                }
            }
        }
        if !missing.is_empty() {
            return Ok(match self.elsewhere(key) {
                None => Lookup::Miss(MissReason::MissingOutputs { outputs: missing }),
                Some(remote) if self.counts_on.as_ref() == Some(&remote) => {
                    Lookup::Elsewhere(Box::new(Away { record, outputs: missing, remote }))
                }
                Some(remote) => Lookup::Miss(MissReason::OnOtherRemote { outputs: missing, remote }),
            });
        }
        Ok(Lookup::Hit(Box::new(record)))
    }

    /// The record of `key` as it was written, whether or not its outputs are still there: for explanations.
    pub fn past_record(&self, key: &ActionKey) -> Option<Record> {
        let Ok(Opened::File(bytes)) = open::read(&self.layout.record(key)) else { return None };
        parse(&bytes, key).ok()
    }

    /// Writes the record of an action whose outputs are all in the store.
    pub fn put_record(&self, record: &Record, durability: Durability) -> Result<(), StoreError> {
        let path = self.layout.record(&record.key);
        let bytes = encode(record).map_err(|why| StoreError::new(&path, StoreErrorKind::Unrepresentable(why)))?;
        if durability == Durability::Synced {
            let root = File::open(self.root()).at(self.root())?;
            rustix::fs::syncfs(root).at(self.root())?;
        }
        let temporary = self.fresh()?;
        let mut file = File::create_new(&temporary).at(&temporary)?;
        file.write_all(&bytes).at(&temporary)?;
        if durability == Durability::Synced {
            file.sync_all().at(&temporary)?;
        }
        failpoint::reach(Failpoint::BeforeRecord);
        let parent = path.parent().unwrap_or(&path);
        self.make_dir(parent)?;
        self.put(&temporary, &path)?;
        if durability == Durability::Synced {
            File::open(parent).and_then(|directory| directory.sync_all()).at(parent)?;
        }
        Ok(())
    }

    fn quarantined(&self, path: &Path) -> Option<PathBuf> {
        match self.quarantine(path, path.to_owned()) {
            Presence::Damaged { quarantined, .. } => quarantined,
            Presence::Present | Presence::Missing => None,
        }
    }
}

pub(in crate::store) enum Unusable {
    OtherFormat,
    Damaged,
}

pub(in crate::store) fn encode(record: &Record) -> Result<Vec<u8>, String> {
    // JSON has no NaN, and a record that does not read back would be a miss for ever.
    if let Some((name, value)) = record.metrics.iter().find(|(_, value)| !value.is_finite()) {
        return Err(format!("the metric {name} is {value}"));
    }
    let mut bytes = serde_json::to_vec(record).map_err(|error| error.to_string())?;
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(format!("\n\"{digest}\"\n").as_bytes());
    Ok(bytes)
}

pub(in crate::store) fn parse(bytes: &[u8], key: &ActionKey) -> Result<Record, Unusable> {
    // Compact JSON holds no line feed.
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(Unusable::Damaged)?;
    let (text, digest) = bytes.split_at(end);
    if digest != format!("\n\"{}\"\n", Digest::of(text)).as_bytes() {
        return Err(Unusable::Damaged);
    }
    match serde_json::from_slice::<Record>(text) {
        Ok(record) if record.format != RECORD_FORMAT => Err(Unusable::OtherFormat),
        Ok(record) if record.key == *key => Ok(record),
        Ok(_) => Err(Unusable::Damaged),
        // The checksum is right, so it was written in another shape.
        Err(_) => Err(Unusable::OtherFormat),
    }
}
