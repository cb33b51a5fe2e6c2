//! Takes an artifact that the store lost from a copy of it in the workspace: the output that was published from it.

use std::path::Path;

use contract::types::Form;

use crate::store::error::At;
use crate::store::files::follow::LinksIn;
use crate::store::files::stamp::Stamp;
use crate::store::{Artifact, Presence, Shape, Store, StoreError};

impl Store {
    /// Takes the file or directory at `path` in as `artifact`, if it is that. It is read in full before anything is copied, and a
    /// read-only store takes nothing.
    pub fn recover(&self, artifact: &Artifact, path: &Path) -> Result<bool, StoreError> {
        let Some(stamp) = Stamp::of(path).at(path)? else { return Ok(false) };
        let (alike, form) = match artifact.shape {
            Shape::File { executable } => {
                let alike = stamp.is_file() && stamp.size == artifact.size && stamp.executable() == executable;
                (alike, Form::File)
            }
            Shape::Dir { .. } => (stamp.is_dir(), Form::Dir),
        };
        if !alike || self.described(path, form, LinksIn::Kept)? != *artifact {
            return Ok(false);
        }
        match self.ingest(path, form) {
            Ok(taken) => Ok(taken == *artifact && self.check(artifact)? == Presence::Present),
            Err(error) if error.is_read_only() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
