//! Follows a running attempt: reads its events, log, lease and end, and asks about its instance.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use contract::Event;
use contract::backend::{Ended, Instance, State};
use tokio::sync::watch;

use super::attempts;
use super::board::{Board, Stream};
use super::documents::{Attempt, End, Stop};
use super::farewell::{self, Wish};
use super::launcher::Launcher;
use super::lease::unix_seconds;
use super::pace::{Pace, about};
use super::standing::Pulse;
use super::teller::Teller;
use crate::executor::{Cancel, Control, PlaceState};
use crate::remote::{FailedClass, RemoteError};

/// How long a place may fail to answer before that is an error: the work there goes on meanwhile.
pub(super) const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Lines of an instance's log that a message shows.
const LAST_LINES: usize = 3;

/// How long a client that wrote an intent is left alone with the launch.
const HEAD_START: Duration = Duration::from_millis(300);

/// How often the place is asked for an instance: while nothing is heard from it, and once it works.
const ANXIOUS: Duration = Duration::from_secs(5);
const CALM: Duration = Duration::from_secs(30);

/// How following an attempt ended.
#[derive(Debug)]
pub(super) enum Followed {
    /// With the attempt.
    Ended(End),
    /// It shows no life any more, or its place took its machine.
    Lost(String),
    /// Its instance ended by itself before it took the lease: the reason, and the end of its log.
    Unborn(String),
    /// Nothing was launched for it.
    Unlaunched,
    /// A later attempt is the one that counts.
    Superseded(u32),
    /// The user left, and it goes on.
    Left,
}

/// An attempt that is followed.
pub(super) struct Following<'a> {
    pub board: &'a Board,
    pub launcher: &'a dyn Launcher,
    pub attempt: u32,
    /// A lease that was not renewed for so long is lost.
    pub lease: Duration,
    pub control: &'a watch::Receiver<Control>,
    pub teller: &'a Teller,
    pub log: &'a mut File,
    pub progress: &'a mut Progress,
}

/// How far an attempt was read.
#[derive(Debug)]
pub(super) struct Progress {
    events: u64,
    log: u64,
    told_to_stop: bool,
    /// Its instance, as the place said last.
    pub instance: Option<Instance>,
    /// It had the lease.
    has_begun: bool,
    /// When the lease is read again, and when the place is asked again.
    lease_due: Instant,
    place_due: Instant,
    place_pause: Duration,
}

impl Progress {
    pub(super) fn new() -> Progress {
        let now = Instant::now();
        Progress {
            events: 0,
            log: 0,
            told_to_stop: false,
            instance: None,
            has_begun: false,
            lease_due: now,
            place_due: now + HEAD_START,
            place_pause: HEAD_START,
        }
    }

    /// Whether its instance worked at the action.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }
}

impl Following<'_> {
    pub(super) fn follow(&mut self) -> Result<Followed, RemoteError> {
        let mut pulse = Pulse::new(self.lease, Instant::now());
        let mut pace = Pace::new(self.board.remote.pace());
        let mut silent_since: Option<Instant> = None;
        loop {
            match self.look(&mut pulse) {
                Ok(Look::Over(followed)) => return Ok(followed),
                Ok(Look::News) => pace.hurry(),
                Ok(Look::Nothing) => pace.slow_down(),
                Err(error) if error.class == FailedClass::Unavailable => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > PATIENCE {
                        return Err(error);
                    }
                    self.teller.state(self.attempt, PlaceState::Silent, error.message);
                    pace.slow_down();
                    if let Some(followed) = self.asked()? {
                        return Ok(followed);
                    }
                    std::thread::sleep(about(pace.pause()));
                    continue;
                }
                Err(error) => return Err(error),
            }
            if silent_since.take().is_some() && self.teller.was_silent() {
                self.teller.state(self.attempt, PlaceState::Running, "it answers again");
            }
            if let Some(followed) = self.asked()? {
                return Ok(followed);
            }
            std::thread::sleep(pace.pause());
        }
    }

    fn look(&mut self, pulse: &mut Pulse<(u32, u64)>) -> Result<Look, RemoteError> {
        let (news, is_over) = self.hear()?;
        if is_over && let Some(attempt) = self.board.attempt(self.attempt)? {
            // Written after everything that it said.
            self.hear()?;
            return Ok(Look::Over(Followed::Ended(attempt.end)));
        }
        let now = Instant::now();
        if now >= self.progress.lease_due
            && let Some(followed) = self.look_at_lease(pulse, now)?
        {
            return Ok(Look::Over(followed));
        }
        if now >= self.progress.place_due
            && let Some(followed) = self.look_at_place(pulse)?
        {
            return Ok(Look::Over(followed));
        }
        Ok(if news { Look::News } else { Look::Nothing })
    }

    /// The lease is read when its owner must have renewed it; until it has one, each time.
    fn look_at_lease(&mut self, pulse: &mut Pulse<(u32, u64)>, now: Instant) -> Result<Option<Followed>, RemoteError> {
        let lease = self.board.lease()?.map(|(lease, _)| lease);
        if let Some(lease) = lease.as_ref().filter(|lease| lease.epoch > self.attempt) {
            return Ok(Some(Followed::Superseded(lease.epoch)));
        }
        let sign = lease.filter(|lease| lease.epoch == self.attempt).map(|lease| (lease.epoch, lease.beat));
        if sign.is_some() {
            if !self.progress.has_begun {
                self.progress.has_begun = true;
                self.progress.place_pause = self.progress.place_pause.max(CALM);
                self.progress.place_due = now;
            }
            self.progress.lease_due = now + self.lease / 4;
            if pulse.is_same(sign) {
                // It ought to have renewed it since: perhaps its instance is gone.
                self.progress.place_due = now;
            }
        }
        if !pulse.is_lost(sign, now) {
            return Ok(None);
        }
        Ok(Some(match self.board.newest()? {
            newest if newest > self.attempt => Followed::Superseded(newest),
            _ => Followed::Lost(format!("has shown no life for {:?}", self.lease)),
        }))
    }

    /// Asks the place about its instance. An error is not final: the place is asked again later.
    fn look_at_place(&mut self, pulse: &mut Pulse<(u32, u64)>) -> Result<Option<Followed>, RemoteError> {
        let looked = self.launcher.look(&self.board.key, self.attempt);
        let most = if self.progress.has_begun { CALM } else { ANXIOUS };
        self.progress.place_pause = (self.progress.place_pause * 2).min(most);
        self.progress.place_due = Instant::now() + about(self.progress.place_pause);
        let instance = match looked {
            Ok(Some(instance)) => attempts::completed(self.board, instance)?,
            // It has the lease, so it is somewhere: on another machine, or the place only forgot it.
            Ok(None) if self.progress.has_begun || self.progress.instance.is_some() => return Ok(None),
            Ok(None) => return Ok(Some(Followed::Unlaunched)),
            Err(error) => {
                self.teller.state(self.attempt, PlaceState::Silent, error.message);
                return Ok(None);
            }
        };
        self.teller.instance(&instance);
        if self.progress.instance.as_ref() != Some(&instance) {
            // Recorded for later questions about its cost. Every other follower writes the same.
            self.board.write_instance(&instance)?;
        }
        let (state, end, why) = (instance.state, instance.end, instance.why.clone());
        self.progress.instance = Some(instance);
        match state {
            State::Waiting | State::Starting => {
                // Nothing can be heard from it yet.
                *pulse = Pulse::new(self.lease, Instant::now());
                Ok(None)
            }
            State::Running | State::Stopping => Ok(None),
            State::Ended => self.after_end(end, why),
        }
    }

    /// The place's own log of the instance goes to the log of the stage. Returns the end of it, for a message.
    fn note_boot(&mut self) -> Option<String> {
        let id = self.progress.instance.as_ref()?.id.clone();
        let text = self.launcher.logs(&id).ok()?;
        // A log that cannot be written is no reason to keep the end from the user.
        let _ = self.log.write_all(text.as_bytes());
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        (!last.is_empty()).then(|| last.join("; "))
    }

    /// Its instance has ended, after it wrote everything. Reads the rest; without a recorded end, the place's answer decides.
    fn after_end(&mut self, end: Option<Ended>, why: String) -> Result<Option<Followed>, RemoteError> {
        self.hear()?;
        if let Some(attempt) = self.board.attempt(self.attempt)? {
            self.hear()?;
            return Ok(Some(Followed::Ended(attempt.end)));
        }
        Ok(Some(match end {
            Some(Ended::Failed) => {
                self.note_boot();
                self.note_end(End::Broken { message: why })?
            }
            Some(Ended::Stopped) => self.note_end(End::Interrupted { noticed: false, expired: false })?,
            Some(Ended::Finished) | None if !self.progress.has_begun => {
                Followed::Unborn(self.note_boot().map_or(why.clone(), |last| format!("{why}: {last}")))
            }
            Some(Ended::Finished | Ended::Interrupted | Ended::Expired) | None => {
                Followed::Lost(format!("has ended without a word: {why}"))
            }
        }))
    }

    /// Writes down how it ended in its stead, so that the next client does not stumble over it.
    fn note_end(&self, end: End) -> Result<Followed, RemoteError> {
        let (now, instance) = (unix_seconds(), self.progress.instance.as_ref());
        let ended = instance.and_then(|instance| instance.ended).unwrap_or(now);
        let started = instance.and_then(|instance| instance.launched).unwrap_or(ended);
        let host = instance.map(|instance| instance.id.clone()).unwrap_or_default();
        self.board.write_attempt(&Attempt { epoch: self.attempt, host, started, ended, end: end.clone() })?;
        Ok(Followed::Ended(end))
    }

    /// Passes on its new events and log. Returns whether there were any, and whether its end is recorded.
    fn hear(&mut self) -> Result<(bool, bool), RemoteError> {
        let mut news = false;
        loop {
            let Progress { events, log, .. } = *self.progress;
            let there = self.board.is_there(self.attempt, events, log)?;
            if there.events
                && let Some(text) = self.board.piece(Stream::Events, self.attempt, events)?
            {
                self.progress.events += 1;
                for event in text.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()) {
                    self.teller.event(event);
                }
            }
            if there.log
                && let Some(text) = self.board.piece(Stream::Log, self.attempt, log)?
            {
                self.progress.log += 1;
                // A log that cannot be written is no reason to lose sight of the stage.
                let _ = self.log.write_all(text.as_bytes());
            }
            if (events, log) == (self.progress.events, self.progress.log) {
                return Ok((news, there.end));
            }
            news = true;
        }
    }

    /// Acts on a cancellation of the run: leaves the attempt running, or tells it to stop.
    fn asked(&mut self) -> Result<Option<Followed>, RemoteError> {
        let Control { cancel, leaving, .. } = *self.control.borrow();
        if self.control.has_changed().is_err() {
            return Ok(Some(Followed::Left));
        }
        match cancel {
            Cancel::No => Ok(None),
            Cancel::Stop if leaving => self.leave(),
            Cancel::Stop => match self.stop() {
                // It is told as soon as the place answers.
                Err(error) if error.class == FailedClass::Unavailable => Ok(None),
                stopped => stopped.map(|()| None),
            },
            Cancel::Kill => Ok(Some(self.stop_and_leave())),
        }
    }

    /// Asks it to end: its stage may take a checkpoint. One that has not begun has none to take.
    fn stop(&mut self) -> Result<(), RemoteError> {
        if self.progress.told_to_stop {
            return Ok(());
        }
        self.board.write_stop(self.attempt, &Stop {})?;
        if !self.progress.has_begun
            && let Some(instance) = &self.progress.instance
        {
            self.launcher.cancel(&instance.id)?;
        }
        self.progress.told_to_stop = true;
        Ok(())
    }

    fn stop_and_leave(&mut self) -> Followed {
        let place = self.teller.place.clone();
        match self.stop() {
            Ok(()) => self.teller.warn(format!("it is told to stop at `{place}`")),
            Err(error) => {
                self.teller.warn(format!("it goes on at `{place}`, which could not be told to stop it: {error}"))
            }
        }
        Followed::Left
    }

    /// Leaves it running, or stops it, as the user at the terminal decides.
    fn leave(&mut self) -> Result<Option<Followed>, RemoteError> {
        let place = &self.teller.place;
        match farewell::asked(|question| self.teller.warn(format!("{question} (at `{place}`)"))) {
            None => Ok(None),
            Some(Wish::Leave) => {
                self.teller.warn(format!("it goes on at `{place}`; the same command follows it again"));
                Ok(Some(Followed::Left))
            }
            Some(Wish::Stop) => Ok(Some(self.stop_and_leave())),
        }
    }
}

/// The outcome of one look.
enum Look {
    Over(Followed),
    News,
    Nothing,
}
