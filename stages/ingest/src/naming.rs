//! Names for reports that name no host: the scanner leaves it out with `--no-hostname-meta`.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the host of a report that names none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unnamed {
    /// Such a report is a bad one.
    #[default]
    Refuse,
    /// The file's name without `.json`.
    File,
    /// The directory's name, where reports lie as `<host>/<report>.json`.
    Directory,
    /// This name, of the one host that all such reports are of.
    Host(String),
}

impl Unnamed {
    /// The host of a report, by its path below the directory of reports. None where that does not tell.
    pub(crate) fn host(&self, report: &Path) -> Option<String> {
        let text = |name: Option<&std::ffi::OsStr>| name.and_then(|name| name.to_str()).map(str::to_owned);
        match self {
            Unnamed::Refuse => None,
            Unnamed::File => text(report.file_stem()),
            Unnamed::Directory => text(report.parent().and_then(Path::file_name)),
            Unnamed::Host(name) => Some(name.clone()),
        }
    }
}
