//! The state that the threads of a backend program share: the callers that wait for answers, and the reason why no more will come.

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};

use contract::backend::{Answer, Done, Failed, Note, Welcome};

use crate::remote::{FailedClass, RemoteError};

/// Bytes of the longest line that is read: a page of names, or a text of 1 MiB in escapes.
const LONGEST_LINE: u64 = 16 << 20;

/// Lines of its standard error that are kept until somebody asks for them.
const SAID: usize = 100;

/// The state that the threads of a program share.
#[derive(Default)]
pub(super) struct Talk {
    /// Who waits, by request; 0 is the hello.
    pub waiting: Mutex<HashMap<u64, Sender<Heard>>>,
    /// Why nothing more is heard.
    pub ended: Mutex<Option<RemoteError>>,
    pub said: Mutex<Vec<String>>,
    /// A secret was asked for: what the program writes is shown nowhere.
    private: AtomicBool,
}

/// Something that was heard about a request.
pub(super) enum Heard {
    Welcome(Welcome),
    Done(Done),
    Note(Note),
    Failed(Failed),
}

impl Talk {
    pub(super) fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Sender<Heard>>> {
        lock(&self.waiting)
    }

    /// From now on a line that cannot be read is not quoted: it may hold a secret.
    pub(super) fn keep_to_itself(&self) {
        self.private.store(true, Ordering::Relaxed);
    }

    fn end(&self, error: RemoteError) {
        lock(&self.ended).get_or_insert(error);
        // A waiting caller sees that nobody will answer.
        self.waiting().clear();
    }

    fn hear(&self, answer: Answer) {
        let (id, heard) = match answer {
            Answer::Hello { hello } => (0, Heard::Welcome(hello)),
            Answer::Done { id, done } => (id, Heard::Done(done)),
            Answer::Note { id, note } => (id, Heard::Note(note)),
            Answer::Failed { id, failed } => (id.unwrap_or(0), Heard::Failed(failed)),
        };
        if let Some(waits) = self.waiting().get(&id) {
            // A caller that gave up needs no answer.
            let _ = waits.send(heard);
        }
    }
}

/// Hands out answers until there are no more.
pub(super) fn listen(talk: &Talk, name: &str, mut stdout: impl BufRead) {
    let broken = |message: String| RemoteError::new(FailedClass::Broken, message);
    loop {
        let mut line = Vec::new();
        let read = stdout.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        let error = match read {
            Ok(0) => broken(format!("{name} ended in the middle")),
            Ok(_) => match serde_json::from_slice::<Answer>(&line) {
                Ok(answer) => {
                    talk.hear(answer);
                    continue;
                }
                Err(_) if talk.private.load(Ordering::Relaxed) => broken(format!("{name} wrote what is no answer"))
                    .help("it does not keep to docs/backend-protocol.md"),
                Err(error) => {
                    let shown = String::from_utf8_lossy(&line[..line.len().min(200)]).trim_end().to_owned();
                    broken(format!("{name} wrote what is no answer: {error}: {shown}"))
                        .help("it does not keep to docs/backend-protocol.md")
                }
            },
            Err(error) => broken(format!("{name} cannot be read: {error}")),
        };
        return talk.end(error);
    }
}

/// Keeps the lines that a program writes to its standard error, for people: the first `SAID` until they are fetched.
pub(super) fn overhear(talk: &Talk, stderr: impl BufRead) {
    for line in stderr.lines().map_while(Result::ok) {
        let mut said = lock(&talk.said);
        if said.len() < SAID {
            said.push(line);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
