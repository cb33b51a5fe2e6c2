//! Pins: results that are never collected, by the words with which somebody asked for it. One small file each, with a checksum
//! ([`super::kept`]); without one it is of an older version.

use std::fs;
use std::path::{Path, PathBuf};

use contract::Digest;
use serde::{Deserialize, Serialize};

use super::kept::{self, Kept};
use crate::action::ActionKey;
use crate::store::directory::layout::component;
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::{Stamp, in_words};
use crate::store::upkeep::inventory::entries;
use crate::store::{Damage, DamagedThing, Store, StoreError};

/// Something that is never collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The name as typed.
    pub name: String,
    /// Actions whose records, outputs and inputs stay.
    pub keys: Vec<ActionKey>,
    /// Artifacts that stay, no matter who made them.
    pub artifacts: Vec<Digest>,
}

impl Store {
    /// Every pin, by name, and the damaged files of pins, whose targets are unknown. While there is one of these
    /// nothing may be collected.
    pub fn pins(&self) -> Result<(Vec<Pin>, Vec<Damage>), StoreError> {
        let (mut pins, mut damage) = (Vec::new(), Vec::new());
        for path in entries(&self.layout.pins())? {
            match read(&path).at(&path)? {
                Ok(pin) => pins.extend(pin),
                Err(why) => damage.push(Damage { what: DamagedThing::Pin, path, why, quarantined: None }),
            }
        }
        pins.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((pins, damage))
    }

    /// Keeps `pin`, in place of one of the same name.
    pub fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        let path = self.pin_path(&pin.name);
        let temporary = self.fresh()?;
        self.make_dir(&self.layout.pins())?;
        let text = serde_json::to_vec(pin).map_err(|error| StoreError::io(&path, error))?;
        fs::write(&temporary, kept::seal(&name_of(&path), &text)).at(&temporary)?;
        self.put(&temporary, &path)
    }

    /// Removes the pin of this name; `false` when there is none.
    pub fn unpin(&self, name: &str) -> Result<bool, StoreError> {
        let path = self.pin_path(name);
        self.claim()?;
        match Stamp::stored(&path).at(&path)? {
            None => return Ok(false),
            Some(stamp) if stamp.is_file() => fs::remove_file(&path).at(&path)?,
            // It is not ours, with any content.
            Some(_) => self.displace(&path),
        }
        Ok(true)
    }

    /// Keys of records, then digests of artifacts, that begin with these hexadecimal digits.
    pub fn beginning_with(&self, hex: &str) -> Result<(Vec<ActionKey>, Vec<Digest>), StoreError> {
        let fits = |name: &dyn std::fmt::Display| name.to_string().starts_with(hex);
        let keys = self.stored_records()?.into_iter().map(|stored| stored.key).filter(|key| fits(key)).collect();
        let mut artifacts: Vec<_> =
            self.objects()?.iter().map(|object| object.name.digest()).filter(|it| fits(it)).collect();
        artifacts.dedup();
        Ok((keys, artifacts))
    }

    fn pin_path(&self, name: &str) -> PathBuf {
        self.layout.pins().join(format!("{}.json", component(name)))
    }
}

/// The pin, or why the file is no pin; nothing where it is gone by now.
fn read(path: &Path) -> std::io::Result<Result<Option<Pin>, String>> {
    let bytes = match open::read(path)? {
        Opened::Nothing => return Ok(Ok(None)),
        Opened::Other(kind) => return Ok(Err(format!("{} lies there", in_words(kind)))),
        Opened::File(bytes) => bytes,
    };
    Ok(match kept::open(&name_of(path), &bytes) {
        Kept::Sound(text) | Kept::Unsealed(text) => {
            serde_json::from_slice(text).map(Some).map_err(|_| "its checksum differs".to_owned())
        }
        Kept::Damaged => Err("its checksum differs".to_owned()),
    })
}

fn name_of(path: &Path) -> String {
    format!("pins/{}", path.file_name().unwrap_or_default().to_string_lossy())
}
