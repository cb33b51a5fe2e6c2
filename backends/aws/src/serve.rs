//! The loop: reads requests, starts a task for each, and ends everything when the requests end.
//!
//! ```text
//! stdin ── thread ──> lines ──> serve ── spawn ──> tasks ──> answers ── thread ──> stdout
//!                                 └── cancel, end of input: the task's stop ──┘
//! ```
//!
//! A task is never killed from outside: it is told to stop, and takes back what it has begun (an upload in parts). After
//! [`LEAVE`] the program ends all the same.

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use contract::backend::{
    Answer, Cancel, Done, Failed, FailedClass, Hello, Objects, Offer, Operation, PROTOCOL, Request, Welcome,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::answers::{Answers, Progress};
use crate::failure::{failed, interrupted};
use crate::instances::Site;
use crate::place::Bucket;
use crate::{PROGRAM, get, has, listing, put, secrets};

/// How long stopped requests may take to clean up.
const LEAVE: Duration = Duration::from_secs(4);

/// Bytes of a request: [`contract::backend::TEXT_LIMIT`] with every character escaped, or a long list of names.
const LINE_LIMIT: u64 = 16 << 20;

/// Whether a request is to stop.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns once it is to stop, or never.
    pub(crate) async fn asked(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Serves until the requests end.
pub(crate) fn serve() -> ExitCode {
    // A panic ends one request, which tells the engine; the place is for the log.
    std::panic::set_hook(Box::new(|panic| {
        use std::io::Write;
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "pipe-aws: a fault of this program at {place}; please report it");
    }));
    let (answers, writer) = Answers::start();
    let ended = match tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(until_the_end(answers.clone()));
            runtime.shutdown_background();
            ended
        }
        Err(error) => {
            let message = format!("no threads could be started: {error}");
            answers.send(Answer::Failed { id: None, failed: failed(FailedClass::Unavailable, message) });
            ExitCode::FAILURE
        }
    };
    answers.end();
    let _ = writer.join();
    ended
}

async fn until_the_end(answers: Answers) -> ExitCode {
    let mut lines = read_lines();
    let (Ok(mut terminate), Ok(_ignored)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        // Without its signals the program still ends with its input.
        return ExitCode::FAILURE;
    };
    let served = tokio::select! {
        served = greet(&mut lines, &answers) => served,
        _ = terminate.recv() => return ExitCode::SUCCESS,
    };
    match served {
        Ok(Some(served)) => {
            let mut service =
                Service { served, answers, tasks: JoinSet::new(), stops: HashMap::new(), ids: HashMap::new() };
            let ended = service.run(&mut lines, &mut terminate).await;
            service.leave().await;
            ended
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(failed) => {
            answers.send(Answer::Failed { id: None, failed });
            ExitCode::FAILURE
        }
    }
}

/// What a hello names.
#[derive(Clone)]
struct Served {
    bucket: Arc<Bucket>,
    /// Where instances run.
    site: Option<Arc<Site>>,
}

async fn open(objects: Objects, place: Option<serde_json::Value>) -> Result<Served, Failed> {
    let bucket = Arc::new(Bucket::open(objects).await?);
    let site = match place {
        Some(place) => Some(Arc::new(Site::open(&place, &bucket).await?)),
        None => None,
    };
    Ok(Served { bucket, site })
}

/// Answers the hello; `None` where the input ends first.
async fn greet(lines: &mut Lines, answers: &Answers) -> Result<Option<Served>, Failed> {
    let line = match lines.recv().await {
        None => return Ok(None),
        Some(line) => line?,
    };
    let hello = match serde_json::from_str(&line) {
        Ok(Request::Hello { hello }) => hello,
        Ok(_) => return Err(failed(FailedClass::Invalid, "the first line is no hello")),
        Err(error) => return Err(failed(FailedClass::Invalid, format!("the hello cannot be read: {error}"))),
    };
    let Hello { protocol, objects, place } = hello;
    if protocol != PROTOCOL {
        let message = format!("{PROGRAM} speaks version {PROTOCOL} of the backend protocol, not {protocol}");
        return Err(Failed {
            help: Some("install pipe and pipe-aws of the same version".into()),
            ..failed(FailedClass::Unsupported, message)
        });
    }
    // The engine may leave while a credential service or the store keeps silent.
    let both = tokio::select! {
        both = open(objects, place) => both?,
        () = lines.ended() => return Ok(None),
    };
    let offers = match both.site {
        Some(_) => vec![Offer::Objects, Offer::Instances],
        None => vec![Offer::Objects],
    };
    let hello = Welcome { protocol: PROTOCOL, program: PROGRAM.into(), offers, secrets: secrets::SERVICES.into() };
    answers.send(Answer::Hello { hello });
    Ok(Some(both))
}

/// Requests under way.
struct Service {
    served: Served,
    answers: Answers,
    tasks: JoinSet<()>,
    /// By the request's id.
    stops: HashMap<u64, watch::Sender<bool>>,
    /// The request of each task.
    ids: HashMap<Id, u64>,
}

impl Service {
    async fn run(&mut self, lines: &mut Lines, terminate: &mut Signal) -> ExitCode {
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    None => return ExitCode::SUCCESS,
                    Some(Ok(line)) => self.take(&line),
                    Some(Err(failed)) => {
                        self.answers.send(Answer::Failed { id: None, failed });
                        return ExitCode::FAILURE;
                    }
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                _ = terminate.recv() => return ExitCode::SUCCESS,
            }
        }
    }

    fn take(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Request::Do { id, operation }) if !self.stops.contains_key(&id) => self.begin(id, operation),
            Ok(Request::Cancel { cancel: Cancel::Cancel { id } }) => {
                if let Some(stop) = self.stops.get(&id) {
                    stop.send_replace(true);
                }
            }
            Ok(Request::Do { id, .. }) => self.refuse(None, format!("the id {id} is in use already")),
            Ok(Request::Hello { .. }) => self.refuse(None, "only the first line is a hello".into()),
            Err(error) => {
                let id = serde_json::from_str::<serde_json::Value>(line).ok().and_then(|line| line["id"].as_u64());
                self.refuse(id, format!("the request cannot be read: {error}"));
            }
        }
    }

    fn refuse(&self, id: Option<u64>, message: String) {
        self.answers.send(Answer::Failed { id, failed: failed(FailedClass::Invalid, message) });
    }

    fn begin(&mut self, id: u64, operation: Operation) {
        let (stop, stopped) = watch::channel(false);
        let (served, answers) = (self.served.clone(), self.answers.clone());
        let task = self.tasks.spawn(async move {
            let progress = Arc::new(Progress::new(id, answers.clone()));
            let result = carry_out(&served, operation, &Stop(stopped), &progress).await;
            answers.settle(id, result.map_err(|failed| served.bucket.without_secrets(failed)));
        });
        self.stops.insert(id, stop);
        self.ids.insert(task.id(), id);
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = match &ended {
            Ok((task, ())) => *task,
            Err(error) => error.id(),
        };
        let Some(id) = self.ids.remove(&task) else { return };
        self.stops.remove(&id);
        if ended.is_err() {
            let fault = failed(FailedClass::Broken, "the request met a fault of pipe-aws; its log has the place");
            self.answers.settle(id, Err(Failed { help: Some("please report it".into()), ..fault }));
        }
    }

    /// Stops what is under way, and waits until it has cleaned up.
    async fn leave(mut self) {
        for stop in self.stops.values() {
            stop.send_replace(true);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LEAVE, all).await;
    }
}

async fn carry_out(
    Served { bucket, site }: &Served,
    operation: Operation,
    stop: &Stop,
    progress: &Arc<Progress>,
) -> Result<Done, Failed> {
    match operation {
        // A put has uploads to take back, so it heeds the stop itself.
        Operation::Put(request) => put::put(bucket, request, stop, progress).await.map(Done::Put),
        Operation::Get(request) => unless_stopped(stop, get::get(bucket, request, progress)).await.map(Done::Get),
        Operation::Has(request) => unless_stopped(stop, has::has(bucket, request)).await.map(Done::Has),
        Operation::List(request) => unless_stopped(stop, listing::list(bucket, request)).await.map(Done::List),
        Operation::Delete(request) => {
            unless_stopped(stop, listing::delete(bucket, request)).await.map(|()| Done::Delete {})
        }
        Operation::Secret(secret) => {
            unless_stopped(stop, secrets::read(bucket, &secret)).await.map(|value| Done::Secret { value })
        }
        operation => match site {
            Some(site) => unless_stopped(stop, site.carry_out(operation, progress)).await,
            None => Err(failed(FailedClass::Unsupported, "the hello names no place for instances")),
        },
    }
}

/// Requests as they come in.
struct Lines {
    receiver: mpsc::Receiver<Result<String, Failed>>,
    /// Dropped by the reading thread at the end of the input.
    open: watch::Receiver<()>,
}

impl Lines {
    async fn recv(&mut self) -> Option<Result<String, Failed>> {
        self.receiver.recv().await
    }

    /// Returns when the input has ended, be there unread lines or not.
    async fn ended(&self) {
        let mut open = self.open.clone();
        while open.changed().await.is_ok() {}
    }
}

/// A thread and not tokio's stdin, whose read nothing can interrupt when the program leaves.
fn read_lines() -> Lines {
    let (sender, receiver) = mpsc::channel(64);
    let (alive, open) = watch::channel(());
    std::thread::spawn(move || {
        let _alive = alive;
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = (&mut input).take(LINE_LIMIT).read_until(b'\n', &mut line);
            let item = match read {
                Ok(0) | Err(_) => return,
                Ok(n) if n as u64 == LINE_LIMIT => Err(failed(FailedClass::Invalid, "a request is longer than 16 MiB")),
                Ok(_) => String::from_utf8(line).map_err(|_| failed(FailedClass::Invalid, "a request is not UTF-8")),
            };
            let last = item.is_err();
            if sender.blocking_send(item).is_err() || last {
                return;
            }
        }
    });
    Lines { receiver, open }
}

/// The result of `work`, unless `stop` comes first.
pub(crate) async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    tokio::select! {
        result = work => result,
        () = stop.asked() => Err(interrupted()),
    }
}
