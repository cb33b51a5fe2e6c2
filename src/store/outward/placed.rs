//! An artifact as a program found it: it is checked again when the program has ended.
//!
//! Inputs are links to the store's own objects, and a program that may write anywhere may write into them. Its outputs
//! are then no function of its action. One `stat` a file tells, as [`crate::store::objects::touches`] knows the effect of our own links.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::store::error::At;
use crate::store::files::removal::remove_tree;
use crate::store::files::stamp::Stamp;
use crate::store::files::walk::{self, as_path};
use crate::store::objects::tree::Tree;
use crate::store::records::model::{Artifact, Shape};
use crate::store::{Presence, Store, StoreError};

/// An artifact that a program reads.
#[derive(Debug)]
pub struct Placed {
    artifact: Artifact,
    /// `None` where the program has copies of its own, by which nobody reaches the store nor the store the program.
    shared: Option<Files>,
}

#[derive(Debug)]
enum Files {
    One { dev: u64, ino: u64 },
    Tree(Arc<Tree>),
}

impl Placed {
    pub(super) fn copied(artifact: &Artifact) -> Placed {
        Placed { artifact: artifact.clone(), shared: None }
    }
}

impl Store {
    /// The artifact that a program reads where it was published, for a later check.
    pub fn watch(&self, artifact: &Artifact) -> Result<Placed, StoreError> {
        self.require(artifact)?;
        self.shared(artifact)
    }

    pub(super) fn shared(&self, artifact: &Artifact) -> Result<Placed, StoreError> {
        let files = match artifact.shape {
            Shape::File { .. } => {
                let object = self.object(artifact);
                let stamp = Stamp::stored(&object).at(&object)?;
                stamp.map(|Stamp { dev, ino, .. }| Files::One { dev, ino })
            }
            Shape::Dir { .. } => Some(Files::Tree(self.required_tree(artifact)?)),
        };
        Ok(Placed { artifact: artifact.clone(), shared: files })
    }

    /// Whether `placed` is as it was when a program began to read it. A file whose times moved is hashed: if right, it is sealed again; if
    /// wrong, it is put into quarantine. An object that was made anew meanwhile is not the one that the program read.
    pub fn unchanged(&self, placed: &Placed) -> Result<Presence, StoreError> {
        let Some(files) = &placed.shared else { return Ok(Presence::Present) };
        let found = self.check(&placed.artifact)?;
        let object = self.object(&placed.artifact);
        let same = match (&found, files) {
            (Presence::Present, Files::One { dev, ino }) => {
                Stamp::stored(&object).at(&object)?.is_some_and(|now| (now.dev, now.ino) == (*dev, *ino))
            }
            (Presence::Present, Files::Tree(tree)) => {
                let now = self.required_tree(&placed.artifact)?;
                (now.dev, &now.inodes) == (tree.dev, &tree.inodes)
            }
            (Presence::Missing, _) => false,
            (Presence::Damaged { quarantined: Some(quarantined), .. }, _) => {
                self.spoil(quarantined)?;
                return Ok(found);
            }
            (Presence::Damaged { .. }, _) => return Ok(found),
        };
        Ok(if same { found } else { Presence::Damaged { path: object, quarantined: None } })
    }

    /// Notes that stages had every file of the object in quarantine.
    fn spoil(&self, quarantined: &Path) -> Result<(), StoreError> {
        let Some(stamp) = Stamp::stored(quarantined).at(quarantined)? else { return Ok(()) };
        if !stamp.is_dir() {
            self.touches.spoil(&stamp);
            return Ok(());
        }
        for found in walk::present(quarantined)? {
            let path = quarantined.join(found.path());
            Stamp::stored(&path)
                .at(&path)?
                .iter()
                .filter(|stamp| stamp.is_file())
                .for_each(|it| self.touches.spoil(it));
        }
        Ok(())
    }

    /// Whether a stage damaged anything of the store in this run.
    pub fn was_spoiled(&self) -> bool {
        self.touches.any_spoiled()
    }

    /// Removes the private directory of a program that read `placed`, and with it our links to objects: their ctimes move.
    pub fn remove_work(&self, directory: &Path, placed: &[&Placed]) -> Result<(), StoreError> {
        let untouched: Vec<_> = placed.iter().map(|placed| self.untouched(placed)).collect();
        let removed = remove_tree(directory);
        for (placed, untouched) in placed.iter().zip(untouched) {
            self.each_file(placed, |position, stamp| {
                if untouched.get(position) == Some(&true) {
                    self.touches.note(stamp);
                }
            });
        }
        removed
    }

    /// Of each file: whether nobody but this process touched it.
    fn untouched(&self, placed: &Placed) -> Vec<bool> {
        let mut untouched = Vec::new();
        self.each_file(placed, |position, stamp| {
            untouched.resize(position, false);
            untouched.push(!self.touches.moved(stamp));
        });
        untouched
    }

    /// The files of `placed` that are still the placed ones. A file that is passed over is hashed when it next serves.
    fn each_file(&self, placed: &Placed, mut look: impl FnMut(usize, &Stamp)) {
        let object = self.object(&placed.artifact);
        match &placed.shared {
            None => {}
            Some(Files::One { dev, ino }) => {
                if let Ok(Some(stamp)) = Stamp::stored(&object)
                    && (stamp.dev, stamp.ino) == (*dev, *ino)
                {
                    look(0, &stamp);
                }
            }
            Some(Files::Tree(tree)) => {
                let Ok(root) = fs::File::open(&object) else { return };
                for (position, (entry, ino)) in tree.manifest.entries.iter().zip(&tree.inodes).enumerate() {
                    if *ino != 0
                        && let Ok(Some(stamp)) = Stamp::below(&root, as_path(&entry.path))
                        && stamp.ino == *ino
                    {
                        look(position, &stamp);
                    }
                }
            }
        }
    }
}
