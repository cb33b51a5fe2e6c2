//! The command line as a whole: its verbs, and the flags that every verb takes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::backend::BackendArguments;
use super::cache::CacheArguments;
use super::check::CheckArguments;
use super::complete::names;
use super::completions::CompletionsArguments;
use super::config::ConfigArguments;
use super::diff::DiffArguments;
use super::get::GetArguments;
use super::graph::GraphArguments;
use super::init::InitArguments;
use super::logs::LogsArguments;
use super::plan::PlanArguments;
use super::run::RunArguments;
use super::runs::RunsArguments;
use super::schema::SchemaArguments;
use super::shell::ShellArguments;
use super::show::ShowArguments;
use super::stages::StagesArguments;
use super::why::WhyArguments;
use super::worker::WorkerArguments;
use crate::config::{Flags, Throttle};

/// A declarative, content-addressed pipeline engine.
#[derive(Debug, Parser)]
#[command(
    name = "pipe",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  pipe run pipelines/full.yaml              run what changed, restore the rest
  pipe run pipelines/full.yaml -S lr=1e-4   override a param of the pipeline
  pipe plan pipelines/full.yaml             what would run, and why
  pipe why model                            what made a stage stale
  pipe logs model                           the log of a stage

Another word NAME starts the program pipe-NAME, which lies beside pipe or on PATH.

Exit codes: 0 done, 1 a stage failed, 2 invalid input, 3 the store or the backend broke, \
130 interrupted."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
    /// The directory of the store; the default is `store` in pipe.yaml, else cache/ at the project root.
    #[arg(long, global = true, value_name = "DIR", add = names::directories())]
    pub store: Option<PathBuf>,
    /// Act as if started in this directory: paths on the line are relative to it. Of several, each is relative to the one before.
    #[arg(short = 'C', global = true, value_name = "DIR", add = names::directories())]
    pub directories: Vec<PathBuf>,
}

impl Cli {
    /// The flags that set something.
    pub(super) fn flags(&self) -> Flags {
        let flags = Flags { store: self.store.clone(), ..Flags::default() };
        match &self.verb {
            Verb::Run(run) => {
                let throttle = run.no_throttle.then_some(Throttle::Off);
                Flags { jobs: run.jobs, throttle, backends: run.backends.clone(), ..flags }
            }
            Verb::Plan(plan) => Flags { backends: plan.backends.clone(), ..flags },
            _ => flags,
        }
    }
}

/// The verbs of `pipe`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run what changed, restore the rest.
    Run(RunArguments),
    /// Show what a run would do, and why.
    Plan(PlanArguments),
    /// Show what made a stage stale, field by field.
    Why(WhyArguments),
    /// Check pipelines without running anything.
    Check(CheckArguments),
    /// Print the graph of a pipeline.
    Graph(GraphArguments),
    /// List the kinds of stages, or show one.
    Stages(StagesArguments),
    /// Print the log of a stage.
    Logs(LogsArguments),
    /// Show a stage's results: outputs, metrics, time and memory.
    Show(ShowArguments),
    /// Copy an output of a stage out of the store.
    Get(GetArguments),
    /// Open a shell where a stage would run.
    Shell(ShellArguments),
    /// List earlier runs.
    Runs(RunsArguments),
    /// Compare two runs.
    Diff(DiffArguments),
    /// Print every setting and where it came from.
    Config(ConfigArguments),
    /// Look after the store: show its size, check it, remove unused results.
    Cache(CacheArguments),
    /// Show what runs beyond this machine, or stop it.
    Backend(BackendArguments),
    /// Print the JSON Schema of a file or a report.
    Schema(SchemaArguments),
    /// Write a small project that works at once.
    Init(InitArguments),
    /// Print the completion script of a shell.
    Completions(CompletionsArguments),
    /// Ends a run's processes when the engine dies; started by `run`.
    #[command(name = "__guardian", hide = true)]
    Guardian,
    /// Carries out one action as an instance of a place; started by `run`.
    #[command(name = "worker", hide = true)]
    Worker(WorkerArguments),
    /// Another word, and those behind it: the program of that name.
    #[command(external_subcommand)]
    Program(Vec<OsString>),
}

impl Verb {
    /// Whether errors are to be written as JSON too.
    pub(super) fn wants_json(&self) -> bool {
        match self {
            Verb::Run(RunArguments { json, .. })
            | Verb::Plan(PlanArguments { json, .. })
            | Verb::Check(CheckArguments { json, .. })
            | Verb::Graph(GraphArguments { json, .. })
            | Verb::Stages(StagesArguments { json, .. })
            | Verb::Why(WhyArguments { json, .. })
            | Verb::Config(ConfigArguments { json })
            | Verb::Schema(SchemaArguments { json, .. })
            | Verb::Init(InitArguments { json, .. })
            | Verb::Logs(LogsArguments { json, .. })
            | Verb::Show(ShowArguments { json, .. })
            | Verb::Get(GetArguments { json, .. })
            | Verb::Shell(ShellArguments { json, .. })
            | Verb::Runs(RunsArguments { json, .. })
            | Verb::Diff(DiffArguments { json, .. }) => *json,
            Verb::Cache(arguments) => arguments.wants_json(),
            Verb::Backend(arguments) => arguments.wants_json(),
            Verb::Completions(_) | Verb::Guardian | Verb::Worker(_) | Verb::Program(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The commands in the examples of a help text, as words: the text before two spaces, a pipe or a redirection.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let lines = help.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| line.starts_with("pipe ")));
        let command = |line: &str| {
            let end = ["  ", " |", " >", " &&"].iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
            line[..end].split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()
        };
        lines.map(command).collect()
    }

    /// The command and everything below it.
    fn helped(command: &clap::Command) -> Vec<&clap::Command> {
        std::iter::once(command).chain(command.get_subcommands().flat_map(helped)).collect()
    }

    #[test]
    fn every_verb_has_examples_and_each_of_them_parses() {
        let cli = Cli::command();
        for verb in cli.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            // A verb with verbs of its own may leave examples to them.
            let helps: Vec<_> = std::iter::once(verb).chain(verb.get_subcommands()).collect();
            let texts = helps.iter().filter_map(|verb| verb.get_after_help()).map(ToString::to_string);
            let found: Vec<_> = texts.flat_map(|text| examples(&text)).collect();
            assert!(!found.is_empty(), "pipe {} --help has no examples", verb.get_name());
            for words in found {
                match Cli::try_parse_from(&words) {
                    Ok(Cli { verb: Verb::Program(name), .. }) => panic!("`{}`: {name:?} is no verb", words.join(" ")),
                    Ok(_) => {}
                    Err(error) => {
                        panic!("the example `{}` of pipe {} does not parse: {error}", words.join(" "), verb.get_name())
                    }
                }
            }
        }
        for verb in helped(&cli) {
            // Every line of an example fits 80 columns; a paragraph is one line, which the terminal's width breaks.
            let lines = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<_> = lines.lines().collect();
            for pair in lines.windows(2) {
                let prose = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
                assert!(pair[1].len() <= 80 || prose(pair[1]), "pipe {}: {}", verb.get_name(), pair[1]);
                assert!(!(prose(pair[0]) && prose(pair[1])), "pipe {}: {}", verb.get_name(), pair[1]);
            }
        }
        for words in examples(&cli.get_after_help().unwrap().to_string()) {
            assert!(Cli::try_parse_from(&words).is_ok(), "{words:?}");
        }
    }
}
