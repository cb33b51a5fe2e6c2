//! Runs launches as child processes of this one.
//!
//! ```text
//!   child --stdout, stderr--> output pipe --+--> log file
//!         --event lines-----> events pipe --+--> events.send(Event), log messages also into the log file
//!   checkpoints -> SIGUSR1 to the child, where it has a handler
//!   cancel: Stop -> SIGTERM and SIGCONT to the group, after the grace SIGKILL;  Kill -> SIGKILL
//!   control: paused -> SIGSTOP, its time-out stands still; time-out -> as Stop, and a failure
//!   end of the child -> kill the rest of its tree -> read the rest of the pipes -> judge
//! ```
//!
//! The end of the child ends the stage. The pipes' ends are not waited for, because a daemon could hold them open.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::pending;
use std::io::{self, Read};
use std::time::Duration;

use contract::{Event, Level, Usage};
use rustix::process::{DumpableBehavior, Signal, getpid, set_child_subreaper, set_dumpable_behavior};
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::Instant;

use super::confine::{Confinement, Confiner};
use super::error::BackendError;
use super::events::EventLines;
use super::exit::Exit;
use super::groups::Groups;
use super::guardian::Guardian;
use super::known::Known;
use super::launch::{Cancel, Control, Launch};
use super::log::{KEEP, Log};
use super::memory::OwnMark;
use super::outcome::{Evidence, LastWord, Outcome, judge};
use super::pace::Pace;
use super::process::{self, NotStarted, Process, Streams};
use super::redact::Redactor;

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// While no more jobs are to be started, how often tokens that came back are withdrawn.
const DRAIN_EVERY: Duration = Duration::from_millis(100);

/// The most that a pipe can hold for an ordinary user (`fs.pipe-max-size`); more than this after the end of a child comes
/// from somebody who escaped.
const PIPE_MOST: usize = 1 << 20;

/// Child processes on this machine.
#[derive(Debug)]
pub struct Local {
    guardian: Guardian,
    /// Starts private launches; absent where the kernel cannot confine them.
    confined: Option<Confiner>,
    own_mark: OwnMark,
    groups: Groups,
}

impl Local {
    /// A backend whose process trees are in the care of `guardian`.
    ///
    /// This process becomes the one that adopts its orphaned descendants, so that it can find those which left their
    /// stage's group.
    pub fn new(guardian: Guardian, confinement: Option<&Confinement>) -> Local {
        // An old kernel has no such thing; then strays live until the guardian's look at the end of the run.
        let _ = set_child_subreaper(Some(getpid()));
        let own_mark = OwnMark::new();
        keep_from_debuggers();
        Local { guardian, confined: confinement.and_then(Confiner::new), own_mark, groups: Groups::default() }
    }

    /// Runs `launch` to its end. Every event goes to `events` as it comes; `control` asks it to end early or to pause.
    ///
    /// When this returns, no process of the launch is left, its log is complete and its last event has been sent.
    /// Dropping the future kills the launch.
    pub async fn run(
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
        let (redactor, known) = (Redactor::new(&launch.secrets), Known::new(&launch.known));
        let (lines, pace) = (EventLines::default(), Pace::default());
        let mut hearing = Hearing { log, redactor, known, lines, pace, last_word: None, events };
        let (mut process, mut streams) = match process::start(&launch, self.confined.as_ref(), &self.own_mark) {
            Ok(started) => started,
            Err(NotStarted::Refused(refusal)) => {
                hearing.log.message(Level::Error, &refusal.message);
                return Ok(refusal.into_outcome(Exit::NotStarted, Usage::default()));
            }
            Err(NotStarted::Broken(error)) => return Err(error),
        };
        if let Some(trouble) = self.guardian.watch(process.group()) {
            hearing.warn(trouble);
        }

        let _listed = self.groups.list(&launch.trace.stage, process.group());
        let end = self.attend(&mut process, &launch, &mut control, &mut streams, &mut hearing).await?;

        let group = process.group();
        process.signal(Signal::KILL);
        if let Some(trouble) = self.guardian.release(group) {
            hearing.warn(trouble);
        }
        let (exit, mut usage) = process.reap()?;
        usage.seconds = (usage.seconds - end.paused.as_secs_f64()).max(0.0);
        process.bury().await;
        hearing.drain(streams);
        let last_word = hearing.finish();
        let timed_out = launch.timeout.filter(|_| end.timed_out);
        Ok(judge(Evidence { protocol: launch.protocol, exit, last_word, cancel: end.asked, timed_out, usage }))
    }

    /// The process groups of the launches that run now, by stage.
    pub fn groups(&self) -> BTreeMap<String, u32> {
        self.groups.all()
    }

    /// Passes on the child's output, and passes requests to it, until it has ended.
    async fn attend(
        &self,
        process: &mut Process,
        launch: &Launch,
        control: &mut watch::Receiver<Control>,
        streams: &mut Streams,
        hearing: &mut Hearing,
    ) -> Result<End, BackendError> {
        let mut end = End { asked: Cancel::No, timed_out: false, paused: Duration::ZERO };
        let mut clock = Clock::new(launch.timeout);
        let mut deadline = None;
        let mut draining = control.borrow().throttled;
        let mut checkpoints = control.borrow().checkpoints;
        let mut drain = tokio::time::interval(DRAIN_EVERY);
        let (mut output_open, mut events_open, mut control_open) = (true, true, true);
        let mut chunk = vec![0; CHUNK];
        let mut look = Instant::now() + process.until_look();
        // Tells of the guardian's end too.
        let ends = |source| BackendError::Watch { process: process.id(), source };
        let mut children = unix::signal(SignalKind::child()).map_err(ends)?;
        loop {
            tokio::select! {
                ended = process.ended() => {
                    end.paused = clock.paused();
                    return ended.map(|()| end);
                }
                _ = children.recv() => {
                    if let Some(trouble) = self.guardian.tend() {
                        hearing.warn(trouble);
                    }
                }
                _ = streams.output.readable(), if output_open => {
                    output_open = take(&streams.output, &mut chunk, |bytes| hearing.output(bytes)) != Taken::End;
                }
                _ = streams.events.readable(), if events_open => {
                    events_open = take(&streams.events, &mut chunk, |bytes| hearing.hear(bytes)) != Taken::End;
                }
                changed = control.changed(), if control_open => {
                    control_open = changed.is_ok();
                    let Control { cancel: wish, paused, throttled, checkpoints: wanted, .. } = *control.borrow_and_update();
                    if wanted > checkpoints {
                        checkpoints = wanted;
                        process.ask_for_checkpoint();
                    }
                    if throttled != draining {
                        draining = throttled;
                        if throttled { streams.tokens.withdraw() } else { streams.tokens.restore() }
                    }
                    if wish > end.asked {
                        end.asked = wish;
                        if wish == Cancel::Stop { process.ask_to_leave() } else { process.signal(Signal::KILL) }
                        deadline = (wish == Cancel::Stop).then(|| Instant::now() + launch.grace);
                    }
                    // A process that is to leave must be able to move.
                    let still = paused && end.asked == Cancel::No && !end.timed_out;
                    if clock.set_paused(still) {
                        process.signal(if still { Signal::STOP } else { Signal::CONT });
                    }
                }
                () = until(clock.deadline()), if !end.timed_out && end.asked == Cancel::No => {
                    end.timed_out = true;
                    hearing.warn(format!("did not end within {:?}: asked to leave", launch.timeout.unwrap_or_default()));
                    process.ask_to_leave();
                    deadline = Some(Instant::now() + launch.grace);
                }
                () = until(hearing.pace.flush_at()) => hearing.show_progress(),
                () = tokio::time::sleep_until(look) => {
                    process.look();
                    look = Instant::now() + process.until_look();
                }
                _ = drain.tick(), if draining => streams.tokens.withdraw(),
                () = until(deadline) => {
                    deadline = None;
                    hearing.warn(format!("did not leave within {:?} of SIGTERM and was killed", launch.grace));
                    process.signal(Signal::KILL);
                }
            }
        }
    }
}

/// A process that may debug this one can read every secret that it hands out: in its memory and, where they came from there, in
/// its environment. So only root may. The programs that it starts may be debugged again.
pub fn keep_from_debuggers() {
    // Where this is refused, things are as they were.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// How the wait for a child ended.
struct End {
    asked: Cancel,
    timed_out: bool,
    /// How long it stood still.
    paused: Duration,
}

/// The time that a child has left, which stands still while the child does.
struct Clock {
    deadline: Option<Instant>,
    /// Since when it stands still, and the time that was left then.
    still: Option<(Instant, Option<Duration>)>,
    paused: Duration,
}

impl Clock {
    fn new(timeout: Option<Duration>) -> Clock {
        Clock { deadline: timeout.map(|time| Instant::now() + time), still: None, paused: Duration::ZERO }
    }

    /// When the time is up; never, while it stands still.
    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether that changed anything.
    fn set_paused(&mut self, paused: bool) -> bool {
        let now = Instant::now();
        match (paused, self.still.take()) {
            (true, None) => {
                let left = self.deadline.take().map(|deadline| deadline.saturating_duration_since(now));
                self.still = Some((now, left));
            }
            (false, Some((since, left))) => {
                self.paused += now - since;
                self.deadline = left.map(|left| now + left);
            }
            (_, unchanged) => {
                self.still = unchanged;
                return false;
            }
        }
        true
    }

    fn paused(&self) -> Duration {
        self.paused + self.still.map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => pending().await,
    }
}

/// The result of one read.
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
    redactor: Redactor,
    known: Known,
    lines: EventLines,
    pace: Pace,
    last_word: Option<LastWord>,
    events: UnboundedSender<Event>,
}

impl Hearing {
    fn output(&mut self, bytes: &[u8]) {
        let Hearing { log, redactor, .. } = self;
        redactor.feed(bytes, |clean| log.append(clean));
    }

    fn hear(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.feed(bytes, |event| self.pass_on(event));
        self.lines = lines;
    }

    fn warn(&mut self, message: String) {
        self.pass_on(Event::Log { level: Level::Warning, message });
    }

    fn pass_on(&mut self, event: Event) {
        let event = self.redactor.event(self.known.event(event));
        if let Event::Log { level, message } = &event {
            self.redactor.flush(|clean| self.log.append(clean));
            self.log.message(*level, message);
        }
        // The first one counts: `failed` followed by `finished` is a failure, and the reverse is judged by the exit status.
        if self.last_word.is_none() {
            self.last_word = LastWord::of(&event);
        }
        self.pace.pass(event, Instant::now(), |event| send(&self.events, event));
    }

    /// Passes on progress that was held back.
    fn show_progress(&mut self) {
        self.pace.flush(Instant::now(), |event| send(&self.events, event));
    }

    /// Takes the rest of the bytes in the pipes of a child that has ended.
    fn drain(&mut self, streams: Streams) {
        drain(streams.output, |bytes| self.output(bytes));
        self.redactor.flush(|clean| self.log.append(clean));
        drain(streams.events, |bytes| self.hear(bytes));
    }

    fn finish(mut self) -> Option<LastWord> {
        let lines = std::mem::take(&mut self.lines);
        lines.finish(|event| self.pass_on(event));
        self.show_progress();
        if let Err(error) = self.log.finish() {
            let message = format!("the log is incomplete: {error}");
            send(&self.events, Event::Log { level: Level::Warning, message });
        }
        self.last_word
    }
}

/// Reads past tokio, which would ask its reactor first and so not see bytes that came since that last ran.
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

/// A receiver that is gone does not want to know.
fn send(events: &UnboundedSender<Event>, event: Event) {
    let _ = events.send(event);
}
