//! Puts the reports of each host in the order of time and gives them their place in the scans directory.

use std::fs;
use std::path::{Path, PathBuf};

use contract::stage::At;
use contract::{Context, StageError};
use scan::Changes;

/// A report that was read and written in its valid form, and waits for its number.
pub(crate) struct Arrival {
    pub host: String,
    pub started_at: Option<String>,
    pub findings: u64,
    /// The input file's name.
    pub name: String,
    /// The written file.
    pub written: PathBuf,
    pub changes: Changes,
}

/// Numbers the reports of each host by start, then by file name, and moves them into place.
pub(crate) fn place(mut arrivals: Vec<Arrival>, out: &Path, context: &Context) -> Result<(), StageError> {
    arrivals.sort_by(|a, b| (&a.host, &a.started_at, &a.name).cmp(&(&b.host, &b.started_at, &b.name)));
    for host in arrivals.chunk_by(|a, b| a.host == b.host) {
        warn_of_doubtful_order(host, context);
        for (scan, arrival) in host.iter().enumerate() {
            let path = out.join(&arrival.host).join(format!("{scan:04}.json"));
            fs::rename(&arrival.written, &path).at(&path)?;
        }
    }
    Ok(())
}

fn warn_of_doubtful_order(host: &[Arrival], context: &Context) {
    for pair in host.windows(2) {
        let (earlier, later) = (&pair[0], &pair[1]);
        if earlier.started_at == later.started_at {
            let at = earlier.started_at.as_deref().unwrap_or("an unknown time");
            context.warn(format!(
                "host {}: {} and {} both start at {at}; taken in the order of their names",
                earlier.host, earlier.name, later.name
            ));
        }
    }
}
