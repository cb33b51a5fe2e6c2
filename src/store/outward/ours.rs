//! Tells whether something in the workspace was published there by us and not touched since: by the memo, else by its bytes. A kill
//! between publishing and remembering costs a reading, and nobody's file is taken for ours.

use std::fs::File;
use std::path::Path;

use contract::Digest;
use rustix::fs::FileType;

use crate::store::error::At;
use crate::store::files::hash;
use crate::store::files::stamp::Stamp;
use crate::store::files::walk::walk;
use crate::store::objects::check::Content;
use crate::store::objects::seal;
use crate::store::objects::tree::describe;
use crate::store::{Store, StoreError, StoreErrorKind};

impl Store {
    /// The digest of the thing at `path`, if we published it there and nobody touched it since.
    pub fn published_here(&self, path: &Path) -> Result<Option<Digest>, StoreError> {
        let looked = match Stamp::of(path).at(path)? {
            Some(there) => self.ours_at(path, &there),
            None => return Ok(None),
        };
        match looked {
            // Somebody takes it away just now.
            Err(error) if matches!(error.kind, StoreErrorKind::NotFound) => Ok(None),
            looked => looked,
        }
    }

    pub(super) fn ours_at(&self, path: &Path, there: &Stamp) -> Result<Option<Digest>, StoreError> {
        if there.is_dir() {
            let known = self.memo().tree(there);
            if let Some(known) = known
                && self.is_published_tree(path, there, &known)?
            {
                return Ok(Some(known));
            }
            return self.sealed_tree(path);
        }
        if !there.is_file() {
            return Ok(None);
        }
        let known = self.memo().ours(there);
        if known.is_some() {
            return Ok(known);
        }
        Ok(sealed_file(path, there)?.map(|content| content.digest))
    }

    /// The digest of the directory at `path`, if every file in it is read-only and sealed over its own content and the whole is a tree
    /// of the store: nobody else makes such a thing.
    pub(super) fn sealed_tree(&self, path: &Path) -> Result<Option<Digest>, StoreError> {
        let found = walk(path)?;
        if found
            .iter()
            .any(|found| !matches!(found.file_type, FileType::RegularFile | FileType::Directory | FileType::Symlink))
        {
            return Ok(None);
        }
        // Most directories that are not ours show it at their first file.
        let mut sealed = Vec::new();
        for file in found.iter().filter(|found| found.file_type == FileType::RegularFile) {
            let full = path.join(file.path());
            let Some(there) = Stamp::of(&full).at(&full)? else { return Ok(None) };
            let Some(content) = sealed_file(&full, &there)? else { return Ok(None) };
            sealed.push((&file.path, content));
        }
        let manifest = describe(path, &found, |file| {
            let at = sealed.binary_search_by(|(known, _)| (*known).cmp(&file.path));
            Ok(sealed[at.expect("every file was looked at above")].1)
        });
        match manifest {
            Ok(manifest) => {
                let digest = manifest.artifact().0.digest;
                Ok(self.tree(&digest)?.map(|_| digest))
            }
            // A link that leaves the directory: nothing that the store has.
            Err(error) if matches!(error.kind, StoreErrorKind::EscapingLink { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The content of the file at `path`, if it is read-only and sealed over its own content: then we made it, even if the memo forgot.
fn sealed_file(path: &Path, there: &Stamp) -> Result<Option<Content>, StoreError> {
    if there.mode & 0o222 != 0 {
        return Ok(None);
    }
    let digest = hash::by_reading(&File::open(path).at(path)?).at(path)?;
    let content = Content { digest, size: there.size, executable: there.executable() };
    Ok(seal::holds(there, &digest).then_some(content))
}
