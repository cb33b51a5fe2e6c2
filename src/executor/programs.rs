//! Where the programs of kinds lie that a card names without files.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::backend::find_on_path;

/// The programs that an executor starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Programs {
    /// Those beside this one, else those on PATH.
    #[default]
    Beside,
    /// Those of a bundle, and nothing else.
    Bundle {
        /// The directory of programs.
        programs: PathBuf,
        /// The directory of what they are linked with.
        libraries: PathBuf,
    },
}

impl Programs {
    /// The file of a program, or its bare name, which a backend looks for on PATH.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Programs::Beside => beside(name).unwrap_or_else(|| PathBuf::from(name)),
            Programs::Bundle { programs, .. } => programs.join(name),
        }
    }

    /// What the environment of these programs holds besides that of every other one. The paths in a program of a bundle are those of
    /// the machine that it was built on; this variable goes before them.
    pub(super) fn environment(&self) -> Option<(OsString, OsString)> {
        match self {
            Programs::Beside => None,
            Programs::Bundle { libraries, .. } => Some(("LD_LIBRARY_PATH".into(), libraries.into())),
        }
    }
}

/// The file of a program on this machine: beside this one, else on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    beside(name).or_else(|| find_on_path(name.as_ref(), &std::env::var_os("PATH")?))
}

fn beside(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(name);
    path.is_file().then_some(path)
}
