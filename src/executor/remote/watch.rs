//! Follows the attempts at a place without touching them: for people who launched nothing themselves.

use std::time::Instant;

use contract::Event;

use super::board::{Board, Stream};
use super::census::{Occupant, Standing, by_key, occupant};
use super::pace::Pace;
use super::place::RemotePlace;
use super::standing::Pulse;
use crate::remote::RemoteError;
use crate::store::Store;

/// An output of an attempt at a place.
#[derive(Debug)]
pub enum Said<'a> {
    /// An event of its stage.
    Event(&'a Event),
    /// Lines of its log.
    Log(&'a str),
    /// Its state at the end; [`Standing::Running`] where it shows no life any more.
    Over(Standing),
}

/// An attempt that is followed.
struct Watched {
    occupant: Occupant,
    board: Board,
    events: u64,
    log: u64,
    pulse: Pulse<(u32, u64)>,
    lease_due: Instant,
}

/// Passes on the output of the attempts at a place until all are over. Follows later attempts at the same actions, but no new actions.
pub fn follow(
    place: &RemotePlace,
    store: &Store,
    belongs: &dyn Fn(&str) -> bool,
    mut said: impl FnMut(&Occupant, Said<'_>),
) -> Result<(), RemoteError> {
    let (remote, _) = place.open()?;
    let mut watched = Vec::new();
    for key in by_key(&remote)?.into_keys() {
        let board = Board::new(&remote, key);
        let occupant = occupant(&board, store)?;
        if occupant.standing == Standing::Running && belongs(&occupant.place) {
            watched.push(Watched::new(place, board, occupant)?);
        }
    }
    let mut pace = Pace::new(remote.pace());
    while !watched.is_empty() {
        let mut news = false;
        let mut open = Vec::new();
        for mut one in watched {
            let is_over = one.look(place, store, &mut news, &mut said)?;
            open.extend((!is_over).then_some(one));
        }
        watched = open;
        if news {
            pace.hurry();
        } else {
            pace.slow_down();
        }
        if !watched.is_empty() {
            std::thread::sleep(pace.pause());
        }
    }
    Ok(())
}

impl Watched {
    fn new(place: &RemotePlace, board: Board, occupant: Occupant) -> Result<Watched, RemoteError> {
        let now = Instant::now();
        let lease = board.intent(occupant.attempt)?.map_or(place.timing.lease, |intent| intent.timing.lease);
        Ok(Watched { occupant, board, events: 0, log: 0, pulse: Pulse::new(lease, now), lease_due: now })
    }

    /// Passes on new output. Returns whether it is over.
    fn look(
        &mut self,
        place: &RemotePlace,
        store: &Store,
        news: &mut bool,
        said: &mut impl FnMut(&Occupant, Said<'_>),
    ) -> Result<bool, RemoteError> {
        let attempt = self.occupant.attempt;
        // Output may arrive between the checks of one request, so an end counts once a further look finds no more output.
        let mut has_ended = false;
        let is_over = loop {
            let there = self.board.is_there(attempt, self.events, self.log)?;
            if there.events
                && let Some(text) = self.board.piece(Stream::Events, attempt, self.events)?
            {
                self.events += 1;
                for event in text.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()) {
                    said(&self.occupant, Said::Event(&event));
                }
            }
            if there.log
                && let Some(text) = self.board.piece(Stream::Log, attempt, self.log)?
            {
                self.log += 1;
                said(&self.occupant, Said::Log(&text));
            }
            let is_quiet = !there.events && !there.log;
            *news |= !is_quiet;
            if is_quiet && there.end == has_ended {
                break has_ended;
            }
            has_ended = there.end;
        };
        if is_over {
            let standing = occupant(&self.board, store)?.standing;
            said(&self.occupant, Said::Over(standing));
            return Ok(true);
        }
        let now = Instant::now();
        if now < self.lease_due {
            return Ok(false);
        }
        self.lease_due = now + place.timing.lease / 4;
        let sign = self.board.lease()?.map(|(lease, _)| (lease.epoch, lease.beat));
        let newest = self.board.newest()?;
        if newest > attempt {
            let occupant = occupant(&self.board, store)?;
            *self = Watched::new(place, self.board.clone(), occupant)?;
            return Ok(false);
        }
        // One that has not begun may still wait for its machine.
        if self.pulse.is_lost(sign, now) && sign.is_some() {
            said(&self.occupant, Said::Over(Standing::Running));
            return Ok(true);
        }
        Ok(false)
    }
}
