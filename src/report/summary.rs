//! What a run says at its end: one line when all is well, the tail of the log and what to do when it is not.

use std::fmt::Write;
use std::path::Path;

use super::style::Color;
use super::units;
use crate::engine::{RunOutcome, RunReport, StageOutcome};

/// Lines of a failed stage's log that are shown.
const TAIL_LINES: usize = 12;

/// The closing text of a run.
pub fn render(report: &RunReport, color: Color) -> String {
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
            tail(&mut text, log, color);
            let _ = writeln!(text, "  {} pipe logs {name}", color.dim("whole log:"));
        }
    }
    if text.is_empty() { closing(report) } else { format!("{text}\n{}", closing(report)) }
}

fn closing(report: &RunReport) -> String {
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
    if report.peak_memory > 0 {
        let _ = write!(line, ", peak memory of a stage {}", units::bytes(report.peak_memory));
    }
    match report.outcome {
        RunOutcome::Succeeded => {
            let _ = write!(line, "; outputs in out/{}/", report.pipeline);
        }
        RunOutcome::Failed | RunOutcome::Broken => {}
        RunOutcome::Interrupted => line.push_str("; the next run goes on from here"),
    }
    line.push('\n');
    line
}

fn tail(text: &mut String, log: &Path, color: Color) {
    let Ok(bytes) = std::fs::read(log) else { return };
    let content = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(64 * 1024)..]).into_owned();
    let lines: Vec<_> = content.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
        let shown = console::strip_ansi_codes(line);
        let _ = writeln!(text, "  {} {shown}", color.dim("|"));
    }
}
