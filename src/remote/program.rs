//! A backend program as a place that keeps objects: started when it is needed, spoken to in JSON lines.
//!
//! ```text
//!   callers, each in its thread ──request──> standard input ──> pipe-aws
//!        ^                                                         │
//!        └── by id ── reader thread <── answers, notes ── standard output         standard error ──> said
//! ```
//! Each caller waits for the answer to its own id ([`talk`]). When the program ends, every waiting caller gets the reason.

mod instances;
mod talk;
pub(super) mod wire;

use std::fmt;
use std::io::{BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::backend::{
    self, Cancel, Delete, Done, Failed, FailedClass, Found, Get, Has, Hello, List, Note, Offer, Operation, PROTOCOL,
    PutObject, Request, Secret, SecretService, SecretValue, Sizes,
};

use self::talk::{Heard, Talk, listen, lock, overhear};
use super::RemoteError;
use super::machines::Machines;
use super::meter::Meter;
use super::objects::{Condition, Listed, Listing, Objects, Put, Source, Version};
use super::place::Place;
use crate::backend::find_on_path;

/// Requests in flight at once; the program itself bounds the work on them.
const LANES: usize = 32;

/// How often a waiting caller checks for cancellation.
const LOOK: Duration = Duration::from_millis(50);

/// How long a program may take to answer the hello: it may have to log in.
const WELCOME: Duration = Duration::from_secs(60);

/// How long a cancelled request is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a program may take to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A running program.
pub(super) struct Program {
    name: String,
    child: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
    talk: Arc<Talk>,
    next: AtomicU64,
    /// The services whose secrets it reads.
    secrets: Vec<SecretService>,
}

/// How a transfer is measured.
struct Measure<'a> {
    meter: &'a Meter,
    /// Bytes that it has, where that is known.
    size: Option<u64>,
    /// More bytes than this cancel it.
    most: u64,
}

impl Program {
    /// Starts the program that serves the objects of `place`, and waits for its welcome. With `machines` it starts their program, which
    /// must offer instances, and the objects too where it serves both.
    pub(super) fn start(place: &Place, machines: Option<&Machines>) -> Result<Program, RemoteError> {
        let objects_program = place.program();
        let keeps_objects = machines.is_none_or(|machines| objects_program.as_ref() == Some(&machines.program()));
        let (name, what) = match machines {
            Some(machines) => (machines.program(), format!("a backend of type {}", machines.kind)),
            None => (objects_program.unwrap_or_default(), place.to_string()),
        };
        let path = find(&name).ok_or_else(|| {
            let message = format!("{what} is served by the program {name}, which is not there");
            RemoteError::new(FailedClass::Missing, message)
                .help("./pipe builds the programs of this checkout that pipe.yaml names; others belong on PATH")
        })?;
        let failed = |error: std::io::Error| {
            RemoteError::new(FailedClass::Broken, format!("{} cannot be started: {error}", path.display()))
        };
        let mut command = Command::new(&path);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own: Ctrl-C reaches the engine alone, which then cancels the requests that nobody needs.
        let mut child = command.process_group(0).spawn().map_err(failed)?;
        let talk = Arc::new(Talk::default());
        let (welcomed, welcome) = channel();
        talk.waiting().insert(0, welcomed);
        if let Some(stdout) = child.stdout.take() {
            let (talk, name) = (Arc::clone(&talk), name.clone());
            std::thread::spawn(move || listen(&talk, &name, BufReader::new(stdout)));
        }
        if let Some(stderr) = child.stderr.take() {
            let talk = Arc::clone(&talk);
            std::thread::spawn(move || overhear(&talk, BufReader::new(stderr)));
        }
        let input = Mutex::new(child.stdin.take());
        let mut program =
            Program { name, child: Mutex::new(child), input, talk, next: AtomicU64::new(1), secrets: Vec::new() };
        let hello =
            Hello { protocol: PROTOCOL, objects: wire::objects(place), place: machines.map(Machines::as_written) };
        let offers = [keeps_objects.then_some(Offer::Objects), machines.map(|_| Offer::Instances)];
        let offers: Vec<Offer> = offers.into_iter().flatten().collect();
        match program.send(&Request::Hello { hello }).and_then(|()| program.welcomed(&welcome, &offers)) {
            Ok(secrets) => {
                program.secrets = secrets;
                Ok(program)
            }
            // Its last line on standard error may give the reason.
            Err(error) => Err(match program.said().pop() {
                Some(said) => RemoteError { message: format!("{}; it said: {said}", error.message), ..error },
                None => error,
            }),
        }
    }

    /// Waits for the welcome. Returns the services whose secrets the program reads.
    fn welcomed(&self, welcome: &Receiver<Heard>, offers: &[Offer]) -> Result<Vec<SecretService>, RemoteError> {
        match welcome.recv_timeout(WELCOME) {
            Ok(Heard::Welcome(welcome)) if welcome.protocol != PROTOCOL => {
                let message = format!("{} speaks protocol {}, not {PROTOCOL}", welcome.program, welcome.protocol);
                Err(RemoteError::new(FailedClass::Unsupported, message).help("use the one of this version of pipe"))
            }
            Ok(Heard::Welcome(welcome)) => match offers.iter().find(|offer| !welcome.offers.contains(offer)) {
                None => Ok(welcome.secrets),
                Some(lacking) => {
                    let lacking = match lacking {
                        Offer::Objects => "keeps no objects",
                        Offer::Instances => "launches no instances",
                    };
                    let message = format!("{} {lacking}", welcome.program);
                    Err(RemoteError::new(FailedClass::Unsupported, message))
                }
            },
            Ok(Heard::Failed(failed)) => Err(failed.into()),
            Ok(Heard::Done(_) | Heard::Note(_)) => Err(self.nonsense()),
            Err(RecvTimeoutError::Timeout) => {
                let message = format!("{} says nothing for {} seconds", self.name, WELCOME.as_secs());
                Err(RemoteError::new(FailedClass::Unavailable, message))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.why_ended()),
        }
    }

    fn send(&self, request: &Request) -> Result<(), RemoteError> {
        let mut line = serde_json::to_vec(request)
            .map_err(|error| RemoteError::new(FailedClass::Broken, format!("a request cannot be written: {error}")))?;
        line.push(b'\n');
        let mut input = lock(&self.input);
        let Some(pipe) = input.as_mut() else { return Err(self.why_ended()) };
        if pipe.write_all(&line).is_err() {
            // It closed its end; the reader learns why.
            *input = None;
            return Err(self.why_ended());
        }
        Ok(())
    }

    /// Asks, and waits for the answer.
    fn ask(&self, operation: Operation, measure: Option<Measure<'_>>) -> Result<Done, RemoteError> {
        self.ask_and_hear(operation, measure, &mut |_| ())
    }

    /// As [`Program::ask`]; `told` hears its words meanwhile.
    fn ask_and_hear(
        &self,
        operation: Operation,
        measure: Option<Measure<'_>>,
        told: &mut dyn FnMut(&str),
    ) -> Result<Done, RemoteError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answers) = channel();
        self.talk.waiting().insert(id, sender);
        if let Some(error) = lock(&self.talk.ended).clone() {
            self.talk.waiting().remove(&id);
            return Err(error);
        }
        let answer = self.send(&Request::Do { id, operation }).and_then(|()| self.wait(id, &answers, measure, told));
        self.talk.waiting().remove(&id);
        answer
    }

    fn wait(
        &self,
        id: u64,
        answers: &Receiver<Heard>,
        measure: Option<Measure<'_>>,
        told: &mut dyn FnMut(&str),
    ) -> Result<Done, RemoteError> {
        let (mut moved, mut cancelled) = (0, None::<Instant>);
        loop {
            let heard = answers.recv_timeout(LOOK);
            if let (Some(measure), Ok(Heard::Note(note))) = (&measure, &heard) {
                // Bytes that are sent again are not counted twice.
                measure.meter.moved(note.bytes.saturating_sub(moved));
                moved = moved.max(note.bytes);
            }
            if let Ok(Heard::Note(Note { words: Some(words), .. })) = &heard {
                told(words);
            }
            match heard {
                Ok(Heard::Done(done)) => {
                    if let Some(measure) = measure {
                        // Notes are optional: a small object has none.
                        measure.meter.moved(measure.size.or(size_of(&done)).unwrap_or(0).saturating_sub(moved));
                    }
                    return Ok(done);
                }
                Ok(Heard::Failed(failed)) => return Err(failed.into()),
                Ok(Heard::Note(_)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Heard::Welcome(_)) => return Err(self.nonsense()),
                Err(RecvTimeoutError::Disconnected) => return Err(self.why_ended()),
            }
            let unwanted = |measure: &Measure<'_>| measure.meter.is_stopped() || moved > measure.most;
            match cancelled {
                None if measure.as_ref().is_some_and(unwanted) => {
                    self.send(&Request::Cancel { cancel: Cancel::Cancel { id } })?;
                    cancelled = Some(Instant::now());
                }
                Some(since) if since.elapsed() > PATIENCE => return Err(RemoteError::interrupted()),
                _ => {}
            }
        }
    }

    fn nonsense(&self) -> RemoteError {
        let message = format!("{} answered what was not asked", self.name);
        RemoteError::new(FailedClass::Broken, message).help("it does not keep to docs/backend-protocol.md")
    }

    fn why_ended(&self) -> RemoteError {
        // The reader notices the end at its own pace.
        let asked = Instant::now();
        while asked.elapsed() < FAREWELL {
            if let Some(error) = lock(&self.talk.ended).clone() {
                return error;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        RemoteError::new(FailedClass::Broken, format!("{} takes no more requests", self.name))
    }
}

impl Objects for Program {
    fn has(&self, names: &[String]) -> Result<Vec<Option<u64>>, RemoteError> {
        match self.ask(Operation::Has(Has { names: names.to_vec() }), None)? {
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
        match self.ask(Operation::Put(put), Some(Measure { meter, size: Some(size), most: u64::MAX }))? {
            Done::Put(backend::Put { made, .. }) => Ok(if made { Put::Made } else { Put::Refused }),
            _ => Err(self.nonsense()),
        }
    }

    fn get(&self, name: &str, file: &Path, most: u64, meter: &Meter) -> Result<Option<u64>, RemoteError> {
        let file = std::path::absolute(file).map_err(|e| RemoteError::io(file, &e))?;
        let get = Get { name: name.to_owned(), file: Some(file) };
        match self.ask(Operation::Get(get), Some(Measure { meter, size: None, most })) {
            Ok(Done::Get(Found { size, .. })) => Ok(size),
            Ok(_) => Err(self.nonsense()),
            // It was cancelled as it became larger than it may be.
            Err(error) if error.class == FailedClass::Interrupted && !meter.is_stopped() => {
                Ok(Some(most.saturating_add(1)))
            }
            Err(error) => Err(error),
        }
    }

    fn read(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, RemoteError> {
        match self.ask(Operation::Get(Get { name: name.to_owned(), file: None }), None)? {
            Done::Get(Found { size: None, .. }) => Ok(None),
            Done::Get(Found { size: Some(_), version, text: Some(text) }) => {
                Ok(Some((text.into_bytes(), Version(version.unwrap_or_default()))))
            }
            _ => Err(self.nonsense()),
        }
    }

    fn list(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Listing, RemoteError> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let list = List { prefix: prefix.to_owned(), after: after.map(str::to_owned), most };
        match self.ask(Operation::List(list), None)? {
            Done::List(backend::Listing { objects, more }) => {
                let listed = |it: backend::Listed| Listed { name: it.name, size: it.size, modified: it.modified };
                Ok(Listing { objects: objects.into_iter().map(listed).collect(), more })
            }
            _ => Err(self.nonsense()),
        }
    }

    fn delete(&self, names: &[String]) -> Result<(), RemoteError> {
        match self.ask(Operation::Delete(Delete { names: names.to_vec() }), None)? {
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
            let message = format!("{} reads no secrets from {}", self.name, secret.service());
            return Err(RemoteError::new(FailedClass::Unsupported, message));
        }
        self.talk.keep_to_itself();
        match self.ask(Operation::Secret(secret.clone()), None)? {
            Done::Secret { value: SecretValue(value) } => Ok(value),
            _ => Err(self.nonsense()),
        }
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.talk.said))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The end of its input tells it to stop.
        drop(lock(&self.input).take());
        let (asked, mut child) = (Instant::now(), lock(&self.child));
        while asked.elapsed() < FAREWELL {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
        // It was asked; nobody waits for it any longer.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The file of a program: beside this one, else on PATH.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().map(|exe| exe.with_file_name(name)).filter(|path| path.is_file());
    beside.or_else(|| find_on_path(name.as_ref(), &std::env::var_os("PATH")?))
}

/// The size of an object that was fetched.
fn size_of(done: &Done) -> Option<u64> {
    match done {
        Done::Get(Found { size, .. }) => *size,
        _ => None,
    }
}

impl From<Failed> for RemoteError {
    fn from(Failed { class, message, help }: Failed) -> RemoteError {
        RemoteError { class, message, help }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.name).finish_non_exhaustive()
    }
}
