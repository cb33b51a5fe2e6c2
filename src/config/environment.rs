//! Settings from the environment. A variable that is set to nothing is not set.
//!
//! `PIPE_RUN_ID`, `PIPE_STAGE_ID`, `PIPE_OUTER_RUNS` and `PIPE_EVENTS_FD` are no settings: the engine gives them to the programs it
//! starts. Those in turn see none of the variables below, so that a stage's result does not depend on them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::keys;
use super::model::{Config, Origin, Setting, Throttle};
use super::read::verify;
use crate::spec::{Problem, suggest};

/// The directory of the store.
pub const STORE: &str = "PIPE_STORE";
/// Directories with cards, separated by colons, as in PATH.
pub const CARDS: &str = "PIPE_CARDS";
/// Workers at once.
pub const JOBS: &str = "PIPE_JOBS";
/// `true` or `false`.
pub const THROTTLE: &str = "PIPE_THROTTLE";
/// `seal` or `always`.
pub const VERIFY: &str = "PIPE_VERIFY";

pub(super) fn apply(
    variable: &dyn Fn(&str) -> Option<OsString>,
    here: &Path,
    config: &mut Config,
    problems: &mut Vec<Problem>,
) {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(directory) = given(STORE) {
        config.store = Setting::new(here.join(directory), Origin::Environment(STORE));
    }
    if let Some(list) = given(CARDS) {
        let directories: Vec<PathBuf> = std::env::split_paths(&list).map(|directory| here.join(directory)).collect();
        for missing in directories.iter().filter(|directory| !directory.is_dir()) {
            let message = format!("{CARDS}: there is no directory {}", missing.display());
            problems.push(Problem::general("missing-path", message));
        }
        config.cards = Setting::new(directories, Origin::Environment(CARDS));
    }
    let mut word = |name: &'static str, read: &mut dyn FnMut(&str) -> bool, help: &str| {
        let Some(value) = given(name) else { return };
        let text = value.to_string_lossy();
        if !read(&text) {
            let message = format!("{name} cannot be {text:?}");
            problems.push(Problem::general("unknown-value", message).help(help));
        }
    };
    let jobs = &mut config.governor.jobs;
    let mut read_jobs = |text: &str| {
        let number = text.parse().ok().filter(|n| (1..=keys::MAX_JOBS).contains(&u64::from(*n)));
        number.map(|n: u16| *jobs = Setting::new(Some(n), Origin::Environment(JOBS))).is_some()
    };
    word(JOBS, &mut read_jobs, &format!("a whole number from 1 to {}", keys::MAX_JOBS));
    let throttle = &mut config.governor.throttle;
    let mut read_throttle = |text: &str| {
        let value = match text {
            "true" => Throttle::On,
            "false" => Throttle::Off,
            _ => return false,
        };
        *throttle = Setting::new(value, Origin::Environment(THROTTLE));
        true
    };
    word(THROTTLE, &mut read_throttle, "`true` or `false`");
    let setting = &mut config.verify;
    let mut read_verify =
        |text: &str| verify(text).map(|value| *setting = Setting::new(value, Origin::Environment(VERIFY))).is_some();
    word(VERIFY, &mut read_verify, &format!("there is {}", suggest::list(keys::VERIFY)));
}
