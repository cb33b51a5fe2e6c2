//! Live lines on a terminal: one a running stage (what, how far, rate, time left, its latest figure), finished ones above, and
//! below how far the run is and why nothing more starts.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::clean::{self, cell};
use super::style::Color;
use super::teller::Teller;
use super::ticker::Ticker;
use super::units;
use crate::engine::{Observer, RunEvent};
use crate::spec::StageName;

/// Draws with indicatif on standard error.
pub struct Live {
    screen: MultiProgress,
    teller: Teller,
    paint: Paint,
    ticker: Ticker,
    /// Of stages that run, or wait for another attempt.
    lines: HashMap<StageName, Line>,
    /// How far the run is; there once something runs.
    bottom: Option<ProgressBar>,
    /// Why nothing more is admitted, while that is so.
    notice: Option<String>,
    /// Stages that are ready and wait for something of their own, with what for.
    waiting: HashMap<StageName, String>,
}

/// The line of a stage.
struct Line {
    bar: ProgressBar,
    /// What is counted, once it counts.
    unit: Option<(String, Option<u64>)>,
    /// The figure that is shown: the first that the stage reports step by step, `loss` for a training.
    figure: Option<String>,
    state: State,
}

/// What a stage with a line does.
#[derive(PartialEq, Eq)]
enum State {
    Running,
    /// It failed and is tried again later.
    Waiting,
}

impl Live {
    /// An empty screen for the run that keeps its logs in `logs`.
    pub fn new(color: Color, logs: PathBuf) -> Live {
        Live {
            screen: MultiProgress::new(),
            teller: Teller::new(color, logs),
            paint: Paint(color),
            ticker: Ticker::new(),
            lines: HashMap::new(),
            bottom: None,
            notice: None,
            waiting: HashMap::new(),
        }
    }

    fn start(&mut self, stage: &StageName) {
        self.waiting.remove(stage);
        self.end(stage);
        let bar = self.line(stage, self.paint.spinner());
        self.lines.insert(stage.clone(), Line { bar, unit: None, figure: None, state: State::Running });
    }

    /// A line above the bottom one.
    fn line(&mut self, stage: &StageName, style: ProgressStyle) -> ProgressBar {
        let bottom = self.bottom.get_or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new_spinner());
            bar.set_style(self.paint.template("            {wide_msg}"));
            bar
        });
        let bar = self.screen.insert_before(bottom, ProgressBar::new_spinner());
        bar.set_style(style);
        bar.set_prefix(cell(stage.as_str()).into_owned());
        self.ticker.add(&bar);
        bar
    }

    fn progress(&mut self, stage: &StageName, done: u64, total: Option<u64>, unit: &str) {
        let Some(line) = self.lines.get_mut(stage) else { return };
        let counted = (unit.to_owned(), total);
        if line.unit.as_ref() != Some(&counted) {
            match total {
                Some(total) => {
                    line.bar.set_style(self.paint.counted(unit));
                    line.bar.set_length(total);
                }
                None => line.bar.set_style(self.paint.open_ended(unit)),
            }
            line.unit = Some(counted);
        }
        line.bar.set_position(done);
    }

    fn figure(&mut self, stage: &StageName, name: &str, value: f64) {
        let Some(line) = self.lines.get_mut(stage) else { return };
        if line.figure.get_or_insert_with(|| name.to_owned()) == name {
            line.bar.set_message(cell(&format!("{name} {value:.4}")).into_owned());
        }
    }

    fn retry(&mut self, stage: &StageName, attempt: u32, attempts: u32, wait: f64) {
        self.end(stage);
        let bar = self.line(stage, self.paint.countdown(Instant::now() + Duration::from_secs_f64(wait.max(0.0))));
        bar.set_message(format!("attempt {} of {attempts}", attempt + 1));
        self.lines.insert(stage.clone(), Line { bar, unit: None, figure: None, state: State::Waiting });
    }

    fn end(&mut self, stage: &StageName) {
        self.waiting.remove(stage);
        if let Some(line) = self.lines.remove(stage) {
            line.bar.finish_and_clear();
            self.screen.remove(&line.bar);
        }
    }

    fn redraw_bottom(&self) {
        let Some(bottom) = &self.bottom else { return };
        let (done, stages) = self.teller.done();
        let running = self.lines.values().filter(|line| line.state == State::Running).count();
        let mut text = format!("{done}/{stages} done, {running} running");
        if let Some(notice) = &self.notice {
            let _ = write!(text, "; {notice}");
        } else if let Some((stage, reason)) = self.waiting.iter().min() {
            let _ = write!(text, "; {stage} waits: {reason}");
        }
        bottom.set_message(cell(&text).into_owned());
    }

    fn clear(&mut self) {
        for stage in self.lines.keys().cloned().collect::<Vec<_>>() {
            self.end(&stage);
        }
        if let Some(bottom) = self.bottom.take() {
            bottom.finish_and_clear();
        }
    }
}

impl Observer for Live {
    fn on(&mut self, event: &RunEvent) {
        let mut lines = self.teller.tell(event);
        match event {
            RunEvent::StageProgress { stage, done, total, unit } => return self.progress(stage, *done, *total, unit),
            RunEvent::StageMetric { stage, name, step, value } => {
                if step.is_some() {
                    self.figure(stage, name, *value);
                }
                return;
            }
            RunEvent::StageStarted { stage, .. } => {
                self.start(stage);
                // Its line says so; what was told with it, the hits before, stays.
                lines.pop();
            }
            RunEvent::StageRetried { stage, attempt, attempts, wait, .. } => {
                self.retry(stage, *attempt, *attempts, *wait);
            }
            RunEvent::StageWaiting { stage, reason } => {
                self.waiting.insert(stage.clone(), reason.clone());
            }
            RunEvent::Governor { message, holds, .. } => {
                self.notice = holds.then(|| message.clone());
                lines.clear();
            }
            RunEvent::StageEnded { stage, .. } => self.end(stage),
            RunEvent::RunEnded { .. } => self.clear(),
            _ => {}
        }
        self.redraw_bottom();
        if !lines.is_empty() {
            // The terminal may be gone; the run goes on.
            let _ = self.screen.println(clean::screen(&lines.join("\n")));
        }
    }
}

/// Styles, coloured or not.
struct Paint(Color);

impl Paint {
    fn spinner(&self) -> ProgressStyle {
        self.template("{spinner:>11.green}  {prefix}  {elapsed}  {wide_msg:.dim}")
    }

    fn counted(&self, unit: &str) -> ProgressStyle {
        let unit = cell(unit).replace(['{', '}'], "");
        self.template(&format!(
            "{{spinner:>11.green}}  {{prefix}}  {{bar:24.green/dim}} {{human_pos}}/{{human_len}} {unit}  {{rate:.dim}}  {{left}}  {{wide_msg:.dim}}"
        ))
        .progress_chars("━╸─")
    }

    fn open_ended(&self, unit: &str) -> ProgressStyle {
        let unit = cell(unit).replace(['{', '}'], "");
        self.template(&format!(
            "{{spinner:>11.green}}  {{prefix}}  {{human_pos}} {unit}  {{rate:.dim}}  {{wide_msg:.dim}}"
        ))
    }

    /// Until `end` a stage waits for its next attempt.
    fn countdown(&self, end: Instant) -> ProgressStyle {
        self.template("      retry  {prefix}  {msg:.dim} in {until}").with_key(
            "until",
            move |_: &ProgressState, text: &mut dyn Write| {
                let left = end.saturating_duration_since(Instant::now()).as_secs_f64();
                // A template has nobody to report a formatting error to, and writing to its buffer gives none.
                let _ = write!(text, "{}", units::seconds(left.ceil()));
            },
        )
    }

    fn template(&self, text: &str) -> ProgressStyle {
        let text = match self.0 {
            Color::On => text.to_owned(),
            Color::Off => text.replace(".green/dim", "").replace(".green", "").replace(":.dim", ""),
        };
        let style = ProgressStyle::with_template(&text).expect("a valid template");
        style.with_key("rate", rate).with_key("left", left)
    }
}

/// Units a second, to the precision that a reader can use.
fn rate(state: &ProgressState, text: &mut dyn Write) {
    let rate = state.per_sec();
    let digits = if rate < 10.0 { 2 } else { 0 };
    // As above.
    let _ = write!(text, "{rate:.digits$}/s");
}

/// Time left, once there is something to judge it by.
fn left(state: &ProgressState, text: &mut dyn Write) {
    if state.pos() > 0 && !state.is_finished() {
        // As above.
        let _ = write!(text, "{:#} left", HumanDuration(state.eta()));
    }
}
