//! Puts artifacts into private directories, where programs read them. They are read-only and mostly links to the store.

use std::fs;
use std::path::Path;

use contract::Digest;
use rustix::fs::{CWD, Mode, OFlags};

use super::place::{Spot, Way};
use crate::store::error::{At, StoreErrorKind};
use crate::store::files::stamp::Stamp;
use crate::store::objects::manifest::{Manifest, Member, Node};
use crate::store::records::model::{Artifact, Shape};
use crate::store::{Placed, Store, StoreError};

/// How inputs come into a private directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// In the cheapest way, mostly as links to the store's objects.
    #[default]
    Cheapest,
    /// As copies, for a program whose inputs were written to before: its own writes stay its own, and others' do not reach it.
    Copy,
}

impl Store {
    /// Puts `artifact` at `destination`, where nothing may be; the directories above are made.
    pub fn materialize(
        &self,
        artifact: &Artifact,
        destination: &Path,
        placement: Placement,
    ) -> Result<Placed, StoreError> {
        self.require(artifact)?;
        if let Some(parent) = destination.parent() {
            fs::create_dir_all(parent).at(parent)?;
        }
        let placed = self.build_as(artifact, destination, placement).and_then(|way| match way {
            Way::Linked => self.shared(artifact),
            Way::Copied => Ok(Placed::copied(artifact)),
        });
        if placed.as_ref().is_err_and(|error| matches!(error.kind, StoreErrorKind::NotFound)) {
            // The object was found damaged just now: then report the damage.
            self.require(artifact)?;
        }
        placed
    }

    /// As [`Store::materialize`], for an artifact just checked and a place whose parent exists.
    pub(in crate::store) fn build(&self, artifact: &Artifact, destination: &Path) -> Result<(), StoreError> {
        self.build_as(artifact, destination, Placement::Cheapest).map(|_| ())
    }

    fn build_as(&self, artifact: &Artifact, destination: &Path, placement: Placement) -> Result<Way, StoreError> {
        let object = self.object(artifact);
        match artifact.shape {
            Shape::File { executable } => {
                let (from, to) = (Spot::new(&CWD, &object), Spot::new(&CWD, destination));
                let placed = self.place(from, to, (&artifact.digest, executable), placement);
                placed.map_err(|kind| self.placing_failed(kind, &object, &object, destination))
            }
            Shape::Dir { .. } => {
                let tree = self.required_tree(artifact)?;
                fs::create_dir(destination).at(destination)?;
                self.fill(&object, &tree.manifest, destination, placement)
            }
        }
    }

    /// Places one file. A link moves the ctime of the object, which is noted unless somebody else moved it before.
    fn place(
        &self,
        from: Spot,
        to: Spot,
        (digest, executable): (&Digest, bool),
        placement: Placement,
    ) -> Result<Way, StoreErrorKind> {
        let before = self.stamp(from)?;
        let way = match placement {
            Placement::Cheapest => self.placer.place(from, to, digest, executable)?,
            Placement::Copy => self.placer.place_copy(from, to, digest, executable)?,
        };
        if way == Way::Linked && before.is_some_and(|before| !self.touches.moved(&before)) {
            self.stamp(from)?.iter().for_each(|after| self.touches.note(after));
        }
        Ok(way)
    }

    fn stamp(&self, spot: Spot) -> Result<Option<Stamp>, StoreErrorKind> {
        Stamp::below(spot.directory, spot.name).map_err(|error| std::io::Error::from(error).into())
    }

    /// Fills the empty directory `destination` with the entries that `manifest` lists of the tree at `object`.
    fn fill(
        &self,
        object: &Path,
        manifest: &Manifest,
        destination: &Path,
        placement: Placement,
    ) -> Result<Way, StoreError> {
        let mut way = Way::Copied;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let from = rustix::fs::open(object, flags, Mode::empty()).at(object)?;
        let to = rustix::fs::open(destination, flags, Mode::empty()).at(destination)?;
        for Member { path, node } in &manifest.entries {
            let name = crate::store::files::walk::as_path(path);
            match node {
                Node::Dir => rustix::fs::mkdirat(&to, name, Mode::from_raw_mode(0o777)).at(&destination.join(name))?,
                Node::Link { target } => {
                    rustix::fs::symlinkat(target.as_slice(), &to, name).at(&destination.join(name))?;
                }
                Node::File { digest, executable, .. } => {
                    let (from, to) = (Spot::new(&from, name), Spot::new(&to, name));
                    let placed = self.place(from, to, (digest, *executable), placement).map_err(|kind| {
                        self.placing_failed(kind, object, &object.join(name), &destination.join(name))
                    })?;
                    if placed == Way::Linked {
                        way = Way::Linked;
                    }
                }
            }
        }
        Ok(way)
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
