//! `pipe logs`: the output of a stage. A stage that was served from the store said it in the run that made its record.

use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::arguments::ParamArguments;
use super::complete::names;
use super::failure::Failure;
use super::made::{self, Found, Made, Where, WhereArguments};
use super::project::Project;
use super::{Exit, output};
use crate::engine::history::{Entry, History, JOURNAL, OpenRun, log_path};
use crate::plan::instances::family;
use crate::report::{clean, units};
use crate::store::{Store, open_file, read_kept};

/// How often a log that is being written is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `pipe logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe logs model                  its last execution, also when a run goes on
  pipe logs model --follow         go on printing until the stage ends
  pipe logs model --run last~1     of an earlier run
  pipe logs model --raw            with its colours, on a terminal too
  pipe logs model | less           as the stage wrote it

The name of a matrix prints the logs of all its instances. On a terminal, characters that would act on it are shown as \
\\x1b or \\u{202e}; --raw sends them as they are. A pipe or a file gets every byte as the stage wrote it.

A stage that was served from the store shows the log of the run that made what it gave.")]
pub(super) struct LogsArguments {
    /// The stage.
    #[arg(value_name = "STAGE", add = names::past_stage())]
    pub stage: String,
    /// Wait for what comes, until the stage ends.
    #[arg(long, conflicts_with_all = ["run", "json"])]
    pub follow: bool,
    #[command(flatten)]
    pub place: WhereArguments,
    /// Send every byte as the stage wrote it, to a terminal too.
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &LogsArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let history = History::open(&store);
    let place = arguments.place.place();
    let open = open_run(project, &history, &place)?;
    if let Some(run) = &open {
        let log = log_path(&store, run, &arguments.stage);
        if arguments.follow {
            refuse_within(run, &arguments.stage)?;
        }
        let of_instances = instance_logs(&store, run, &arguments.stage);
        if arguments.follow && !of_instances.is_empty() {
            let names: Vec<_> = of_instances.iter().take(NAMED).map(|log| log.stage.as_str()).collect();
            let message = format!("`{}` is a matrix: one instance can be followed", arguments.stage);
            return Err(Failure::usage(message, format!("for instance {}", names.join(" or "))));
        }
        if arguments.follow && follow(&store, run, arguments, &log)? {
            return Ok(Exit::Success);
        }
        if log.is_file() {
            return print(arguments, run, &log);
        }
        if !of_instances.is_empty() {
            return print_all(arguments, &of_instances);
        }
    }
    match made::find(project, &store, &arguments.stage, &place)? {
        Found::Stage(made) => match log_of(&store, &made).path {
            Some((run, log)) => print(arguments, &run, &log),
            None => {
                let message = format!("no log of stage `{}`: it has not run here, or its runs were removed", made.name);
                Err(Failure::usage(message, format!("pipe run {}", made.report.file.display())))
            }
        },
        Found::Matrix { instances, .. } => {
            let logs: Vec<_> = instances.iter().map(|made| log_of(&store, made)).collect();
            print_all(arguments, &logs)
        }
    }
}

/// Instances that a message names.
const NAMED: usize = 3;

/// The log of a stage, with the run that wrote it, where there is one.
struct Log {
    stage: String,
    path: Option<(String, PathBuf)>,
}

/// The log of this run, or of the run that made the stage's outputs.
fn log_of(store: &Store, made: &Made) -> Log {
    let own = log_path(store, &made.report.run, &made.name);
    let replayed =
        || made.record.as_ref().map(|record| (record.run.clone(), log_path(store, &record.run, &record.stage)));
    let mut candidates = std::iter::once((made.report.run.clone(), own)).chain(replayed());
    Log { stage: made.name.clone(), path: candidates.find(|(_, log)| log.is_file()) }
}

/// The logs that instances of a matrix have in a run that has no report yet, by name.
fn instance_logs(store: &Store, run: &str, name: &str) -> Vec<Log> {
    let directory = log_path(store, run, name).parent().map(Path::to_owned).unwrap_or_default();
    let prefix = name.rfind('/').map_or("", |at| &name[..=at]);
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let logs = files.filter_map(|file| {
        let stage = format!("{prefix}{}", file.file_name().to_str()?.strip_suffix(".log")?);
        let path = Some((run.to_owned(), file.path()));
        family(&stage).is_some_and(|(it, _)| it == name).then_some(Log { stage, path })
    });
    let mut logs: Vec<Log> = logs.collect();
    logs.sort_unstable_by(|one, other| one.stage.cmp(&other.stage));
    logs
}

/// One log after the other, each below the name of its instance.
fn print_all(arguments: &LogsArguments, logs: &[Log]) -> Result<Exit, Failure> {
    if arguments.json {
        let documents = logs.iter().map(|log| match &log.path {
            Some((run, path)) => document(&log.stage, run, path),
            None => Ok(serde_json::json!({"stage": log.stage, "run": null, "path": null, "text": null})),
        });
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        output::document(&serde_json::json!({"stage": arguments.stage, "instances": documents}));
        return Ok(Exit::Success);
    }
    let mut silent = 0;
    for log in logs {
        let Some((_, path)) = &log.path else {
            output::text(&format!("==> {} <== (no log)\n", clean::cell(&log.stage)));
            continue;
        };
        let bytes = read_kept(path).map_err(|e| broken(path, e))?.unwrap_or_default();
        if bytes.is_empty() {
            silent += 1;
            continue;
        }
        output::text(&format!("==> {} <==\n", clean::cell(&log.stage)));
        let mut print = Printer::new(arguments);
        print.bytes(&bytes);
        print.end();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            output::text("\n");
        }
    }
    if silent > 0 {
        // Beside the logs, not among them: a pipe takes only the stages' output.
        output::errors(&format!("{} of {} wrote nothing\n", silent, units::count(logs.len(), "instance")));
    }
    Ok(Exit::Success)
}

fn document(stage: &str, run: &str, log: &Path) -> Result<serde_json::Value, Failure> {
    let bytes = read_kept(log).map_err(|e| broken(log, e))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(serde_json::json!({"stage": stage, "run": run, "path": log, "text": text}))
}

/// The newest run, where it has no report yet: it goes on, or was killed; either way its logs are the newest there are.
fn open_run(project: &Project, history: &History, place: &Where) -> Result<Option<String>, Failure> {
    if let Some(words) = place.run {
        let run = history.find(words)?;
        return Ok(history.report(run).is_none().then(|| run.to_owned()));
    }
    let Some(Entry::Open { run, pipeline, .. }) = history.entries().next() else { return Ok(None) };
    let meant = match place.file {
        Some(file) => Some(project.plan_file(file, &ParamArguments::default())?.pipeline.to_string()) == pipeline,
        None => true,
    };
    Ok(meant.then_some(run))
}

fn print(arguments: &LogsArguments, run: &str, log: &Path) -> Result<Exit, Failure> {
    if arguments.json {
        output::document(&document(&arguments.stage, run, log)?);
    } else {
        let bytes = read_kept(log).map_err(|e| broken(log, e))?.unwrap_or_default();
        let mut print = Printer::new(arguments);
        print.bytes(&bytes);
        print.end();
    }
    Ok(Exit::Success)
}

/// Refuses `--follow` inside the stage that it would follow: the output would go to that stage's own log, which never ends.
fn refuse_within(run: &str, stage: &str) -> Result<(), Failure> {
    if std::env::var(crate::backend::STAGE_ID).is_ok_and(|id| id == format!("{run}/{stage}")) {
        let message =
            format!("this command is part of stage `{stage}` of run {run}: it would follow itself without end");
        return Err(Failure::usage(message, "leave out --follow".to_owned()));
    }
    Ok(())
}

/// Prints a log in pieces.
struct Printer {
    /// Makes it harmless; absent where it is wanted as it is.
    clean: Option<clean::Bytes>,
}

impl Printer {
    fn new(arguments: &LogsArguments) -> Printer {
        let looked_at = !arguments.raw && std::io::stdout().is_terminal();
        Printer { clean: looked_at.then(clean::Bytes::default) }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match &mut self.clean {
            Some(clean) => output::text(&clean.feed(bytes)),
            None => output::bytes(bytes),
        }
    }

    fn end(self) {
        if let Some(clean) = self.clean {
            output::text(&clean.finish());
        }
    }
}

/// Prints the log as it grows until the stage or its run ends; `false` when the stage never wrote one.
fn follow(store: &Store, run: &str, arguments: &LogsArguments, log: &Path) -> Result<bool, Failure> {
    let stage = arguments.stage.as_str();
    let mut print = Printer::new(arguments);
    let history = History::open(store);
    let mut journal = Tail::new(&store.run_dir(run).join(JOURNAL));
    let mut tail = Tail::new(log);
    let mut events = Vec::new();
    loop {
        // Asked before reading: then everything that was written before the end is sure to be read.
        let runs = history.state(run) == OpenRun::Running;
        events.extend(journal.read().map_err(|e| broken(&journal.path, e))?);
        let ended = !runs || has_ended(&mut events, stage);
        print.bytes(&tail.read().map_err(|e| broken(log, e))?);
        if ended || output::closed() {
            print.end();
            return Ok(log.is_file());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Whether the whole lines of `events` say that the stage ended. They are taken out.
fn has_ended(events: &mut Vec<u8>, stage: &str) -> bool {
    let Some(end) = events.iter().rposition(|byte| *byte == b'\n') else { return false };
    let lines: Vec<u8> = events.drain(..=end).collect();
    let lines = lines.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .any(|line| line.pointer("/event/stage_ended/stage").and_then(serde_json::Value::as_str) == Some(stage))
}

/// A file that others append to. It may not exist yet, and may be begun anew.
struct Tail {
    path: PathBuf,
    read: u64,
}

impl Tail {
    fn new(path: &Path) -> Tail {
        Tail { path: path.to_owned(), read: 0 }
    }

    /// The bytes that were added since the last call.
    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let Some(mut file) = open_file(&self.path) else { return Ok(Vec::new()) };
        if file.metadata()?.len() < self.read {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        self.read += file.read_to_end(&mut bytes)? as u64;
        Ok(bytes)
    }
}

fn broken(path: &Path, error: std::io::Error) -> Failure {
    Failure::Broken(anyhow::Error::new(error).context(format!("cannot read {}", path.display())))
}
