//! The `main` of a worker binary: `<worker> run JOB.json`, `<worker> foresee`, `<worker> cards`, `<worker> --version`.

use std::fs::File;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use crate::EXIT_INTERRUPTED;
use crate::card::Card;
use crate::context::Context;
use crate::event::{EVENTS_FD, Event, FailureClass};
use crate::foresight::{Answer, Foresight, Inquiry};
use crate::job::Job;
use crate::jobserver::Jobserver;
use crate::stage::{At, Kind, StageError};

/// Runs a worker that serves `kinds`; `main` returns what this returns.
pub fn main(name: &str, kinds: &[Kind]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", job] => run(Path::new(job), kinds),
        ["foresee"] => foresee(&mut std::io::stdin().lock(), &mut std::io::stdout().lock(), kinds),
        ["cards"] => cards(kinds),
        ["--version"] => {
            say(format_args!("{name} {}", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        _ => {
            complain(format_args!(
                "usage: {name} run JOB.json | {name} foresee | {name} cards\n\nStarted by `pipe`; see docs/worker-protocol.md"
            ));
            ExitCode::from(2)
        }
    }
}

fn cards(kinds: &[Kind]) -> ExitCode {
    let all: Vec<_> = kinds.iter().map(|kind| (kind.card)()).collect();
    say(format_args!("{}", serde_json::to_string_pretty(&all).expect("a card is plain data")));
    ExitCode::SUCCESS
}

/// Answers a line for each line, until there is none.
fn foresee(questions: &mut dyn BufRead, answers: &mut dyn Write, kinds: &[Kind]) -> ExitCode {
    for line in questions.lines() {
        let answer = line.map_err(|error| error.to_string()).and_then(|line| {
            let inquiry: Inquiry = serde_json::from_str(&line).map_err(|error| error.to_string())?;
            let answer = Answer::from(foreseen(&inquiry, kinds));
            serde_json::to_string(&answer).map_err(|error| error.to_string())
        });
        match answer.and_then(|line| {
            writeln!(answers, "{line}").and_then(|()| answers.flush()).map_err(|error| error.to_string())
        }) {
            Ok(()) => {}
            Err(error) => {
                complain(format_args!("{error}"));
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

fn foreseen(inquiry: &Inquiry, kinds: &[Kind]) -> Result<Foresight, StageError> {
    let kind = served(&inquiry.kind, inquiry.version, kinds)?.0;
    catch_unwind(AssertUnwindSafe(|| (kind.foresee)(inquiry)))
        .unwrap_or_else(|panic| Err(StageError::bug(format!("worker panicked: {}", panic_text(&*panic)))))
}

/// The kind of this name, with its card.
fn served<'k>(name: &str, version: u32, kinds: &'k [Kind]) -> Result<(&'k Kind, Card), StageError> {
    let Some((kind, card)) = kinds.iter().map(|kind| (kind, (kind.card)())).find(|(_, card)| card.kind == name) else {
        return Err(StageError::bug(format!("this worker does not serve the kind `{name}`")));
    };
    if card.version != version {
        let message = format!("card `{name}` is version {version}, this worker implements {}", card.version);
        return Err(StageError::bug(message).help("rebuild the worker and the engine together"));
    }
    Ok((kind, card))
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
    // SIGUSR1 asks for a checkpoint, and the stage goes on.
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGUSR1, context.checkpoint_flag()) {
        context.warn(format!("cannot listen for SIGUSR1: {error}"));
    }
    serve(&context, kinds)
}

/// Does the job of `context` and says how it ended.
fn serve(context: &Context, kinds: &[Kind]) -> ExitCode {
    let outcome = catch_unwind(AssertUnwindSafe(|| dispatch(context, kinds)));
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
    let (kind, card) = served(&job.kind, job.version, kinds)?;
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::sync::{Arc, Mutex};

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    use super::*;
    use crate::{Card, Level, Limits, Stage, Type};

    /// A kind that does what its param says.
    struct Obedient;

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Order {
        does: String,
    }

    impl Stage for Obedient {
        type Params = Order;

        fn card() -> Card {
            Card::new("obedient", 2).worker("w").output("out", Type::FILE, "")
        }

        fn foresee(params: Order, _inquiry: &Inquiry) -> Result<Foresight, StageError> {
            match params.does.as_str() {
                "refuse" => Err(StageError::invalid_input("line 7 is odd")),
                "panic" => panic!("lost count"),
                _ => Ok(Foresight { memory: Some(7), ..Foresight::default() }),
            }
        }

        fn run(params: Order, context: &Context) -> Result<(), StageError> {
            match params.does.as_str() {
                "write" => std::fs::write(context.output("out")?, "done").at(context.output("out")?),
                "map" => {
                    context.map(&[1, 2], |_| Ok(()))?;
                    std::fs::write(context.output("out")?, "done").at(context.output("out")?)
                }
                "refuse" => Err(StageError::invalid_input("line 7 is odd").help("mend it")),
                "stop" => {
                    context.cancel_flag().store(true, Ordering::Relaxed);
                    context.check_cancelled()
                }
                "panic" => panic!("lost count"),
                _ => Ok(()),
            }
        }
    }

    const KINDS: &[Kind] = &[Kind::of::<Obedient>()];

    #[test]
    fn questions_are_answered_one_by_one_whatever_becomes_of_the_others() {
        let ask = |kind: &str, does: &str| {
            json!({"kind": kind, "version": 2, "params": {"does": does}, "inputs": {}, "here": true}).to_string() + "\n"
        };
        let questions =
            [ask("obedient", "write"), ask("other", "write"), ask("obedient", "refuse"), ask("obedient", "panic")];
        let mut answers = Vec::new();
        assert_eq!(foresee(&mut questions.concat().as_bytes(), &mut answers, KINDS), ExitCode::SUCCESS);
        let answers = String::from_utf8(answers).unwrap();
        let answers: Vec<Answer> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers[0], Answer::Foreseen(Foresight { memory: Some(7), ..Foresight::default() }));
        let said = |answer: &Answer| match answer {
            Answer::Refused { class, message, .. } => (*class, message.clone()),
            other => panic!("{other:?}"),
        };
        let unknown = "this worker does not serve the kind `other`".to_owned();
        assert_eq!(said(&answers[1]), (FailureClass::StageBug, unknown));
        assert_eq!(said(&answers[2]), (FailureClass::InvalidInput, "line 7 is odd".to_owned()));
        assert_eq!(said(&answers[3]), (FailureClass::StageBug, "worker panicked: lost count".to_owned()));
        assert_eq!(foresee(&mut &b"what?\n"[..], &mut Vec::new(), KINDS), ExitCode::from(2));
    }

    #[derive(Clone, Default)]
    struct Stream(Arc<Mutex<Vec<u8>>>);

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn job(directory: &Path, params: Value) -> Job {
        Job {
            kind: "obedient".into(),
            version: 2,
            params,
            inputs: Default::default(),
            outputs: [("out".into(), directory.join("out"))].into(),
            scratch: directory.into(),
            checkpoints: directory.into(),
            limits: Limits { threads: 1, memory: 0 },
            trace: "t".into(),
        }
    }

    /// How a worker ends that gets the job of a param, changed by `change`, and what it says.
    fn served(does: &str, change: impl Fn(&mut Job)) -> (ExitCode, Vec<Event>) {
        let home = tempfile::tempdir().unwrap();
        let mut job = job(home.path(), json!({"does": does}));
        change(&mut job);
        let stream = Stream::default();
        let code = serve(&Context::new(job, Box::new(stream.clone())), KINDS);
        let bytes = stream.0.lock().unwrap();
        let events = String::from_utf8_lossy(&bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (code, events)
    }

    fn failed(events: &[Event]) -> (FailureClass, &str, Option<&str>) {
        match events.last() {
            Some(Event::Failed { class, message, help }) => (*class, message, help.as_deref()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_job_that_is_done_is_told_as_started_and_finished() {
        let (code, events) = served("write", |_| {});
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(events, [Event::Started { kind: "obedient".into(), version: 2 }, Event::Finished {}]);
        let (_, events) = served("map", |_| {});
        let message = "at most 1 of 1 threads worked at once".into();
        assert_eq!(events[1], Event::Log { level: Level::Info, message });
    }

    #[test]
    fn a_failure_keeps_its_class_its_words_and_its_help() {
        let (code, events) = served("refuse", |_| {});
        assert_eq!(code, ExitCode::from(1));
        assert_eq!(failed(&events), (FailureClass::InvalidInput, "line 7 is odd", Some("mend it")));
    }

    #[test]
    fn an_interrupted_stage_leaves_with_75() {
        let (code, events) = served("stop", |_| {});
        assert_eq!(code, ExitCode::from(75));
        assert_eq!(failed(&events).0, FailureClass::Interrupted);
    }

    #[test]
    fn a_panic_and_an_output_that_is_not_there_are_bugs_of_the_stage() {
        let (code, events) = served("panic", |_| {});
        assert_eq!(code, ExitCode::from(1));
        let (class, message, help) = failed(&events);
        assert_eq!((class, message), (FailureClass::StageBug, "worker panicked: lost count"));
        assert!(help.unwrap().contains("the log has the place"));
        let (_, events) = served("nothing", |_| {});
        assert_eq!(failed(&events), (FailureClass::StageBug, "outputs not written: out", None));
    }

    #[test]
    fn a_job_of_another_kind_version_or_params_is_refused_before_it_begins() {
        let (_, events) = served("write", |job| job.kind = "other".into());
        assert_eq!(failed(&events).1, "this worker does not serve the kind `other`");
        assert_eq!(events.len(), 1, "it has not started");
        let (_, events) = served("write", |job| job.version = 3);
        assert_eq!(failed(&events).1, "card `obedient` is version 3, this worker implements 2");
        assert!(failed(&events).2.unwrap().contains("rebuild"));
        let (_, events) = served("write", |job| job.params = json!({"does": "write", "more": 1}));
        assert!(failed(&events).1.contains("unknown field `more`"));
    }

    #[test]
    fn a_job_file_that_cannot_be_read_is_a_wrong_call() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("job.json");
        assert_eq!(run(&path, KINDS), ExitCode::from(2));
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(run(&path, KINDS), ExitCode::from(2));
        assert!(read_job(&path).unwrap_err().message.contains("missing field `kind`"));
        std::fs::write(&path, serde_json::to_vec(&job(home.path(), json!({"does": "write"}))).unwrap()).unwrap();
        assert_eq!(run(&path, KINDS), ExitCode::SUCCESS);
        assert_eq!(std::fs::read_to_string(home.path().join("out")).unwrap(), "done");
    }
}
