//! The trait an author of a kind implements, and its erased form that a worker's table holds.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::card::Card;
use crate::context::Context;
use crate::event::FailureClass;
use crate::foresight::{Foresight, Inquiry};
use crate::params;

/// A kind of stage: a card and a function.
pub trait Stage {
    /// Its params. Defaults live here, once; the card's schema is generated from this type.
    type Params: DeserializeOwned + Serialize + JsonSchema;

    /// Ports, worker and version. The params schema is filled in by [`Kind::of`].
    fn card() -> Card;

    /// Runs it. When it returns `Ok`, every declared output lies at its path.
    fn run(params: Self::Params, context: &Context) -> Result<(), StageError>;

    /// What can be said of it before it runs, as far as its inputs are known; an error where it would fail. Reads inputs and nothing else,
    /// and takes no more than a moment. Only called where the card says [`Card::foresees`].
    fn foresee(_params: Self::Params, _inquiry: &Inquiry) -> Result<Foresight, StageError> {
        Ok(Foresight::default())
    }
}

/// A stage with its params type erased: one line of a worker's table.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The complete card.
    pub card: fn() -> Card,
    /// Reads the params and runs the stage.
    pub run: fn(&Value, &Context) -> Result<(), StageError>,
    /// Reads the params and says what is foreseen of the stage.
    pub foresee: fn(&Inquiry) -> Result<Foresight, StageError>,
}

impl Kind {
    /// The erased form of `S`.
    pub const fn of<S: Stage>() -> Kind {
        Kind { card: complete_card::<S>, run: run_erased::<S>, foresee: foresee_erased::<S> }
    }
}

fn complete_card<S: Stage>() -> Card {
    Card { params: params::schema_of::<S::Params>(), ..S::card() }
}

fn run_erased<S: Stage>(value: &Value, context: &Context) -> Result<(), StageError> {
    S::run(params::read::<S::Params>(value)?, context)
}

fn foresee_erased<S: Stage>(inquiry: &Inquiry) -> Result<Foresight, StageError> {
    S::foresee(params::read::<S::Params>(&inquiry.params)?, inquiry)
}

/// Why a stage could not do its work. The message says what and where; `help` says what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StageError {
    /// Whose turn it is to act.
    pub class: FailureClass,
    /// What went wrong, and where.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl StageError {
    /// An input or a param is wrong.
    pub fn invalid_input(message: impl Into<String>) -> StageError {
        StageError { class: FailureClass::InvalidInput, message: message.into(), help: None }
    }

    /// The stage itself is wrong.
    pub fn bug(message: impl Into<String>) -> StageError {
        StageError { class: FailureClass::StageBug, message: message.into(), help: None }
    }

    /// Memory, disk or another resource ran out.
    pub fn resources(message: impl Into<String>) -> StageError {
        StageError { class: FailureClass::Resources, message: message.into(), help: None }
    }

    /// The stage was asked to stop and did.
    pub fn interrupted() -> StageError {
        StageError { class: FailureClass::Interrupted, message: "interrupted".into(), help: None }
    }

    /// Adds what to do next.
    pub fn help(mut self, text: impl Into<String>) -> StageError {
        self.help = Some(text.into());
        self
    }
}

/// Adds the path to an I/O error: `fs::read(path).at(path)?`.
pub trait At<T> {
    /// Names `path` in the error.
    fn at(self, path: &Path) -> Result<T, StageError>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, path: &Path) -> Result<T, StageError> {
        use std::io::ErrorKind;
        self.map_err(|e| {
            let message = format!("{}: {e}", path.display());
            match e.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    StageError::resources(message).help("free some disk space and run again; finished stages are kept")
                }
                ErrorKind::OutOfMemory => StageError::resources(message),
                _ => StageError::invalid_input(message),
            }
        })
    }
}
