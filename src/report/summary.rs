//! What a run says at its end: one line when all is well, the tail of the log and what to do when it is not.

use std::fmt::Write;
use std::path::Path;

use super::style::Color;
use super::tail;
use super::units;
use crate::engine::{RunOutcome, RunReport, StageOutcome};

/// What the closing text says besides what is in the report.
pub struct Closing<'a> {
    /// The command that started the run.
    pub again: &'a str,
    /// Files of the user's that were moved aside.
    pub displaced: usize,
    /// Where they lie now.
    pub aside: &'a Path,
}

/// The closing text of a run.
pub fn render(report: &RunReport, closing: &Closing, color: Color) -> String {
    let mut text = String::new();
    for (name, stage) in &report.stages {
        let Some(failure) = &stage.failure else { continue };
        let _ = writeln!(text, "\n{} {}", color.error("error:"), color.name(&format!("stage `{name}` failed")));
        for line in failure.message.lines() {
            let _ = writeln!(text, "  {line}");
        }
        if let Some(help) = &failure.help {
            let _ = writeln!(text, "  {} {help}", color.name("help:"));
        }
        if let Some(kept) = &stage.kept {
            let _ = writeln!(text, "  {} {}", color.dim("kept as it was:"), kept.display());
        }
        if let Some(log) = &stage.log {
            text.push_str(&tail::render(log, name.as_str(), color));
        }
    }
    if text.is_empty() { closing_line(report, closing) } else { format!("{text}\n{}", closing_line(report, closing)) }
}

fn closing_line(report: &RunReport, closing: &Closing) -> String {
    let counted = [
        (StageOutcome::Ran, "ran"),
        (StageOutcome::Restored, "restored"),
        (StageOutcome::Hit, "up to date"),
        (StageOutcome::Failed, "failed"),
        (StageOutcome::Blocked, "blocked"),
        (StageOutcome::Skipped, "skipped"),
        (StageOutcome::Interrupted, "not finished"),
    ];
    let parts: Vec<_> = counted
        .iter()
        .map(|(outcome, word)| (report.count(*outcome), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let mut line = format!("{}: {} in {}", report.pipeline, parts.join(", "), units::seconds(report.seconds));
    let retried: usize = report.stages.values().map(|stage| stage.retried.len()).sum();
    if retried > 0 {
        let noun = if retried == 1 { "attempt" } else { "attempts" };
        let _ = write!(line, ", {retried} failed {noun} repeated");
    }
    if report.peak_memory > 0 {
        let _ = write!(line, ", peak memory of a stage {}", units::bytes(report.peak_memory));
    }
    match report.outcome {
        RunOutcome::Succeeded => {
            let _ = write!(line, "; outputs in out/{}/", report.pipeline);
        }
        RunOutcome::Failed | RunOutcome::Broken => {}
        RunOutcome::Interrupted => {
            let by = report.signal.as_ref().map_or_else(String::new, |signal| format!("; stopped by {signal}"));
            let _ = write!(line, "{by}; the next run goes on from here: {}", closing.again);
        }
    }
    if closing.displaced > 0 {
        let files = if closing.displaced == 1 { "file" } else { "files" };
        let _ = write!(line, "; {} {files} of yours moved to {}", closing.displaced, closing.aside.display());
    }
    line.push('\n');
    line
}
