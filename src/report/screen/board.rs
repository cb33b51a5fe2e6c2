//! The content of a live display, without a terminal: the stages that run, as many as there are rows for, and the progress of the run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::row::Row;
use super::rows::Size;
use crate::engine::PlaceNews;
use crate::report::clean::cell;
use crate::report::style::Color;
use crate::report::units;
use crate::spec::StageName;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const SPIN_EVERY: u128 = 120;

/// The columns of a bar.
const BAR: u64 = 16;

/// From so many stages on that were executed, the time left is told.
const ENOUGH: usize = 2;

/// Stages and their last messages.
pub(super) struct Board {
    color: Color,
    begun: Instant,
    /// Stages in all, those that ended, and of these the executed that succeeded.
    pub stages: usize,
    pub ended: usize,
    pub executed: usize,
    /// In the order in which they began.
    lines: Vec<StageLine>,
    /// Why nothing more is admitted, while that is so.
    pub notice: Option<String>,
    /// Stages that are ready and wait for something of their own, with the reason.
    pub waiting: BTreeMap<StageName, String>,
    pub ending: Ending,
}

/// Whether the run was asked to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    No,
    Asked,
}

struct StageLine {
    stage: StageName,
    begun: Instant,
    state: State,
}

enum State {
    Running {
        pace: Pace,
        /// The unit of its count, and how many there are.
        unit: Option<(String, Option<u64>)>,
        /// The figure that is shown: the first that the stage reports step by step, `loss` for a training.
        figure: Option<(String, f64)>,
        /// Where beyond this machine it is.
        place: Option<PlaceNews>,
    },
    /// It failed and is tried again.
    Retries { at: Instant, attempts: String, reason: String },
}

impl Board {
    pub(super) fn new(color: Color, now: Instant) -> Board {
        Board {
            color,
            begun: now,
            stages: 0,
            ended: 0,
            executed: 0,
            lines: Vec::new(),
            notice: None,
            waiting: BTreeMap::new(),
            ending: Ending::No,
        }
    }

    pub(super) fn start(&mut self, stage: &StageName, now: Instant) {
        self.replace(stage, now, State::Running { pace: Pace::default(), unit: None, figure: None, place: None });
    }

    pub(super) fn retry(&mut self, stage: &StageName, now: Instant, wait: f64, attempts: String, reason: String) {
        let at = now + Duration::try_from_secs_f64(wait).unwrap_or_default();
        self.replace(stage, now, State::Retries { at, attempts, reason });
    }

    pub(super) fn end(&mut self, stage: &StageName) {
        self.waiting.remove(stage);
        self.lines.retain(|line| line.stage != *stage);
    }

    fn replace(&mut self, stage: &StageName, now: Instant, state: State) {
        self.end(stage);
        self.lines.push(StageLine { stage: stage.clone(), begun: now, state });
    }

    pub(super) fn progress(&mut self, stage: &StageName, now: Instant, done: u64, total: Option<u64>, counted: &str) {
        if let Some(State::Running { pace, unit, .. }) = self.state(stage) {
            if unit.as_ref().is_none_or(|(before, _)| before != counted) {
                *pace = Pace::default();
            }
            *unit = Some((counted.to_owned(), total));
            pace.record(now, done);
        }
    }

    pub(super) fn figure(&mut self, stage: &StageName, name: &str, value: f64) {
        if let Some(State::Running { figure, .. }) = self.state(stage) {
            let (shown, last) = figure.get_or_insert_with(|| (name.to_owned(), value));
            if shown == name {
                *last = value;
            }
        }
    }

    pub(super) fn place(&mut self, stage: &StageName, news: &PlaceNews) {
        if let Some(State::Running { place, .. }) = self.state(stage) {
            *place = Some(news.clone());
        }
    }

    fn state(&mut self, stage: &StageName) -> Option<&mut State> {
        self.lines.iter_mut().find(|line| line.stage == *stage).map(|line| &mut line.state)
    }

    /// The rows to draw: never more than the terminal has.
    pub(super) fn rows(&self, now: Instant, size: Size) -> Vec<String> {
        let columns = size.columns.saturating_sub(1);
        let mut bottom = self.bottom(now, columns);
        bottom.truncate(size.rows.max(1));
        let room = size.rows.saturating_sub(bottom.len());
        let shown = if self.lines.len() <= room { room } else { room.saturating_sub(1) };
        let mut rows: Vec<_> = self.lines.iter().take(shown).map(|line| self.row(line, now, columns)).collect();
        if self.lines.len() > rows.len() && room > 0 {
            rows.push(self.color.dim(&format!("{:>13}+{} more", "", self.lines.len() - rows.len())));
        }
        rows.append(&mut bottom);
        rows
    }

    fn row(&self, line: &StageLine, now: Instant, columns: usize) -> String {
        let (mark, fields, reason) = match &line.state {
            State::Running { pace, unit, figure, place } => {
                let turn = now.duration_since(self.begun).as_millis() / SPIN_EVERY % SPINNER.len() as u128;
                let mark = self.color.spinner(&format!("{:>11}", SPINNER[turn as usize]));
                let mut fields = match unit {
                    Some((unit, total)) => self.counted(pace, unit, *total, now),
                    None => vec![(3, clock(now.duration_since(line.begun).as_secs_f64()))],
                };
                if let Some((name, value)) = figure {
                    fields.push((2, self.color.dim(&cell(&format!("{name} {value:.4}")))));
                }
                let reason = place.as_ref().and_then(|place| self.placed(place, &mut fields));
                (mark, fields, reason)
            }
            State::Retries { at, attempts, reason } => {
                let left = at.saturating_duration_since(now).as_secs_f64().ceil();
                let fields = vec![(2, format!("in {}", clock(left))), (1, attempts.clone())];
                (self.color.warning(&format!("{:>11}", "retry")), fields, Some(reason.clone()))
            }
        };
        Row { mark, name: line.stage.as_str().to_owned(), fields, reason }.fit(columns)
    }

    /// Where a stage is and what it costs, as fields; why it waits there.
    fn placed(&self, news: &PlaceNews, fields: &mut Vec<(u8, String)>) -> Option<String> {
        let attempt = if news.attempt > 1 { format!(" #{}", news.attempt) } else { String::new() };
        let what = news.what.as_ref().map(|what| format!(" ({what})")).unwrap_or_default();
        fields.push((4, cell(&format!("at {}{attempt}", news.backend)).into_owned()));
        if !what.is_empty() {
            fields.push((1, self.color.dim(cell(&what).trim_start())));
        }
        if let Some(cost) = news.cost.filter(|_| news.price != Some(0.0)) {
            fields.push((3, format!("${cost:.2}")));
        }
        news.why.clone()
    }

    /// How far a stage is.
    fn counted(&self, pace: &Pace, unit: &str, total: Option<u64>, now: Instant) -> Vec<(u8, String)> {
        let (unit, done) = (cell(unit), pace.done());
        let mut fields = match total {
            Some(total) => vec![(0, self.bar(done, total)), (5, format!("{done}/{total} {unit}"))],
            None => vec![(5, format!("{done} {unit}"))],
        };
        if let Some(rate) = pace.rate() {
            let digits = if rate < 10.0 { 2 } else { 0 };
            fields.push((1, self.color.dim(&format!("{rate:.digits$}/s"))));
        }
        if let Some(left) = total.filter(|total| *total > done).and_then(|total| pace.left(now, total)) {
            fields.push((3, format!("{} left", clock(left.ceil()))));
        }
        fields
    }

    fn bar(&self, done: u64, total: u64) -> String {
        let full = (u128::from(done.min(total)) * u128::from(BAR) / u128::from(total.max(1))) as usize;
        let rest = "─".repeat(BAR as usize - full);
        format!("{}{}", self.color.spinner(&"━".repeat(full)), self.color.dim(&rest))
    }

    /// How far the run is, and why nothing more starts: in one row where both fit.
    fn bottom(&self, now: Instant, columns: usize) -> Vec<String> {
        let indent = " ".repeat(13);
        let running = self.lines.iter().filter(|line| matches!(line.state, State::Running { .. })).count();
        let elapsed = now.duration_since(self.begun).as_secs_f64();
        let stopping = if self.ending == Ending::Asked { "stopping, " } else { "" };
        let mut text = format!("{stopping}{}/{} done, {running} running, {}", self.ended, self.stages, clock(elapsed));
        if let Some(left) = self.left(now, running) {
            text = format!("{text}, about {} left", clock(left.ceil()));
        }
        let Some(reason) = self.reason() else { return vec![format!("{indent}{text}")] };
        let reason = cell(&reason).into_owned();
        let both = format!("{indent}{text}; {reason}");
        if console::measure_text_width(&both) <= columns {
            return vec![both];
        }
        let indent = &indent[..indent.len().min(columns.saturating_sub(console::measure_text_width(&reason)))];
        vec![format!("{:13}{text}", ""), format!("{indent}{reason}")]
    }

    fn reason(&self) -> Option<String> {
        let own = || self.waiting.iter().next().map(|(stage, reason)| format!("{stage} waits: {reason}"));
        if self.ending == Ending::Asked { None } else { self.notice.clone().or_else(own) }
    }

    /// Seconds that the run still takes, if the rest is like the past: a running stage counts as half done. At least as
    /// long as a running stage needs by its own count, or waits for another attempt.
    fn left(&self, now: Instant, running: usize) -> Option<f64> {
        if self.ending == Ending::Asked {
            return None;
        }
        let own = self.lines.iter().filter_map(|line| match &line.state {
            State::Running { pace, unit: Some((_, Some(total))), .. } => pace.left(now, *total),
            State::Running { .. } => None,
            State::Retries { at, .. } => Some(at.saturating_duration_since(now).as_secs_f64()),
        });
        let own = own.reduce(f64::max);
        let rest = self.stages.saturating_sub(self.ended);
        if rest == running && self.lines.len() == running && self.lines.iter().all(StageLine::knows_its_end) {
            return own;
        }
        if self.executed < ENOUGH {
            return None;
        }
        let half = running as f64 / 2.0;
        let each = now.duration_since(self.begun).as_secs_f64() / (self.executed as f64 + half);
        Some((each * (rest as f64 - half).max(0.0)).max(own.unwrap_or(0.0)))
    }
}

impl StageLine {
    fn knows_its_end(&self) -> bool {
        matches!(&self.state, State::Running { pace, unit: Some((_, Some(_))), .. } if pace.rate().is_some())
    }
}

/// Time in whole seconds: tenths would only flicker.
fn clock(seconds: f64) -> String {
    if seconds < 120.0 { format!("{} s", seconds as u64) } else { units::seconds(seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { rows: 24, columns: 80 };

    fn board(running: usize) -> (Board, Instant) {
        let begun = Instant::now();
        let mut board = Board::new(Color::Off, begun);
        board.stages = 50;
        for stage in 0..running {
            board.start(&StageName::new(format!("stage[i={stage}]")), begun);
        }
        (board, begun)
    }

    #[test]
    fn forty_stages_fit_any_height_and_the_rest_are_counted() {
        let (board, begun) = board(40);
        for rows in [1, 2, 3, 5, 24, 100] {
            let drawn = board.rows(begun, Size { rows, columns: 80 });
            assert_eq!(drawn.len(), rows.min(41), "{drawn:#?}");
        }
        let drawn = board.rows(begun, SIZE);
        assert_eq!(drawn[0], "          ⠋  stage[i=0]  0 s");
        assert_eq!(drawn[22], "             +18 more");
        assert_eq!(drawn[23], "             0/50 done, 40 running, 0 s");
    }

    #[test]
    fn any_width_is_kept_to_and_the_reason_is_whole_as_long_as_it_fits() {
        let (mut board, begun) = board(2);
        let name = StageName::new(format!("train[{}=1]", "x".repeat(90)));
        board.start(&name, begun);
        let now = begun + Duration::from_secs(10);
        board.progress(&name, begun, 1, Some(1_000_000), "reads");
        board.progress(&name, now, 200_000, Some(1_000_000), "reads");
        board.figure(&name, "loss", 0.25);
        board.notice = Some("memory of the machine is short: 93 % used, limit 90 %".to_owned());
        board.executed = 4;
        let drawn = board.rows(now, SIZE);
        assert!(drawn.iter().all(|row| console::measure_text_width(row) < 80), "{drawn:#?}");
        assert!(drawn[2].contains("…") && drawn[2].contains("200000/1000000 reads") && drawn[2].contains("41 s left"));
        assert!(drawn[3].ends_with("0/50 done, 3 running, 10 s, about 89 s left"), "{drawn:#?}");
        assert!(drawn[4].ends_with("memory of the machine is short: 93 % used, limit 90 %"), "{drawn:#?}");
        let narrow = board.rows(now, Size { rows: 24, columns: 60 });
        assert!(narrow[4].ends_with("93 % used, limit 90 %") && narrow[4].len() < 60, "{narrow:#?}");
    }

    #[test]
    fn the_time_left_is_not_less_than_a_wait_for_another_attempt() {
        let (mut board, begun) = board(0);
        (board.stages, board.ended, board.executed) = (10, 9, 9);
        let attempts = "attempt 2 of 2".to_owned();
        board.retry(&StageName::new("flaky"), begun, 60.0, attempts, "exit status 3".to_owned());
        let drawn = board.rows(begun + Duration::from_secs(9), SIZE);
        assert_eq!(drawn[0], "      retry  flaky  in 51 s  attempt 2 of 2: exit status 3");
        assert_eq!(drawn[1], "             9/10 done, 0 running, 9 s, about 51 s left");
    }
}
