//! Makes a directory of files that the store has already.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::store::objects::manifest::{Manifest, Member, Node};
use crate::store::records::model::{Artifact, Shape};
use crate::store::{Presence, Store, StoreError};

impl Store {
    /// The directory with these files at these paths, which are relative and consist of names. The store has each of the files.
    pub fn compose(&self, files: &BTreeMap<PathBuf, Artifact>) -> Result<Artifact, StoreError> {
        let directories: BTreeSet<&Path> = files.keys().flat_map(|path| path.ancestors().skip(1)).collect();
        let directories = directories.into_iter().filter(|path| !path.as_os_str().is_empty());
        let directories = directories.map(|path| Member { path: bytes(path), node: Node::Dir });
        let files = files.iter().map(|(path, artifact)| {
            let executable = artifact.shape == Shape::File { executable: true };
            let node = Node::File { digest: artifact.digest, size: artifact.size, executable };
            Member { path: bytes(path), node }
        });
        let mut manifest = Manifest { entries: directories.chain(files).collect() };
        manifest.entries.sort_by(|one, other| one.path.cmp(&other.path));
        let (artifact, _) = manifest.artifact();
        match self.check(&artifact)? {
            Presence::Present => Ok(artifact),
            Presence::Missing | Presence::Damaged { .. } => self.make_tree(&manifest),
        }
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use contract::types::Form;

    use super::*;

    #[test]
    fn what_is_composed_is_what_such_a_directory_is() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("store")).unwrap();
        let source = place.path().join("source");
        // `bin-x` sorts between `bin` and `bin/a` by bytes, and behind both by components.
        for file in ["bin/a", "bin/deep/b", "bin-x", "z"] {
            let path = source.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        let files = ["bin/a", "bin/deep/b", "bin-x", "z"].map(PathBuf::from);
        let parts = files.map(|file| (file.clone(), store.ingest(&source.join(file), Form::File).unwrap()));
        let composed = store.compose(&BTreeMap::from(parts)).unwrap();
        assert!(store.holds(&composed).unwrap());
        assert_eq!(composed, store.ingest(&source, Form::Dir).unwrap());
        assert_eq!(std::fs::read_to_string(store.object(&composed).join("bin/deep/b")).unwrap(), "bin/deep/b");
    }
}
