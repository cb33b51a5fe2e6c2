//! The client's side: makes sure that one instance carries out an action, and brings its result home.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use contract::backend::{Instance, State};
use contract::types::Form;
use contract::{FailureClass, Usage};
use tokio::sync::watch;

use super::attempts;
use super::board::Board;
use super::bundle::{Bundle, Packed, for_processors, pack};
use super::documents::{End, FORMAT, Intent, Outcome};
use super::executor::Site;
use super::following::{Followed, Following, PATIENCE, Progress};
use super::launcher::Launcher;
use super::launching::ROOM;
use super::pace::{Pace, patiently};
use super::standing::{Step, next};
use super::teller::Teller;
use super::worker::checkpoints;
use crate::executor::local::{log_path, undeclared};
use crate::executor::{
    Cancel, Control, Device, Execution, Failed, FailureReport, Order, PlaceState, Reuse, Trace, Worker,
};
use crate::plan::SecretSource;
use crate::remote::{FailedClass, Meter, Pulled, RemoteError, TransferError, Wanted};
use crate::store::{Artifact, Shape};

/// Instances that are launched for one execution, when one after the other is lost or interrupted.
const LAUNCHES: u32 = 50;

/// Instances that may end by themselves, one after the other, before they begin the stage.
const UNBORN: u32 = 3;

/// An order that is being carried out elsewhere. It lives on a thread of its own and blocks.
pub(super) struct Drive<'a> {
    pub site: &'a Site,
    pub launcher: &'a dyn Launcher,
    pub board: Board,
    pub order: Arc<Order>,
    pub control: watch::Receiver<Control>,
    pub teller: Teller,
}

/// The attempts of one execution.
pub(super) struct Course {
    /// The first of them: those before belong to executions that are over.
    pub first: u32,
    newest: u32,
    /// The newest one is over, and its end is known to the user.
    ended: bool,
    pub reuse: Reuse,
}

impl Drive<'_> {
    pub(super) fn run(&self) -> Result<Execution, TransferError> {
        let mut log = self.log()?;
        let mut course = self.patiently(0, || Ok(self.course()?))?;
        match course.reuse {
            Reuse::Allowed => {
                if let Some(execution) = self.patiently(course.newest, || self.already())? {
                    let first = attempts::first(&self.board, course.newest)?;
                    attempts::tell(&self.board, &self.teller, first..=course.newest);
                    return Ok(execution);
                }
            }
            // While an attempt lives, another client may wait for its result, so nothing is dropped then.
            Reuse::Refused if course.newest == 0 || course.ended => {
                self.board.drop_result()?;
                self.board.drop_checkpoints()?;
            }
            Reuse::Refused => {}
        }
        let execution = self.drive(&mut course, &mut log);
        attempts::tell(&self.board, &self.teller, course.first..=course.newest);
        execution
    }

    /// The attempts that earlier clients began.
    fn course(&self) -> Result<Course, RemoteError> {
        let newest = self.board.newest()?;
        let last = if newest > 0 { self.board.attempt(newest)? } else { None };
        let ended = match last.map(|attempt| attempt.end) {
            None => false,
            // A failure that nobody was told of is told now; the next execution tries again.
            Some(End::Failed { .. }) if self.order.reuse == Reuse::Allowed => self.board.is_seen(newest)?,
            Some(_) => true,
        };
        let first = if ended { newest + 1 } else { attempts::first(&self.board, newest)? };
        Ok(Course { first, newest, ended, reuse: self.order.reuse })
    }

    fn drive(&self, course: &mut Course, log: &mut File) -> Result<Execution, TransferError> {
        let mut launches = 0;
        let mut progress = Progress::new();
        let mut room = Pace::new(ROOM);
        let mut unborn = 0;
        loop {
            let attempt = match next(course.newest, course.ended) {
                Step::Launch(_) if self.control.borrow().cancel != Cancel::No => return Ok(Execution::Interrupted),
                Step::Launch(attempt) => {
                    if let Some(refused) = self.patiently(attempt, || Ok(self.unaffordable(course)?))? {
                        return Ok(refused);
                    }
                    launches += 1;
                    if launches > LAUNCHES {
                        let message = format!("{LAUNCHES} instances in a row were lost or interrupted");
                        return Err(RemoteError::new(FailedClass::Broken, message).into());
                    }
                    let bundle = match self.patiently(attempt, || self.bundle())? {
                        Ok(bundle) => bundle,
                        Err(failure) => return Ok(Execution::failed(failure, Usage::default())),
                    };
                    let launched = self.patiently(attempt, || self.intend(course, attempt, &bundle))?;
                    // This is the attempt to follow, also where another client launched it.
                    (course.newest, course.ended, progress) = (attempt, false, Progress::new());
                    if !launched {
                        return Ok(Execution::Interrupted);
                    }
                    continue;
                }
                Step::Follow(attempt) => attempt,
            };
            let followed = self.follow(attempt, log, &mut progress)?;
            self.look_at_cost(&progress);
            match followed {
                Followed::Ended(end) => {
                    let concluded =
                        self.patiently(attempt, || self.conclude(attempt, end.clone(), &mut course.reuse))?;
                    if let Some(execution) = concluded {
                        let _ = self.site.store.forget_sent(&self.board.key);
                        return Ok(execution);
                    }
                    if let Some(instance) = &progress.instance {
                        // A place may restart an instance whose machine it took away; the next attempt continues instead.
                        let _ = self.launcher.cancel(&instance.id);
                    }
                    course.ended = true;
                }
                Followed::Lost(why) => {
                    self.teller.warn(format!("attempt {attempt} {why}; it is tried again"));
                    if let Some(instance) = &progress.instance {
                        // It lost the right to write, and its machine still costs money.
                        let _ = self.launcher.cancel(&instance.id);
                    }
                    course.ended = true;
                    // A place that takes a machine before it is used, or that has none after all, is not asked at once again.
                    if !progress.has_begun() && !self.wait(&mut room) {
                        return Ok(Execution::Interrupted);
                    }
                }
                Followed::Unborn(why) => {
                    unborn += 1;
                    let place = &self.site.name;
                    if unborn == UNBORN {
                        let message =
                            format!("{UNBORN} instances at `{place}` ended before they began the stage: {why}");
                        return Err(RemoteError::new(FailedClass::Broken, message).into());
                    }
                    self.teller
                        .warn(format!("attempt {attempt} ended before it began the stage: {why}; it is tried again"));
                    course.ended = true;
                }
                Followed::Unlaunched if self.control.borrow().cancel != Cancel::No => {
                    return Ok(Execution::Interrupted);
                }
                // The client that meant to launch it is gone, or slow: the token ensures that both launches give one instance.
                Followed::Unlaunched => {
                    let Some(Intent { token, bundle: meant, .. }) = self.board.intent(attempt)? else { continue };
                    if let Some(refused) = self.patiently(attempt, || Ok(self.unaffordable(course)?))? {
                        return Ok(refused);
                    }
                    let bundle = match self.patiently(attempt, || self.bundle())? {
                        Ok(bundle) => bundle,
                        Err(failure) => return Ok(Execution::failed(failure, Usage::default())),
                    };
                    if bundle.content != meant {
                        // It was to run other programs, which may not be here any more.
                        self.supersede(attempt)?;
                        course.ended = true;
                    } else if !self.launch(course.first, attempt, &token, &bundle)? {
                        return Ok(Execution::Interrupted);
                    }
                }
                Followed::Superseded(attempt) => {
                    (course.newest, course.ended, progress) = (attempt, false, Progress::new());
                }
                Followed::Left => return Ok(Execution::Interrupted),
            }
        }
    }

    /// How the execution ends where the run may not pay for another attempt. Attempts that an earlier client launched count too.
    fn unaffordable(&self, course: &Course) -> Result<Option<Execution>, RemoteError> {
        if !self.teller.is_counting() {
            return Ok(None);
        }
        for attempt in course.first..=course.newest {
            if let Some(instance) = self.board.instance(attempt)? {
                // It is over, or given up. Without an end the cost is that of an earlier moment.
                let cost = instance.ended.and(instance.cost);
                let ended = Instance { state: State::Ended, cost, ..instance };
                self.teller.count(&attempts::completed(&self.board, ended)?);
            }
        }
        // Trying again costs as much, so `retry` does not help.
        let judged = FailureClass::InvalidInput;
        let refused =
            |failure| Execution::Failed(Box::new(Failed { judged, ..Failed::new(failure, Usage::default()) }));
        Ok(self.teller.refusal().map(refused))
    }

    fn log(&self) -> Result<File, RemoteError> {
        let path = log_path(&self.site.store, &self.order.trace.run, &self.order.trace.stage);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::create(&path));
        made.map_err(|error| RemoteError::io(&path, &error))
    }

    /// Looks for a result that is there already: one that nobody collected, or somebody else's record.
    fn already(&self) -> Result<Option<Execution>, TransferError> {
        if let Some(outcome) = self.board.result()?
            && let Some(execution) = self.collect(outcome)?
        {
            return Ok(Some(execution));
        }
        self.found()
    }

    fn found(&self) -> Result<Option<Execution>, TransferError> {
        let wanted = wanted(&self.order);
        let pulled = self.board.remote.pull(&self.site.store, &[wanted], &Meter::default(), &mut self.watching())?;
        match pulled.into_iter().next() {
            Some(Pulled::Here(record)) => Ok(Some(Execution::Found(record))),
            Some(Pulled::Refused(why)) => {
                self.teller.warn(format!("what `{}` has of it is not used: {why}", self.site.name));
                Ok(None)
            }
            Some(Pulled::Absent) | None => Ok(None),
        }
    }

    /// Brings the result home. Removes it there and returns `None` when it does not match the plan or its bytes are wrong.
    fn collect(&self, outcome: Outcome) -> Result<Option<Execution>, TransferError> {
        let why = match self.unfit(&outcome) {
            Some(why) => Some(why),
            None => {
                let outputs: Vec<Artifact> = outcome.outputs.values().cloned().collect();
                let refused =
                    self.board.remote.fetch(&self.site.store, &outputs, &Meter::default(), &mut self.watching())?;
                refused.into_values().next().map(|refused| refused.to_string())
            }
        };
        if let Some(why) = why {
            self.teller.warn(format!("the result at `{}` is not used: {why}", self.site.name));
            self.board.drop_result()?;
            return Ok(None);
        }
        let Outcome { outputs, metrics, usage, host, .. } = outcome;
        Ok(Some(Execution::Finished { outputs, metrics, usage, host }))
    }

    fn unfit(&self, outcome: &Outcome) -> Option<String> {
        let ports = wanted(&self.order).ports;
        if outcome.format != FORMAT {
            return Some("another version of pipe wrote it".to_owned());
        }
        if outcome.key != self.order.key {
            return Some("it is that of another action".to_owned());
        }
        let forms = outcome.outputs.iter().map(|(port, artifact)| {
            let form = match artifact.shape {
                Shape::File { .. } => Form::File,
                Shape::Dir { .. } => Form::Dir,
            };
            (port, form)
        });
        if !forms.eq(ports.iter().map(|(port, form)| (port, *form))) {
            return Some("it has other outputs than the stage".to_owned());
        }
        outcome.metrics.values().any(|value| !value.is_finite()).then(|| "a metric of it is no number".to_owned())
    }

    /// The programs that the instance is to run, or why they cannot run there.
    fn bundle(&self) -> Result<Result<Box<Bundle>, FailureReport>, TransferError> {
        let Drive { site, order, .. } = self;
        if let Some(failure) = self.unreadable() {
            return Ok(Err(failure));
        }
        let objects = site.place.objects.program();
        let bundle = match pack(&site.store, (&order.worker, self.device()), objects.as_deref())? {
            Packed::Bundle(bundle) => bundle,
            Packed::Refused(failure) => return Ok(Err(failure)),
        };
        if let Some(failure) = self.without_gpus(&bundle) {
            return Ok(Err(failure));
        }
        let machine = self.launcher.machine();
        Ok(match machine.and_then(|machine| machine.unfit(&bundle.manifest, &site.name)) {
            None => Ok(bundle),
            Some(message) => {
                let help = "build it for that place, or let the stage run here: `backend: local`";
                Err(FailureReport { class: FailureClass::NotBuilt, message, help: Some(help.to_owned()) })
            }
        })
    }

    /// What its worker may compute on there. A stage that asks for no GPU may use one that the machine has (`device: auto`).
    fn device(&self) -> Device {
        let wanted = Device::wanted(&self.order.limits.resources);
        if self.site.place.has_gpus { Device::Gpu } else { wanted }
    }

    /// Why the stage cannot have the GPU that it asks for: its worker computes on CPUs alone. A stage that asks for none is told so.
    fn without_gpus(&self, bundle: &Bundle) -> Option<FailureReport> {
        let Worker::Card { program: contract::Worker::Program(name), .. } = &self.order.worker else { return None };
        if self.device() == Device::Cpu || !bundle.manifest.lacks_gpus() {
            return None;
        }
        let failure = for_processors(name);
        if Device::wanted(&self.order.limits.resources) == Device::Gpu {
            return Some(failure);
        }
        let (place, help) = (&self.site.name, failure.help.unwrap_or_default());
        self.teller.warn(format!("the machines of `{place}` have a GPU, and `{name}` computes on CPUs alone: {help}"));
        None
    }

    /// Why the stage would not get its secrets there: the program that serves the objects does not know a service that keeps one.
    fn unreadable(&self) -> Option<FailureReport> {
        let kept = self.order.secrets.iter().filter_map(|secret| match &secret.source {
            SecretSource::Kept(kept) => Some((&secret.secret, kept.service())),
            SecretSource::Environment(_) | SecretSource::File(_) => None,
        });
        let (name, service) = kept.into_iter().find(|(_, service)| !self.board.remote.reads(*service))?;
        let message = format!("nobody on `{}` can read the secret `{name}`: {service} keeps it", self.site.name);
        let help =
            "let a service keep it that the program of the backend knows, or let the stage run here: `backend: local`";
        Some(FailureReport { class: FailureClass::InvalidInput, message, help: Some(help.to_owned()) })
    }

    fn follow(&self, attempt: u32, log: &mut File, progress: &mut Progress) -> Result<Followed, TransferError> {
        let lease = self.board.intent(attempt)?.map_or(self.site.place.timing.lease, |intent| intent.timing.lease);
        let mut following = Following {
            board: &self.board,
            launcher: self.launcher,
            attempt,
            lease,
            control: &self.control,
            teller: &self.teller,
            log,
            progress,
        };
        Ok(following.follow()?)
    }

    /// Turns the end of an attempt into that of the execution; `None`: another attempt is needed.
    fn conclude(&self, attempt: u32, end: End, reuse: &mut Reuse) -> Result<Option<Execution>, TransferError> {
        match end {
            End::Finished {} => match self.board.result()? {
                Some(outcome) => self.collect(outcome),
                None => Ok(None),
            },
            End::Found {} => {
                let found = self.found()?;
                if found.is_none() {
                    // The next instance would find the same again.
                    *reuse = Reuse::Refused;
                }
                Ok(found)
            }
            End::Failed { mut failure, judged, usage } => {
                self.board.write_seen(attempt)?;
                let Site { plan, store, .. } = self.site;
                let Trace { run, stage } = &self.order.trace;
                // The instance knows nothing of the project. The log has come by now.
                let lacked = undeclared::help(plan, store, stage, &log_path(store, run, stage));
                failure.help = lacked.or(failure.help);
                Ok(Some(Execution::Failed(Box::new(Failed { failure, judged, usage, directory: None }))))
            }
            End::Interrupted { noticed, expired } => {
                // It may go on here.
                checkpoints::bring(&self.board, &self.site.store)?;
                if expired && !self.board.has_checkpoint_of(attempt)? {
                    return Ok(Some(self.expired(attempt)?));
                }
                if !noticed || self.control.borrow().cancel != Cancel::No {
                    return Ok(Some(Execution::Interrupted));
                }
                let place = &self.site.name;
                self.teller.warn(format!("its instance at `{place}` had notice to end; it goes on at another one"));
                Ok(None)
            }
            End::Broken { message } => Err(RemoteError::new(FailedClass::Broken, message).into()),
        }
    }

    /// The failure of a stage that cannot be done at the place: the next instance would begin anew and not get further.
    fn expired(&self, attempt: u32) -> Result<Execution, RemoteError> {
        let timing = self.board.intent(attempt)?.map_or(self.site.place.timing, |intent| intent.timing);
        let (place, lifetime) = (&self.site.name, timing.lifetime);
        let failure = FailureReport {
            class: FailureClass::Resources,
            message: format!(
                "its instance at `{place}` reached its lifetime of {lifetime:?}, and left no checkpoint to go on from"
            ),
            help: Some("raise `lifetime` (of ec2-spot `max_lifetime`, of sagemaker `max_runtime`), or let the stage take checkpoints".to_owned()),
        };
        // Trying again takes as long, so `retry` does not help.
        let failed = Failed { judged: FailureClass::InvalidInput, ..Failed::new(failure, Usage::default()) };
        Ok(Execution::Failed(Box::new(failed)))
    }

    /// Repeats `work` while the place does not answer, up to [`PATIENCE`] or a cancellation: the stage there goes on meanwhile.
    fn patiently<T>(&self, attempt: u32, work: impl FnMut() -> Result<T, TransferError>) -> Result<T, TransferError> {
        let begun = Instant::now();
        let goes_on = |error: &RemoteError| {
            self.teller.state(attempt, PlaceState::Silent, error.message.clone());
            begun.elapsed() < PATIENCE && self.control.borrow().cancel == Cancel::No
        };
        patiently(self.board.remote.pace(), goes_on, work)
    }

    /// Breaks transfers off when the run stops: nobody waits for a large file, and the next run goes on with it.
    pub(super) fn watching(&self) -> impl FnMut(&Meter) + '_ {
        |meter| {
            if self.control.borrow().cancel != Cancel::No {
                meter.stop();
            }
        }
    }
}

/// The record that `order` asks for.
pub(super) fn wanted(order: &Order) -> Wanted {
    let ports = order.outputs.iter().map(|output| (output.port.as_str().to_owned(), output.artifact.form()));
    Wanted { key: order.key, ports: BTreeMap::from_iter(ports) }
}
