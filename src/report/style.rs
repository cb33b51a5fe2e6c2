//! Colours, only on a terminal and only where NO_COLOR is unset.

use std::io::IsTerminal;

use console::{Style, StyledObject};

use crate::engine::{RunOutcome, StageOutcome};

/// Whether a stream may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// A person looks at it.
    On,
    /// A file, a pipe, or `NO_COLOR`.
    Off,
}

/// Whether lines of a stream can be drawn over: it is a terminal that moves its cursor, coloured or not.
pub fn can_move(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

impl Color {
    /// For standard error.
    pub fn of_stderr() -> Color {
        Color::of(std::io::stderr().is_terminal())
    }

    /// For standard output.
    pub fn of_stdout() -> Color {
        Color::of(std::io::stdout().is_terminal())
    }

    fn of(terminal: bool) -> Color {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if terminal && !plain && !is_dumb() { Color::On } else { Color::Off }
    }

    fn paint<D>(self, style: Style, text: D) -> StyledObject<D> {
        style.force_styling(self == Color::On).apply_to(text)
    }

    /// The word for an outcome, padded to one width.
    pub fn outcome(self, outcome: StageOutcome) -> String {
        let (word, style) = match outcome {
            StageOutcome::Ran => ("ran", Style::new().green().bold()),
            StageOutcome::Hit => ("hit", Style::new().dim()),
            StageOutcome::Restored => ("restored", Style::new().cyan()),
            StageOutcome::Skipped => ("skipped", Style::new().dim()),
            StageOutcome::Blocked => ("blocked", Style::new().yellow()),
            StageOutcome::Failed => ("failed", Style::new().red().bold()),
            StageOutcome::Interrupted => ("interrupted", Style::new().yellow().bold()),
        };
        self.paint(style, format!("{word:>11}")).to_string()
    }

    /// The word for the outcome of a run, padded to one width.
    pub fn run_outcome(self, outcome: RunOutcome) -> String {
        let (word, style) = match outcome {
            RunOutcome::Succeeded => ("succeeded", Style::new()),
            RunOutcome::Failed => ("failed", Style::new().red().bold()),
            RunOutcome::Interrupted => ("interrupted", Style::new().yellow()),
            RunOutcome::Broken => ("broken", Style::new().red().bold()),
        };
        self.paint(style, format!("{word:<12}")).to_string()
    }

    /// An error's first word.
    pub fn error(self, text: &str) -> String {
        self.paint(Style::new().red().bold(), text).to_string()
    }

    /// Something to notice.
    pub fn warning(self, text: &str) -> String {
        self.paint(Style::new().yellow(), text).to_string()
    }

    /// A name in a sentence.
    pub fn name(self, text: &str) -> String {
        self.paint(Style::new().bold(), text).to_string()
    }

    /// What matters less.
    pub fn dim(self, text: &str) -> String {
        self.paint(Style::new().dim(), text).to_string()
    }
}
