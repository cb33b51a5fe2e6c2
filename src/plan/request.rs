//! The request for a plan: a file, overrides, targets, and the surroundings that may enter it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::model::BackendName;
use crate::spec::StageName;

/// The file whose directory is the project root.
pub const CONFIG: &str = "pipe.yaml";

/// The request to [`super::build()`].
#[derive(Clone, Debug)]
pub struct Request {
    /// The pipeline file, as given.
    pub file: PathBuf,
    /// The project root; `None` = found from the working directory by [`find_root`].
    pub root: Option<PathBuf>,
    /// The store's directory, where nothing of the workspace may lie; `None` = `cache` at the root.
    pub store: Option<PathBuf>,
    /// Other directories that `pipe` keeps, each with its description: nothing of the workspace may lie there either. Absolute.
    pub kept: BTreeMap<PathBuf, String>,
    /// Files of params, in order; `-S` comes after them.
    pub params: Vec<PathBuf>,
    /// `path=value` of each `-S`, in order.
    pub overrides: Vec<String>,
    /// Stages to plan, with all that they need; empty = every stage.
    pub targets: Vec<StageName>,
    /// The environment from which `env:` takes values.
    pub environment: Environment,
    /// The names that `backend:` may use, each with the backend that it leads to.
    pub backends: BTreeMap<String, BackendName>,
    /// Those of them that are not this machine.
    pub elsewhere: BTreeSet<BackendName>,
    /// What is known of their machines, where a program launches them.
    pub machines: BTreeMap<BackendName, places::Place>,
    /// The backends whose objects a program serves, which reads secrets that a service keeps.
    pub readers: BTreeSet<BackendName>,
}

/// Variables, and the names of those that were read: a plan depends on these.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    read: RefCell<BTreeSet<String>>,
}

impl Environment {
    /// This process's variables.
    pub fn own() -> Environment {
        Environment { variables: std::env::vars_os().collect(), read: RefCell::default() }
    }

    /// Sets a variable.
    pub fn insert(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// The value of a variable; notes that it was asked for.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.read.borrow_mut().insert(name.to_owned());
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Every variable that was asked for.
    pub fn read(&self) -> Vec<String> {
        self.read.borrow().iter().cloned().collect()
    }
}

impl Request {
    /// A request for all of `file` with this process's environment.
    pub fn new(file: impl Into<PathBuf>) -> Request {
        Request {
            file: file.into(),
            root: None,
            store: None,
            kept: BTreeMap::new(),
            params: Vec::new(),
            overrides: Vec::new(),
            targets: Vec::new(),
            environment: Environment::own(),
            backends: BTreeMap::from([("local".to_owned(), BackendName::local())]),
            elsewhere: BTreeSet::new(),
            machines: BTreeMap::new(),
            readers: BTreeSet::new(),
        }
    }
}

/// The nearest directory at or above `start` that holds a `pipe.yaml`, else `start`.
pub fn find_root(start: &Path) -> &Path {
    start.ancestors().find(|directory| directory.join(CONFIG).is_file()).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_nearest_directory_with_a_config_else_the_start() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("a").join("b");
        std::fs::create_dir_all(&inner).unwrap();
        assert_eq!(find_root(&inner), inner);
        std::fs::write(outer.path().join("a").join(CONFIG), "").unwrap();
        assert_eq!(find_root(&inner), outer.path().join("a"));
    }
}
