//! What a run says at its end: one line when all is well, the tail of the log and what to do when it is not.

use std::fmt::Write;

use super::style::Color;
use super::tail;
use super::units;
use crate::engine::{RunOutcome, RunReport, StageOutcome};

/// The closing text of a run. `again` is the command that started it.
pub fn render(report: &RunReport, again: &str, color: Color) -> String {
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
    if text.is_empty() { closing(report, again) } else { format!("{text}\n{}", closing(report, again)) }
}

fn closing(report: &RunReport, again: &str) -> String {
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
            let _ = write!(line, "; the next run goes on from here: {again}");
        }
    }
    line.push('\n');
    line
}
