//! Problems in the user's files. All of them are collected, then shown at once; rendering is `report::problems`.

use super::span::{Sources, Span};

/// One problem: its message, its place, its advice.
#[derive(Clone, Debug)]
pub struct Problem {
    /// A stable short name for `--json` and tests: `unknown-stage`.
    pub code: &'static str,
    /// A lower-case sentence without full stop.
    pub message: String,
    /// Where; `None` when the problem is in a flag or the environment.
    pub span: Option<Span>,
    /// The text at the caret.
    pub label: Option<String>,
    /// Another place that explains it, with the text there.
    pub related: Vec<(Span, String)>,
    /// Advice: `did you mean ...`.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at `span`.
    pub fn at(code: &'static str, span: Span, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), span: Some(span), label: None, related: Vec::new(), help: None }
    }

    /// A problem outside any file.
    pub fn general(code: &'static str, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), span: None, label: None, related: Vec::new(), help: None }
    }

    /// Sets the text at the caret.
    pub fn label(mut self, text: impl Into<String>) -> Problem {
        self.label = Some(text.into());
        self
    }

    /// Another place that explains it.
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Problem {
        self.related.push((span, text.into()));
        self
    }

    /// Sets the advice.
    pub fn help(mut self, text: impl Into<String>) -> Problem {
        self.help = Some(text.into());
        self
    }

    /// Sets the advice, when there is something to suggest.
    pub fn maybe_help(mut self, text: Option<String>) -> Problem {
        self.help = text.or(self.help);
        self
    }
}

/// Everything wrong with a pipeline, with the sources to show it in.
#[derive(Debug)]
pub struct Invalid {
    /// In order of file and position.
    pub problems: Vec<Problem>,
    /// The files that were read.
    pub sources: Sources,
}
