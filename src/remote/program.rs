//! A backend program as a place that keeps objects: started when it is needed, spoken to in JSON lines.
//!
//! ```text
//!   callers, each in its thread ──request──> writer thread ── standard input ──> pipe-aws
//!        ^                                                                           │
//!        └── by id ── reader thread <── answers, notes ── standard output           standard error ──> said
//! ```
//! Each caller waits for the answer to its own id ([`session`], [`talk`]). When the program ends, every waiting caller gets the reason. A
//! program that answered before is then started anew, and the requests that were under way are sent again: each of them does the same
//! twice as once, besides a conditional put, whose outcome is read back.

mod instances;
mod session;
mod talk;
pub(super) mod wire;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use contract::backend::{
    self, Delete, Done, Failed, FailedClass, Found, Get, Has, Hello, List, Offer, Operation, PROTOCOL, PutObject,
    Secret, SecretService, SecretValue, Sizes,
};
use contract::clean::bounded;

use self::session::{Ask, Call, Measure, Session};
use self::talk::{End, Words, lock};
use super::RemoteError;
use super::machines::Machines;
use super::meter::Meter;
use super::objects::{Condition, Listed, Listing, Objects, Put, Source, Version};
use super::place::{Place, Scheme};
use crate::backend::find_on_path;

/// Requests in flight at once; the program itself bounds the work on them.
const LANES: usize = 32;

/// How often a request is sent at most: each time to a program that was started anew.
const ATTEMPTS: u32 = 3;

/// Bytes that are shown of a sentence of a program.
const LONGEST_WORDS: usize = 2000;

/// A running program, which is started anew when it dies.
pub(super) struct Program {
    call: Call,
    session: Mutex<Arc<Session>>,
    words: Arc<Words>,
    /// The services whose secrets it reads.
    secrets: Vec<SecretService>,
}

impl Program {
    /// Starts the program that serves the objects of `place`, and waits for its welcome. With `machines` it starts their program, which
    /// must offer instances, and the objects too where it serves both.
    pub(super) fn start(place: &Place, machines: Option<&Machines>, meter: &Meter) -> Result<Program, RemoteError> {
        let objects_program = place.program();
        let keeps_objects = machines.is_none_or(|machines| objects_program.as_ref() == Some(&machines.program()));
        let (name, what) = match (machines, &place.scheme) {
            (Some(machines), _) => (machines.program(), format!("a backend of type {}", machines.kind)),
            (None, Scheme::Program(scheme)) => (objects_program.unwrap_or_default(), format!("`{scheme}://`")),
            (None, Scheme::Directory(_)) => (objects_program.unwrap_or_default(), place.to_string()),
        };
        let path = find(&name).ok_or_else(|| {
            let message = format!("{what} is served by the program {name}, which is not there");
            RemoteError::new(FailedClass::Missing, message)
                .help("./pipe builds the programs of this checkout that pipe.yaml names; others belong on PATH")
        })?;
        let hello =
            Hello { protocol: PROTOCOL, objects: wire::objects(place), place: machines.map(Machines::as_written) };
        let offers = [keeps_objects.then_some(Offer::Objects), machines.map(|_| Offer::Instances)];
        let call = Call { name, path, hello, offers: offers.into_iter().flatten().collect() };
        let words = Arc::default();
        let session = Session::start(&call, &words, meter)?;
        let secrets = session.secrets.clone();
        Ok(Program { call, session: Mutex::new(Arc::new(session)), words, secrets })
    }

    /// Asks, and waits for the answer.
    fn ask(&self, operation: Operation, measure: Option<Measure>, meter: &Meter) -> Result<Done, RemoteError> {
        self.ask_and_hear(Ask { operation, measure, meter, told: &mut |_| () })
    }

    /// Asks, and waits for the answer; the caller hears its words meanwhile.
    fn ask_and_hear(&self, mut ask: Ask<'_>) -> Result<Done, RemoteError> {
        for attempt in 1..=ATTEMPTS {
            let session = Arc::clone(&lock(&self.session));
            match session.ask(&mut ask) {
                Ok(answer) => return answer,
                Err(End::Nonsense(error)) => return Err(error),
                Err(End::Died(error)) if attempt == ATTEMPTS => return Err(unknown(error, &ask.operation)),
                Err(End::Died(error)) => self.start_anew(&session, error, &ask)?,
            }
            if ask.meter.is_stopped() {
                return Err(RemoteError::interrupted());
            }
            forget(&ask.operation);
            if let Some(made) = self.already_made(&ask)? {
                return Ok(made);
            }
        }
        Err(self.nonsense())
    }

    /// Starts the program anew in place of `dead`, unless another caller has done so. One that never answered would not do so now.
    fn start_anew(&self, dead: &Arc<Session>, error: RemoteError, ask: &Ask<'_>) -> Result<(), RemoteError> {
        let mut current = lock(&self.session);
        if !Arc::ptr_eq(&current, dead) {
            return Ok(());
        }
        if !dead.has_answered() {
            return Err(unknown(error, &ask.operation));
        }
        self.words.say(&format!("{error}, and is started anew"));
        *current = Arc::new(Session::start(&self.call, &self.words, ask.meter)?);
        Ok(())
    }

    /// Whether a conditional put of a text, whose answer never came, was carried out: this is its answer then. Texts on which something
    /// depends say who wrote them; a file has the same content from every sender.
    fn already_made(&self, ask: &Ask<'_>) -> Result<Option<Done>, RemoteError> {
        let Operation::Put(PutObject { name, text: Some(text), condition, .. }) = &ask.operation else {
            return Ok(None);
        };
        if *condition == backend::Condition::Any {
            return Ok(None);
        }
        let there = self.read(name, ask.meter)?;
        let made = there.filter(|(found, _)| found == text.as_bytes());
        Ok(made.map(|(_, version)| Done::Put(backend::Put { made: true, version: Some(version.0) })))
    }

    fn nonsense(&self) -> RemoteError {
        nonsense(&self.call.name)
    }
}

/// The error of a program that answers what makes no sense.
fn nonsense(name: &str) -> RemoteError {
    let message = format!("{name} answered what was not asked");
    RemoteError::new(FailedClass::Broken, message).help("it does not keep to docs/backend-protocol.md")
}

/// The end of a program before it answered.
fn unknown(error: RemoteError, operation: &Operation) -> RemoteError {
    let what = match operation {
        Operation::Put(put) => format!("{} was written", put.name),
        Operation::Delete(_) => "objects were removed".to_owned(),
        Operation::Submit(_) => "an instance was launched".to_owned(),
        Operation::Stop(_) | Operation::Reap(_) => "instances were ended".to_owned(),
        _ => return error,
    };
    RemoteError { message: format!("{}, so it is not known whether {what}", error.message), ..error }
}

/// Removes the part of a file that arrived before the program died: a program writes to a new file.
fn forget(operation: &Operation) {
    if let Operation::Get(Get { file: Some(file), .. }) = operation {
        // It may not have begun.
        let _ = std::fs::remove_file(file);
    }
}

impl Objects for Program {
    fn has(&self, names: &[String], meter: &Meter) -> Result<Vec<Option<u64>>, RemoteError> {
        match self.ask(Operation::Has(Has { names: names.to_vec() }), None, meter)? {
            Done::Has(Sizes { sizes }) if sizes.len() == names.len() => Ok(sizes),
            _ => Err(self.nonsense()),
        }
    }

    fn put(&self, name: &str, source: Source<'_>, condition: &Condition, meter: &Meter) -> Result<Put, RemoteError> {
        let condition = match condition {
            Condition::Any => backend::Condition::Any,
            Condition::Absent => backend::Condition::Absent,
            Condition::Version(Version(version)) => backend::Condition::Version(version.clone()),
        };
        let (put, size) = match source {
            Source::Text(text) => (PutObject::text(name, text, condition), text.len() as u64),
            Source::File { path, size } => {
                let path = std::path::absolute(path).map_err(|e| RemoteError::io(path, &e))?;
                (PutObject::file(name, path, size, condition), size)
            }
        };
        match self.ask(Operation::Put(put), Some(Measure { size: Some(size), most: u64::MAX }), meter)? {
            Done::Put(backend::Put { made, .. }) => Ok(if made { Put::Made } else { Put::Refused }),
            _ => Err(self.nonsense()),
        }
    }

    fn get(&self, name: &str, file: &Path, most: u64, meter: &Meter) -> Result<Option<u64>, RemoteError> {
        let file = std::path::absolute(file).map_err(|e| RemoteError::io(file, &e))?;
        let get = Get { name: name.to_owned(), file: Some(file) };
        match self.ask(Operation::Get(get), Some(Measure { size: None, most }), meter) {
            Ok(Done::Get(Found { size, .. })) => Ok(size),
            Ok(_) => Err(self.nonsense()),
            // It was cancelled as it became larger than it may be.
            Err(error) if error.class == FailedClass::Interrupted && !meter.is_stopped() => {
                Ok(Some(most.saturating_add(1)))
            }
            Err(error) => Err(error),
        }
    }

    fn read(&self, name: &str, meter: &Meter) -> Result<Option<(Vec<u8>, Version)>, RemoteError> {
        match self.ask(Operation::Get(Get { name: name.to_owned(), file: None }), None, meter)? {
            Done::Get(Found { size: None, .. }) => Ok(None),
            Done::Get(Found { size: Some(_), version, text: Some(text) }) => {
                Ok(Some((text.into_bytes(), Version(version.unwrap_or_default()))))
            }
            _ => Err(self.nonsense()),
        }
    }

    fn list(&self, prefix: &str, after: Option<&str>, most: usize, meter: &Meter) -> Result<Listing, RemoteError> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let list = List { prefix: prefix.to_owned(), after: after.map(str::to_owned), most };
        match self.ask(Operation::List(list), None, meter)? {
            Done::List(backend::Listing { objects, more }) => {
                let listed = |it: backend::Listed| Listed { name: it.name, size: it.size, modified: it.modified };
                Ok(Listing { objects: objects.into_iter().map(listed).collect(), more })
            }
            _ => Err(self.nonsense()),
        }
    }

    fn delete(&self, names: &[String], meter: &Meter) -> Result<(), RemoteError> {
        match self.ask(Operation::Delete(Delete { names: names.to_vec() }), None, meter)? {
            Done::Delete {} => Ok(()),
            _ => Err(self.nonsense()),
        }
    }

    fn lanes(&self) -> usize {
        LANES
    }

    fn secrets(&self) -> &[SecretService] {
        &self.secrets
    }

    fn secret(&self, secret: &Secret) -> Result<String, RemoteError> {
        if !self.secrets.contains(&secret.service()) {
            let message = format!("{} reads no secrets from {}", self.call.name, secret.service());
            return Err(RemoteError::new(FailedClass::Unsupported, message));
        }
        match self.ask(Operation::Secret(secret.clone()), None, &Meter::default())? {
            Done::Secret { value: SecretValue(value) } => Ok(value),
            _ => Err(self.nonsense()),
        }
    }

    fn said(&self) -> Vec<String> {
        self.words.take()
    }
}

/// The file of a program: beside this one, else on PATH.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().map(|exe| exe.with_file_name(name)).filter(|path| path.is_file());
    beside.or_else(|| find_on_path(name.as_ref(), &std::env::var_os("PATH")?))
}

impl From<Failed> for RemoteError {
    fn from(Failed { class, message, help }: Failed) -> RemoteError {
        let line = |text: String| bounded(&text, LONGEST_WORDS).into_owned();
        RemoteError { class, message: line(message), help: help.map(line) }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.call.name).finish_non_exhaustive()
    }
}
