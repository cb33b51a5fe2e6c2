//! Live lines on a terminal: one a running stage (what, how far, rate, time left, its latest figure), finished ones above, and
//! below how far the run is and why nothing more starts. [`Board`] knows what they are, `rows` draws them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::board::{Board, Ending};
use super::rows::{self, Size};
use super::teller::Teller;
use super::ticker::Ticker;
use crate::engine::{Observer, RunEvent, StageOutcome};
use crate::report::style::Color;

/// Events alone draw at most this often; in a run of many short stages nobody could read more.
const DRAW_EVERY: Duration = Duration::from_millis(50);

/// Draws on standard error.
pub struct Live {
    teller: Teller,
    board: Arc<Mutex<Option<Board>>>,
    color: Color,
    drawn: Option<Instant>,
    /// Started with the first stage that runs.
    ticker: Option<Ticker>,
}

impl Live {
    /// An empty screen for the run that keeps its logs in `logs`.
    pub fn new(color: Color, logs: PathBuf) -> Live {
        Live { teller: Teller::new(color, logs), board: Arc::default(), color, drawn: None, ticker: None }
    }

    /// Prints `above` for good, and the board as it is now.
    fn draw(&mut self, above: &str) {
        let now = Instant::now();
        let soon = self.drawn.is_some_and(|drawn| now.duration_since(drawn) < DRAW_EVERY);
        if !soon || !above.is_empty() {
            self.drawn = Some(now);
            draw(&lock(&self.board), above);
        }
    }

    fn tick(&mut self) {
        let board = Arc::clone(&self.board);
        self.ticker.get_or_insert_with(|| Ticker::start(move || draw(&lock(&board), "")));
    }
}

fn lock(board: &Mutex<Option<Board>>) -> MutexGuard<'_, Option<Board>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

fn draw(board: &Option<Board>, above: &str) {
    let size = Size::now();
    let rows = board.as_ref().map_or_else(Vec::new, |board| board.rows(Instant::now(), size));
    rows::draw(above, &rows, size);
}

impl Observer for Live {
    fn on(&mut self, event: &RunEvent) {
        let mut lines = self.teller.tell(event);
        let now = Instant::now();
        match event {
            // Nothing is drawn for a run in which nothing runs.
            RunEvent::StageStarted { .. } | RunEvent::StageRetried { .. } => {
                let color = self.color;
                lock(&self.board).get_or_insert_with(|| Board::new(color, now));
                self.tick();
            }
            RunEvent::RunEnded { .. } => {
                self.ticker = None;
                *lock(&self.board) = None;
                return self.draw_last(&lines);
            }
            _ => {}
        }
        let (ended, stages) = self.teller.done();
        if let Some(board) = lock(&self.board).as_mut() {
            (board.ended, board.stages) = (ended, stages);
            note(board, event, now);
        }
        match event {
            RunEvent::StageProgress { .. } | RunEvent::StageMetric { .. } => return,
            // The live line replaces this one; the summary of hits printed before it stays.
            RunEvent::StageStarted { .. } | RunEvent::StagePlace { .. } => drop(lines.pop()),
            RunEvent::Governor { .. } => lines.clear(),
            _ => {}
        }
        self.draw(&lines.join("\n"));
    }
}

impl Live {
    fn draw_last(&mut self, lines: &[String]) {
        draw(&None, &lines.join("\n"));
    }
}

/// Notes an event on the board.
fn note(board: &mut Board, event: &RunEvent, now: Instant) {
    match event {
        RunEvent::StageProgress { stage, done, total, unit } => board.progress(stage, now, *done, *total, unit),
        RunEvent::StageMetric { stage, name, step: Some(_), value } => board.figure(stage, name, *value),
        RunEvent::StageStarted { stage, .. } => board.start(stage, now),
        RunEvent::StageRetried { stage, attempt, attempts, failure, wait } => {
            let attempts = format!("attempt {} of {attempts}", attempt + 1);
            board.retry(stage, now, *wait, attempts, failure.message.clone());
        }
        RunEvent::StagePlace { stage, news } => board.place(stage, news),
        RunEvent::StageWaiting { stage, reason } => {
            board.waiting.insert(stage.clone(), reason.clone());
        }
        RunEvent::Governor { message, holds, .. } => board.notice = holds.then(|| message.clone()),
        RunEvent::StageEnded { stage, outcome, .. } => {
            board.executed += usize::from(*outcome == StageOutcome::Ran);
            board.end(stage);
        }
        RunEvent::Stopping { .. } => board.ending = Ending::Asked,
        _ => {}
    }
}
