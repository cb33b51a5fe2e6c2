//! Puts artifacts into private directories, where programs read them. They are read-only and mostly links to the store.

use std::fs;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

use super::error::{At, StoreErrorKind};
use super::manifest::{Entry, Manifest, Node};
use super::model::{Artifact, Shape};
use super::place::Spot;
use super::{Store, StoreError};

impl Store {
    /// Puts `artifact` at `destination`, where nothing may be; the directories above are made.
    pub fn materialize(&self, artifact: &Artifact, destination: &Path) -> Result<(), StoreError> {
        self.require(artifact)?;
        if let Some(parent) = destination.parent() {
            fs::create_dir_all(parent).at(parent)?;
        }
        self.build(artifact, destination)
    }

    /// As [`Store::materialize`], for an artifact just checked and a place whose parent exists.
    pub(super) fn build(&self, artifact: &Artifact, destination: &Path) -> Result<(), StoreError> {
        let object = self.object(artifact);
        match artifact.shape {
            Shape::File { executable } => {
                let (from, to) = (Spot::new(&CWD, &object), Spot::new(&CWD, destination));
                let placed = self.placer.place(from, to, &artifact.digest, executable);
                placed.map_err(|kind| self.placing_failed(kind, &object, &object, destination))
            }
            Shape::Dir { .. } => {
                let tree = self.required_tree(artifact)?;
                fs::create_dir(destination).at(destination)?;
                self.fill(&object, &tree.manifest, destination)
            }
        }
    }

    /// Fills the empty directory `destination` with what `manifest` lists of the tree at `object`.
    fn fill(&self, object: &Path, manifest: &Manifest, destination: &Path) -> Result<(), StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let from = rustix::fs::open(object, flags, Mode::empty()).at(object)?;
        let to = rustix::fs::open(destination, flags, Mode::empty()).at(destination)?;
        for Entry { path, node } in &manifest.entries {
            let name = super::walk::as_path(path);
            match node {
                Node::Dir => rustix::fs::mkdirat(&to, name, Mode::from_raw_mode(0o777)).at(&destination.join(name))?,
                Node::Link { target } => {
                    rustix::fs::symlinkat(target.as_slice(), &to, name).at(&destination.join(name))?;
                }
                Node::File { digest, executable, .. } => {
                    let placed = self.placer.place(Spot::new(&from, name), Spot::new(&to, name), digest, *executable);
                    placed.map_err(|kind| {
                        self.placing_failed(kind, object, &object.join(name), &destination.join(name))
                    })?;
                }
            }
        }
        Ok(())
    }

    /// A copy that came out wrong means that the object is damaged behind its seal: it is put aside and blamed.
    fn placing_failed(&self, kind: StoreErrorKind, object: &Path, file: &Path, destination: &Path) -> StoreError {
        if matches!(kind, StoreErrorKind::Damaged) {
            self.quarantine(object, file.to_owned());
            return StoreError::new(file, kind);
        }
        StoreError::new(destination, kind)
    }
}
