//! Puts the reports of each host in the order of time and gives them their place in the scans directory.
//!
//! The order: by the moment in `summary.started_at`, whatever zone it is written in; reports without a readable one come
//! first; ties go by file name. Nothing is dropped, also not a copy of a report, but a warning names both.

use std::fs;
use std::path::{Path, PathBuf};

use contract::stage::At;
use contract::{Context, StageError};
use scan::{Changes, Instant, Report};

use crate::NAMED;

/// The place of a report among those of its host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// When its scan started.
    pub started: Option<Instant>,
    /// The input file's name.
    pub name: String,
}

impl Moment {
    /// That of a report, which a file of this name holds.
    pub fn of(report: &Report, name: impl Into<String>) -> Moment {
        Moment { started: report.started_at().and_then(Instant::parse), name: name.into() }
    }
}

/// A report that was read and written in its valid form, and waits for its number.
pub(crate) struct Arrival {
    pub host: String,
    pub moment: Moment,
    pub findings: u64,
    /// The written file.
    pub written: PathBuf,
    pub changes: Changes,
}

/// Numbers the reports of each host and moves them into place.
pub(crate) fn place(mut arrivals: Vec<Arrival>, out: &Path, context: &Context) -> Result<(), StageError> {
    arrivals.sort_by(|a, b| (&a.host, &a.moment).cmp(&(&b.host, &b.moment)));
    let mut doubts = Vec::new();
    let mut hosts = 0;
    for host in arrivals.chunk_by(|a, b| a.host == b.host) {
        hosts += 1;
        doubts.extend(doubt(&host[0].host, host.iter().map(|arrival| &arrival.moment)));
        for (scan, arrival) in host.iter().enumerate() {
            let path = out.join(&arrival.host).join(format!("{scan:04}.json"));
            fs::rename(&arrival.written, &path).at(&path)?;
        }
    }
    doubts.iter().take(NAMED).for_each(|doubt| context.warn(doubt.as_str()));
    if doubts.len() > NAMED {
        context.warn(format!("the order of {} more hosts is in doubt likewise", doubts.len() - NAMED));
    }
    context.metric("hosts", f64::from(hosts));
    context.metric("hosts_in_doubtful_order", doubts.len() as f64);
    Ok(())
}

/// Why the order of one host's reports is doubtful: one sentence a host, however many reports it has.
pub fn doubt<'m>(name: &str, reports: impl IntoIterator<Item = &'m Moment>) -> Option<String> {
    let reports: Vec<&Moment> = reports.into_iter().collect();
    let undated = reports.iter().filter(|moment| moment.started.is_none()).count();
    let ties = reports.windows(2).filter(|pair| pair[0].started.is_some() && pair[0].started == pair[1].started);
    let mut parts = Vec::new();
    if undated > 0 && reports.len() > 1 {
        let first = &reports[0].name;
        parts.push(format!("{undated} without a readable /summary/started_at come first (the first: {first})"));
    }
    if let Some(pair) = ties.clone().next() {
        let (earlier, later) = (&pair[0].name, &pair[1].name);
        parts.push(format!(
            "{} start when the one before does ({earlier} and {later}; copies count twice)",
            ties.count()
        ));
    }
    let reports = reports.len();
    (!parts.is_empty())
        .then(|| format!("host {name}: of {reports} reports {}; taken in the order of their names", parts.join(", ")))
}
