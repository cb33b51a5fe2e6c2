//! Places that have machines: the backend program that serves them, and the requests that the engine sends to it.

use std::path::PathBuf;
use std::sync::Arc;

use contract::Resources;
use contract::backend::{Attach, Instance, Log, Prices, Submit};
use serde_json::{Value, json};

use super::RemoteError;
use super::meter::Meter;
use super::open::Remote;
use super::place::{OF_AWS, Place};
use super::program::{self, Program};

/// Types of machines that `pipe-aws` serves; every other type has a program of its own name.
const TYPES_OF_AWS: [&str; 2] = ["ec2-spot", "sagemaker"];

/// Machines that a backend program launches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machines {
    /// The type of the backend, as `pipe.yaml` has it.
    pub kind: String,
    /// Its settings, as `pipe.yaml` has them.
    pub settings: Value,
}

impl Machines {
    /// The program that serves them.
    pub fn program(&self) -> String {
        if TYPES_OF_AWS.contains(&self.kind.as_str()) { OF_AWS.to_owned() } else { format!("pipe-{}", self.kind) }
    }

    /// What a launch would cost for stages that ask for each of these. The program is started for that, and nothing of the objects at
    /// `place` is asked for. What it says of one of them, or that it says nothing, is in its place.
    pub fn prices(&self, place: &Place, wanted: &[Resources]) -> Result<Vec<Result<Prices, RemoteError>>, RemoteError> {
        let program = Program::start(place, Some(self), &Meter::default())?;
        Ok(wanted.iter().map(|resources| program.prices(*resources)).collect())
    }

    /// The type with its settings.
    pub fn as_written(&self) -> Value {
        json!({ &self.kind: self.settings })
    }
}

/// A running backend program that launches instances.
#[derive(Clone, Debug)]
pub struct Instances {
    program: Arc<Program>,
}

impl Instances {
    /// Opens the objects at `place` and the launcher of instances for them: one program where one serves both.
    pub fn open(place: &Place, machines: &Machines) -> Result<(Remote, Instances), RemoteError> {
        let program = Arc::new(Program::start(place, Some(machines), &Meter::default())?);
        let remote = if place.program() == Some(machines.program()) {
            Remote::over(Arc::clone(&program) as _, place.clone(), &Meter::default())?
        } else {
            Remote::open(place)?
        };
        Ok((remote, Instances { program }))
    }

    /// Launches an instance. A token launches once, however often it is sent.
    pub fn submit(&self, submit: Submit, told: &mut dyn FnMut(&str)) -> Result<Instance, RemoteError> {
        self.program.submit(submit, told)
    }

    /// The instance of an attempt; `None` where nothing was launched.
    pub fn attach(&self, action: &str, attempt: u32) -> Result<Option<Instance>, RemoteError> {
        self.program.attach(Attach { action: action.to_owned(), attempt })
    }

    /// Every instance of this workspace that has not ended.
    pub fn all(&self) -> Result<Vec<Instance>, RemoteError> {
        self.program.instances()
    }

    /// The place's own log of an instance: its boot, its set-up. `after` continues from an earlier page.
    pub fn logs(&self, id: &str, after: Option<String>) -> Result<Log, RemoteError> {
        self.program.logs(id, after)
    }

    /// Ends an instance.
    pub fn stop(&self, id: &str) -> Result<(), RemoteError> {
        self.program.stop(id)
    }

    /// Ends the instances that have outlived their lifetime, and returns them.
    pub fn reap(&self) -> Result<Vec<Instance>, RemoteError> {
        self.program.reap()
    }
}

impl Place {
    /// The name and file of the program that serves the objects; `None` where no program does, or it is not installed.
    pub fn program_file(&self) -> Option<(String, PathBuf)> {
        let name = self.program()?;
        let file = program::find(&name)?;
        Some((name, file))
    }

    /// As a program or an instance reads it: JSON.
    pub fn to_wire(&self) -> String {
        serde_json::to_string(&program::wire::objects(self)).unwrap_or_default()
    }

    /// Parses the output of [`Place::to_wire`].
    pub fn from_wire(text: &str) -> Result<Place, String> {
        let objects = serde_json::from_str(text).map_err(|error| error.to_string())?;
        program::wire::place(objects).map_err(|unusable| unusable.message)
    }
}
