//! The rate at which a stage's events are passed on: progress once a second and the last, metrics under a limited number of names. A stage
//! that reports each of a million items fills neither the journal nor the screen.

use std::collections::HashSet;
use std::time::Duration;

use contract::{Event, Level};
use tokio::time::Instant;

/// Progress is passed on this often.
const EVERY: Duration = Duration::from_secs(1);

/// Names of metrics that are kept of a stage.
pub const METRICS: usize = 1000;

/// Bytes of the longest name of a metric that is kept.
pub const LONGEST_METRIC: usize = 200;

/// Characters of a name that is shown where it is refused.
const SHOWN: usize = 40;

/// The state that decides which events of a launch are passed on.
#[derive(Default)]
pub(super) struct Pace {
    /// When progress was passed on last.
    last: Option<Instant>,
    /// Progress that came since.
    held: Option<Event>,
    names: HashSet<String>,
    /// A metric was refused and that was said.
    refused: bool,
}

impl Pace {
    /// Passes `event` to `give` if its time has come, after the event that was held back.
    pub(super) fn pass(&mut self, event: Event, now: Instant, mut give: impl FnMut(Event)) {
        match event {
            Event::Progress { .. } if self.due().is_some_and(|due| now < due) => self.held = Some(event),
            Event::Progress { .. } => {
                self.last = Some(now);
                self.held = None;
                give(event);
            }
            Event::Metric { ref name, .. } if !self.takes(name) => {
                if !std::mem::replace(&mut self.refused, true) {
                    give(Event::Log { level: Level::Warning, message: refusal(name) });
                }
            }
            Event::Finished {} | Event::Failed { .. } => {
                self.flush(now, &mut give);
                give(event);
            }
            event => give(event),
        }
    }

    /// The time when the event that is held back is to be passed on.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        self.held.as_ref().and(self.due())
    }

    /// Passes on the event that was held back.
    pub(super) fn flush(&mut self, now: Instant, give: impl FnMut(Event)) {
        if let Some(held) = self.held.take() {
            self.last = Some(now);
            Some(held).into_iter().for_each(give);
        }
    }

    fn due(&self) -> Option<Instant> {
        self.last.map(|last| last + EVERY)
    }

    fn takes(&mut self, name: &str) -> bool {
        if self.names.contains(name) {
            return true;
        }
        let takes = name.len() <= LONGEST_METRIC && self.names.len() < METRICS;
        if takes {
            self.names.insert(name.to_owned());
        }
        takes
    }
}

fn refusal(name: &str) -> String {
    let shown: String = name.chars().take(SHOWN).collect();
    let rest = if shown.len() < name.len() { "..." } else { "" };
    format!(
        "the metric `{shown}{rest}` is left out, and so are others like it: of a stage {METRICS} names are kept, each of at most \
         {LONGEST_METRIC} bytes"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u64) -> Event {
        Event::Progress { done, total: None, unit: "items".into() }
    }

    #[test]
    fn of_a_flood_of_progress_one_a_second_and_the_last_pass() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        let mut passed = Vec::new();
        for millisecond in 0..2500 {
            let now = begun + Duration::from_millis(millisecond);
            pace.pass(progress(millisecond), now, |event| passed.push(event));
        }
        assert_eq!(pace.flush_at(), Some(begun + Duration::from_secs(3)));
        pace.pass(Event::Finished {}, begun + Duration::from_millis(2500), |event| passed.push(event));
        assert_eq!(passed, [progress(0), progress(1000), progress(2000), progress(2499), Event::Finished {}]);
        assert_eq!(pace.flush_at(), None);
    }

    #[test]
    fn metrics_beyond_the_caps_are_left_out_with_one_warning() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let (mut kept, mut warnings) = (0, 0);
        let mut say = |name: String| {
            pace.pass(Event::Metric { name, step: None, value: 1.0 }, now, |event| match event {
                Event::Metric { .. } => kept += 1,
                _ => warnings += 1,
            });
        };
        say("x".repeat(LONGEST_METRIC + 1));
        for name in 0..2 * METRICS {
            say(name.to_string());
        }
        say("0".to_owned());
        assert_eq!((kept, warnings), (METRICS + 1, 1));
    }
}
