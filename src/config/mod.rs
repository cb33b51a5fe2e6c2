//! The settings: `pipe.yaml` at the project root, the environment above it, flags above that. Each value knows where it came from.
//!
//! - [`model`]: the settings and their defaults. [`keys`]: the words of `pipe.yaml`.
//! - [`read`]: the file, with every problem at once; [`backends`] in it. [`environment`]: the variables. [`flags`]: the command line.
//! - [`apart`]: directories of the settings that may not lie in one another.
//! - [`schema`]: the file as a JSON Schema for editors. [`table`]: all settings as rows, behind `pipe config`.
//!
//! Nothing here opens a store or reads a card; code that does takes the typed value.

mod apart;
mod backends;
pub mod environment;
pub mod flags;
pub mod keys;
pub mod model;
pub mod read;
pub mod schema;
pub mod table;

use std::ffi::OsString;
use std::path::Path;

pub use flags::Flags;
pub use model::{
    BackendType, Config, GovernorConfig, Origin, RemoteConfig, RunsConfig, Setting, Share, Throttle, Verify,
};

use crate::spec::{Invalid, Sources};

/// The settings of the project at `root`, or everything that is wrong with them. `here` is the working directory, from which
/// variables and flags mean their paths; `variable` looks one up.
pub fn load(
    root: &Path,
    here: &Path,
    variable: &dyn Fn(&str) -> Option<OsString>,
    flags: &Flags,
) -> Result<Config, Invalid> {
    let mut config = Config::new(root);
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let named = read::file(root, here, &mut config, &mut sources, &mut problems);
    environment::apply(variable, here, &mut config, &mut problems);
    flags::apply(flags, here, &mut config, &mut problems);
    apart::check(&named, root, &config, &mut problems);
    if problems.is_empty() {
        return Ok(config);
    }
    problems.sort_by_key(|problem| problem.span);
    Err(Invalid { problems, sources })
}

#[cfg(test)]
mod tests;
