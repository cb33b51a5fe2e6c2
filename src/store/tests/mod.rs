//! The store as its users see it: artifacts go in and come out, also when somebody meddles.

mod damage;
mod filesystems;
mod publishing;
mod round_trip;
mod upkeep;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use contract::types::Form;
use contract::{Digest, Usage};

use super::files::stamp;
use super::objects::seal;
use super::*;
use crate::action::{Action, ActionKey, ActionScript, ActionWork};

/// A store, a workspace and a private directory, all on one filesystem.
struct Fixture {
    directory: tempfile::TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::within(&std::env::temp_dir())
    }

    fn within(parent: &Path) -> Fixture {
        let directory = tempfile::tempdir_in(parent).unwrap();
        for name in ["workspace", "private"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let store = Store::open(&directory.path().join("cache")).unwrap();
        Fixture { directory, store }
    }

    /// As another process would see it: nothing remembered that was not saved.
    fn reopened(&self) -> Store {
        Store::open(&self.directory.path().join("cache")).unwrap()
    }

    fn workspace(&self, name: &str) -> PathBuf {
        self.directory.path().join("workspace").join(name)
    }

    fn private(&self, name: &str) -> PathBuf {
        self.directory.path().join("private").join(name)
    }

    fn displaced(&self) -> PathBuf {
        self.store.displaced_dir("run")
    }

    fn adopt_file(&self, content: &str) -> Artifact {
        let path = self.private("file");
        fs::write(&path, content).unwrap();
        self.store.adopt(&path, Form::File).unwrap()
    }

    fn adopt_dir(&self, files: &[(&str, &str)]) -> Artifact {
        let path = self.private("directory");
        for (name, content) in files {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        self.store.adopt(&path, Form::Dir).unwrap()
    }

    fn publish(&self, artifact: &Artifact, name: &str) -> Published {
        self.store.publish(artifact, &self.workspace(name), &self.displaced()).unwrap()
    }

    fn put_record(&self, key: ActionKey, output: &Artifact) {
        self.store.put_record(&record(key, output), Durability::Relaxed).unwrap();
    }

    fn miss(&self, key: &ActionKey) -> MissReason {
        match self.store.record(key).unwrap() {
            Lookup::Miss(reason) => reason,
            Lookup::Hit(_) | Lookup::Elsewhere(_) => panic!("a hit"),
        }
    }

    fn hits(&self, key: &ActionKey) -> bool {
        matches!(self.store.record(key).unwrap(), Lookup::Hit(_))
    }
}

fn record(key: ActionKey, output: &Artifact) -> Record {
    let work = ActionWork::Command {
        script: ActionScript::Shell("true".to_owned()),
        environment: BTreeMap::new(),
        outputs: BTreeMap::new(),
        in_workspace: false,
        tools: BTreeMap::new(),
    };
    Record {
        format: RECORD_FORMAT,
        key,
        action: Action { format: crate::action::FORMAT, work, inputs: BTreeMap::new() },
        outputs: BTreeMap::from([("out".to_owned(), output.clone())]),
        metrics: BTreeMap::from([("loss".to_owned(), 0.1 + 0.2)]),
        usage: Usage::default(),
        host: "here".to_owned(),
        backend: "local".to_owned(),
        run: "run".to_owned(),
        stage: "stage".to_owned(),
        finished_at: 1,
        source: None,
    }
}

/// Overwrites a file through its name, read-only or not, as a careless program would.
fn meddle(path: &Path, content: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, content).unwrap();
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// Reports a check that this machine cannot do, for the reader of the test's output.
#[expect(clippy::print_stderr, reason = "a skipped check must be visible")]
fn skipped(what: &str) {
    eprintln!("SKIPPED: {what}");
}
