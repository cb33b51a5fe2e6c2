//! Snapshots of resolved plans: derived, and so never missed when they are gone. Each carries a checksum: a plan determines the
//! commands and the places of outputs, and nobody would notice a change in it.

use std::fs;
use std::path::{Path, PathBuf};

use super::kept::{self, Kept};
use crate::action::PlanKey;
use crate::store::directory::mend;
use crate::store::error::At;
use crate::store::files::open::{self, Opened};
use crate::store::files::stamp::in_words;
use crate::store::{Damage, DamagedThing, Store, StoreError};

impl Store {
    /// The snapshot that was kept under `name`.
    pub fn plan(&self, name: &PlanKey) -> Option<Vec<u8>> {
        let path = self.plan_path(name);
        // An unreadable plan counts as absent: the plan is made anew.
        match open::read(&path).ok()? {
            Opened::Nothing => None,
            Opened::Other(_) => {
                self.displace(&path);
                None
            }
            Opened::File(mut bytes) => match kept::open(&name_of(name), &bytes) {
                Kept::Sound(text) => {
                    let length = text.len();
                    bytes.truncate(length);
                    Some(bytes)
                }
                Kept::Unsealed(bytes) if is_whole(bytes) => None,
                Kept::Unsealed(_) | Kept::Damaged => {
                    mend::tell(format!("{} was damaged; the pipeline was planned anew", path.display()));
                    None
                }
            },
        }
    }

    /// Keeps a snapshot, which is compact JSON, under `name`.
    pub fn save_plan(&self, name: &PlanKey, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.plan_path(name);
        let temporary = self.fresh()?;
        self.make_dir(path.parent().unwrap_or(&path))?;
        fs::write(&temporary, kept::seal(&name_of(name), bytes)).at(&temporary)?;
        self.put(&temporary, &path)
    }

    /// Reads every snapshot; those that are damaged are put aside.
    pub(in crate::store) fn scrub_plans(&self) -> Result<Vec<Damage>, StoreError> {
        let mut damage = Vec::new();
        for path in self.named_by_digest("plans")? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let why = match open::read(&path).at(&path)? {
                Opened::Nothing => continue,
                Opened::Other(kind) => format!("{} lies there", in_words(kind)),
                Opened::File(bytes) => match kept::open(&in_plans(&name), &bytes) {
                    Kept::Sound(_) => continue,
                    Kept::Unsealed(bytes) if is_whole(bytes) => continue,
                    Kept::Unsealed(_) | Kept::Damaged => "its checksum differs".to_owned(),
                },
            };
            damage.extend(self.damaged(DamagedThing::Plan, &path, path.clone(), why));
        }
        Ok(damage)
    }

    fn plan_path(&self, name: &PlanKey) -> PathBuf {
        self.root().join(Path::new("plans")).join(name.to_string())
    }
}

/// Whether this is a plan of an older version: one JSON document and nothing behind it.
fn is_whole(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn name_of(name: &PlanKey) -> String {
    in_plans(&name.to_string())
}

fn in_plans(name: &str) -> String {
    format!("plans/{name}")
}
