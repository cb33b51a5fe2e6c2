//! What a client reads while an attempt goes on elsewhere: its events, its log, its lease and its end.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use contract::{Event, Level};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::board::{Board, Stream};
use super::documents::{End, Stop};
use super::standing::Pulse;
use crate::executor::{Cancel, Control};
use crate::remote::{FailedClass, RemoteError};

/// How soon it is looked again after there was news, and when there was none for a while.
const SOON: Duration = Duration::from_millis(10);
const LATER: Duration = Duration::from_millis(200);

/// So long a place may not answer before that is a failure: the work there goes on meanwhile.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// At a terminal, how long a second Ctrl-C is waited for that stops what would go on.
const SECOND_THOUGHT: Duration = Duration::from_secs(5);

/// How following an attempt ended.
#[derive(Debug)]
pub(super) enum Followed {
    /// With the attempt.
    Ended(End),
    /// It shows no life any more.
    Lost,
    /// A later attempt is the one that counts.
    Superseded(u32),
    /// The user left, and it goes on.
    Left,
}

/// An attempt that is followed.
pub(super) struct Following<'a> {
    pub board: &'a Board,
    pub attempt: u32,
    /// A lease that was not renewed for so long is lost.
    pub lease: Duration,
    /// Its backend, for messages.
    pub place: &'a str,
    pub control: &'a watch::Receiver<Control>,
    pub events: &'a UnboundedSender<Event>,
    pub log: &'a mut File,
    pub progress: Progress,
}

/// How far it was read.
#[derive(Debug, Default)]
pub(super) struct Progress {
    events: u64,
    log: u64,
    told_to_stop: bool,
    leaves_at: Option<Instant>,
}

impl Following<'_> {
    pub(super) fn follow(&mut self) -> Result<Followed, RemoteError> {
        let mut pulse = Pulse::new(self.lease, Instant::now());
        let mut pause = SOON;
        let mut silent_since: Option<Instant> = None;
        loop {
            match self.look(&mut pulse) {
                Ok(Look::Over(followed)) => return Ok(followed),
                Ok(Look::News) => pause = SOON,
                Ok(Look::Nothing) => pause = (pause * 2).min(LATER),
                Err(error) if error.class == FailedClass::Unavailable => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > PATIENCE {
                        return Err(error);
                    }
                    pause = (pause * 2).min(PATIENCE / 100);
                    std::thread::sleep(pause);
                    if let Some(followed) = self.asked()? {
                        return Ok(followed);
                    }
                    continue;
                }
                Err(error) => return Err(error),
            }
            silent_since = None;
            if let Some(followed) = self.asked()? {
                return Ok(followed);
            }
            std::thread::sleep(pause);
        }
    }

    fn look(&mut self, pulse: &mut Pulse<(u32, u64)>) -> Result<Look, RemoteError> {
        let mut news = self.hear()?;
        if let Some(attempt) = self.board.attempt(self.attempt)? {
            // Written after everything that it said.
            self.hear()?;
            return Ok(Look::Over(Followed::Ended(attempt.end)));
        }
        let lease = self.board.lease()?.map(|(lease, _)| lease);
        if let Some(lease) = lease.as_ref().filter(|lease| lease.epoch > self.attempt) {
            return Ok(Look::Over(Followed::Superseded(lease.epoch)));
        }
        let sign = lease.filter(|lease| lease.epoch == self.attempt).map(|lease| (lease.epoch, lease.beat));
        news |= sign.is_none();
        if pulse.is_lost(sign, Instant::now()) {
            return Ok(Look::Over(match self.board.newest()? {
                newest if newest > self.attempt => Followed::Superseded(newest),
                _ => Followed::Lost,
            }));
        }
        Ok(if news { Look::News } else { Look::Nothing })
    }

    /// Passes on what it said since. Returns whether that was something.
    fn hear(&mut self) -> Result<bool, RemoteError> {
        let mut news = false;
        while let Some(text) = self.board.piece(Stream::Events, self.attempt, self.progress.events)? {
            self.progress.events += 1;
            news = true;
            for event in text.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()) {
                // A closed channel means that the run has left.
                let _ = self.events.send(event);
            }
        }
        while let Some(text) = self.board.piece(Stream::Log, self.attempt, self.progress.log)? {
            self.progress.log += 1;
            news = true;
            // A log that cannot be written is no reason to lose sight of the stage.
            let _ = self.log.write_all(text.as_bytes());
        }
        Ok(news)
    }

    /// Does what the run asks for.
    fn asked(&mut self) -> Result<Option<Followed>, RemoteError> {
        let Control { cancel, leaving, .. } = *self.control.borrow();
        if self.control.has_changed().is_err() {
            return Ok(Some(Followed::Left));
        }
        match cancel {
            Cancel::No => Ok(None),
            Cancel::Stop if leaving => Ok(self.leave()),
            Cancel::Stop => {
                if !std::mem::replace(&mut self.progress.told_to_stop, true) {
                    self.board.write_stop(self.attempt, &Stop {})?;
                }
                Ok(None)
            }
            Cancel::Kill => {
                self.board.write_stop(self.attempt, &Stop {})?;
                Ok(Some(Followed::Left))
            }
        }
    }

    /// Leaves it running, at a terminal after a moment in which a second Ctrl-C stops it.
    fn leave(&mut self) -> Option<Followed> {
        let asks = std::io::stdin().is_terminal();
        let place = self.place;
        let leaves_at = match self.progress.leaves_at {
            Some(at) => at,
            None if asks => {
                self.tell(format!("it goes on at `{place}` unless Ctrl-C is pressed again within 5 seconds"));
                Instant::now() + SECOND_THOUGHT
            }
            None => Instant::now(),
        };
        self.progress.leaves_at = Some(leaves_at);
        if Instant::now() < leaves_at {
            return None;
        }
        self.tell(format!("it goes on at `{place}`; the same command follows it again"));
        Some(Followed::Left)
    }

    fn tell(&self, message: String) {
        // A closed channel means that the run has left.
        let _ = self.events.send(Event::Log { level: Level::Warning, message });
    }
}

/// What one look gave.
enum Look {
    Over(Followed),
    News,
    Nothing,
}
