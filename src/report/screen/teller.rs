//! The lines of a run: each event has its own line, except that stages of a large plan which are up to date are
//! counted instead of named.

use std::path::PathBuf;

use super::plain;
use super::tail;
use crate::engine::{RunEvent, StageOutcome};
use crate::report::style::Color;
use crate::report::units;

/// Up to so many stages a plan is small, and each is named.
pub(in crate::report) const SMALL: usize = 20;

/// The logs of so many failures are shown as they happen; where more fail, they fail alike.
const LOGS: usize = 10;

/// Outcomes that are counted in a large plan, and how the count goes on.
const COUNTED: [(StageOutcome, &str); 4] = [
    (StageOutcome::Hit, ""),
    (StageOutcome::Restored, ""),
    (StageOutcome::Skipped, ""),
    (StageOutcome::Blocked, ": what they need failed"),
];

/// Turns events into lines.
pub(crate) struct Teller {
    color: Color,
    /// Where the logs of the run lie.
    logs: PathBuf,
    stages: usize,
    ended: usize,
    failed: usize,
    counts: [usize; COUNTED.len()],
    /// The hits with which a run begins have been told; those that follow a cutoff wait for its end.
    told: bool,
    /// The governor's last message: it gives its reason again for every stage that it keeps waiting.
    governor: Option<String>,
}

impl Teller {
    /// For the run that keeps its logs in `logs`.
    pub(crate) fn new(color: Color, logs: PathBuf) -> Teller {
        Teller { color, logs, stages: 0, ended: 0, failed: 0, counts: [0; COUNTED.len()], told: false, governor: None }
    }

    /// The lines to print now.
    pub(crate) fn tell(&mut self, event: &RunEvent) -> Vec<String> {
        match event {
            RunEvent::RunStarted { stages, .. } => self.stages = *stages,
            RunEvent::StageEnded { outcome, .. } => {
                // A stage that is done again ends again.
                self.ended = (self.ended + 1).min(self.stages);
                let counted = COUNTED.iter().position(|(it, _)| it == outcome).filter(|_| !self.is_small());
                if let Some(at) = counted {
                    self.counts[at] += 1;
                    return Vec::new();
                }
            }
            RunEvent::Governor { message, holds: true, .. } => {
                if self.governor.as_ref() == Some(message) {
                    return Vec::new();
                }
                self.governor = Some(message.clone());
            }
            _ => {}
        }
        let own = plain::line(self.color, event, &self.counter());
        let mut lines = Vec::new();
        if matches!(event, RunEvent::RunEnded { .. }) || (own.is_some() && !self.told) {
            lines.extend(self.take_counts());
            self.told = true;
        }
        lines.extend(own);
        if let RunEvent::StageEnded { stage, outcome: StageOutcome::Failed, message, .. } = event {
            self.failed += 1;
            if self.failed > LOGS {
                return lines;
            }
            let log = self.logs.join(format!("{stage}.log"));
            let told = message.as_deref().unwrap_or_default();
            lines.extend(tail::render(&log, stage.as_str(), told, self.color).lines().map(str::to_owned));
        }
        lines
    }

    /// How many stages have ended, of how many.
    pub(crate) fn done(&self) -> (usize, usize) {
        (self.ended, self.stages)
    }

    fn is_small(&self) -> bool {
        self.stages <= SMALL
    }

    /// The counter before the name of a stage that ended: how far a large plan is.
    fn counter(&self) -> String {
        if self.is_small() { String::new() } else { format!("[{}/{}] ", self.ended, self.stages) }
    }

    fn take_counts(&mut self) -> Vec<String> {
        let counts = std::mem::take(&mut self.counts);
        let counted = COUNTED.iter().zip(counts).filter(|(_, count)| *count > 0);
        let line = |((outcome, why), count): (&(StageOutcome, &str), usize)| {
            format!("{}  {}{why}", self.color.outcome(*outcome), units::count(count, "stage"))
        };
        counted.map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{GovernorDecision, RunOutcome};
    use crate::spec::{PipelineName, StageName};

    fn ended(stage: &str, outcome: StageOutcome) -> RunEvent {
        RunEvent::StageEnded { stage: StageName::new(stage), outcome, seconds: 0.5, message: None }
    }

    fn tell(stages: usize, events: &[RunEvent]) -> Vec<String> {
        let mut teller = Teller::new(Color::Off, PathBuf::new());
        let begin = RunEvent::RunStarted { run: String::new(), pipeline: PipelineName::new("p"), stages };
        let end = RunEvent::RunEnded { outcome: RunOutcome::Succeeded, seconds: 1.0 };
        [&begin].into_iter().chain(events).chain([&end]).flat_map(|event| teller.tell(event)).collect()
    }

    #[test]
    fn a_small_plan_names_every_stage() {
        let events = [ended("a", StageOutcome::Hit), ended("b", StageOutcome::Ran)];
        assert_eq!(tell(2, &events), ["        hit  a", "        ran  b  0.50 s"]);
    }

    #[test]
    fn the_governor_says_a_reason_once() {
        let governor = |message: &str| RunEvent::Governor {
            decision: GovernorDecision::Wait,
            stage: None,
            message: message.to_owned(),
            holds: true,
        };
        let events = [governor("busy"), governor("busy"), governor("free"), governor("busy")];
        assert_eq!(tell(2, &events), ["   governor  busy", "   governor  free", "   governor  busy"]);
    }

    #[test]
    fn a_large_plan_counts_what_nothing_was_done_for() {
        let mut events = vec![ended("h", StageOutcome::Hit); 985];
        events.push(ended("r", StageOutcome::Restored));
        events.push(ended("b", StageOutcome::Ran));
        events.extend(vec![ended("late", StageOutcome::Hit); 13]);
        let told = tell(1000, &events);
        assert_eq!(
            told,
            [
                "        hit  985 stages",
                "   restored  1 stage",
                "        ran  [987/1000] b  0.50 s",
                "        hit  13 stages"
            ]
        );
    }
}
