//! A run's use of a remote: the run looks up its misses there, and pushes its results in the background.
//!
//! The remote is opened when it is first needed, so a run whose stages are all local hits asks nobody. An error of the remote is a warning;
//! the run then goes on without it.

use std::collections::HashSet;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use contract::Level;

use super::fetching::{self, FetchError, wanted_record};
use super::interrupt::Interrupt;
use super::resolve::Known;
use super::{EngineError, Observer, RunEvent, Shared};
use crate::action::ActionKey;
use crate::plan::StageId;
use crate::remote::{Extent, FailedClass, Meter, Place, Pulled, Pushed, Remote, RemoteError, TransferError};
use crate::store::{Artifact, Record, Store};

/// What stops a transfer, and who is called meanwhile.
type Watched<'a> = (&'a Meter, &'a mut dyn FnMut(&Meter));

/// How soon an interrupt is seen while the last results are pushed.
const LOOK: Duration = Duration::from_millis(50);

/// A run says that it waits for its results to be pushed when that takes longer than this.
const SILENCE: Duration = Duration::from_millis(300);

/// The remote that a run shares with, and the state of the exchange.
#[derive(Debug)]
pub(super) struct Sharing {
    /// `None`: nothing is shared.
    place: Option<Place>,
    state: Mutex<State>,
    meter: Arc<Meter>,
}

#[derive(Debug, Default)]
struct State {
    remote: Opening,
    /// Keys that it was asked for.
    asked: HashSet<ActionKey>,
    pushing: Option<Pushing>,
    /// Messages for the user that are not told yet.
    notes: Vec<(Level, String)>,
}

#[derive(Debug, Default)]
enum Opening {
    #[default]
    Unasked,
    Open(Arc<Remote>),
    /// It broke, with this error, and the user was told.
    Gone(String),
}

/// The outcome of fetching content.
#[derive(Debug)]
pub(super) enum Content {
    /// All of it is here.
    Here,
    /// It was broken off.
    Stopped,
    /// The remote no longer has it, or something else in its place: this.
    Lost(String),
    /// The remote cannot be asked: this is why.
    Unreachable(String),
}

/// The thread that pushes.
#[derive(Debug)]
struct Pushing {
    records: Sender<Record>,
    thread: JoinHandle<Sent>,
}

/// The outcome of the thread.
#[derive(Debug, Default)]
struct Sent {
    pushed: Pushed,
    /// Records that were not pushed.
    left: usize,
    failure: Option<TransferError>,
}

impl Sharing {
    pub(super) fn new(place: Option<Place>) -> Sharing {
        Sharing { place, state: Mutex::default(), meter: Arc::default() }
    }

    /// Whether anything is shared.
    pub(super) fn is_on(&self) -> bool {
        self.place.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The remote, opened when it is first asked for; `None` where there is none, or it broke, or the user does not wait for it.
    fn remote(&self, watched: Watched<'_>) -> Option<Arc<Remote>> {
        let place = self.place.as_ref()?;
        let mut state = self.state();
        match &state.remote {
            Opening::Open(remote) => return Some(Arc::clone(remote)),
            Opening::Gone(_) => return None,
            Opening::Unasked => {}
        }
        let (meter, watch) = watched;
        match Remote::open_aside(place, meter, watch) {
            Ok(remote) => {
                let remote = Arc::new(remote);
                state.remote = Opening::Open(Arc::clone(&remote));
                Some(remote)
            }
            Err(error) if error.class == FailedClass::Interrupted => None,
            Err(error) => {
                state.remote = Opening::Gone(error.to_string());
                state.notes.push((Level::Warning, self.without(&error)));
                None
            }
        }
    }

    /// Where the remote is.
    pub(super) fn place(&self) -> String {
        self.place.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Stops trusting that the remote has the outputs of this action: the stage is executed.
    pub(super) fn distrust(&self, store: &Store, key: &ActionKey) -> Result<(), EngineError> {
        self.state().asked.insert(*key);
        store.forget_elsewhere(key).map_err(EngineError::store)
    }

    fn without(&self, error: &RemoteError) -> String {
        let place = self.place();
        let help = error.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{place}: {error}{help}; the run goes on without it")
    }

    /// Notes that the remote broke. Nothing more is asked of it.
    fn lost(&self, error: TransferError) -> Option<EngineError> {
        if error.is_interruption() {
            return None;
        }
        match error {
            TransferError::Remote(error) => {
                let note = (Level::Warning, self.without(&error));
                let mut state = self.state();
                state.remote = Opening::Gone(error.to_string());
                state.notes.push(note);
                None
            }
            // A store that cannot be written still serves hits.
            TransferError::Store(error) if error.is_read_only() => {
                let note = format!("nothing is fetched: {error}");
                self.state().notes.push((Level::Warning, note));
                None
            }
            TransferError::Store(error) => Some(EngineError::store(error)),
        }
    }

    /// Passes the collected messages on to `observer`.
    pub(super) fn tell(&self, observer: &mut dyn Observer) {
        let mut state = self.state();
        let mut notes = std::mem::take(&mut state.notes);
        if let Opening::Open(remote) = &state.remote {
            notes.extend(remote.said().into_iter().map(|line| (Level::Info, line)));
        }
        drop(state);
        notes.into_iter().for_each(|(level, message)| observer.on(&RunEvent::Remote { level, message }));
    }

    /// Brings the records of stages that `known` does not cover, as far as they can be resolved. Returns whether any came.
    pub(super) fn bring(
        &self,
        shared: &Shared,
        known: &Known,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<bool, EngineError> {
        if shared.plan.order.iter().all(|stage| known.is_settled(*stage)) || interrupt.asked() {
            return Ok(false);
        }
        let meter = Meter::default();
        let mut watch = |meter: &Meter| {
            told(meter).for_each(|message| observer.on(&message));
            if interrupt.asked() {
                meter.stop();
            }
        };
        let Some(remote) = self.remote((&meter, &mut watch)) else {
            self.tell(observer);
            return Ok(false);
        };
        let open = |stage: StageId| !shared.refreshes(stage);
        let watched: Watched<'_> = (&meter, &mut watch);
        let fetched =
            fetching::fetch(&shared.plan, &shared.store, &remote, known.clone(), &open, Extent::Record, watched);
        let came = match fetched {
            Ok(fetched) => {
                self.state().asked.extend(&fetched.asked);
                for (stage, why) in &fetched.refused {
                    self.refuse(shared, *stage, why);
                }
                !fetched.came.is_empty()
            }
            // Records that came before it broke are here.
            Err(FetchError::Transfer(error)) => match self.lost(error) {
                Some(error) => return Err(error),
                None => true,
            },
            Err(FetchError::Engine(error)) => return Err(error),
        };
        self.tell(observer);
        Ok(came)
    }

    /// Brings the content that hits need and that lies on the remote. Returns whether some of it may be here now.
    pub(super) fn bring_content(
        &self,
        shared: &Shared,
        needed: &[Artifact],
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<bool, EngineError> {
        if interrupt.asked() {
            return Ok(false);
        }
        let count = if needed.len() == 1 { "1 output".to_owned() } else { format!("{} outputs", needed.len()) };
        let message = format!("fetches {count} from {}", self.place());
        observer.on(&RunEvent::Remote { level: Level::Info, message });
        let mut watch = |meter: &Meter| told(meter).for_each(|message| observer.on(&message));
        let content = self.content(&shared.store, needed, &|| interrupt.asked(), &mut watch)?;
        self.tell(observer);
        Ok(matches!(content, Content::Here | Content::Lost(_)))
    }

    /// Brings `artifacts` into the store. `progress` hears how many bytes of how many came, and what is worth a line.
    pub(super) fn content(
        &self,
        store: &Store,
        artifacts: &[Artifact],
        stopped: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(&Meter),
    ) -> Result<Content, EngineError> {
        let meter = Meter::default();
        let mut watch = |meter: &Meter| {
            progress(meter);
            if stopped() {
                meter.stop();
            }
        };
        let Some(remote) = self.remote((&meter, &mut watch)) else {
            if stopped() {
                return Ok(Content::Stopped);
            }
            return Ok(Content::Unreachable(match &self.state().remote {
                Opening::Gone(why) => why.clone(),
                Opening::Unasked | Opening::Open(_) => "no remote is shared".to_owned(),
            }));
        };
        // A disk that is not mounted, or a wrong name: it had a record once.
        if remote.is_new() {
            return Ok(Content::Unreachable("it is no store of pipe now".to_owned()));
        }
        match remote.fetch(store, artifacts, &meter, &mut watch) {
            Ok(refused) => Ok(match refused.values().next() {
                None => Content::Here,
                Some(why) => Content::Lost(why.to_string()),
            }),
            Err(error) if error.is_interruption() => Ok(Content::Stopped),
            Err(error) => {
                let why = error.to_string();
                self.lost(error).map_or(Ok(Content::Unreachable(why)), Err)
            }
        }
    }

    fn refuse(&self, shared: &Shared, stage: StageId, why: &crate::remote::Refused) {
        let name = &shared.plan.graph[stage].name;
        let note = format!("{name}: what the remote has of it is not used: {why}");
        self.state().notes.push((Level::Warning, note));
    }

    /// Brings the record of one action, whose stage is about to be executed. Returns whether it came.
    pub(super) fn bring_one(
        &self,
        shared: &Shared,
        stage: StageId,
        key: &ActionKey,
        stopped: &dyn Fn() -> bool,
    ) -> Result<bool, EngineError> {
        if self.place.is_none() || !self.state().asked.insert(*key) {
            return Ok(false);
        }
        let meter = Meter::default();
        let mut watch = |meter: &Meter| {
            if stopped() {
                meter.stop();
            }
        };
        let Some(remote) = self.remote((&meter, &mut watch)) else { return Ok(false) };
        let wanted = [wanted_record(&shared.plan.graph[stage], *key)];
        match remote.bring(&shared.store, (&wanted, Extent::Record), &meter, &mut watch) {
            Ok(pulled) => Ok(pulled.iter().any(|pulled| match pulled {
                Pulled::Here(_) => true,
                Pulled::Absent => false,
                Pulled::Refused(why) => {
                    self.refuse(shared, stage, why);
                    false
                }
            })),
            Err(error) => self.lost(error).map_or(Ok(false), Err),
        }
    }

    /// Pushes a record that was just written, in the background.
    pub(super) fn made(&self, store: &Arc<Store>, record: &Record) {
        if self.place.is_none() {
            return;
        }
        let Some(remote) = self.remote((&self.meter, &mut |_| ())) else { return };
        let mut state = self.state();
        let State { pushing, notes, .. } = &mut *state;
        let pushing = pushing.get_or_insert_with(|| {
            let (records, made) = channel::<Record>();
            let (store, meter) = (Arc::clone(store), Arc::clone(&self.meter));
            if remote.is_new() {
                // A disk that is not mounted looks as a store that is not there yet.
                notes.push((Level::Info, format!("makes a new store at {}", remote.place())));
            }
            let thread = std::thread::spawn(move || {
                let mut sent = Sent::default();
                while let Ok(first) = made.recv() {
                    let batch: Vec<Record> = std::iter::once(first).chain(made.try_iter()).collect();
                    push(&remote, &store, &batch, &meter, &mut sent);
                }
                sent
            });
            Pushing { records, thread }
        });
        // The thread ends when this sender does.
        let _ = pushing.records.send(record.clone());
    }

    /// Waits until all is pushed, or the user does not want to wait any longer.
    pub(super) fn close(&self, observer: &mut dyn Observer, interrupt: &Interrupt) {
        let pushing = self.state().pushing.take();
        if let Some(Pushing { records, thread }) = pushing {
            drop(records);
            let (sender, ended) = channel();
            // Nobody listens any more where the wait was given up.
            std::thread::spawn(move || drop(sender.send(thread.join())));
            let mut look = SILENCE;
            let joined = loop {
                match ended.recv_timeout(look) {
                    Ok(joined) => break joined.ok(),
                    Err(RecvTimeoutError::Disconnected) => break None,
                    Err(RecvTimeoutError::Timeout) => {
                        if look == SILENCE {
                            let place = self.place();
                            let message = format!("waits until what was made is pushed to {place}");
                            observer.on(&RunEvent::Remote { level: Level::Info, message });
                            look = LOOK;
                        }
                        told(&self.meter).for_each(|message| observer.on(&message));
                        if interrupt.asked() {
                            self.meter.stop();
                        }
                    }
                }
            };
            self.summarize(joined.unwrap_or_default());
        }
        self.tell(observer);
        // This drops the remote, which ends its program.
        self.state().remote = Opening::Gone("the run is over".to_owned());
    }

    fn summarize(&self, sent: Sent) {
        let place = self.place();
        let note = match (&sent.failure, sent.left) {
            (Some(failure), left) if !failure.is_interruption() => {
                let help = match failure {
                    TransferError::Remote(RemoteError { help: Some(help), .. }) => format!(" ({help})"),
                    _ => String::new(),
                };
                format!(
                    "{} could not be pushed to {place}: {failure}{help}; `pipe cache push` tries again",
                    results(left)
                )
            }
            (_, 0) => return,
            (_, left) => format!("not pushed to {place}: {}; `pipe cache push` goes on", results(left)),
        };
        self.state().notes.push((Level::Warning, note));
    }
}

/// What the meter's transfers have to say.
pub(super) fn told(meter: &Meter) -> impl Iterator<Item = RunEvent> {
    meter.said().into_iter().map(|message| RunEvent::Remote { level: Level::Info, message })
}

fn results(count: usize) -> String {
    if count == 1 { "1 result".to_owned() } else { format!("{count} results") }
}

fn push(remote: &Remote, store: &Store, batch: &[Record], meter: &Meter, sent: &mut Sent) {
    if sent.failure.is_some() || meter.is_stopped() {
        sent.left += batch.len();
        return;
    }
    match remote.push(store, batch, meter, &mut |_| ()) {
        Ok(pushed) => {
            sent.pushed.sent += pushed.sent;
            sent.pushed.bytes += pushed.bytes;
        }
        Err(error) => {
            sent.left += batch.len();
            sent.failure = Some(error);
        }
    }
}
