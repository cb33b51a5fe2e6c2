//! Copies artifacts to where the user wants them: writable files of their own, never links, every byte hashed on the way.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use contract::Digest;

use crate::store::error::{At, StoreErrorKind};
use crate::store::files::hash;
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::Stamp;
use crate::store::objects::manifest::Node;
use crate::store::records::model::{Artifact, Shape};
use crate::store::{Store, StoreError};

impl Store {
    /// Copies `artifact` to `destination`, where nothing may be and whose parent exists. An object that is found damaged is put into
    /// quarantine, and the call fails; the caller removes the part that was written until then.
    pub fn copy_out(&self, artifact: &Artifact, destination: &Path) -> Result<(), StoreError> {
        self.require(artifact)?;
        let object = self.object(artifact);
        match artifact.shape {
            Shape::File { executable } => self.copy_one(&object, &object, destination, &artifact.digest, executable),
            Shape::Dir { .. } => {
                let tree = self.required_tree(artifact)?;
                fs::create_dir(destination).at(destination)?;
                for entry in &tree.manifest.entries {
                    let to = destination.join(entry.path());
                    match &entry.node {
                        Node::Dir => fs::create_dir(&to).at(&to)?,
                        Node::Link { target } => {
                            std::os::unix::fs::symlink(crate::store::files::walk::as_path(target), &to).at(&to)?;
                        }
                        Node::File { digest, executable, .. } => {
                            self.copy_one(&object, &object.join(entry.path()), &to, digest, *executable)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Copies `from`, which is or lies in `object`.
    fn copy_one(
        &self,
        object: &Path,
        from: &Path,
        to: &Path,
        digest: &Digest,
        executable: bool,
    ) -> Result<(), StoreError> {
        let Opened::File((source, Stamp { size, .. })) = open::file(from).at(from)? else {
            return Err(StoreError::new(from, StoreErrorKind::Damaged));
        };
        // The umask applies, as to any new file of the user's.
        let mode = if executable { 0o777 } else { 0o666 };
        let target = OpenOptions::new().write(true).create_new(true).mode(mode).open(to).at(to)?;
        if hash::copying(&source, &target, size).at(to)? == *digest {
            return Ok(());
        }
        self.quarantine(object, from.to_owned());
        Err(StoreError::new(from, StoreErrorKind::Damaged))
    }
}
