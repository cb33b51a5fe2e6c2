//! The `main` of a worker binary: `<worker> run JOB.json`, `<worker> cards`, `<worker> --version`.

use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use crate::EXIT_INTERRUPTED;
use crate::context::Context;
use crate::event::{EVENTS_FD, Event, FailureClass};
use crate::job::Job;
use crate::jobserver::Jobserver;
use crate::stage::{At, Kind, StageError};

/// Runs a worker that serves `kinds`; `main` returns what this returns.
pub fn main(name: &str, kinds: &[Kind]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", job] => run(Path::new(job), kinds),
        ["cards"] => cards(kinds),
        ["--version"] => {
            say(format_args!("{name} {}", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        _ => {
            complain(format_args!(
                "usage: {name} run JOB.json | {name} cards\n\nStarted by `pipe`; see docs/worker-protocol.md"
            ));
            ExitCode::from(2)
        }
    }
}

/// The complete cards of `kinds`, as pretty JSON, each with the file name it has under `schemas/cards/`.
pub fn card_files(kinds: &[Kind]) -> Vec<(String, String)> {
    let file = |kind: &Kind| {
        let card = (kind.card)();
        let text = serde_json::to_string_pretty(&card).expect("a card is plain data");
        (format!("{}.json", card.kind), text + "\n")
    };
    kinds.iter().map(file).collect()
}

fn cards(kinds: &[Kind]) -> ExitCode {
    let all: Vec<_> = kinds.iter().map(|kind| (kind.card)()).collect();
    say(format_args!("{}", serde_json::to_string_pretty(&all).expect("a card is plain data")));
    ExitCode::SUCCESS
}

fn run(job_path: &Path, kinds: &[Kind]) -> ExitCode {
    let (job, events) = match read_job(job_path).and_then(|job| Ok((job, open_events()?))) {
        Ok(both) => both,
        Err(error) => {
            complain(format_args!("{error}"));
            return ExitCode::from(2);
        }
    };
    let context = attach_jobserver(Context::new(job, events));
    // SIGTERM asks for a checkpoint and an orderly end; the stage sees it through `cancelled`.
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGTERM, context.cancel_flag()) {
        context.warn(format!("cannot listen for SIGTERM: {error}"));
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| dispatch(&context, kinds)));
    let result = outcome.unwrap_or_else(|panic| {
        Err(StageError::bug(format!("worker panicked: {}", panic_text(&*panic)))
            .help("the log has the place; please report it"))
    });
    match result {
        Ok(()) => {
            context.emit(&Event::Finished {});
            ExitCode::SUCCESS
        }
        Err(error) => {
            let class = error.class;
            context.emit(&Event::Failed { class, message: error.message, help: error.help });
            ExitCode::from(if class == FailureClass::Interrupted { EXIT_INTERRUPTED as u8 } else { 1 })
        }
    }
}

fn dispatch(context: &Context, kinds: &[Kind]) -> Result<(), StageError> {
    let job = context.job();
    let Some((kind, card)) = kinds.iter().map(|k| (k, (k.card)())).find(|(_, card)| card.kind == job.kind) else {
        return Err(StageError::bug(format!("this worker does not serve the kind `{}`", job.kind)));
    };
    if card.version != job.version {
        let message =
            format!("card `{}` is version {}, this worker implements {}", job.kind, job.version, card.version);
        return Err(StageError::bug(message).help("rebuild the worker and the engine together"));
    }
    context.emit(&Event::Started { kind: card.kind.clone(), version: card.version });
    (kind.run)(&job.params, context)?;
    // What the jobserver allowed shows nowhere else: the outputs do not depend on it.
    if context.most_threads() > 0 {
        context.info(format!("at most {} of {} threads worked at once", context.most_threads(), context.threads()));
    }
    let missing: Vec<_> =
        job.outputs.iter().filter(|(_, path)| !path.exists()).map(|(port, _)| port.as_str()).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(StageError::bug(format!("outputs not written: {}", missing.join(", "))))
    }
}

fn read_job(path: &Path) -> Result<Job, StageError> {
    let bytes = std::fs::read(path).at(path)?;
    serde_json::from_slice(&bytes).map_err(|e| StageError::invalid_input(format!("{}: {e}", path.display())))
}

/// The event stream the engine opened for us, or nothing when a person runs the worker by hand.
fn open_events() -> Result<Box<dyn Write + Send>, StageError> {
    let Ok(descriptor) = std::env::var(EVENTS_FD) else { return Ok(Box::new(std::io::sink())) };
    // Through /proc, so that a number that is not an open descriptor is an error and no descriptor is owned twice.
    let path = format!("/proc/self/fd/{descriptor}");
    let file = File::options().append(true).open(&path).at(Path::new(&path))?;
    Ok(Box::new(file))
}

/// With the jobserver that `MAKEFLAGS` names. One that cannot be used leaves one thread, as GNU make's manual asks for.
fn attach_jobserver(context: Context) -> Context {
    let Ok(flags) = std::env::var("MAKEFLAGS") else { return context };
    match Jobserver::from_make_flags(&flags) {
        Ok(Some(jobserver)) => context.with_jobserver(jobserver),
        Ok(None) => context,
        Err(error) => {
            context.warn(format!("working with one thread: the jobserver of MAKEFLAGS cannot be used: {error}"));
            context.with_one_thread()
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}

/// A worker's own command line is for people; everything else goes through events and the log.
#[expect(clippy::print_stdout, reason = "answers a command typed by a person")]
fn say(text: std::fmt::Arguments<'_>) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "no event stream is open yet")]
fn complain(text: std::fmt::Arguments<'_>) {
    eprintln!("{text}");
}
