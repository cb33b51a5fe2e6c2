//! Launches instances through a backend program, which gets this program by digest and starts it elsewhere.

use std::path::PathBuf;

use contract::backend::{Bundle, Instance, Piece, Submit};
use contract::types::Form;

use super::bundle::Machine;
use super::launcher::{Launch, Launcher, command};
use crate::action::ActionKey;
use crate::remote::{Instances, Meter, Place, Remote, RemoteError, TransferError};
use crate::store::Artifact;

/// The names, on an instance, of this program and of the script that runs before it.
const ENGINE: &str = "pipe";
const SETUP: &str = "setup";

/// The directory of an instance; the backend program fills in `{root}`.
const DIRECTORY: &str = "{root}/.instances/work";

/// Pages of a log of the place that are read at most.
const PAGES: usize = 64;

/// Instances that a program launches.
pub(super) struct Backend {
    instances: Instances,
    /// Runs on each before the stage, relative to the project.
    setup: Option<PathBuf>,
}

impl Backend {
    pub(super) fn new(instances: Instances, setup: Option<PathBuf>) -> Backend {
        Backend { instances, setup }
    }
}

impl Launcher for Backend {
    fn launch(&self, launch: &Launch<'_>, told: &mut dyn FnMut(&str)) -> Result<Instance, TransferError> {
        let bundle = bundle(launch);
        let setup = self.setup.as_ref().map(|file| sent(launch, SETUP, launch.project.join(file))).transpose()?;
        // Credentials of this machine are of no use there: an instance has its own.
        let objects = Place { profile: None, ..launch.remote.place().clone() }.to_wire();
        let words = command(launch, &objects, DIRECTORY, "{root}");
        let submit = Submit {
            action: launch.key.to_string(),
            attempt: launch.attempt,
            token: launch.token.to_owned(),
            resources: launch.resources,
            bundle,
            setup,
            command: std::iter::once(ENGINE.to_owned()).chain(words).collect(),
            spent: launch.spent,
            refused: launch.refused,
        };
        Ok(self.instances.submit(submit, told)?)
    }

    fn machine(&self) -> Option<Machine> {
        None
    }

    fn look(&self, key: &ActionKey, attempt: u32) -> Result<Option<Instance>, RemoteError> {
        self.instances.attach(&key.to_string(), attempt)
    }

    fn cancel(&self, id: &str) -> Result<(), RemoteError> {
        self.instances.stop(id)
    }

    fn list(&self) -> Result<Vec<Instance>, RemoteError> {
        self.instances.all()
    }

    fn logs(&self, id: &str) -> Result<String, RemoteError> {
        let (mut text, mut after) = (String::new(), None);
        // A limit, because a program may answer with pages without end.
        for _ in 0..PAGES {
            let log = self.instances.logs(id, after)?;
            text.push_str(&log.text);
            match log.next {
                Some(next) if !log.text.is_empty() => after = Some(next),
                _ => break,
            }
        }
        Ok(text)
    }

    fn reap(&self) -> Result<Vec<Instance>, RemoteError> {
        self.instances.reap()
    }
}

/// The files that an instance needs before it can fetch anything. They lie among the objects, with the rest of the bundle.
fn bundle(launch: &Launch<'_>) -> Bundle {
    let file = |(name, artifact): (&String, &Artifact)| Piece {
        name: name.clone(),
        object: Remote::of_blob(&artifact.digest),
        file: launch.store.object(artifact),
    };
    Bundle {
        architecture: std::env::consts::ARCH.to_owned(),
        glibc: launch.bundle.manifest.glibc().map(|glibc| glibc.to_string()),
        files: launch.bundle.first.iter().map(file).collect(),
    }
}

/// A file that lies among the objects now.
fn sent(launch: &Launch<'_>, name: &str, file: PathBuf) -> Result<Piece, TransferError> {
    let artifact = launch.store.ingest(&file, Form::File)?;
    let object = Remote::of_blob(&artifact.digest);
    launch.remote.send(launch.store, &[artifact], &Meter::default(), &mut |_| ())?;
    Ok(Piece { name: name.to_owned(), object, file })
}
