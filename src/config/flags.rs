//! Settings from the command line.

use std::path::{Path, PathBuf};

use super::model::{Config, Origin, Setting, Throttle};
use crate::plan::request::CONFIG;
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
    /// `NAME=OTHER` or `OTHER` of each `--backend`.
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
    let named: Vec<String> = config.backends.keys().cloned().collect();
    for text in &flags.backends {
        let (name, other) = match text.split_once('=') {
            Some((name, other)) => (Some(name), other),
            // Every stage that names a backend, and not `local`.
            None => (None, text.as_str()),
        };
        let unknown = |name: &&str| *name != "local" && !config.backends.contains_key(*name);
        for unknown in name.into_iter().chain([other]).filter(unknown) {
            let message = format!("`--backend {text}`: there is no backend `{unknown}`");
            let names = std::iter::once("local").chain(config.backends.keys().map(String::as_str));
            let help = suggest::help(unknown, names).unwrap_or_else(|| format!("name it in {CONFIG} under `backends`"));
            problems.push(Problem::general("unknown-backend", message).help(help));
        }
        let from = name.map_or_else(|| named.clone(), |name| vec![name.to_owned()]);
        config.redirects.extend(from.into_iter().map(|name| (name, other.to_owned())));
    }
}
