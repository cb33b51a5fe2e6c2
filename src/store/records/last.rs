//! The last action of each stage of a pipeline, for the comparison of `why`. One small file a pipeline, read when first
//! asked for and written with the memo. It carries a checksum ([`super::kept`]); without one it is of an older version.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::{MutexGuard, PoisonError};

use super::kept::{self, Kept};
use crate::action::ActionKey;
use crate::store::directory::{lock, mend};
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::in_words;
use crate::store::{Damage, DamagedThing, Store, StoreError};

type Stages = BTreeMap<String, ActionKey>;

/// By pipeline: the actions that were found, and those that this process adds.
#[derive(Debug, Default)]
pub(in crate::store) struct LastActions {
    pipelines: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    stages: Stages,
    added: Stages,
}

impl Store {
    /// The last action of `stage` of `pipeline`, in any run that saved.
    pub fn last(&self, pipeline: &str, stage: &str) -> Option<ActionKey> {
        let mut last = self.last_actions();
        self.last_of(&mut last, pipeline).stages.get(stage).copied()
    }

    /// Notes `key` as the last action of `stage` of `pipeline`. Kept by [`Store::save_memo`].
    pub fn set_last(&self, pipeline: &str, stage: &str, key: &ActionKey) {
        let mut last = self.last_actions();
        let known = self.last_of(&mut last, pipeline);
        if known.stages.get(stage) != Some(key) {
            known.stages.insert(stage.to_owned(), *key);
            known.added.insert(stage.to_owned(), *key);
        }
    }

    /// Every last action of a stage of any pipeline, and the files that are damaged.
    pub fn last_keys(&self) -> Result<(Vec<ActionKey>, Vec<Damage>), StoreError> {
        let (mut keys, mut damage) = (Vec::new(), Vec::new());
        for path in crate::store::upkeep::inventory::entries(&self.root().join("last"))? {
            match read(&path).at(&path)? {
                Ok(stages) => keys.extend(stages.into_values()),
                Err(why) => damage.push(Damage { what: DamagedThing::Last, path, why, quarantined: None }),
            }
        }
        Ok((keys, damage))
    }

    pub(in crate::store) fn save_last(&self) -> Result<(), StoreError> {
        for (pipeline, known) in &mut self.last_actions().pipelines {
            if known.added.is_empty() {
                continue;
            }
            self.claim()?;
            let _turn = lock::take(&self.layout.lock("last"))?;
            let path = self.layout.last(pipeline);
            let mut stages = self.sound_last(&path);
            stages.append(&mut known.added);
            self.make_dir(path.parent().unwrap_or(&path))?;
            let temporary = self.fresh()?;
            let text = serde_json::to_vec(&stages).map_err(|error| StoreError::io(&path, error))?;
            fs::write(&temporary, kept::seal(&name_of(&path), &text)).at(&temporary)?;
            self.put(&temporary, &path)?;
        }
        Ok(())
    }

    fn last_actions(&self) -> MutexGuard<'_, LastActions> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_of<'a>(&self, last: &'a mut LastActions, pipeline: &str) -> &'a mut Known {
        if !last.pipelines.contains_key(pipeline) {
            let known = Known { stages: self.sound_last(&self.layout.last(pipeline)), added: Stages::new() };
            last.pipelines.insert(pipeline.to_owned(), known);
        }
        last.pipelines.get_mut(pipeline).expect("inserted above when it was absent")
    }

    /// The content of the file. A damaged one is put aside: only explanations depend on it, and the run that asks writes it anew.
    fn sound_last(&self, path: &Path) -> Stages {
        match read(path) {
            Ok(Ok(stages)) => stages,
            // A file that cannot be read for another reason fails again when it is written.
            Err(_) => Stages::new(),
            Ok(Err(why)) => {
                if let Ok(to) = mend::into_quarantine(self.root(), path) {
                    let (path, to) = (path.display(), to.display());
                    mend::tell(format!("{path} was damaged: {why}; what stages came to last is lost (moved to {to})"));
                }
                Stages::new()
            }
        }
    }
}

/// The content of the file, or why it is damaged.
fn read(path: &Path) -> std::io::Result<Result<Stages, String>> {
    let bytes = match open::read(path)? {
        Opened::Nothing => return Ok(Ok(Stages::new())),
        Opened::Other(kind) => return Ok(Err(format!("{} lies there", in_words(kind)))),
        Opened::File(bytes) => bytes,
    };
    Ok(match kept::open(&name_of(path), &bytes) {
        Kept::Sound(text) | Kept::Unsealed(text) => {
            serde_json::from_slice(text).map_err(|_| "its checksum differs".to_owned())
        }
        Kept::Damaged => Err("its checksum differs".to_owned()),
    })
}

fn name_of(path: &Path) -> String {
    format!("last/{}", path.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use contract::Digest;

    use super::*;

    #[test]
    fn what_two_runs_note_is_kept_of_both() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Store::open(directory.path()).unwrap();
        let (one, two, key) = (open(), open(), |text: &[u8]| ActionKey::new(Digest::of(text)));
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
