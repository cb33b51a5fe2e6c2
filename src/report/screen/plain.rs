//! The story of a run as lines on standard error: for logs, pipes and CI.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use contract::Level;

use super::teller::Teller;
use crate::engine::{Observer, PlaceNews, PlaceState, RunEvent, StageOutcome};
use crate::report::clean;
use crate::report::style::Color;
use crate::report::units;
use crate::spec::StageName;

/// A running stage says how far it is at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Prints a line for every event of interest to a reader of a log.
pub struct Plain {
    teller: Teller,
    amount: Amount,
    reported: HashMap<StageName, Instant>,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// All of the story.
    Story,
    /// Events that a person should notice: failures, warnings, files that were moved.
    Trouble,
}

impl Plain {
    /// The story of the run that keeps its logs in `logs`.
    pub fn new(color: Color, amount: Amount, logs: PathBuf) -> Plain {
        Plain { teller: Teller::new(color, logs), amount, reported: HashMap::new() }
    }

    fn progress(&mut self, stage: &StageName, done: u64, total: Option<u64>, unit: &str) -> Option<String> {
        let now = Instant::now();
        let last = *self.reported.entry(stage.clone()).or_insert(now);
        if now.duration_since(last) < PROGRESS_EVERY {
            return None;
        }
        self.reported.insert(stage.clone(), now);
        let amount = total.map_or(format!("{done} {unit}"), |total| format!("{done}/{total} {unit}"));
        Some(format!("{:>11}  {stage}: {amount}", "..."))
    }
}

impl Observer for Plain {
    fn on(&mut self, event: &RunEvent) {
        let lines = self.teller.tell(event);
        let wanted = self.amount == Amount::Story || is_trouble(event);
        let progress = match event {
            RunEvent::StageProgress { stage, done, total, unit } => self.progress(stage, *done, *total, unit),
            _ => None,
        };
        let text: String = lines.into_iter().chain(progress).flat_map(|line| [line, "\n".to_owned()]).collect();
        if wanted && !text.is_empty() {
            // One write, so that lines of several programs do not mix. Nobody reads a closed stderr; the run goes on.
            let _ = std::io::stderr().write_all(clean::screen(&text).as_bytes());
        }
    }
}

fn is_trouble(event: &RunEvent) -> bool {
    match event {
        RunEvent::StageEnded { outcome, .. } => matches!(outcome, StageOutcome::Failed | StageOutcome::Interrupted),
        RunEvent::StageLog { level, .. } => *level != Level::Info,
        RunEvent::Displaced { .. }
        | RunEvent::Quarantined { .. }
        | RunEvent::StageRetried { .. }
        | RunEvent::NotReproducible { .. }
        | RunEvent::PublishingWaits { .. }
        | RunEvent::Remote { level: Level::Warning | Level::Error, .. }
        | RunEvent::Stopping { .. } => true,
        _ => false,
    }
}

/// The line for an event, where it deserves one. `counter` stands before a stage that ended.
pub(super) fn line(color: Color, event: &RunEvent, counter: &str) -> Option<String> {
    Some(match event {
        RunEvent::StageStarted { stage, .. } => format!("{:>11}  {stage}", "start"),
        RunEvent::StageEnded { stage, outcome, seconds, message } => {
            ended(color, &format!("{counter}{stage}"), *outcome, *seconds, message)
        }
        RunEvent::StageLog { stage, level: Level::Warning, message } => {
            format!("{}  {stage}: {message}", color.warning(&format!("{:>11}", "warning")))
        }
        RunEvent::StageLog { stage, level: Level::Error, message } => {
            format!("{}  {stage}: {message}", color.error(&format!("{:>11}", "error")))
        }
        RunEvent::StagePlace { stage, news } => format!("{:>11}  {stage}: {}", "at", place(news)),
        RunEvent::Displaced { stage, from, to } => format!(
            "{}  {stage}: {} held a file that `pipe` did not write; it was moved to {}",
            color.warning(&format!("{:>11}", "moved")),
            from.display(),
            to.display()
        ),
        RunEvent::Quarantined { stage, message } => {
            format!("{}  {stage}: {message}; running it again", color.warning(&format!("{:>11}", "damaged")))
        }
        RunEvent::StageRetried { stage, attempt, attempts, failure, wait } => format!(
            "{}  {stage}: attempt {attempt} of {attempts} failed: {}; again in {}",
            color.warning(&format!("{:>11}", "retry")),
            failure.message,
            units::seconds(*wait)
        ),
        RunEvent::NotReproducible { stage, outputs } => format!(
            "{}  {stage} is not reproducible: executed again it gave another {}; the new one is kept",
            color.warning(&format!("{:>11}", "warning")),
            outputs.join(", ")
        ),
        RunEvent::Governor { message, holds: true, .. } => format!("{:>11}  {message}", "governor"),
        RunEvent::PublishingWaits { message } => format!("{:>11}  {message}", "wait"),
        RunEvent::Remote { level: Level::Info, message } => format!("{:>11}  {message}", "remote"),
        RunEvent::Remote { message, .. } => format!("{}  {message}", color.warning(&format!("{:>11}", "warning"))),
        RunEvent::Stopping { message } => format!("{:>11}  {message}", "stop"),
        RunEvent::RunStarted { .. }
        | RunEvent::RunEnded { .. }
        | RunEvent::Governor { holds: false, .. }
        | RunEvent::StageWaiting { .. }
        | RunEvent::StageProgress { .. }
        | RunEvent::StageMetric { .. }
        | RunEvent::StageCheckpoint { .. }
        | RunEvent::StageLog { level: Level::Info, .. } => return None,
    })
}

/// Where a stage is and why it waits, as a line.
pub(super) fn place(news: &PlaceNews) -> String {
    let mut text = news.backend.clone();
    if news.attempt > 1 {
        text = format!("{text}, attempt {}", news.attempt);
    }
    for part in news.what.iter().cloned().chain(units::cost(news.price, news.cost)) {
        text = format!("{text}, {part}");
    }
    let state = match news.state {
        PlaceState::Launching => "launching",
        PlaceState::Waiting => "waiting",
        PlaceState::Starting => "starting",
        PlaceState::Running => "running",
        PlaceState::Stopping => "stopping",
        PlaceState::Ended => "ended",
        PlaceState::Silent => "no answer",
    };
    let why = news.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    // One line, whatever the place says.
    clean::cell(&format!("{text}, {state}{why}")).into_owned()
}

fn ended(color: Color, stage: &str, outcome: StageOutcome, seconds: f64, message: &Option<String>) -> String {
    let word = color.outcome(outcome);
    match (outcome, message) {
        (_, Some(message)) => format!("{word}  {stage}: {message}"),
        (StageOutcome::Ran, None) => format!("{word}  {stage}  {}", color.dim(&units::seconds(seconds))),
        (_, None) => format!("{word}  {stage}"),
    }
}
