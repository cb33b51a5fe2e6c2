//! Everything that a running stage may touch: its inputs, outputs and scratch space, and the event stream.
//!
//! A stage gets nothing else: no store, no pipeline, no backend. All methods take `&self` and may be called from any thread.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::event::{Event, Level};
use crate::job::Job;
use crate::jobserver::Jobserver;
use crate::stage::{At, StageError};

/// Progress lines closer together than this are dropped (the last one never is).
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Handed to [`crate::Stage::run`].
pub struct Context {
    job: Job,
    events: Mutex<Box<dyn Write + Send>>,
    cancelled: Arc<AtomicBool>,
    checkpoint_wanted: Arc<AtomicBool>,
    opened: Instant,
    /// Milliseconds since `opened` at which progress was last reported.
    reported: AtomicU64,
    /// Where tokens for further threads come from.
    jobserver: Option<Jobserver>,
    /// The most threads that [`Context::map`] had at work at once; 0 where it was never called.
    most_threads: AtomicUsize,
}

impl Context {
    /// A context for `job` whose events go to `events`. Tests pass a buffer or `io::sink()`.
    pub fn new(job: Job, events: Box<dyn Write + Send>) -> Context {
        Context {
            job,
            events: Mutex::new(events),
            cancelled: Arc::default(),
            checkpoint_wanted: Arc::default(),
            opened: Instant::now(),
            reported: AtomicU64::new(0),
            jobserver: None,
            most_threads: AtomicUsize::new(0),
        }
    }

    /// The same, whose threads beyond the first each need a token of `jobserver`.
    pub fn with_jobserver(self, jobserver: Jobserver) -> Context {
        Context { jobserver: Some(jobserver), ..self }
    }

    /// The same, for one thread only.
    pub(crate) fn with_one_thread(mut self) -> Context {
        self.job.limits.threads = 1;
        self
    }

    /// The flag behind [`Context::cancelled`]; the worker's main sets it on SIGTERM.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// The flag behind [`Context::checkpoint_wanted`]; the worker's main sets it on SIGUSR1.
    pub fn checkpoint_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.checkpoint_wanted)
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The path of a required input.
    pub fn input(&self, port: &str) -> Result<&Path, StageError> {
        self.optional_input(port).ok_or_else(|| StageError::bug(format!("job has no input `{port}`")))
    }

    /// The path of an input that may be unwired.
    pub fn optional_input(&self, port: &str) -> Option<&Path> {
        self.job.inputs.get(port).and_then(|all| all.first()).map(|input| input.path.as_path())
    }

    /// Where output `port` must lie; its parent directory exists.
    pub fn output(&self, port: &str) -> Result<&Path, StageError> {
        let path = self.job.outputs.get(port).ok_or_else(|| StageError::bug(format!("job has no output `{port}`")))?;
        Ok(path.as_path())
    }

    /// Creates the directory of output `port` and returns its path.
    pub fn output_dir(&self, port: &str) -> Result<&Path, StageError> {
        let path = self.output(port)?;
        std::fs::create_dir_all(path).at(path)?;
        Ok(path)
    }

    /// An empty directory for temporary files.
    pub fn scratch(&self) -> &Path {
        &self.job.scratch
    }

    /// The directory that outlives an interrupted run of the same action.
    pub fn checkpoints(&self) -> &Path {
        &self.job.checkpoints
    }

    /// The most threads that may work at once, tokens permitting; at least 1. [`Context::map`] keeps to it.
    pub fn threads(&self) -> usize {
        self.job.limits.threads.max(1) as usize
    }

    /// Whether the stage was asked to stop. Long loops look here and leave with [`StageError::interrupted`].
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// An error when the stage was asked to stop.
    pub fn check_cancelled(&self) -> Result<(), StageError> {
        if self.cancelled() { Err(StageError::interrupted()) } else { Ok(()) }
    }

    /// Whether a checkpoint is wanted now although the stage goes on: its machine may be taken away soon. Asking takes the wish back.
    pub fn checkpoint_wanted(&self) -> bool {
        self.checkpoint_wanted.swap(false, Ordering::Relaxed)
    }

    /// Says how far the stage is. Cheap to call often: lines closer than 100 ms together are dropped.
    pub fn progress(&self, done: u64, total: impl Into<Option<u64>>, unit: &str) {
        let total = total.into();
        let now = self.opened.elapsed().as_millis() as u64;
        let last = self.reported.load(Ordering::Relaxed);
        let due = done == 0 || total == Some(done) || now.saturating_sub(last) >= PROGRESS_INTERVAL.as_millis() as u64;
        if due {
            self.reported.store(now, Ordering::Relaxed);
            self.emit(&Event::Progress { done, total, unit: unit.to_owned() });
        }
    }

    /// Keeps a figure in the record.
    pub fn metric(&self, name: &str, value: f64) {
        self.emit_metric(name, None, value);
    }

    /// Keeps a figure of one step; the last step's value stays in the record.
    pub fn metric_at(&self, name: &str, step: u64, value: f64) {
        self.emit_metric(name, Some(step), value);
    }

    /// Writes a line to the log.
    pub fn info(&self, message: impl Into<String>) {
        self.emit(&Event::Log { level: Level::Info, message: message.into() });
    }

    /// Writes a warning to the log; it is shown to the user.
    pub fn warn(&self, message: impl Into<String>) {
        self.emit(&Event::Log { level: Level::Warning, message: message.into() });
    }

    /// Announces a checkpoint under [`Context::checkpoints`].
    pub fn checkpoint(&self, path: PathBuf, step: u64) {
        self.emit(&Event::Checkpoint { path, step });
    }

    /// JSON has no NaN: a figure that is none is said aloud instead of being dropped.
    fn emit_metric(&self, name: &str, step: Option<u64>, value: f64) {
        if value.is_finite() {
            self.emit(&Event::Metric { name: name.to_owned(), step, value });
        } else {
            self.warn(format!("metric `{name}` is {value}"));
        }
    }

    pub(crate) fn jobserver(&self) -> Option<&Jobserver> {
        self.jobserver.as_ref()
    }

    pub(crate) fn note_threads(&self, threads: usize) {
        self.most_threads.fetch_max(threads, Ordering::Relaxed);
    }

    pub(crate) fn most_threads(&self) -> usize {
        self.most_threads.load(Ordering::Relaxed)
    }

    pub(crate) fn emit(&self, event: &Event) {
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        let mut events = self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A closed stream means that the engine is gone; its guardian ends this process, so there is nobody to tell.
        let _ = events.write_all(&line).and_then(|()| events.flush());
    }
}
