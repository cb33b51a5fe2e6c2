//! Runs launches as child processes of this one.
//!
//! ```text
//!   child --stdout, stderr--> output pipe --+--> log file
//!         --event lines-----> events pipe --+--> events.send(Event), log messages also into the log file
//!   cancel: Stop -> SIGTERM to the group, after the grace SIGKILL;  Kill -> SIGKILL
//!   end of the child -> kill the rest of its tree -> read what is left in the pipes -> judge
//! ```
//!
//! The end of the child ends the stage. The pipes' ends are not waited for, because a daemon could hold them open.

use std::fs::File;
use std::future::pending;
use std::io::{self, Read};

use contract::{Event, Level};
use rustix::process::{Signal, getpid, set_child_subreaper};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::BackendError;
use super::events::EventLines;
use super::exit::Exit;
use super::guardian::Guardian;
use super::launch::{Cancel, Control, Launch};
use super::log::{KEEP, Log};
use super::outcome::{Evidence, LastWord, Outcome, judge};
use super::process::{self, NotStarted, Process, Streams};
use super::{Backend, Running};
use crate::store::Usage;

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// The most that a pipe can hold for an ordinary user (`fs.pipe-max-size`); more than this after the end of a child comes
/// from somebody who escaped.
const PIPE_MOST: usize = 1 << 20;

/// Child processes on this machine.
#[derive(Debug)]
pub struct Local {
    guardian: Guardian,
}

impl Local {
    /// A backend whose process trees are in the care of `guardian`.
    ///
    /// This process becomes the one that adopts its orphaned descendants, so that it can find those which left their
    /// stage's group.
    pub fn new(guardian: Guardian) -> Local {
        // An old kernel has no such thing; then strays live until the guardian's look at the end of the run.
        let _ = set_child_subreaper(Some(getpid()));
        Local { guardian }
    }

    async fn supervise(
        &self,
        launch: Launch,
        events: UnboundedSender<Event>,
        mut control: watch::Receiver<Control>,
    ) -> Result<Outcome, BackendError> {
        if control.borrow().cancel > Cancel::No {
            return Ok(Outcome::Interrupted(Usage::default()));
        }
        let log = Log::create(&launch.log, KEEP);
        let log = log.map_err(|source| BackendError::Log { path: launch.log.clone(), source })?;
        let mut hearing = Hearing { log, lines: EventLines::default(), last_word: None, events };
        let (mut process, streams) = match process::start(&launch) {
            Ok(started) => started,
            Err(NotStarted::Refused(refusal)) => {
                hearing.log.message(Level::Error, &refusal.message);
                return Ok(refusal.into_outcome(Exit::NotStarted, Usage::default()));
            }
            Err(NotStarted::Broken(error)) => return Err(error),
        };
        if let Err(error) = self.guardian.watch(process.group()) {
            hearing.warn(format!("the guardian process is gone ({error}): this stage outlives a killed engine"));
        }

        let asked = attend(&mut process, &launch, &mut control, &streams, &mut hearing).await?;

        let group = process.group();
        process.signal(Signal::KILL);
        // A guardian that is gone has been reported above.
        let _ = self.guardian.release(group);
        let (exit, usage) = process.reap()?;
        process.bury().await;
        hearing.drain(streams);
        let last_word = hearing.finish();
        Ok(judge(Evidence { protocol: launch.protocol, exit, last_word, cancel: asked, usage }))
    }
}

impl Backend for Local {
    fn run<'a>(
        &'a self,
        launch: Launch,
        events: UnboundedSender<Event>,
        control: watch::Receiver<Control>,
    ) -> Running<'a> {
        Box::pin(self.supervise(launch, events, control))
    }
}

/// Passes on what the child says and what is asked of it until it has ended; returns what was asked.
async fn attend(
    process: &mut Process,
    launch: &Launch,
    control: &mut watch::Receiver<Control>,
    streams: &Streams,
    hearing: &mut Hearing,
) -> Result<Cancel, BackendError> {
    let mut asked = Cancel::No;
    let mut deadline = None;
    let (mut output_open, mut events_open, mut control_open) = (true, true, true);
    let mut chunk = vec![0; CHUNK];
    loop {
        tokio::select! {
            ended = process.ended() => return ended.map(|()| asked),
            _ = streams.output.readable(), if output_open => {
                output_open = take(&streams.output, &mut chunk, |bytes| hearing.log.append(bytes)) != Taken::End;
            }
            _ = streams.events.readable(), if events_open => {
                events_open = take(&streams.events, &mut chunk, |bytes| hearing.hear(bytes)) != Taken::End;
            }
            changed = control.changed(), if control_open => {
                control_open = changed.is_ok();
                let wish = control.borrow_and_update().cancel;
                if wish > asked {
                    asked = wish;
                    process.signal(if wish == Cancel::Stop { Signal::TERM } else { Signal::KILL });
                    deadline = (wish == Cancel::Stop).then(|| Instant::now() + launch.grace);
                }
            }
            () = until(deadline) => {
                deadline = None;
                hearing.warn(format!("did not leave within {:?} of SIGTERM and was killed", launch.grace));
                process.signal(Signal::KILL);
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => pending().await,
    }
}

/// What one read gave.
#[derive(PartialEq, Eq)]
enum Taken {
    /// Something, or nothing now.
    Open,
    /// Nothing ever: no writer is left.
    End,
}

fn take(pipe: &Receiver, chunk: &mut [u8], mut give: impl FnMut(&[u8])) -> Taken {
    match pipe.try_read(chunk) {
        Ok(0) => Taken::End,
        Ok(count) => {
            give(&chunk[..count]);
            Taken::Open
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Taken::Open,
        // A pipe that cannot be read is as good as ended; the child's end is still seen.
        Err(_) => Taken::End,
    }
}

/// Where everything goes that a child says.
struct Hearing {
    log: Log,
    lines: EventLines,
    last_word: Option<LastWord>,
    events: UnboundedSender<Event>,
}

impl Hearing {
    fn hear(&mut self, bytes: &[u8]) {
        let Hearing { log, lines, last_word, events } = self;
        lines.feed(bytes, |event| pass_on(event, log, last_word, events));
    }

    fn warn(&mut self, message: String) {
        let event = Event::Log { level: Level::Warning, message };
        pass_on(event, &mut self.log, &mut self.last_word, &self.events);
    }

    /// Takes what lies in the pipes of a child that has ended.
    fn drain(&mut self, streams: Streams) {
        drain(streams.output, |bytes| self.log.append(bytes));
        drain(streams.events, |bytes| self.hear(bytes));
    }

    fn finish(mut self) -> Option<LastWord> {
        let lines = std::mem::take(&mut self.lines);
        lines.finish(|event| pass_on(event, &mut self.log, &mut self.last_word, &self.events));
        if let Err(error) = self.log.finish() {
            let message = format!("the log is incomplete: {error}");
            send(&self.events, Event::Log { level: Level::Warning, message });
        }
        self.last_word
    }
}

/// Reads past tokio, which would ask its reactor first and so not see what came since that last ran.
fn drain(pipe: Receiver, mut give: impl FnMut(&[u8])) {
    // Both errors mean the same: there is nothing to be read now.
    let Ok(pipe) = pipe.into_nonblocking_fd() else { return };
    let mut file = File::from(pipe);
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    while let Ok(count @ 1..) = file.read(&mut chunk) {
        give(&chunk[..count]);
        total += count;
        if total >= PIPE_MOST {
            return;
        }
    }
}

fn pass_on(event: Event, log: &mut Log, last_word: &mut Option<LastWord>, events: &UnboundedSender<Event>) {
    if let Event::Log { level, message } = &event {
        log.message(*level, message);
    }
    // The first one counts: `failed` followed by `finished` is a failure, and the reverse is judged by the exit status.
    if last_word.is_none() {
        *last_word = LastWord::of(&event);
    }
    send(events, event);
}

/// A receiver that is gone does not want to know.
fn send(events: &UnboundedSender<Event>, event: Event) {
    let _ = events.send(event);
}
