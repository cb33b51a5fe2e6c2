//! Which action each stage of a pipeline came to last: what `why` compares with. One small file a pipeline, read when first
//! asked for and written with the memo.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use contract::Digest;

use super::error::At;
use super::{Store, StoreError, lock};

type Stages = BTreeMap<String, Digest>;

/// By pipeline: what was found, and what this process has to add.
#[derive(Debug, Default)]
pub(super) struct LastActions {
    pipelines: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    stages: Stages,
    added: Stages,
}

impl Store {
    /// The action that `stage` of `pipeline` came to last, in any run that saved.
    pub fn last(&self, pipeline: &str, stage: &str) -> Option<Digest> {
        let mut last = self.last_actions();
        self.last_of(&mut last, pipeline).stages.get(stage).copied()
    }

    /// Notes that `stage` of `pipeline` came to the action `key`. Kept by [`Store::save_memo`].
    pub fn set_last(&self, pipeline: &str, stage: &str, key: &Digest) {
        let mut last = self.last_actions();
        let known = self.last_of(&mut last, pipeline);
        if known.stages.get(stage) != Some(key) {
            known.stages.insert(stage.to_owned(), *key);
            known.added.insert(stage.to_owned(), *key);
        }
    }

    /// Every action that a stage of any pipeline came to last.
    pub fn last_keys(&self) -> Result<Vec<Digest>, StoreError> {
        let files = super::inventory::entries(&self.root().join("last"))?;
        Ok(files.iter().flat_map(|path| read(path).into_values()).collect())
    }

    pub(super) fn save_last(&self) -> Result<(), StoreError> {
        for (pipeline, known) in &mut self.last_actions().pipelines {
            if known.added.is_empty() {
                continue;
            }
            self.claim()?;
            let _turn = lock::take(&self.layout.lock("last"))?;
            let path = self.layout.last(pipeline);
            let mut stages = read(&path);
            stages.append(&mut known.added);
            let parent = path.parent().unwrap_or(&path);
            fs::create_dir_all(parent).at(parent)?;
            let temporary = self.fresh()?;
            let text = serde_json::to_vec_pretty(&stages).map_err(|error| StoreError::io(&path, error))?;
            fs::write(&temporary, text).at(&temporary)?;
            fs::rename(&temporary, &path).at(&path)?;
        }
        Ok(())
    }

    fn last_actions(&self) -> MutexGuard<'_, LastActions> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_of<'a>(&self, last: &'a mut LastActions, pipeline: &str) -> &'a mut Known {
        if !last.pipelines.contains_key(pipeline) {
            let known = Known { stages: read(&self.layout.last(pipeline)), added: Stages::new() };
            last.pipelines.insert(pipeline.to_owned(), known);
        }
        last.pipelines.get_mut(pipeline).expect("inserted above when it was absent")
    }
}

fn read(path: &Path) -> Stages {
    // Only explanations hang on it: absent or damaged, there is nothing to compare with.
    fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_runs_note_is_kept_of_both() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Store::open(directory.path()).unwrap();
        let (one, two, key) = (open(), open(), Digest::of);
        one.set_last("full", "train", &key(b"1"));
        assert_eq!(one.last("full", "train"), Some(key(b"1")));
        assert_eq!(two.last("full", "train"), None);
        two.set_last("full", "quantize", &key(b"2"));
        two.set_last("other", "train", &key(b"3"));
        one.save_memo().unwrap();
        two.save_memo().unwrap();
        let later = open();
        assert_eq!(later.last("full", "train"), Some(key(b"1")));
        assert_eq!(later.last("full", "quantize"), Some(key(b"2")));
        assert_eq!(later.last("other", "train"), Some(key(b"3")));
        assert_eq!(later.last("other", "missing"), None);
    }
}
