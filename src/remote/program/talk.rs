//! The state that the threads of a backend program share: the callers that wait for answers, and the reason why no more will come.

use std::collections::HashMap;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::backend::{Answer, Done, Failed, Note, Welcome};
use contract::clean::bounded;

use crate::remote::{FailedClass, RemoteError};

/// Bytes of the longest line that is read: a page of names, or a text of 1 MiB in escapes.
const LONGEST_LINE: u64 = 16 << 20;

/// Lines for people that are kept until somebody asks for them.
const SAID: usize = 100;

/// Bytes that are kept of a line for people.
const LONGEST_SAID: usize = 2000;

/// Silence that is worth a line for people; each further line comes after twice the time.
const SILENCE: Duration = Duration::from_secs(5);

/// Lines for people, of which the first are kept until they are fetched.
#[derive(Debug, Default)]
pub(super) struct Words(Mutex<Vec<String>>);

/// The state that the threads of a program share.
pub(super) struct Talk {
    /// Who waits, by request; 0 is the hello.
    pub waiting: Mutex<HashMap<u64, Sender<Heard>>>,
    /// Why nothing more is heard.
    pub ended: Mutex<Option<End>>,
    /// Whether a request was ever answered.
    answered: AtomicBool,
    /// A secret was asked for: a line that cannot be read is shown nowhere.
    private: AtomicBool,
    silence: Mutex<Silence>,
}

/// Why nothing more is heard of a program.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// It ended: started anew, it may carry out the same request.
    Died(RemoteError),
    /// It does not keep to the protocol.
    Nonsense(RemoteError),
}

struct Silence {
    /// When something was heard last.
    since: Instant,
    /// How long it must last to be worth the next line.
    notable: Duration,
}

/// Something that was heard about a request.
pub(super) enum Heard {
    Welcome(Welcome),
    Done(Done),
    Note(Note),
    Failed(Failed),
}

impl Words {
    /// Notes a line.
    pub(super) fn say(&self, line: &str) {
        let mut said = lock(&self.0);
        if said.len() < SAID {
            said.push(bounded(line, LONGEST_SAID).into_owned());
        }
    }

    /// The lines since the last call.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl End {
    pub(super) fn error(self) -> RemoteError {
        match self {
            End::Died(error) | End::Nonsense(error) => error,
        }
    }
}

impl Talk {
    pub(super) fn new() -> Talk {
        Talk {
            waiting: Mutex::default(),
            ended: Mutex::default(),
            answered: AtomicBool::new(false),
            private: AtomicBool::new(false),
            silence: Mutex::new(Silence { since: Instant::now(), notable: SILENCE }),
        }
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Sender<Heard>>> {
        lock(&self.waiting)
    }

    /// From now on a line that cannot be read is not quoted: it may hold a secret.
    pub(super) fn keep_to_itself(&self) {
        self.private.store(true, Ordering::Relaxed);
    }

    /// Whether a request was ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether anything was heard since then.
    pub(super) fn heard_since(&self, then: Instant) -> bool {
        lock(&self.silence).since > then
    }

    /// How long nothing was heard of a request that was sent at `asked`.
    pub(super) fn quiet(&self, asked: Instant) -> Duration {
        lock(&self.silence).since.max(asked).elapsed()
    }

    /// As [`Talk::quiet`], where it has become worth a line for people. However many wait, one of them gets it.
    pub(super) fn notable_silence(&self, asked: Instant) -> Option<Duration> {
        let mut silence = lock(&self.silence);
        let quiet = silence.since.max(asked).elapsed();
        (quiet >= silence.notable).then(|| {
            silence.notable *= 2;
            quiet
        })
    }

    fn end(&self, end: End) {
        lock(&self.ended).get_or_insert(end);
        // A waiting caller sees that nobody will answer.
        self.waiting().clear();
    }

    fn hear(&self, answer: Answer) {
        *lock(&self.silence) = Silence { since: Instant::now(), notable: SILENCE };
        let (id, heard) = match answer {
            Answer::Hello { hello } => (0, Heard::Welcome(hello)),
            Answer::Done { id, done } => (id, Heard::Done(done)),
            Answer::Note { id, note } => (id, Heard::Note(note)),
            Answer::Failed { id, failed } => (id.unwrap_or(0), Heard::Failed(failed)),
        };
        if id != 0 && matches!(heard, Heard::Done(_) | Heard::Failed(_)) {
            self.answered.store(true, Ordering::Relaxed);
        }
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
        let end = match read {
            Ok(0) => End::Died(broken(format!("{name} ended in the middle"))),
            Ok(read) => match serde_json::from_slice::<Answer>(&line) {
                Ok(answer) => {
                    talk.hear(answer);
                    continue;
                }
                Err(error) if error.is_eof() && (read as u64) < LONGEST_LINE && !line.ends_with(b"\n") => {
                    End::Died(broken(format!("{name} ended in the middle of an answer")))
                }
                Err(_) if talk.private.load(Ordering::Relaxed) => {
                    let message = format!("{name} wrote what is no answer");
                    End::Nonsense(broken(message).help("it does not keep to docs/backend-protocol.md"))
                }
                Err(error) => {
                    let shown = String::from_utf8_lossy(&line[..line.len().min(200)]);
                    let message =
                        format!("{name} wrote what is no answer: {error}: {}", bounded(shown.trim_end(), 200));
                    End::Nonsense(broken(message).help("it does not keep to docs/backend-protocol.md"))
                }
            },
            Err(error) => End::Died(broken(format!("{name} cannot be read: {error}"))),
        };
        return talk.end(end);
    }
}

/// Keeps the lines that a program writes to its standard error, for people. It reads on until there are no more, so that no write of the
/// program fails or waits: a line is cut where it is too long, and bytes that are no text are replaced.
pub(super) fn overhear(words: &Words, mut stderr: impl BufRead) {
    let mut line = Vec::new();
    let say = |line: &mut Vec<u8>| words.say(&String::from_utf8_lossy(&std::mem::take(line)));
    loop {
        let chunk = match stderr.fill_buf() {
            Ok([]) => break,
            Ok(chunk) => chunk,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let piece = &chunk[..end.unwrap_or(chunk.len())];
        // One byte more than is shown, so that the cut is seen.
        line.extend_from_slice(&piece[..piece.len().min((LONGEST_SAID + 1).saturating_sub(line.len()))]);
        let read = end.map_or(chunk.len(), |end| end + 1);
        stderr.consume(read);
        if end.is_some() {
            say(&mut line);
        }
    }
    if !line.is_empty() {
        say(&mut line);
    }
}

/// Writes requests until there are no more, or the program takes no more. Its input ends with this.
pub(super) fn speak(lines: &Receiver<Vec<u8>>, mut stdin: impl Write) {
    while let Ok(line) = lines.recv() {
        // Its reader learns why.
        if stdin.write_all(&line).is_err() {
            return;
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn every_line_for_people_is_heard_whatever_bytes_it_has_and_however_long_it_is() {
        let mut bytes = b"\xff\xfe bad\nplain\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 1 << 20));
        bytes.extend(b"\nbehind\nlast");
        let words = Words::default();
        overhear(&words, BufReader::new(bytes.as_slice()));
        let said = words.take();
        assert_eq!((said[0].as_str(), said[1].as_str()), ("\u{fffd}\u{fffd} bad", "plain"));
        assert!(said[2].len() <= LONGEST_SAID && said[2].ends_with("x..."), "{}", said[2].len());
        assert_eq!(said[3..], ["behind", "last"]);
    }
}
