//! Pins: what is never collected, by the words with which somebody asked for it. One small file each.

use std::fs;
use std::io::ErrorKind;

use contract::Digest;
use serde::{Deserialize, Serialize};

use super::error::At;
use super::inventory::entries;
use super::layout::component;
use super::{Store, StoreError};

/// Something that is never collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// What was typed.
    pub name: String,
    /// Actions whose records, outputs and inputs stay.
    pub keys: Vec<Digest>,
    /// Artifacts that stay whoever made them.
    pub artifacts: Vec<Digest>,
}

impl Store {
    /// Every pin, by name. One that cannot be read is an error: to pass it over would let what it protects be collected.
    pub fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        let mut pins = Vec::new();
        for path in entries(&self.layout.pins())? {
            let bytes = fs::read(&path).at(&path)?;
            pins.push(serde_json::from_slice::<Pin>(&bytes).map_err(|error| StoreError::io(&path, error))?);
        }
        pins.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(pins)
    }

    /// Keeps `pin`, in place of one of the same name.
    pub fn pin(&self, pin: &Pin) -> Result<(), StoreError> {
        let (parent, path) = (self.layout.pins(), self.pin_path(&pin.name));
        let temporary = self.fresh()?;
        fs::create_dir_all(&parent).at(&parent)?;
        let text = serde_json::to_vec_pretty(pin).map_err(|error| StoreError::io(&path, error))?;
        fs::write(&temporary, text).at(&temporary)?;
        fs::rename(&temporary, &path).at(&path)
    }

    /// Removes the pin of this name; `false` when there is none.
    pub fn unpin(&self, name: &str) -> Result<bool, StoreError> {
        let path = self.pin_path(name);
        self.claim()?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io(&path, error)),
        }
    }

    /// Keys of records, then digests of artifacts, that begin with these hexadecimal digits.
    pub fn beginning_with(&self, hex: &str) -> Result<(Vec<Digest>, Vec<Digest>), StoreError> {
        let fits = |digest: &Digest| digest.to_string().starts_with(hex);
        let keys = self.stored_records()?.into_iter().map(|stored| stored.key).filter(fits).collect();
        let mut artifacts: Vec<_> = self.objects()?.iter().map(|object| object.name.digest()).filter(fits).collect();
        artifacts.dedup();
        Ok((keys, artifacts))
    }

    fn pin_path(&self, name: &str) -> std::path::PathBuf {
        self.layout.pins().join(format!("{}.json", component(name)))
    }
}
