//! The places that a pipeline published in a workspace: by them a later run knows which files there are not its own.
//!
//! One file for each pipeline of a workspace, beside its claims. Its first line is short; a run that finds everything in place reads
//! only that line. The list of places follows.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use contract::Digest;
use serde::{Deserialize, Serialize};

use super::kept::{self, Kept};
use crate::action::ActionKey;
use crate::store::error::At;
use crate::store::files::open::{self, Opened, open_file};
use crate::store::{Claims, Store, StoreError};

/// The list of one pipeline.
#[derive(Debug)]
pub struct Places {
    path: PathBuf,
}

/// The first line: whether there is more to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Identifies the places of the plan, and the outputs that were published to them.
    pub plan: Digest,
    /// How many places hold something else.
    pub earlier: usize,
}

/// A published output at its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPlace {
    /// The stage.
    pub stage: String,
    /// Its action.
    pub key: ActionKey,
    /// Its digest.
    pub digest: Digest,
}

impl Store {
    /// The list of the pipeline `name` in `file`. Two files that give their pipelines one name have a list each.
    pub fn places(&self, claims: &Claims, name: &str, file: &Path) -> Places {
        let named = [name.as_bytes(), b"\0", file.as_os_str().as_encoded_bytes()].concat();
        let hex = blake3::Hash::from_bytes(*Digest::of(&named).as_bytes()).to_hex();
        Places { path: claims.directory().join(format!("{}.{LIST}", &hex[..16])) }
    }

    /// Keeps the published places of a pipeline.
    pub fn keep_places(
        &self,
        places: &Places,
        summary: &Summary,
        published: &BTreeMap<PathBuf, PublishedPlace>,
    ) -> Result<(), StoreError> {
        let encode = |value: serde_json::Result<Vec<u8>>| value.map_err(|error| StoreError::io(&places.path, error));
        let name = name_of(&places.path);
        let mut text = kept::seal_document(&name, encode(serde_json::to_vec(summary))?);
        text.push(b'\n');
        text.append(&mut kept::seal(&name, &encode(serde_json::to_vec(published))?));
        self.claim()?;
        let temporary = self.fresh()?;
        fs::write(&temporary, text).at(&temporary)?;
        self.make_dir(places.path.parent().unwrap_or(&places.path))?;
        self.put(&temporary, &places.path)
    }
}

const LIST: &str = "places";

impl Places {
    /// The first line.
    pub fn summary(&self) -> Option<Summary> {
        // Only messages about earlier outputs depend on it: if it is absent or damaged, there are none.
        let mut line = Vec::new();
        BufReader::with_capacity(512, open_file(&self.path)?).take(512).read_until(b'\n', &mut line).ok()?;
        line.pop();
        match kept::open_document(&name_of(&self.path), &line) {
            Kept::Sound(line) => serde_json::from_slice(line).ok(),
            Kept::Unsealed(_) | Kept::Damaged => None,
        }
    }

    /// All of it.
    pub fn read(&self) -> BTreeMap<PathBuf, PublishedPlace> {
        read(&self.path)
    }

    /// Whether another pipeline of the workspace published `digest` to `place`.
    pub fn is_of_another(&self, place: &Path, digest: &Digest) -> bool {
        let siblings = self.path.parent().and_then(|parent| fs::read_dir(parent).ok()).into_iter().flatten().flatten();
        siblings.map(|entry| entry.path()).any(|path| {
            path != self.path
                && path.extension().is_some_and(|extension| extension == LIST)
                && read(&path).get(place).is_some_and(|published| published.digest == *digest)
        })
    }
}

fn read(path: &Path) -> BTreeMap<PathBuf, PublishedPlace> {
    let Ok(Opened::File(bytes)) = open::read(path) else { return BTreeMap::new() };
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return BTreeMap::new() };
    match kept::open(&name_of(path), &bytes[end + 1..]) {
        Kept::Sound(list) => serde_json::from_slice(list).unwrap_or_default(),
        Kept::Unsealed(_) | Kept::Damaged => BTreeMap::new(),
    }
}

/// The workspace and the pipeline, as the path has them.
fn name_of(path: &Path) -> String {
    let names: PathBuf = path.components().rev().take(2).collect::<Vec<_>>().into_iter().rev().collect();
    names.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_its_list_and_others_are_asked() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let claims = store.claims(Path::new("/somewhere"));
        let digest = Digest::of(b"x");
        let published = |stage: &str| PublishedPlace { stage: stage.to_owned(), key: ActionKey::new(digest), digest };
        let (one, two) = (store.places(&claims, "p", Path::new("a")), store.places(&claims, "p", Path::new("b")));
        assert_eq!((one.summary(), one.read()), (None, BTreeMap::new()));
        let list = BTreeMap::from([(PathBuf::from("out/\u{e9} \n"), published("s"))]);
        let summary = Summary { plan: digest, earlier: 1 };
        store.keep_places(&one, &summary, &list).unwrap();
        assert_eq!((one.summary(), one.read()), (Some(summary), list));
        assert_eq!(two.summary(), None);
        assert!(two.is_of_another(Path::new("out/\u{e9} \n"), &digest));
        assert!(!two.is_of_another(Path::new("out/other"), &digest));
        assert!(!one.is_of_another(Path::new("out/\u{e9} \n"), &digest));
    }
}
