//! Stage `ingest`: a directory of scanner reports becomes scans.
//!
//! Every finding is kept; the form is normalized, and log and metrics say how. Reports of one host become its history, in the
//! order in which they started. [`list`](mod@list) finds the files, [`naming`] names hosts that reports leave unnamed, [`history`] puts
//! reports in order by [`Moment`]. A thread
//! holds one report at a time; of a report that is done, its name and counts are kept.

mod history;
mod list;
mod naming;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use scan::read::ReadErrorKind;
use scan::{Changes, Report};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::Arrival;
pub use crate::history::{Moment, doubt};
pub use crate::list::{Files, ReportFile, reports};
pub use crate::naming::Unnamed;

/// How many reports are named one by one in the log or in an error; the rest is counted.
const NAMED: usize = 20;

/// The kind `ingest`.
pub struct Ingest;

/// Params of `ingest`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IngestParams {
    /// What to do with a file that is no report.
    pub on_bad: OnBad,
    /// What names the host of a report without `meta.hostname`, as `--no-hostname-meta` of the scanner writes it.
    pub unnamed: Unnamed,
}

/// What to do with a file that is no report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBad {
    /// Fail, and name every bad file.
    #[default]
    Fail,
    /// Go on without it, and count it.
    Skip,
}

impl Stage for Ingest {
    type Params = IngestParams;

    fn card() -> Card {
        Card::new("ingest", 4)
            .worker("pipe-data")
            .summary("Reads scanner reports (sys-scan JSON) into normalized scans")
            .input("reports", Type::DIR, "*.json, directly or one directory down")
            .output("scans", Type::SCANS, "One valid report a host and scan")
            .resources(4, 384 << 20)
    }

    fn run(params: IngestParams, context: &Context) -> Result<(), StageError> {
        let files = list::reports(context.input("reports")?)?;
        let out = context.output_dir("scans")?;
        let done = AtomicU64::new(0);
        let total = files.reports.len() as u64;
        context.progress(0, total, "reports");
        let take = |&(index, file): &(usize, &list::ReportFile)| {
            let taken = take_in(file, index, &params.unnamed, out)?;
            context.progress(done.fetch_add(1, Ordering::Relaxed) + 1, total, "reports");
            Ok(taken)
        };
        let numbered: Vec<(usize, &list::ReportFile)> = files.reports.iter().enumerate().collect();
        let taken: Vec<Taken> = context.map(&numbered, take)?;

        let (mut arrivals, mut bad) = (Vec::new(), Vec::new());
        for one in taken {
            match one {
                Taken::Good(arrival) => arrivals.push(arrival),
                Taken::Bad(message) => bad.push(message),
            }
        }
        if !bad.is_empty() && params.on_bad == OnBad::Fail {
            return Err(StageError::invalid_input(bad_reports(&bad))
                .help("mend or remove them, or set `on_bad: skip` to go on without them"));
        }
        if arrivals.is_empty() {
            return Err(StageError::invalid_input(bad_reports(&bad)).help("not one report could be read"));
        }
        tell(context, &arrivals, &bad, &files);
        history::place(arrivals, out, context)
    }
}

enum Taken {
    Good(Arrival),
    /// What is wrong with it.
    Bad(String),
}

/// Reads one report and writes its valid form beside its host's others, under a name that still lacks its place in time.
fn take_in(file: &list::ReportFile, index: usize, unnamed: &Unnamed, out: &Path) -> Result<Taken, StageError> {
    if file.leads_nowhere() {
        return Ok(Taken::Bad(format!("{}: a link that leads to no file", file.name)));
    }
    let (mut report, changes) = match Report::read_named(&file.path, unnamed.host(&file.below).as_deref()) {
        Ok(read) => read,
        // The engine copied the files here, so one that cannot be read is this machine's trouble and no bad report.
        Err(scan::ReadError { kind: ReadErrorKind::Io(error), path }) => return Err(error).at(&path),
        Err(error) => return Ok(Taken::Bad(format!("{}: {}{}", file.name, error.kind, advice(&error.kind)))),
    };
    report.mark_ingested();
    let host = report.hostname();
    if !scan::scans::valid_hostname(host) {
        let advice = if host.is_empty() { NAMING } else { "" };
        return Ok(Taken::Bad(format!(
            "{}: at /meta/hostname: {host:?} cannot name a host's directory{advice}",
            file.name
        )));
    }
    let directory = out.join(host);
    fs::create_dir_all(&directory).at(&directory)?;
    let written = directory.join(format!("{index}.arrival"));
    report.write(&written).at(&written)?;
    Ok(Taken::Good(Arrival {
        host: host.to_owned(),
        moment: Moment::of(&report, file.name.as_str()),
        findings: report.findings().count() as u64,
        written,
        changes,
    }))
}

/// What the user may do about reports that name no host.
const NAMING: &str = " (param `unnamed` names such hosts: `file`, `directory` or `{host: NAME}`)";

/// What the user may do about a defect that a param mends.
fn advice(defect: &ReadErrorKind) -> &'static str {
    match defect {
        ReadErrorKind::Invalid { pointer, .. } if pointer == "/meta/hostname" => NAMING,
        _ => "",
    }
}

fn bad_reports(bad: &[String]) -> String {
    format!("{} of the reports cannot be read:{}", bad.len(), first_of("\n  ", bad))
}

/// The first of many, each after `before`, and how many more there are.
fn first_of(before: &str, names: &[String]) -> String {
    let mut text: String = names.iter().take(NAMED).flat_map(|name| [before, name]).collect();
    if names.len() > NAMED {
        text.push_str(&format!("{before}and {} more", names.len() - NAMED));
    }
    text
}

/// Names the reports with bytes that are no text: something on that host has a strange name.
fn warn_of_mended(context: &Context, arrivals: &[Arrival]) {
    let mended = || arrivals.iter().filter(|arrival| arrival.changes.texts_mended > 0);
    for arrival in mended().take(NAMED) {
        let (count, places) = (arrival.changes.texts_mended, arrival.changes.mended_at.join(", "));
        let more = if count > arrival.changes.mended_at.len() as u64 { ", ..." } else { "" };
        context.warn(format!(
            "{}: {count} strings hold bytes that are no UTF-8 or lone surrogates, each kept as U+FFFD and its digits (at {places}{more})",
            arrival.moment.name
        ));
    }
    if mended().count() > NAMED {
        context.warn(format!("{} more reports hold such bytes", mended().count() - NAMED));
    }
}

fn tell(context: &Context, arrivals: &[Arrival], bad: &[String], files: &list::Files) {
    for arrival in arrivals.iter().take(NAMED) {
        context.info(format!("{}: {}", arrival.moment.name, arrival.changes));
    }
    let mut all = Changes::default();
    arrivals.iter().for_each(|arrival| all += arrival.changes.clone());
    context.info(format!("all {} reports: {all}", arrivals.len()));
    warn_of_mended(context, arrivals);
    if !files.hidden.is_empty() {
        context.info(format!("skipped, hidden:{}", first_of(" ", &files.hidden)));
    }
    if !files.others.is_empty() {
        context.info(format!("left aside, not *.json:{}", first_of(" ", &files.others)));
    }
    if !files.deeper.is_empty() {
        let deeper = first_of(" ", &files.deeper);
        context.warn(format!("not looked into, reports lie directly or one directory down:{deeper}"));
    }
    if !bad.is_empty() {
        context.warn(bad_reports(bad));
        // A list that is cut leaves the user searching, so the log has the rest.
        bad.iter().skip(NAMED).for_each(|line| context.info(format!("skipped {line}")));
    }
    context.metric("reports", arrivals.len() as f64);
    context.metric("findings", arrivals.iter().map(|arrival| arrival.findings).sum::<u64>() as f64);
    context.metric("skipped", bad.len() as f64);
    for (name, count) in all.counts() {
        context.metric(name, count as f64);
    }
}
