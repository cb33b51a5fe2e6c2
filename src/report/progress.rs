//! Live lines on a terminal: one a running stage (what, how far, rate, time left, its latest figure), finished ones above.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::plain;
use super::style::Color;
use crate::engine::{Observer, RunEvent};
use crate::spec::StageName;

/// Draws with indicatif on standard error.
pub struct Live {
    screen: MultiProgress,
    running: HashMap<StageName, Line>,
    /// Why nothing more is admitted, while that is so.
    notice: Option<ProgressBar>,
}

/// The line of a running stage.
struct Line {
    bar: ProgressBar,
    /// The figure that is shown: the first that the stage reports step by step, `loss` for a training.
    figure: Option<String>,
}

impl Live {
    /// An empty screen.
    pub fn new() -> Live {
        Live { screen: MultiProgress::new(), running: HashMap::new(), notice: None }
    }

    fn start(&mut self, stage: &StageName) {
        let bar = self.screen.add(ProgressBar::new_spinner());
        bar.set_style(spinner());
        bar.set_prefix(stage.to_string());
        bar.enable_steady_tick(Duration::from_millis(120));
        self.running.insert(stage.clone(), Line { bar, figure: None });
    }

    fn progress(&self, stage: &StageName, done: u64, total: Option<u64>, unit: &str) {
        let Some(Line { bar, .. }) = self.running.get(stage) else { return };
        if bar.length() != total {
            match total {
                Some(total) => {
                    bar.set_style(counted(unit));
                    bar.set_length(total);
                }
                None => bar.set_style(open_ended(unit)),
            }
        }
        bar.set_position(done);
    }

    fn figure(&mut self, stage: &StageName, name: &str, value: f64) {
        let Some(line) = self.running.get_mut(stage) else { return };
        if line.figure.get_or_insert_with(|| name.to_owned()) == name {
            line.bar.set_message(format!("{name} {value:.4}"));
        }
    }

    fn end(&mut self, stage: &StageName) {
        if let Some(line) = self.running.remove(stage) {
            line.bar.finish_and_clear();
        }
        if let Some(notice) = self.notice.take() {
            notice.finish_and_clear();
        }
    }

    fn notice(&mut self, message: &str) {
        let bar = self.notice.get_or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new_spinner());
            bar.set_style(ProgressStyle::with_template("   governor  {msg}").expect("a valid template"));
            bar
        });
        bar.set_message(message.to_owned());
    }
}

impl Default for Live {
    fn default() -> Live {
        Live::new()
    }
}

impl Observer for Live {
    fn on(&mut self, event: &RunEvent) {
        match event {
            RunEvent::StageStarted { stage, .. } => return self.start(stage),
            RunEvent::StageProgress { stage, done, total, unit } => return self.progress(stage, *done, *total, unit),
            RunEvent::StageMetric { stage, name, step: Some(_), value } => return self.figure(stage, name, *value),
            RunEvent::Governor { message, holds: true } => return self.notice(message),
            RunEvent::StageEnded { stage, .. } => self.end(stage),
            _ => {}
        }
        if let Some(line) = plain::line(Color::On, event) {
            // The terminal may be gone; the run goes on.
            let _ = self.screen.println(line);
        }
    }
}

fn spinner() -> ProgressStyle {
    template("{spinner:>11.green}  {prefix}  {elapsed}  {msg:.dim}")
}

fn counted(unit: &str) -> ProgressStyle {
    let unit = unit.replace(['{', '}'], "");
    template(&format!(
        "{{spinner:>11.green}}  {{prefix}}  {{bar:24.green/dim}} {{human_pos}}/{{human_len}} {unit}  {{rate:.dim}}  {{left}}  {{msg:.dim}}"
    ))
    .progress_chars("━╸─")
}

fn open_ended(unit: &str) -> ProgressStyle {
    let unit = unit.replace(['{', '}'], "");
    template(&format!("{{spinner:>11.green}}  {{prefix}}  {{human_pos}} {unit}  {{rate:.dim}}  {{msg:.dim}}"))
}

fn template(text: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(text).expect("a valid template");
    style.with_key("rate", rate).with_key("left", left)
}

/// Units a second, to the precision that a reader can use.
fn rate(state: &ProgressState, text: &mut dyn Write) {
    let rate = state.per_sec();
    let digits = if rate < 10.0 { 2 } else { 0 };
    // A template has nobody to report a formatting error to, and writing to its buffer gives none.
    let _ = write!(text, "{rate:.digits$}/s");
}

/// Time left, once there is something to judge it by.
fn left(state: &ProgressState, text: &mut dyn Write) {
    if state.pos() > 0 && !state.is_finished() {
        // As above.
        let _ = write!(text, "{:#} left", HumanDuration(state.eta()));
    }
}
