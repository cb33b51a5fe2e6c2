//! A command that could not do its work: told to the user, and as an exit code.

use crate::engine::EngineError;
use crate::report::problems;
use crate::report::style::Color;
use crate::spec::Invalid;
use crate::store::StoreError;

use super::Exit;
use super::output;

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// A file that the user wrote is wrong.
    Invalid(Box<Invalid>),
    /// The request is wrong.
    Usage {
        /// The message.
        message: String,
        /// Advice to the user.
        help: Option<String>,
    },
    /// A place beyond this machine could not do its part.
    Remote {
        /// The message.
        message: String,
        /// Advice to the user.
        help: Option<String>,
    },
    /// The user broke it off.
    Interrupted,
    /// The store or the backend broke.
    Broken(anyhow::Error),
}

impl Failure {
    /// A request that makes no sense here.
    pub(super) fn usage(message: impl Into<String>, help: impl Into<Option<String>>) -> Failure {
        Failure::Usage { message: message.into(), help: help.into() }
    }

    /// Tells the user; with `json`, as one document on standard output.
    pub(super) fn report(self, json: bool) -> Exit {
        match &self {
            Failure::Invalid(invalid) if json => {
                output::document(&serde_json::json!({"outcome": "invalid", "problems": problems::json(invalid)}));
            }
            Failure::Invalid(invalid) => {
                output::errors(&problems::render(invalid, Color::of_stderr() == Color::On));
            }
            Failure::Usage { message, help } => tell(json, "invalid", message, help.as_deref()),
            Failure::Remote { message, help } => tell(json, "broken", message, help.as_deref()),
            Failure::Interrupted => output::errors("interrupted\n"),
            Failure::Broken(error) => tell(json, "broken", &format!("{error:#}"), None),
        }
        match self {
            Failure::Invalid(_) | Failure::Usage { .. } => Exit::InvalidInput,
            Failure::Interrupted => Exit::Interrupted,
            Failure::Remote { .. } | Failure::Broken(_) => Exit::Broken,
        }
    }
}

fn tell(json: bool, outcome: &str, message: &str, help: Option<&str>) {
    if json {
        return output::document(&serde_json::json!({"outcome": outcome, "message": message, "help": help}));
    }
    let color = Color::of_stderr();
    output::errors(&format!("{} {message}\n", color.error("error:")));
    if let Some(help) = help {
        output::errors(&format!("{} {help}\n", color.name("help:")));
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Failure {
        Failure::Invalid(Box::new(invalid))
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        Failure::Broken(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Broken(error.into())
    }
}
