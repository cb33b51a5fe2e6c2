//! Settings from the command line.

use std::path::{Path, PathBuf};

use super::model::{Config, Origin, Setting, Throttle};
use crate::spec::{Problem, suggest};

/// The flags that set something.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--store DIR`.
    pub store: Option<PathBuf>,
    /// `--jobs N`.
    pub jobs: Option<u16>,
    /// `--no-throttle`.
    pub throttle: Option<Throttle>,
    /// `NAME=OTHER` of each `--backend`.
    pub backends: Vec<String>,
}

pub(super) fn apply(flags: &Flags, here: &Path, config: &mut Config, problems: &mut Vec<Problem>) {
    if let Some(directory) = &flags.store {
        config.store = Setting::new(here.join(directory), Origin::Flag("--store"));
    }
    if let Some(jobs) = flags.jobs {
        config.governor.jobs = Setting::new(Some(jobs), Origin::Flag("--jobs"));
    }
    if let Some(throttle) = flags.throttle {
        config.governor.throttle = Setting::new(throttle, Origin::Flag("--no-throttle"));
    }
    for text in &flags.backends {
        let Some((name, other)) = text.split_once('=') else {
            let problem = Problem::general("bad-flag", format!("`--backend {text}` is not NAME=OTHER"));
            problems.push(problem.help("write --backend NAME=OTHER: the stages of NAME run on OTHER for this once"));
            continue;
        };
        for unknown in [name, other].into_iter().filter(|name| *name != "local" && !config.backends.contains_key(*name))
        {
            let message = format!("`--backend {text}`: there is no backend `{unknown}`");
            let names = std::iter::once("local").chain(config.backends.keys().map(String::as_str));
            problems.push(Problem::general("unknown-backend", message).maybe_help(suggest::help(unknown, names)));
        }
        config.redirects.insert(name.to_owned(), other.to_owned());
    }
}
