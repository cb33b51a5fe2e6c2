//! The story of a run as lines on standard error: for logs, pipes and CI.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use contract::Level;

use super::style::Color;
use super::units;
use crate::engine::{Observer, RunEvent, StageOutcome};
use crate::spec::StageName;

/// A running stage says how far it is at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Prints a line for whatever a reader of a log wants to know.
pub struct Plain {
    color: Color,
    reported: HashMap<StageName, Instant>,
}

impl Plain {
    /// Lines in this colour mode.
    pub fn new(color: Color) -> Plain {
        Plain { color, reported: HashMap::new() }
    }

    fn line(&self, event: &RunEvent) -> Option<String> {
        line(self.color, event)
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
        let line = match event {
            RunEvent::StageProgress { stage, done, total, unit } => self.progress(stage, *done, *total, unit),
            other => self.line(other),
        };
        if let Some(line) = line {
            // Nobody reads a closed stderr; the run goes on.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

/// The line for an event, where it deserves one.
pub(super) fn line(color: Color, event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::StageStarted { stage, .. } => format!("{:>11}  {stage}", "start"),
        RunEvent::StageEnded { stage, outcome, seconds, message } => ended(color, stage, *outcome, *seconds, message),
        RunEvent::StageLog { stage, level: Level::Warning, message } => {
            format!("{}  {stage}: {message}", color.warning(&format!("{:>11}", "warning")))
        }
        RunEvent::StageLog { stage, level: Level::Error, message } => {
            format!("{}  {stage}: {message}", color.error(&format!("{:>11}", "error")))
        }
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
        RunEvent::Governor { message, holds: true } => format!("{:>11}  {message}", "governor"),
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

fn ended(color: Color, stage: &StageName, outcome: StageOutcome, seconds: f64, message: &Option<String>) -> String {
    let word = color.outcome(outcome);
    match (outcome, message) {
        (_, Some(message)) => format!("{word}  {stage}: {message}"),
        (StageOutcome::Ran, None) => format!("{word}  {stage}  {}", color.dim(&units::seconds(seconds))),
        (_, None) => format!("{word}  {stage}"),
    }
}
