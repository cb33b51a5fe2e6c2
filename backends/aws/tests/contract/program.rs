//! A backend program as the engine sees it: requests go in, answers come out.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use contract::backend::{
    Answer, Cancel, Condition, Delete, Done, Failed, Found, Get, Has, Hello, List, Listing, Objects, Operation,
    PROTOCOL, Put, PutObject, Request, Welcome,
};

/// Longer than anything here takes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program, and the place that it is told to serve.
#[derive(Clone)]
pub(crate) struct Place {
    pub program: PathBuf,
    pub objects: Objects,
    /// Where its instances run.
    pub instances: Option<serde_json::Value>,
    /// Its whole environment, besides PATH.
    pub environment: Vec<(String, String)>,
}

impl Place {
    /// The same place with a variable less.
    pub(crate) fn without(mut self, name: &str) -> Place {
        self.environment.retain(|(existing, _)| existing != name);
        self
    }
}

/// What has come so far.
#[derive(Default)]
struct Heard {
    welcome: Option<Welcome>,
    answers: HashMap<u64, Result<Done, Failed>>,
    notes: HashMap<u64, Vec<u64>>,
    words: Vec<String>,
    /// Failures without an id.
    loose: Vec<Failed>,
    ended: bool,
}

type Ear = Arc<(Mutex<Heard>, Condvar)>;

/// A running program.
pub(crate) struct Program {
    child: Child,
    input: Mutex<Option<ChildStdin>>,
    ear: Ear,
    next: AtomicU64,
}

impl Program {
    /// Starts it and says hello.
    pub(crate) fn start(place: &Place) -> Result<Program, Failed> {
        let program = Program::spawn(place);
        let hello = Hello { protocol: PROTOCOL, objects: place.objects.clone(), place: place.instances.clone() };
        program.line(&serde_json::to_string(&Request::Hello { hello }).unwrap());
        let heard = program.until(|heard| {
            let failed = heard.loose.first().cloned();
            failed.map(Err).or(heard.welcome.clone().map(Ok))
        });
        let welcome = heard?;
        assert_eq!(welcome.protocol, PROTOCOL);
        Ok(program)
    }

    /// Starts it without a word.
    pub(crate) fn spawn(place: &Place) -> Program {
        let mut child = Command::new(&place.program)
            .arg("serve")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(place.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ear = Ear::default();
        let output = BufReader::new(child.stdout.take().unwrap());
        let listener = Arc::clone(&ear);
        std::thread::spawn(move || listen(output, &listener));
        let input = Mutex::new(child.stdin.take());
        Program { child, input, ear, next: AtomicU64::new(1) }
    }

    pub(crate) fn line(&self, line: &str) {
        writeln!(self.input.lock().unwrap().as_ref().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn send(&self, operation: Operation) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.line(&serde_json::to_string(&Request::Do { id, operation }).unwrap());
        id
    }

    pub(crate) fn cancel(&self, id: u64) {
        self.line(&serde_json::to_string(&Request::Cancel { cancel: Cancel::Cancel { id } }).unwrap());
    }

    pub(crate) fn wait(&self, id: u64) -> Result<Done, Failed> {
        self.until(|heard| heard.answers.get(&id).cloned())
    }

    /// Bytes told by notes, once there are some.
    pub(crate) fn noted(&self, id: u64) -> u64 {
        self.until(|heard| heard.notes.get(&id).and_then(|notes| notes.last().copied()))
    }

    /// Words told by notes so far.
    pub(crate) fn words(&self) -> Vec<String> {
        self.ear.0.lock().unwrap().words.clone()
    }

    pub(crate) fn loose_failure(&self) -> Failed {
        self.until(|heard| heard.loose.first().cloned())
    }

    fn until<T>(&self, look: impl Fn(&Heard) -> Option<T>) -> T {
        let (heard, bell) = &*self.ear;
        let mut heard = heard.lock().unwrap();
        loop {
            if let Some(found) = look(&heard) {
                return found;
            }
            assert!(!heard.ended, "the program ended without an answer");
            let (next, late) = bell.wait_timeout(heard, PATIENCE).unwrap();
            assert!(!late.timed_out(), "no answer within {PATIENCE:?}");
            heard = next;
        }
    }

    pub(crate) fn ask(&self, operation: Operation) -> Result<Done, Failed> {
        self.wait(self.send(operation))
    }

    pub(crate) fn put(&self, put: PutObject) -> Result<Put, Failed> {
        match self.ask(Operation::Put(put))? {
            Done::Put(put) => Ok(put),
            other => panic!("{other:?}"),
        }
    }

    /// Writes a text, which must succeed; returns the version.
    pub(crate) fn put_text(&self, name: &str, text: &str) -> String {
        let put = self.put(PutObject::text(name, text, Condition::Any)).unwrap();
        assert!(put.made);
        put.version.unwrap()
    }

    pub(crate) fn get_text(&self, name: &str) -> Option<String> {
        self.get(name, None).unwrap().text
    }

    pub(crate) fn get(&self, name: &str, file: Option<&Path>) -> Result<Found, Failed> {
        match self.ask(Operation::Get(Get { name: name.into(), file: file.map(Into::into) }))? {
            Done::Get(found) => Ok(found),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn has(&self, names: &[String]) -> Result<Vec<Option<u64>>, Failed> {
        match self.ask(Operation::Has(Has { names: names.to_vec() }))? {
            Done::Has(sizes) => Ok(sizes.sizes),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn list(&self, prefix: &str, after: Option<&str>, most: u32) -> Listing {
        match self.ask(Operation::List(List { prefix: prefix.into(), after: after.map(Into::into), most })).unwrap() {
            Done::List(listing) => listing,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn delete(&self, names: &[String]) {
        let done = self.ask(Operation::Delete(Delete { names: names.to_vec() })).unwrap();
        assert_eq!(done, Done::Delete {});
    }

    /// Ends its input, and waits for it.
    pub(crate) fn close(mut self) -> ExitStatus {
        self.input.lock().unwrap().take();
        self.child.wait().unwrap()
    }

    /// Kills it as nothing can hinder.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(mut output: BufReader<impl Read>, ear: &Ear) {
    let (heard, bell) = &**ear;
    let mut line = String::new();
    while output.read_line(&mut line).is_ok_and(|read| read > 0) {
        let answer: Answer = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        line.clear();
        let mut heard = heard.lock().unwrap();
        match answer {
            Answer::Hello { hello } => heard.welcome = Some(hello),
            Answer::Done { id, done } => drop(heard.answers.insert(id, Ok(done))),
            Answer::Note { id, note } => {
                heard.notes.entry(id).or_default().push(note.bytes);
                heard.words.extend(note.words);
            }
            Answer::Failed { id: Some(id), failed } => drop(heard.answers.insert(id, Err(failed))),
            Answer::Failed { id: None, failed } => heard.loose.push(failed),
        }
        bell.notify_all();
    }
    heard.lock().unwrap().ended = true;
    bell.notify_all();
}
