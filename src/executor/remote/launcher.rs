//! The interface to the instances of a place: one for each attempt, launched only once, however often a client asks.

use std::path::Path;

use contract::Resources;
use contract::backend::Instance;

use super::bundle::{Bundle, Machine};
use crate::action::ActionKey;
use crate::remote::{Remote, RemoteError, TransferError};
use crate::store::Store;

/// Launches and ends instances at a place.
pub(super) trait Launcher: Send + Sync {
    /// Launches the instance of an attempt and returns it. A repeated token returns the instance that it launched before. `told` hears, in
    /// words, how the launch proceeds. On an error nothing was launched, as far as the place knows.
    fn launch(&self, launch: &Launch<'_>, told: &mut dyn FnMut(&str)) -> Result<Instance, TransferError>;

    /// The machine that an instance runs on; `None` where the place itself compares it with the bundle.
    fn machine(&self) -> Option<Machine>;

    /// The instance of an attempt; `None` where the place knows of none.
    fn look(&self, key: &ActionKey, attempt: u32) -> Result<Option<Instance>, RemoteError>;

    /// Ends the instance of this id, which may take a moment; one that has ended is no error.
    fn cancel(&self, id: &str) -> Result<(), RemoteError>;

    /// Every instance that has not ended, also those of other clients.
    fn list(&self) -> Result<Vec<Instance>, RemoteError>;

    /// The place's own log of an instance, which tells why it did not start.
    fn logs(&self, id: &str) -> Result<String, RemoteError>;

    /// Removes the remains of ended instances, and ends those that have outlived their lifetime. Returns the latter.
    fn reap(&self) -> Result<Vec<Instance>, RemoteError>;
}

/// A launch request.
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
    /// The project's root. An instance on this very machine must not use its files.
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
