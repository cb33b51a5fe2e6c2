//! Sends the output of the stage: its events as they come, its log as it grows, its checkpoints.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use contract::Event;

use super::checkpoints;
use crate::executor::remote::board::{Board, Stream};
use crate::executor::remote::lease::Held;
use crate::store::Store;

/// How often something is sent, at first and after many pieces.
const OFTEN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(1);
const MANY: u64 = 100;

/// Bytes of the largest piece.
const PIECE: usize = 512 << 10;

/// Bytes of a log that are sent while it grows. Beyond them the backend cuts out the middle; the rest follows at the end.
const STEADY: u64 = 16 << 20;

/// The output that is still to be sent at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remaining {
    /// Events and log.
    Words,
    /// Those, and the checkpoint that the stage left for the next attempt.
    WordsAndCheckpoint,
}

/// The thread that sends.
pub(super) struct Speaker {
    words: Sender<Event>,
    is_done: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Speaker {
    pub(super) fn start(board: Board, store: Arc<Store>, held: Arc<Held>, log: PathBuf) -> Speaker {
        let (words, heard) = channel();
        let speaking = Speaking {
            board,
            store,
            held,
            log,
            sent: 0,
            pending: String::new(),
            pieces: [0, 0],
            checkpoints: 0,
            whole: None,
            is_done: Arc::default(),
        };
        let is_done = Arc::clone(&speaking.is_done);
        Speaker { words, is_done, thread: std::thread::spawn(move || speaking.run(&heard)) }
    }

    pub(super) fn words(&self) -> Sender<Event> {
        self.words.clone()
    }

    /// Sends the rest. Every other sender is gone by now.
    pub(super) fn end(self, remaining: Remaining) {
        self.is_done.store(remaining == Remaining::Words, Ordering::Relaxed);
        drop(self.words);
        // Output that it could not send is lost; the end of the attempt still counts.
        let _ = self.thread.join();
    }
}

struct Speaking {
    board: Board,
    store: Arc<Store>,
    held: Arc<Held>,
    log: PathBuf,
    /// Bytes of the log that were sent.
    sent: u64,
    /// Lines of events that were not sent yet.
    pending: String,
    /// Pieces that were sent: events, log.
    pieces: [u64; 2],
    checkpoints: u32,
    /// The newest checkpoint, where it is not sent yet.
    whole: Option<PathBuf>,
    /// The stage gave its outputs, so that nobody goes on from a checkpoint.
    is_done: Arc<AtomicBool>,
}

impl Speaking {
    fn run(mut self, heard: &Receiver<Event>) {
        let mut last: Option<Instant> = None;
        loop {
            let interval = if self.pieces[0] + self.pieces[1] < MANY { OFTEN } else { SELDOM };
            let ending = match heard.recv_timeout(OFTEN) {
                Ok(event) => {
                    self.take(&event);
                    heard.try_iter().for_each(|event| self.take(&event));
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if ending || last.is_none_or(|last| last.elapsed() >= interval) {
                last = Some(Instant::now());
                self.send(ending);
            }
            if ending || self.held.is_lost() {
                return;
            }
        }
    }

    fn take(&mut self, event: &Event) {
        if let Event::Checkpoint { path, .. } = event {
            self.whole = Some(path.clone());
        }
        if let Ok(line) = serde_json::to_string(event) {
            self.pending.push_str(&line);
            self.pending.push('\n');
        }
    }

    fn send(&mut self, ending: bool) {
        self.send_log(ending);
        self.send_events();
        let wanted = (self.whole.is_some() || ending) && !self.is_done.load(Ordering::Relaxed);
        if wanted && self.held.permits() {
            // At the end nobody writes any more.
            let whole = self.whole.take().filter(|_| !ending);
            let place = (self.held.epoch(), self.checkpoints);
            // One that a newer one replaced just now is left to the next time.
            if let Ok(Some(_)) = checkpoints::send(&self.board, &self.store, place, whole.as_deref(), &self.held) {
                self.checkpoints += 1;
            }
        }
    }

    fn send_events(&mut self) {
        while !self.pending.is_empty() {
            let end = match self.pending.len() {
                ..=PIECE => self.pending.len(),
                // A single line fits into a message, even if it is longer than a piece.
                _ => self.pending[..PIECE].rfind('\n').or_else(|| self.pending.find('\n')).map_or(PIECE, |end| end + 1),
            };
            let text: String = self.pending.drain(..end).collect();
            if !self.piece(Stream::Events, &text) {
                return self.pending.insert_str(0, &text);
            }
        }
    }

    fn send_log(&mut self, ending: bool) {
        loop {
            let most = if ending { u64::MAX } else { STEADY - self.sent.min(STEADY) };
            let mut bytes = Vec::new();
            let read = File::open(&self.log).and_then(|mut log| {
                log.seek(SeekFrom::Start(self.sent))?;
                log.take(most.min(PIECE as u64)).read_to_end(&mut bytes)
            });
            // Before the stage starts there is none.
            if read.is_err() || bytes.is_empty() {
                return;
            }
            // A character that is not whole yet comes with the next piece.
            let whole = match std::str::from_utf8(&bytes) {
                Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
                _ => bytes.len(),
            };
            if !self.piece(Stream::Log, &String::from_utf8_lossy(&bytes[..whole])) {
                return;
            }
            self.sent += whole as u64;
        }
    }

    /// Whether it was sent.
    fn piece(&mut self, stream: Stream, text: &str) -> bool {
        let at = usize::from(stream == Stream::Log);
        let sent =
            self.held.permits() && self.board.write_piece(stream, self.held.epoch(), self.pieces[at], text).is_ok();
        self.pieces[at] += u64::from(sent);
        sent
    }
}
