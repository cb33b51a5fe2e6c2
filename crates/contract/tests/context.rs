//! The inputs and outputs that a running stage may touch, and the events that it sends.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use contract::{Context, Digest, Event, FailureClass, Job, JobInput, Level, Limits, Type};

/// A stream of events that a test can look into.
#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<u8>>>);

impl Stream {
    fn events(&self) -> Vec<Event> {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other end is gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn job(directory: &Path, threads: u32) -> Job {
    let input = |name: &str| JobInput {
        label: None,
        path: directory.join(name),
        artifact: Type::FILE,
        digest: Digest::of(name.as_bytes()),
    };
    Job {
        kind: "k".into(),
        version: 1,
        params: serde_json::json!({}),
        inputs: [("one".into(), vec![input("a")]), ("many".into(), vec![input("b"), input("c")])].into(),
        outputs: [("out".into(), directory.join("out"))].into(),
        scratch: directory.join("scratch"),
        checkpoints: directory.join("checkpoints"),
        limits: Limits { threads, memory: 0 },
        trace: "run/stage".into(),
    }
}

fn context(directory: &Path) -> (Context, Stream) {
    let stream = Stream::default();
    (Context::new(job(directory, 0), Box::new(stream.clone())), stream)
}

#[test]
fn ports_are_found_by_name_and_one_that_the_job_lacks_is_a_bug_of_the_stage() {
    let home = tempfile::tempdir().unwrap();
    let (context, _) = context(home.path());
    assert_eq!(context.input("one").unwrap(), home.path().join("a"));
    assert_eq!(context.optional_input("many").unwrap(), home.path().join("b"), "the first of several");
    assert_eq!(context.optional_input("none"), None);
    assert_eq!(context.output("out").unwrap(), home.path().join("out"));
    for (error, text) in [
        (context.input("none").unwrap_err(), "job has no input `none`"),
        (context.output("none").unwrap_err(), "job has no output `none`"),
    ] {
        assert_eq!((error.class, error.message.as_str()), (FailureClass::StageBug, text));
    }
    assert_eq!(context.scratch(), home.path().join("scratch"));
    assert_eq!(context.checkpoints(), home.path().join("checkpoints"));
    assert_eq!(context.threads(), 1, "a job that allows none still has its own thread");
}

#[test]
fn the_directory_of_an_output_is_made_and_what_stands_in_its_place_is_named() {
    let home = tempfile::tempdir().unwrap();
    let (context, _) = context(home.path());
    assert!(context.output_dir("out").unwrap().is_dir());
    std::fs::remove_dir(home.path().join("out")).unwrap();
    std::fs::write(home.path().join("out"), "").unwrap();
    let error = context.output_dir("out").unwrap_err();
    assert!(error.message.starts_with(&home.path().join("out").display().to_string()), "{error}");
    assert_eq!(error.class, FailureClass::InvalidInput);
}

#[test]
fn of_progress_that_comes_often_the_first_and_the_last_are_told_and_few_between() {
    let home = tempfile::tempdir().unwrap();
    let (context, stream) = context(home.path());
    let began = Instant::now();
    for done in 0..=10_000 {
        context.progress(done, 10_000, "hosts");
    }
    let tenths = began.elapsed().as_millis() as usize / 100;
    let events = stream.events();
    let progress = |done| Event::Progress { done, total: Some(10_000), unit: "hosts".into() };
    assert_eq!((events.first(), events.last()), (Some(&progress(0)), Some(&progress(10_000))));
    assert!(events.len() <= 2 + tenths, "{} lines in {tenths} tenths of a second", events.len());
}

#[test]
fn progress_without_a_known_end_has_no_total() {
    let home = tempfile::tempdir().unwrap();
    let (context, stream) = context(home.path());
    context.progress(0, None, "steps");
    assert_eq!(stream.events(), [Event::Progress { done: 0, total: None, unit: "steps".into() }]);
}

#[test]
fn figures_are_told_with_their_step_and_one_that_is_no_number_is_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let (context, stream) = context(home.path());
    context.metric("kept", 12.0);
    context.metric_at("loss", 300, 1.25);
    context.metric("loss", f64::NAN);
    context.metric_at("rate", 7, f64::INFINITY);
    let warning = |message: &str| Event::Log { level: Level::Warning, message: message.into() };
    let expected = [
        Event::Metric { name: "kept".into(), step: None, value: 12.0 },
        Event::Metric { name: "loss".into(), step: Some(300), value: 1.25 },
        warning("metric `loss` is NaN"),
        warning("metric `rate` is inf"),
    ];
    assert_eq!(stream.events(), expected);
}

#[test]
fn messages_and_checkpoints_reach_the_stream() {
    let home = tempfile::tempdir().unwrap();
    let (context, stream) = context(home.path());
    context.info("a line\nand another");
    context.warn("odd");
    context.checkpoint(home.path().join("c"), 9);
    let log = |level, message: &str| Event::Log { level, message: message.into() };
    let expected = [
        log(Level::Info, "a line\nand another"),
        log(Level::Warning, "odd"),
        Event::Checkpoint { path: home.path().join("c"), step: 9 },
    ];
    assert_eq!(stream.events(), expected, "one line each, whatever they hold");
}

#[test]
fn lines_of_several_threads_do_not_mix() {
    let home = tempfile::tempdir().unwrap();
    let (context, stream) = context(home.path());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let context = &context;
            scope.spawn(move || (0..200).for_each(|line| context.info(format!("{thread} {line} {}", "x".repeat(200)))));
        }
    });
    assert_eq!(stream.events().len(), 800, "every line parses");
}

#[test]
fn a_stage_learns_that_it_is_asked_to_stop() {
    let home = tempfile::tempdir().unwrap();
    let (context, _) = context(home.path());
    assert!(!context.cancelled() && context.check_cancelled().is_ok());
    context.cancel_flag().store(true, Ordering::Relaxed);
    assert!(context.cancelled());
    assert_eq!(context.check_cancelled().unwrap_err().class, FailureClass::Interrupted);
}

#[test]
fn a_stream_that_nobody_reads_any_more_does_not_end_the_stage() {
    let home = tempfile::tempdir().unwrap();
    let context = Context::new(job(home.path(), 1), Box::new(Closed));
    context.progress(0, 1, "hosts");
    context.warn("odd");
    assert_eq!(context.map(&[1, 2], |item| Ok(item * 2)).unwrap(), [2, 4]);
}
