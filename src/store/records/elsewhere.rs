//! Notes about records whose content lies on a remote: one small file beside the record, with a checksum ([`super::kept`]). A record with
//! such a note is valid although its outputs are not here, as long as this store counts on that remote.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::kept::{self, Kept};
use super::model::{Artifact, Record, Shape};
use crate::action::ActionKey;
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::Stamp;
use crate::store::{Store, StoreError, StoreErrorKind};

/// A valid record, some outputs of which are not here.
#[derive(Clone, Debug, PartialEq)]
pub struct Away {
    /// The record.
    pub record: Record,
    /// The outputs that are not here, by port; at least one.
    pub outputs: Vec<(String, Artifact)>,
    /// The remote that has them, as the settings call it.
    pub remote: String,
}

impl Away {
    /// Bytes that are not here.
    pub fn bytes(&self) -> u64 {
        self.outputs.iter().fold(0, |total, (_, artifact)| total.saturating_add(artifact.size))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    remote: String,
}

impl Store {
    /// This store, counting on the content that the remote of this URL has.
    pub fn counting_on(self, remote: Option<String>) -> Store {
        Store { counts_on: remote, ..self }
    }

    /// Notes that `remote` has all that the action `key` gave.
    pub fn note_elsewhere(&self, key: &ActionKey, remote: &str) -> Result<(), StoreError> {
        let path = self.layout.elsewhere(key);
        let failed =
            |error: serde_json::Error| StoreError::new(&path, StoreErrorKind::Unrepresentable(error.to_string()));
        let text = serde_json::to_vec(&Note { remote: remote.to_owned() }).map_err(failed)?;
        let temporary = self.fresh()?;
        fs::write(&temporary, kept::seal(&name_of(&path), &text)).at(&temporary)?;
        self.make_dir(path.parent().unwrap_or(&path))?;
        self.put(&temporary, &path)
    }

    /// The remote that has what the action `key` gave, where that is noted. A damaged note says nothing: then the remote is asked again.
    pub fn elsewhere(&self, key: &ActionKey) -> Option<String> {
        let path = self.layout.elsewhere(key);
        let Ok(Opened::File(bytes)) = open::read_small(&path) else { return None };
        let Kept::Sound(text) = kept::open(&name_of(&path), &bytes) else { return None };
        serde_json::from_slice::<Note>(text).ok().map(|note| note.remote)
    }

    /// No remote has what the action `key` gave, as far as is known.
    pub fn forget_elsewhere(&self, key: &ActionKey) -> Result<(), StoreError> {
        let path = self.layout.elsewhere(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.at(&path),
        }
    }

    /// Whether nothing lies under the name of `artifact`: a `stat` or two, also for a directory of many files.
    pub fn lacks(&self, artifact: &Artifact) -> Result<bool, StoreError> {
        let object = self.object(artifact);
        let is_absent = |path: &Path| Stamp::stored(path).at(path).map(|stamp| stamp.is_none());
        // Without its manifest a directory is not found.
        Ok(is_absent(&object)?
            || matches!(artifact.shape, Shape::Dir { .. }) && is_absent(&self.layout.manifest(&artifact.digest))?)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
