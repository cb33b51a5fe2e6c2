//! The closing text of a run: one line when all is well, the tail of the log and advice when it is not.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::engine::{EarlierOutput, EarlierState, Publishing, RunOutcome, RunReport, StageOutcome};
use crate::report::clean::cell;
use crate::report::screen::tail;
use crate::report::style::Color;
use crate::report::units;

/// The parts of the closing text that are not in the report.
pub struct Closing<'a> {
    /// The command that started the run.
    pub again: &'a str,
    /// Files of the user's that were moved aside.
    pub displaced: usize,
    /// Where they lie now.
    pub aside: &'a Path,
    /// Whether the workspace got anything.
    pub publishing: Publishing,
    /// The last failure, with its log, was printed so lately that it is still in view.
    pub told: bool,
    /// The columns of the terminal, where there is one.
    pub columns: Option<usize>,
}

/// Up to so many outputs of earlier runs are named.
const NAMED: usize = 10;
/// Up to so many failures are told in full; nobody reads the logs of hundreds.
const FULL: usize = 10;

/// The closing text of a run.
pub fn render(report: &RunReport, closing: &Closing, color: Color) -> String {
    let failed: Vec<_> =
        report.stages.iter().filter_map(|(name, stage)| Some((name, stage, stage.failure.as_ref()?))).collect();
    // A failure alone needs its log once.
    let log_is_told = closing.told && failed.len() == 1;
    let mut text = String::new();
    for (name, stage, failure) in failed.iter().take(FULL) {
        let _ = writeln!(text, "\n{} {}", color.error("error:"), color.name(&format!("stage `{name}` failed")));
        // The line of the failure has just said it.
        if !(log_is_told && failure.message.lines().count() == 1) {
            for line in failure.message.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
        if let Some(help) = &failure.help {
            let _ = writeln!(text, "  {} {help}", color.name("help:"));
        }
        if let Some(kept) = &stage.kept {
            let _ = writeln!(text, "  {} {}", color.dim("kept as it was:"), kept.display());
        }
        if let Some(log) = stage.log.as_ref().filter(|_| !log_is_told) {
            text.push_str(&tail::render(log, name.as_str(), &failure.message, color));
        }
    }
    if let Some(more) = failed.len().checked_sub(FULL + 1) {
        let more = units::count(more + 1, "more stage");
        let _ = writeln!(text, "\n{} {more} failed", color.error("error:"));
        let _ = writeln!(text, "  {} pipe logs STAGE shows what one of them wrote", color.name("help:"));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&earlier(report, color));
    text.push_str(&elsewhere(report, color));
    text.push_str(&closing_line(report, closing));
    text
}

/// The earlier outputs in the workspace that are not of this run.
fn earlier(report: &RunReport, color: Color) -> String {
    let mut text = String::new();
    for output in report.earlier.iter().take(NAMED) {
        let word = if output.state == EarlierState::Removed { "removed" } else { "earlier" };
        let path = output.path.display();
        let _ = writeln!(text, "{}  {path}: {}", color.dim(&format!("{word:>11}")), about(report, output));
    }
    if report.earlier.len() > NAMED {
        let _ = writeln!(text, "{:>11}  {} more; --json names them all", "", report.earlier.len() - NAMED);
    }
    if report.earlier.iter().any(|output| output.state == EarlierState::Untouched) {
        let _ = writeln!(text, "{:>11}  `pipe run --prune` removes what nobody changed; the store keeps it", "");
    }
    text
}

/// What lies on the remote and nobody read here.
fn elsewhere(report: &RunReport, color: Color) -> String {
    let outputs = report.stages.values().flat_map(|stage| stage.outputs.values()).filter(|output| output.elsewhere);
    let (count, bytes) = outputs.fold((0_u64, 0_u64), |(count, bytes), it| (count + 1, bytes.saturating_add(it.size)));
    if count == 0 {
        return String::new();
    }
    let (word, outputs, bytes) =
        (color.dim(&format!("{:>11}", "remote")), units::count(count, "output"), units::bytes(bytes));
    format!("{word}  {outputs}, {bytes}, not fetched: `pipe get STAGE DEST` or --materialize brings them\n")
}

fn about(report: &RunReport, output: &EarlierOutput) -> String {
    let stage = &output.stage;
    let why = match report.stages.get(stage).map(|stage| stage.outcome) {
        None => format!("`{stage}` is no longer in the pipeline"),
        Some(StageOutcome::Failed) => format!("of an earlier run; `{stage}` failed"),
        Some(StageOutcome::Blocked) => format!("of an earlier run; `{stage}` is blocked"),
        Some(StageOutcome::Skipped) => format!("of an earlier run; `{stage}` was skipped"),
        Some(StageOutcome::Interrupted) => format!("of an earlier run; `{stage}` is not finished"),
        Some(StageOutcome::Ran | StageOutcome::Hit | StageOutcome::Restored) => {
            format!("of an earlier run; `{stage}` gives it no more")
        }
    };
    match output.state {
        EarlierState::Changed => format!("{why}; it was changed since, so it stays"),
        EarlierState::Untouched | EarlierState::Removed => why,
    }
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
        let _ = write!(line, ", {} repeated", units::count(retried, "failed attempt"));
    }
    if report.peak_memory > 0 {
        let _ = write!(line, ", peak memory of a stage {}", units::bytes(report.peak_memory));
    }
    match report.outcome {
        RunOutcome::Succeeded if closing.publishing == Publishing::No => line.push_str("; outputs in the store only"),
        RunOutcome::Succeeded => {
            if let Some(places) = places(report) {
                let _ = write!(line, "; outputs in {places}");
            }
        }
        RunOutcome::Interrupted if report.count(StageOutcome::Interrupted) == 0 => {
            let _ = write!(line, "; nothing was published, the results are in the store: {}", closing.again);
        }
        RunOutcome::Failed | RunOutcome::Broken => {}
        RunOutcome::Interrupted => {
            let by = report.signal.as_ref().map_or_else(String::new, |signal| format!("; stopped by {signal}"));
            let _ = write!(line, "{by}; the next run goes on from here: {}", closing.again);
        }
    }
    if closing.displaced > 0 {
        let files = units::count(closing.displaced, "file");
        let _ = write!(line, "; {files} of yours moved to {}", closing.aside.display());
    }
    folded(&line, closing.columns.unwrap_or(usize::MAX))
}

/// A line that ends between two of its clauses where it is too long, so that no word and no command is cut in two.
fn folded(line: &str, columns: usize) -> String {
    let mut rows = vec![String::new()];
    for clause in line.split_inclusive(", ").flat_map(|part| part.split_inclusive("; ")) {
        let row = rows.last_mut().expect("there is a first row");
        if !row.is_empty()
            && console::measure_text_width(row) + console::measure_text_width(clause.trim_end()) >= columns
        {
            rows.push(format!("  {clause}"));
        } else {
            row.push_str(clause);
        }
    }
    rows.iter().map(|row| format!("{}\n", row.trim_end())).collect()
}

/// Places that are named where the outputs have no directory in common.
const PLACES: usize = 3;

/// Where the outputs lie: in the directory that holds all of them, or in the first few of several.
fn places(report: &RunReport) -> Option<String> {
    let outputs = report.stages.values().flat_map(|stage| stage.outputs.values());
    let mut paths = outputs.filter(|output| !output.elsewhere).map(|output| output.path.as_path());
    let first = paths.next()?;
    let Some(second) = paths.next() else { return Some(cell(&first.to_string_lossy()).into_owned()) };
    let directory = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let all = || [first, second].into_iter().chain(paths.clone());
    let common = all().map(directory).reduce(|one, other| shared(&one, &other)).unwrap_or_default();
    if !common.as_os_str().is_empty() {
        return Some(format!("{}/", cell(&common.to_string_lossy())));
    }
    // Files in the root itself are named; of others the directory below the root.
    let places: BTreeSet<String> = all().filter_map(below_root).collect();
    let more = places.len().saturating_sub(PLACES);
    let named = places.into_iter().take(PLACES).collect::<Vec<_>>().join(", ");
    Some(if more > 0 { format!("{named} and {more} more places") } else { named })
}

/// The directories with which both begin.
fn shared(one: &Path, other: &Path) -> PathBuf {
    let both = one.components().zip(other.components()).take_while(|(one, other)| one == other);
    both.map(|(part, _)| part).collect()
}

fn below_root(path: &Path) -> Option<String> {
    let mut parts = path.components();
    let first = parts.next()?.as_os_str().to_string_lossy();
    let end = if parts.next().is_some() { "/" } else { "" };
    Some(format!("{}{end}", cell(&first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closing_line_is_folded_between_its_clauses() {
        let line = "p: 1 ran, 2 failed in 3.00 s; outputs in out/p/";
        assert_eq!(folded(line, usize::MAX), format!("{line}\n"));
        assert_eq!(folded(line, 40), "p: 1 ran, 2 failed in 3.00 s;\n  outputs in out/p/\n");
        assert_eq!(folded(line, 5), "p: 1 ran,\n  2 failed in 3.00 s;\n  outputs in out/p/\n");
    }
}
