//! Makes a bundle of programs and libraries of this machine, in the store.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use contract::FailureClass;
use contract::types::Form;

use super::elf;
use super::libraries::{self, Libraries};
use super::manifest::{BundleManifest, BundledFile, FORMAT};
use super::{ENGINE, LIBRARIES, MANIFEST, PROGRAMS};
use crate::executor::programs::{self, Device};
use crate::executor::{FailureReport, Worker};
use crate::remote::{FailedClass, RemoteError, TransferError};
use crate::store::{Artifact, Store};

/// A bundle in the store.
#[derive(Clone, Debug)]
pub(in crate::executor::remote) struct Bundle {
    /// The directory.
    pub content: Artifact,
    /// Its `bundle.json`.
    pub manifest: BundleManifest,
    /// The programs that an instance needs before it can fetch anything by itself, by name.
    pub first: BTreeMap<String, Artifact>,
}

/// The outcome of packing.
pub(in crate::executor::remote) enum Packed {
    /// A bundle.
    Bundle(Box<Bundle>),
    /// The program of the stage's worker cannot travel.
    Refused(FailureReport),
}

/// Packs this program, the one that serves objects and the worker for this device. A bundle has one file of the worker's name.
pub(in crate::executor::remote) fn pack(
    store: &Store,
    (worker, device): (&Worker, Device),
    objects: Option<&str>,
) -> Result<Packed, TransferError> {
    let mut packing = Packing::default();
    packing.program(store, ENGINE, &own()?)?.map_err(not_packed)?;
    if let Some(name) = objects {
        let path = programs::find(name)
            .ok_or_else(|| RemoteError::new(FailedClass::Missing, format!("the program {name} is not there")))?;
        packing.keeper(store, name, &path)?;
    }
    let first = packing.programs.clone();
    if let Worker::Card { program: contract::Worker::Program(name), .. } = worker {
        let Some(path) = programs::find_for(name, device) else {
            return Ok(Packed::Refused(FailureReport {
                class: FailureClass::NotBuilt,
                message: format!("cannot start `{name}`: not found beside pipe or on PATH"),
                help: Some("./pipe builds the programs of this checkout that a pipeline needs".to_owned()),
            }));
        };
        if let Err(failure) = packing.program(store, name, &path)? {
            return Ok(Packed::Refused(failure));
        }
    }
    packing.finish(store, first).map(|bundle| Packed::Bundle(Box::new(bundle)))
}

fn own() -> Result<PathBuf, RemoteError> {
    std::env::current_exe()
        .map_err(|error| RemoteError::new(FailedClass::Broken, format!("finding this program: {error}")))
}

fn not_packed(failure: FailureReport) -> RemoteError {
    RemoteError::new(FailedClass::Broken, failure.message)
}

/// Why the program of a worker cannot travel to another machine, judged by the copy on this one.
pub fn stays_here(name: &str) -> Option<FailureReport> {
    // The run reports a program that is missing or cannot be read.
    let path = programs::find(name)?;
    (!elf::is_elf(&path).ok()?).then(|| script(name, &path))
}

fn script(name: &str, path: &Path) -> FailureReport {
    FailureReport {
        class: FailureClass::NotBuilt,
        message: format!("its worker `{name}` ({}) is a script, which does not go along as a program", path.display()),
        help: Some("let its card name {command: {argv: [..], files: [..]}}: such files go along".to_owned()),
    }
}

/// A bundle that is being made.
#[derive(Default)]
struct Packing {
    manifest: BundleManifest,
    programs: BTreeMap<String, Artifact>,
    libraries: Libraries,
    files: BTreeMap<PathBuf, Artifact>,
}

impl Packing {
    /// Adds a program. A file that is not ELF is refused: its interpreter does not travel.
    fn program(&mut self, store: &Store, name: &str, path: &Path) -> Result<Result<(), FailureReport>, TransferError> {
        let artifact = store.ingest(path, Form::File)?;
        // The copy in the store does not change; the file may be built anew meanwhile.
        let unreadable = |error: &io::Error| RemoteError::io(path, error);
        let Some(file) = elf::read(&store.object(&artifact)).map_err(|error| unreadable(&error))? else {
            return Ok(Err(script(name, path)));
        };
        // Programs that ship together have one version.
        let ships = own()?.parent() == path.parent();
        let version = ships.then(|| env!("CARGO_PKG_VERSION").to_owned());
        self.manifest.programs.insert(name.to_owned(), described(&file, version));
        libraries::collect(path, file, &mut self.libraries).map_err(|error| unreadable(&error))?;
        self.files.insert(Path::new(PROGRAMS).join(name), artifact.clone());
        self.programs.insert(name.to_owned(), artifact);
        Ok(Ok(()))
    }

    /// Adds the program that serves the objects. A script goes along as it is: the place has its interpreter, as it runs the program
    /// to launch instances.
    fn keeper(&mut self, store: &Store, name: &str, path: &Path) -> Result<(), TransferError> {
        if self.program(store, name, path)?.is_err() {
            let artifact = store.ingest(path, Form::File)?;
            self.files.insert(Path::new(PROGRAMS).join(name), artifact.clone());
            self.programs.insert(name.to_owned(), artifact);
        }
        Ok(())
    }

    fn finish(mut self, store: &Store, first: BTreeMap<String, Artifact>) -> Result<Bundle, TransferError> {
        for (name, path) in &self.libraries.found {
            let artifact = store.ingest(path, Form::File)?;
            let unreadable = |error: &io::Error| RemoteError::io(path, error);
            let file = elf::read(&store.object(&artifact)).map_err(|error| unreadable(&error))?;
            let file = file.ok_or_else(|| unreadable(&io::Error::other("it changed while it was read")))?;
            self.manifest.libraries.insert(name.clone(), described(&file, version(name, path)));
            self.files.insert(Path::new(LIBRARIES).join(name), artifact);
        }
        self.manifest.format = FORMAT;
        self.manifest.system = self.libraries.system;
        let text = serde_json::to_string_pretty(&self.manifest)
            .map_err(|error| RemoteError::new(FailedClass::Broken, error.to_string()))?;
        let text = store.ingest(&store.departing(&(text + "\n"))?, Form::File)?;
        self.files.insert(PathBuf::from(MANIFEST), text);
        Ok(Bundle { content: store.compose(&self.files)?, manifest: self.manifest, first })
    }
}

fn described(file: &elf::Elf, version: Option<String>) -> BundledFile {
    BundledFile {
        version,
        architecture: file.architecture.clone(),
        glibc: file.glibc.as_ref().map(ToString::to_string),
    }
}

/// The version of a library: of the libtorch that it lies in, else the one in its name.
fn version(name: &str, path: &Path) -> Option<String> {
    let of_libtorch = path.parent()?.parent().map(|root| root.join("build-version"));
    let of_libtorch = of_libtorch.and_then(|file| fs::read_to_string(file).ok());
    let of_name = || name.split_once(".so.").map(|(_, version)| version.to_owned());
    of_libtorch.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).or_else(of_name)
}
