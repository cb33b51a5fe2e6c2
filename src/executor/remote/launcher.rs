//! The seam to what a place runs: one instance for each attempt, launched once however often that is asked for.

use std::path::Path;

use contract::Resources;
use contract::backend::Instance;

use super::bundle::{Bundle, Machine};
use crate::action::ActionKey;
use crate::remote::{Remote, RemoteError, TransferError};
use crate::store::Store;

/// Launches and ends instances at a place.
pub(super) trait Launcher: Send + Sync {
    /// Launches the instance of an attempt and returns it. Whoever asks with the token of an instance that was launched before gets
    /// that one. `told` hears what it tries meanwhile, in words. Where it fails nothing was launched, as far as the place knows.
    fn launch(&self, launch: &Launch<'_>, told: &mut dyn FnMut(&str)) -> Result<Instance, TransferError>;

    /// The machine that an instance runs on; `None` where the place itself compares it with the bundle.
    fn machine(&self) -> Option<Machine>;

    /// The instance of an attempt; `None` where the place knows of none.
    fn look(&self, key: &ActionKey, attempt: u32) -> Result<Option<Instance>, RemoteError>;

    /// Ends the instance of this id, which may take a moment; one that has ended is no error.
    fn cancel(&self, id: &str) -> Result<(), RemoteError>;

    /// Every instance that has not ended, whoever launched it.
    fn list(&self) -> Result<Vec<Instance>, RemoteError>;

    /// What the place wrote down of an instance: why it did not start.
    fn logs(&self, id: &str) -> Result<String, RemoteError>;

    /// Removes what ended instances left, and ends those that have outlived their lifetime. Returns the latter.
    fn reap(&self) -> Result<Vec<Instance>, RemoteError>;
}

/// What is launched.
pub(super) struct Launch<'a> {
    pub key: ActionKey,
    pub attempt: u32,
    /// Recorded in the intent: a token launches once.
    pub token: &'a str,
    /// How often this launch failed as the place had no room.
    pub refused: u32,
    pub resources: Resources,
    /// US dollars that earlier attempts cost.
    pub spent: f64,
    /// The programs that it runs; they lie among the objects.
    pub bundle: &'a Bundle,
    pub remote: &'a Remote,
    pub store: &'a Store,
    /// Closed to what runs on this very machine.
    pub project: &'a Path,
}

/// The words with which `pipe` becomes the instance of an attempt.
pub(super) fn command(launch: &Launch<'_>, objects: &str, directory: &str, project: &str) -> Vec<String> {
    let mut words: Vec<String> =
        [VERB, "--objects", objects, "--directory", directory, "--project", project].map(str::to_owned).into();
    words.extend(["--action".to_owned(), launch.key.to_string()]);
    words.extend(["--attempt".to_owned(), launch.attempt.to_string()]);
    words
}

/// The hidden verb under which `pipe` is an instance.
const VERB: &str = "worker";
