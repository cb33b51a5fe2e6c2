//! What is being done, on standard error, for the person who waits: a row that is drawn over on a terminal, and elsewhere a line now and
//! then, as `pipe run` does. What takes no time shows nothing.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::output;

/// A row is drawn this often.
const DRAW_EVERY: Duration = Duration::from_millis(120);
/// A line is written this often.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// The columns of a bar.
const BAR: u64 = 16;

/// Whether a row is on the screen.
static DRAWN: Mutex<bool> = Mutex::new(false);

/// Takes the row off the screen for good, where there is one: the program ends.
pub(crate) fn erase() {
    std::mem::forget(draw(""));
}

/// Draws this row in place of the one before. No other is drawn while the guard lives.
fn draw(row: &str) -> MutexGuard<'static, bool> {
    let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    if *drawn || !row.is_empty() {
        output::errors(&format!("\r\u{1b}[2K{row}"));
    }
    *drawn = !row.is_empty();
    drawn
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// As a row.
    Row,
    /// As lines.
    Lines,
    /// Not at all.
    Nothing,
}

impl Shown {
    /// By what standard error is.
    pub(crate) fn on_standard_error(quiet: bool) -> Shown {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match (quiet, io::stderr().is_terminal() && !dumb) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Row,
            (false, false) => Shown::Lines,
        }
    }
}

/// What is done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something that is not ours to tell of: standard input is awaited.
    Waiting,
    /// Reports are read.
    Reading { done: u64, of: u64 },
    /// They are compared and joined.
    Correlating,
    /// The model's file is read, but for its weights.
    Opening,
    /// Its weights are read.
    Loading,
    /// It is asked.
    Asking { done: u64, of: u64, tokens: u64 },
}

/// A step and when it began.
#[derive(Clone, Copy, Debug)]
struct State {
    step: Step,
    begun: Instant,
}

impl State {
    /// As text, without its bar.
    fn text(&self, now: Instant) -> String {
        let seconds = now.duration_since(self.begun).as_secs_f64();
        let what = match self.step {
            Step::Waiting => return String::new(),
            Step::Reading { done, of } => format!("reading {done}/{of} reports"),
            Step::Correlating => "correlating".to_owned(),
            Step::Opening => "opening the model".to_owned(),
            Step::Loading => "loading the model".to_owned(),
            Step::Asking { done, of, tokens: 0 } => format!("asking {done}/{of} questions"),
            Step::Asking { done, of, tokens } => {
                format!("asking {done}/{of} questions, {:.0} tokens/s", tokens as f64 / seconds.max(1e-3))
            }
        };
        format!("{what}, {seconds:.0} s")
    }

    /// With its bar, as a row of a terminal that has so many columns.
    fn row(&self, now: Instant, columns: usize) -> String {
        let text = self.text(now);
        let row = match self.step {
            Step::Reading { done, of } | Step::Asking { done, of, .. } => format!("{}  {text}", bar(done, of)),
            _ => text,
        };
        // The last column stays free: terminals disagree on what follows it.
        row.chars().take(columns.saturating_sub(1)).collect()
    }
}

fn bar(done: u64, of: u64) -> String {
    let full = (done.min(of) * BAR / of.max(1)) as usize;
    format!("{}{}", "━".repeat(full), "─".repeat(BAR as usize - full))
}

/// Shows a step until it is dropped.
pub(crate) struct Progress {
    shown: Shown,
    state: Arc<Mutex<State>>,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    /// Begins with nothing to tell.
    pub(crate) fn new(shown: Shown) -> Progress {
        let state = Arc::new(Mutex::new(State { step: Step::Waiting, begun: Instant::now() }));
        let (stop, stopped) = mpsc::channel();
        let told = Arc::clone(&state);
        let tick = move || {
            let now = Instant::now();
            match shown {
                Shown::Row => drop(draw(&lock(&told).row(now, output::width(io::stderr())))),
                Shown::Lines => line(&lock(&told).text(now)),
                Shown::Nothing => {}
            }
        };
        let every = if shown == Shown::Row { DRAW_EVERY } else { TELL_EVERY };
        let ticks = move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                tick();
            }
        };
        // Without a thread nothing is shown, which is no reason not to work.
        let thread = std::thread::Builder::new().name("progress".to_owned());
        let ticker = (shown != Shown::Nothing).then(|| thread.spawn(ticks).ok()).flatten();
        Progress { shown, state, ticker: ticker.map(|thread| (stop, thread)) }
    }

    /// This is done now. The clock runs from the first of the steps of one name.
    pub(crate) fn step(&self, step: Step) {
        let mut state = lock(&self.state);
        if std::mem::discriminant(&state.step) != std::mem::discriminant(&step) {
            state.begun = Instant::now();
        }
        state.step = step;
    }

    /// Tells what it took to ask, now that it is done; `read` are the tokens of the prompts.
    pub(crate) fn asked(&self, read: u64) {
        let State { step, begun } = *lock(&self.state);
        self.step(Step::Waiting);
        if let Step::Asking { done, tokens, .. } = step
            && self.shown != Shown::Nothing
        {
            let seconds = begun.elapsed().as_secs_f64();
            let rate = tokens as f64 / seconds.max(1e-3);
            let _above = draw("");
            let questions = if done == 1 { "question" } else { "questions" };
            line(&format!(
                "asked {done} {questions} in {seconds:.1} s: {read} tokens read, {tokens} written, {rate:.0} a second"
            ));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            // A thread that panicked has nothing to say about the answer.
            let _ = thread.join();
        }
        drop(draw(""));
    }
}

fn line(text: &str) {
    if !text.is_empty() {
        output::errors(&format!("{text}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_clear_of_the_last_column_and_says_how_far_it_is() {
        let begun = Instant::now();
        let now = begun + Duration::from_secs(4);
        let at = |step| State { step, begun };
        let asking = at(Step::Asking { done: 10, of: 40, tokens: 200 });
        assert_eq!(asking.text(now), "asking 10/40 questions, 50 tokens/s, 4 s");
        assert_eq!(asking.row(now, 80), "━━━━────────────  asking 10/40 questions, 50 tokens/s, 4 s");
        assert_eq!(asking.row(now, 20), "━━━━────────────  a");
        assert_eq!(at(Step::Asking { done: 0, of: 0, tokens: 0 }).text(begun), "asking 0/0 questions, 0 s");
        assert_eq!(at(Step::Reading { done: 9, of: 9 }).row(now, 80), "━━━━━━━━━━━━━━━━  reading 9/9 reports, 4 s");
        assert_eq!(at(Step::Loading).row(now, 80), "loading the model, 4 s");
        assert_eq!(at(Step::Waiting).row(now, 80), "");
    }
}
