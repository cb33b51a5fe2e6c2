//! The scans that are wired in, before any is read.

use std::collections::BTreeMap;

use contract::stage::At;
use contract::{Context, StageError};
use scan::{ScanFile, Scans};

/// A report that was listed, and what is known of it before it is read.
pub struct Listed {
    /// The file.
    pub file: ScanFile,
    /// How many scans of the host come before it.
    pub earlier: u32,
    /// Whether it came in by the port `real`.
    pub real: bool,
    /// Its size.
    pub bytes: u64,
}

/// Reports by host and scan.
pub(super) type Files = BTreeMap<(String, u32), Listed>;

/// Lists the reports of both ports.
pub(super) fn files(context: &Context) -> Result<Files, StageError> {
    let mut files = Files::new();
    for (port, real) in [("scans", false), ("real", true)] {
        let Some(path) = context.optional_input(port) else { continue };
        for file in &Scans::open(path)? {
            let bytes = std::fs::metadata(&file.path).at(&file.path)?.len();
            files.insert((file.host.clone(), file.scan), Listed { file: file.clone(), earlier: 0, real, bytes });
        }
    }
    let mut last: Option<(String, u32)> = None;
    for ((host, _), listed) in &mut files {
        let earlier = last.filter(|(of, _)| of == host).map_or(0, |(_, earlier)| earlier + 1);
        listed.earlier = earlier;
        last = Some((host.clone(), earlier));
    }
    Ok(files)
}

/// Whether there is a scan of the host.
pub(super) fn has_host(files: &Files, host: &str) -> bool {
    files.range((host.to_owned(), 0)..).next().is_some_and(|((first, _), _)| first == host)
}
