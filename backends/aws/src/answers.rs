//! What goes to the engine: one thread writes all lines, so that they never mix.

use std::io::{BufWriter, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use contract::backend::{Answer, Done, Failed, Note};

/// Time between two notes of a request.
const NOTE_EVERY: Duration = Duration::from_millis(100);

/// Where answers go.
#[derive(Clone)]
pub(crate) struct Answers(Sender<Option<Answer>>);

impl Answers {
    /// Starts the thread; it ends after [`end`](Self::end), with everything written that was sent before.
    pub(crate) fn start() -> (Self, JoinHandle<()>) {
        let (sender, receiver) = channel();
        (Self(sender), std::thread::spawn(move || write_all(&receiver)))
    }

    /// Sends the answer. An engine that does not read any more has ended, which the end of its requests tells too.
    pub(crate) fn send(&self, answer: Answer) {
        let _ = self.0.send(Some(answer));
    }

    /// Sends the result of a request.
    pub(crate) fn settle(&self, id: u64, result: Result<Done, Failed>) {
        self.send(match result {
            Ok(done) => Answer::Done { id, done },
            Err(failed) => Answer::Failed { id: Some(id), failed },
        });
    }

    /// Nothing more is written, even where a clone is still held.
    pub(crate) fn end(&self) {
        let _ = self.0.send(None);
    }
}

/// Writes until the end, or until nobody reads; flushes whenever nothing waits.
fn write_all(receiver: &Receiver<Option<Answer>>) {
    let mut out = BufWriter::new(std::io::stdout().lock());
    while let Ok(Some(answer)) = receiver.recv() {
        let mut next = Ok(Some(answer));
        while let Ok(Some(answer)) = next {
            if write(&answer, &mut out).is_err() {
                return;
            }
            next = receiver.try_recv();
        }
        if out.flush().is_err() || next == Ok(None) {
            return;
        }
    }
}

fn write(answer: &Answer, out: &mut impl Write) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    out.write_all(b"\n")
}

/// How far one request is, told to the engine now and then.
pub(crate) struct Progress {
    id: u64,
    answers: Answers,
    told: Mutex<(u64, Instant)>,
}

impl Progress {
    /// Of the request `id`, which has just begun.
    pub(crate) fn new(id: u64, answers: Answers) -> Self {
        Self { id, answers, told: Mutex::new((0, Instant::now())) }
    }

    /// So many more bytes are done.
    pub(crate) fn add(&self, more: u64) {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        told.0 += more;
        if told.1.elapsed() >= NOTE_EVERY {
            told.1 = Instant::now();
            self.answers.send(Answer::Note { id: self.id, note: Note { bytes: told.0, words: None } });
        }
    }

    /// What is tried now.
    pub(crate) fn words(&self, words: &str) {
        self.answers.send(Answer::Note { id: self.id, note: Note { bytes: 0, words: Some(words.into()) } });
    }

    /// The transfer begins anew.
    pub(crate) fn restart(&self) {
        self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0 = 0;
    }
}
