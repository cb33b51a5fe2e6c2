//! Launches an attempt: sends the artifacts that it needs, writes an intent, and asks the place for an instance until it has room.

use std::time::{Duration, Instant, SystemTime};

use contract::Digest;

use super::attempts;
use super::bundle::Bundle;
use super::documents::{Attempt, End, FORMAT, Intent, Spec};
use super::driver::{Course, Drive};
use super::following::Progress;
use super::launcher::Launch;
use super::lease::unix_seconds;
use super::pace::{Pace, about};
use super::worker::checkpoints;
use crate::action::ActionKey;
use crate::executor::{Cancel, Order, PlaceState};
use crate::failpoint::{self, Failpoint};
use crate::governor::host_name;
use crate::remote::{FailedClass, Meter, RemoteError, TransferError};
use crate::store::Artifact;

/// How often a place that has no room is asked again: at first, and later.
pub(super) const ROOM: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How soon a client that waits for room hears that its run stops.
const HEARS: Duration = Duration::from_millis(50);

/// Digits of a token; a program may refuse more than 40.
const TOKEN: usize = 32;

impl Drive<'_> {
    /// Writes down that the attempt is to be launched, with all that it needs, and launches it, unless another client is about to.
    /// Returns whether it is worth following: not where the run stops before anything was launched.
    pub(super) fn intend(&self, course: &Course, attempt: u32, bundle: &Bundle) -> Result<bool, TransferError> {
        let Drive { site, order, board, .. } = self;
        let inputs = order.inputs.iter().map(|input| &input.content);
        let files = order.worker.files().iter().map(|(_, artifact)| artifact);
        let artifacts: Vec<Artifact> = inputs.chain(files).chain([&bundle.content]).cloned().collect();
        board.remote.send(&site.store, &artifacts, &Meter::default(), &mut self.watching())?;
        // The stage may have begun or continued on this machine; its checkpoint goes along.
        checkpoints::send_newer(board, &site.store, attempt - 1)?;
        let order = Order { reuse: course.reuse, ..Order::clone(order) };
        board.write_spec(&site.store, &Spec { format: FORMAT, order })?;
        let client = format!("{} {}", host_name(), std::process::id());
        let token = token(&board.key, attempt, &client);
        let intent = Intent {
            attempt,
            place: site.name.clone(),
            client,
            token: token.clone(),
            timing: site.place.timing,
            bundle: bundle.content.clone(),
        };
        // Best effort: it only helps a later execution here.
        let _ = site.store.note_sent(&board.key, &site.name);
        failpoint::reach(Failpoint::BeforeIntent);
        if !board.intend(&intent)? {
            return Ok(true);
        }
        failpoint::reach(Failpoint::AfterIntent);
        let launched = self.launch(course.first, attempt, &token, bundle)?;
        failpoint::reach(Failpoint::AfterLaunch);
        Ok(launched)
    }

    /// Launches the attempt, as soon as the place has room for it. Returns whether it did: not when the run stops meanwhile.
    pub(super) fn launch(&self, first: u32, attempt: u32, token: &str, bundle: &Bundle) -> Result<bool, TransferError> {
        let Drive { site, board, teller, .. } = self;
        let mut launch = Launch {
            key: board.key,
            attempt,
            token,
            refused: board.refused(attempt)?,
            resources: self.order.limits.resources,
            spent: attempts::spent(board, first..attempt)?,
            bundle,
            remote: &board.remote,
            store: &site.store,
            project: &site.plan.root,
        };
        let begun = Instant::now();
        let mut pace = Pace::new(ROOM);
        loop {
            let mut told = |words: &str| teller.state(attempt, PlaceState::Launching, words);
            let error = match self.launcher.launch(&launch, &mut told) {
                Ok(instance) => {
                    teller.instance(&instance);
                    board.write_instance(&instance)?;
                    return Ok(true);
                }
                Err(TransferError::Remote(error)) if error.class == FailedClass::NoRoom => {
                    // Nothing was launched. The count makes the next request differ: a place may repeat its answer to an equal one.
                    launch.refused += 1;
                    board.write_refused(attempt, launch.refused)?;
                    error
                }
                Err(TransferError::Remote(error)) if error.class == FailedClass::Unavailable => error,
                // The answer was lost, so there may be an instance. The next client looks for it, and launches under the same token.
                Err(TransferError::Remote(error)) if error.class == FailedClass::Broken => {
                    let Ok(Some(instance)) = self.launcher.look(&board.key, attempt) else { return Err(error.into()) };
                    teller.instance(&instance);
                    board.write_instance(&instance)?;
                    return Ok(true);
                }
                Err(error) => return Err(self.not_launched(attempt, error)),
            };
            if begun.elapsed() > site.place.timing.lifetime {
                return Err(self.not_launched(attempt, error.into()));
            }
            teller.state(attempt, PlaceState::Waiting, error.message);
            if !self.wait(&mut pace) {
                return Ok(false);
            }
        }
    }

    /// Waits for the next, longer pause. Returns whether it is over: not when the run stops meanwhile.
    pub(super) fn wait(&self, pace: &mut Pace) -> bool {
        let again = Instant::now() + about(pace.pause());
        pace.slow_down();
        while Instant::now() < again {
            if self.control.borrow().cancel != Cancel::No || self.control.has_changed().is_err() {
                return false;
            }
            std::thread::sleep(HEARS);
        }
        true
    }

    /// Records that the attempt was not launched, so that nobody waits for it.
    fn not_launched(&self, attempt: u32, error: TransferError) -> TransferError {
        // Where it cannot be written the next client tries the same launch again.
        let _ = self.end_unlaunched(attempt, End::Broken { message: error.to_string() });
        error
    }

    /// Gives up an attempt that another client meant to launch, so that the next one takes its place.
    pub(super) fn supersede(&self, attempt: u32) -> Result<(), RemoteError> {
        self.end_unlaunched(attempt, End::Interrupted { noticed: true, expired: false })
    }

    fn end_unlaunched(&self, attempt: u32, end: End) -> Result<(), RemoteError> {
        let now = unix_seconds();
        self.board
            .write_attempt(&Attempt { epoch: attempt, host: host_name(), started: now, ended: now, end })
            .map(drop)
    }

    /// Tells its cost so far, where the place names a price. The cost serves the report alone, so errors are ignored.
    pub(super) fn look_at_cost(&self, progress: &Progress) {
        let Some(instance) = progress.instance.as_ref().filter(|instance| instance.price > Some(0.0)) else { return };
        if let Ok(Some(instance)) = self.launcher.look(&self.board.key, instance.attempt)
            && let Ok(instance) = attempts::completed(&self.board, instance)
        {
            self.teller.instance(&instance);
            let _ = self.board.write_instance(&instance);
        }
    }
}

/// A name for a launch that no other one has: an attempt may be launched anew after everything of its action was removed.
fn token(key: &ActionKey, attempt: u32, client: &str) -> String {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    Digest::of(format!("{key} {attempt} {client} {nanos}").as_bytes()).to_string()[..TOKEN].to_owned()
}
