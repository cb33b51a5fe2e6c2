//! One run of a backend program: its process, the threads at its pipes, and the requests that are under way.
//!
//! A request waits for its own answer. Its caller may call it off at any time, also while the program says nothing at all: then the
//! process is killed at the end.

use std::io::BufReader;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::backend::{Cancel, Done, Found, Hello, Note, Offer, Operation, PROTOCOL, Request, SecretService};
use contract::clean::bounded;
use rustix::process::{Pid, Signal, kill_process_group};

use super::nonsense;
use super::talk::{End, Heard, Talk, Words, listen, lock, overhear, speak};
use crate::remote::{FailedClass, Meter, RemoteError};

/// How often a waiting caller checks for cancellation.
const LOOK: Duration = Duration::from_millis(50);

/// How long a program may take to answer the hello: it may have to log in.
const WELCOME: Duration = Duration::from_secs(60);

/// How long a program may say nothing after a request was cancelled, and how long it may take in any case.
const SILENT: Duration = Duration::from_millis(900);
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a program may take to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// A program and what it is asked to be.
pub(super) struct Call {
    pub name: String,
    pub path: PathBuf,
    pub hello: Hello,
    /// The services that it must offer.
    pub offers: Vec<Offer>,
}

/// A running program.
pub(super) struct Session {
    name: String,
    child: Mutex<Child>,
    /// Lines for its standard input.
    input: Mutex<Option<Sender<Vec<u8>>>>,
    talk: Arc<Talk>,
    next: AtomicU64,
    /// When it did not react: unless it was heard since then, nobody waits for its end.
    given_up: Mutex<Option<Instant>>,
    /// Nobody waits for its end, even if it reacts.
    unwanted: AtomicBool,
    /// The services whose secrets it reads.
    pub secrets: Vec<SecretService>,
}

/// How a transfer is measured.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    /// Bytes that it has, where that is known.
    pub size: Option<u64>,
    /// More bytes than this cancel it.
    pub most: u64,
}

/// A request with what its caller wants to know meanwhile.
pub(super) struct Ask<'a> {
    pub operation: Operation,
    /// Absent where no bytes are counted.
    pub measure: Option<Measure>,
    /// Calls it off.
    pub meter: &'a Meter,
    /// Hears its words.
    pub told: &'a mut dyn FnMut(&str),
}

impl Session {
    /// Starts the program and waits for its welcome.
    pub(super) fn start(call: &Call, words: &Arc<Words>, meter: &Meter) -> Result<Session, RemoteError> {
        let failed = |error: std::io::Error| {
            RemoteError::new(FailedClass::Broken, format!("{} cannot be started: {error}", call.path.display()))
        };
        let mut command = Command::new(&call.path);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A process group of its own: Ctrl-C reaches the engine alone, which then cancels the requests that nobody needs.
        let mut child = command.process_group(0).spawn().map_err(failed)?;
        let talk = Arc::new(Talk::new());
        let (welcomed, welcome) = channel();
        talk.waiting().insert(0, welcomed);
        if let Some(stdout) = child.stdout.take() {
            let (talk, name) = (Arc::clone(&talk), call.name.clone());
            std::thread::spawn(move || listen(&talk, &name, BufReader::new(stdout)));
        }
        if let Some(stderr) = child.stderr.take() {
            let words = Arc::clone(words);
            std::thread::spawn(move || overhear(&words, BufReader::new(stderr)));
        }
        let (input, lines) = channel();
        if let Some(stdin) = child.stdin.take() {
            // A thread of its own: a program that reads nothing blocks no caller.
            std::thread::spawn(move || speak(&lines, stdin));
        }
        let mut session = Session {
            name: call.name.clone(),
            child: Mutex::new(child),
            input: Mutex::new(Some(input)),
            talk,
            next: AtomicU64::new(1),
            given_up: Mutex::default(),
            unwanted: AtomicBool::new(false),
            secrets: Vec::new(),
        };
        let hello = Request::Hello { hello: call.hello.clone() };
        match session.send(&hello).and_then(|()| session.welcomed(&welcome, &call.offers, meter)) {
            Ok(secrets) => {
                session.secrets = secrets;
                Ok(session)
            }
            Err(error) => {
                session.unwanted.store(true, Ordering::Relaxed);
                // Its last line on standard error may give the reason.
                Err(match words.take().pop() {
                    Some(said) if error.class != FailedClass::Interrupted => {
                        RemoteError { message: format!("{}; it said: {said}", error.message), ..error }
                    }
                    _ => error,
                })
            }
        }
    }

    /// Waits for the welcome. Returns the services whose secrets the program reads.
    fn welcomed(
        &self,
        welcome: &Receiver<Heard>,
        offers: &[Offer],
        meter: &Meter,
    ) -> Result<Vec<SecretService>, RemoteError> {
        let asked = Instant::now();
        let welcome = loop {
            match welcome.recv_timeout(LOOK) {
                Ok(Heard::Welcome(welcome)) => break welcome,
                Ok(Heard::Failed(failed)) => return Err(failed.into()),
                Ok(Heard::Done(_) | Heard::Note(_)) => return Err(nonsense(&self.name)),
                Err(RecvTimeoutError::Disconnected) => return Err(self.why_ended().error()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if meter.is_stopped() {
                return Err(RemoteError::interrupted());
            }
            if asked.elapsed() > WELCOME {
                let message = format!("{} says nothing for {} seconds", self.name, WELCOME.as_secs());
                return Err(RemoteError::new(FailedClass::Unavailable, message));
            }
            self.note_silence(asked, meter, &mut |_| ());
        };
        let program = bounded(&welcome.program, 200);
        if welcome.protocol != PROTOCOL {
            let message = format!("{program} speaks protocol {}, not {PROTOCOL}", welcome.protocol);
            return Err(RemoteError::new(FailedClass::Unsupported, message).help("use the one of this version of pipe"));
        }
        let lacking = match offers.iter().find(|offer| !welcome.offers.contains(offer)) {
            None => return Ok(welcome.secrets),
            Some(Offer::Objects) => "keeps no objects",
            Some(Offer::Instances) => "launches no instances",
        };
        Err(RemoteError::new(FailedClass::Unsupported, format!("{program} {lacking}")))
    }

    /// Whether a request was ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.talk.has_answered()
    }

    /// Asks, and waits for the answer; the error is the end of the program before that.
    pub(super) fn ask(&self, ask: &mut Ask<'_>) -> Result<Result<Done, RemoteError>, End> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        if let Operation::Secret(_) = ask.operation {
            self.talk.keep_to_itself();
        }
        let (sender, answers) = channel();
        self.talk.waiting().insert(id, sender);
        if let Some(end) = lock(&self.talk.ended).clone() {
            self.talk.waiting().remove(&id);
            return Err(end);
        }
        let answer = match self.send(&Request::Do { id, operation: ask.operation.clone() }) {
            Ok(()) => self.wait(id, &answers, ask),
            Err(error) => Ok(Err(error)),
        };
        self.talk.waiting().remove(&id);
        answer
    }

    fn send(&self, request: &Request) -> Result<(), RemoteError> {
        let mut line = serde_json::to_vec(request)
            .map_err(|error| RemoteError::new(FailedClass::Broken, format!("a request cannot be written: {error}")))?;
        line.push(b'\n');
        if let Some(input) = &*lock(&self.input) {
            // The thread behind it ends with the program, whose end the reader learns.
            let _ = input.send(line);
        }
        Ok(())
    }

    fn wait(&self, id: u64, answers: &Receiver<Heard>, ask: &mut Ask<'_>) -> Result<Result<Done, RemoteError>, End> {
        let (asked, mut moved, mut cancelled) = (Instant::now(), 0, None::<Instant>);
        loop {
            match answers.recv_timeout(LOOK) {
                Ok(Heard::Done(done)) => {
                    if let Some(measure) = ask.measure {
                        // Notes are optional: a small object has none.
                        ask.meter.moved(measure.size.or(size_of(&done)).unwrap_or(0).saturating_sub(moved));
                    }
                    return Ok(Ok(done));
                }
                Ok(Heard::Failed(failed)) => return Ok(Err(failed.into())),
                Ok(Heard::Note(Note { bytes, words, .. })) => {
                    if ask.measure.is_some() {
                        // Bytes that are sent again are not counted twice.
                        ask.meter.moved(bytes.saturating_sub(moved));
                        moved = moved.max(bytes);
                    }
                    if let Some(words) = words {
                        (ask.told)(&bounded(&words, 500));
                    }
                }
                Ok(Heard::Welcome(_)) => return Ok(Err(nonsense(&self.name))),
                Err(RecvTimeoutError::Disconnected) => return Err(self.why_ended()),
                Err(RecvTimeoutError::Timeout) => self.note_silence(asked, ask.meter, ask.told),
            }
            let unwanted = ask.meter.is_stopped() || ask.measure.is_some_and(|measure| moved > measure.most);
            match cancelled {
                None if unwanted => {
                    // It may have ended, which the next look tells.
                    let _ = self.send(&Request::Cancel { cancel: Cancel::Cancel { id } });
                    cancelled = Some(Instant::now());
                }
                Some(_) if ask.meter.is_hurried() => {
                    self.unwanted.store(true, Ordering::Relaxed);
                    return Ok(Err(RemoteError::interrupted()));
                }
                Some(since) if self.talk.quiet(since) > SILENT || since.elapsed() > PATIENCE => {
                    self.give_up();
                    return Ok(Err(RemoteError::interrupted()));
                }
                _ => {}
            }
        }
    }

    fn give_up(&self) {
        *lock(&self.given_up) = Some(Instant::now());
    }

    /// Tells people that nothing is heard, where that lasts.
    fn note_silence(&self, asked: Instant, meter: &Meter, told: &mut dyn FnMut(&str)) {
        if let Some(quiet) = self.talk.notable_silence(asked) {
            let line = format!("no answer from `{}` for {} s", self.name, quiet.as_secs());
            told(&line);
            meter.say(line);
        }
    }

    fn why_ended(&self) -> End {
        // The reader notices the end at its own pace.
        let asked = Instant::now();
        while asked.elapsed() < FAREWELL {
            if let Some(end) = lock(&self.talk.ended).clone() {
                return end;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        End::Died(RemoteError::new(FailedClass::Broken, format!("{} takes no more requests", self.name)))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The end of its input tells it to stop.
        drop(lock(&self.input).take());
        let given_up = *lock(&self.given_up);
        let is_lost = self.unwanted.load(Ordering::Relaxed)
            || given_up.is_some_and(|then| !self.talk.heard_since(then))
            || lock(&self.talk.ended).is_some();
        let (asked, mut child) = (Instant::now(), lock(&self.child));
        while !is_lost && asked.elapsed() < FAREWELL {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
        // It was asked, or does not listen. With all that it started: instances have process groups of their own. Nobody else has its
        // number before it is waited for.
        if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait();
    }
}

/// The size of an object that was fetched.
fn size_of(done: &Done) -> Option<u64> {
    match done {
        Done::Get(Found { size, .. }) => *size,
        _ => None,
    }
}
