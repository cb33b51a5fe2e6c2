//! What can be typed. Help texts with examples live here, beside the flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::cache::CacheArguments;
use super::complete::names;
use super::completions::CompletionsArguments;
use super::config::ConfigArguments;
use super::diff::DiffArguments;
use super::get::GetArguments;
use super::init::InitArguments;
use super::logs::LogsArguments;
use super::runs::RunsArguments;
use super::schema::SchemaArguments;
use super::shell::ShellArguments;
use super::show::ShowArguments;
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
  pipe why model                            what made a stage of the last pipeline stale
  pipe logs model                           the log of a stage

Exit codes: 0 done, 1 a stage failed, 2 invalid input, 3 the store or the backend broke, 130 interrupted."
)]
pub struct Cli {
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
    pub fn flags(&self) -> Flags {
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

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run what changed, restore the rest.
    Run(RunArguments),
    /// Show what a run would do, and why.
    Plan(PlanArguments),
    /// Show what made a stage stale, field by field.
    Why(StageArguments),
    /// Check pipelines without running anything.
    Check(CheckArguments),
    /// Print the graph of a pipeline.
    Graph(GraphArguments),
    /// List the kinds of stages, or show one.
    Stages(StagesArguments),
    /// Print the log of a stage.
    Logs(LogsArguments),
    /// Show what a stage gave: outputs, metrics, what it took.
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
    /// Look after the store: what it takes, whether it is sound, what may go.
    Cache(CacheArguments),
    /// Print the JSON Schema of a file or a report.
    Schema(SchemaArguments),
    /// Write a small project that works at once.
    Init(InitArguments),
    /// Print what makes a shell complete these commands.
    Completions(CompletionsArguments),
    /// Ends a run's processes when the engine dies; started by `run`.
    #[command(name = "__guardian", hide = true)]
    Guardian,
}

impl Verb {
    /// Whether errors are to be written as JSON too.
    pub fn wants_json(&self) -> bool {
        match self {
            Verb::Run(RunArguments { json, .. })
            | Verb::Plan(PlanArguments { json, .. })
            | Verb::Check(CheckArguments { json, .. })
            | Verb::Graph(GraphArguments { json, .. })
            | Verb::Stages(StagesArguments { json, .. })
            | Verb::Why(StageArguments { json, .. })
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
            Verb::Completions(_) | Verb::Guardian => false,
        }
    }
}

/// Params set from outside.
#[derive(Debug, Args, Default)]
pub struct ParamArguments {
    /// Override a param that the pipeline declares: -S seed=7, -S data.hosts=3 for an included file (may be repeated).
    #[arg(short = 'S', long = "set", value_name = "PARAM=VALUE", add = names::params())]
    pub overrides: Vec<String>,
    /// A YAML file that sets params which the pipeline declares (may be repeated); -S has the last word.
    #[arg(long = "params", value_name = "FILE", add = names::files())]
    pub param_files: Vec<PathBuf>,
}

/// A pipeline, what is wanted of it, and the params to override.
#[derive(Debug, Args)]
pub struct PipelineArguments {
    /// The pipeline, a YAML file.
    #[arg(value_name = "FILE", add = names::pipelines())]
    pub file: PathBuf,
    /// Stages that are wanted, with all that they need; the default is every stage.
    #[arg(value_name = "STAGE", add = names::stages())]
    pub stages: Vec<String>,
    #[command(flatten)]
    pub params: ParamArguments,
}

/// `pipe run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe run pipelines/hello.yaml
  pipe run pipelines/full.yaml dataset         only what `dataset` needs
  pipe run pipelines/full.yaml -S lr=1e-4 -S seed=7
  pipe run pipelines/full.yaml --jobs 2 --json | jq .outcome
  pipe run pipelines/full.yaml --refresh model   run it again: is it reproducible?
  pipe run pipelines/full.yaml --fail-fast --keep-work
  pipe run pipelines/full.yaml --prune         and remove outputs of earlier runs that this one does not give
  pipe run pipelines/full.yaml --events - --quiet | jq .event

A second run executes nothing. Outputs lie under out/PIPELINE/STAGE/PORT; the store is cache/.
Runs that publish to the same places follow one another: the later one publishes at its end.
Ctrl-C once lets stages take a checkpoint, twice kills them; the next run goes on from there.")]
pub struct RunArguments {
    #[command(flatten)]
    pub pipeline: PipelineArguments,
    /// Workers at once; the default is careful: at most 4, fewer when the machine is busy.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Hold nothing back because the machine is busy: only --jobs and what stages declare count.
    #[arg(long)]
    pub no_throttle: bool,
    /// For this once, run the stages of one backend on another: --backend gpu=local (may be repeated).
    #[arg(long = "backend", value_name = "NAME=OTHER", add = names::backends())]
    pub backends: Vec<String>,
    /// Stop at the first failure; the default is to go on with whatever does not need what failed.
    #[arg(long)]
    pub fail_fast: bool,
    /// Execute this stage although it has a record, and say when it gives something else (may be repeated).
    #[arg(long, value_name = "STAGE", add = names::stages())]
    pub refresh: Vec<String>,
    /// Keep the private directory of a stage that fails, under cache/work/kept/RUN/STAGE.
    #[arg(long)]
    pub keep_work: bool,
    /// Put nothing into the workspace; what is made stays in the store. Runs that publish need not be waited for.
    #[arg(long, conflicts_with = "prune")]
    pub no_publish: bool,
    /// Remove published outputs that are not of this run: of stages that failed, were skipped or are no longer in the pipeline. What
    /// somebody changed stays, and the store keeps all of it.
    #[arg(long)]
    pub prune: bool,
    /// Write every event as a line of JSON, as it happens, to this file; `-` is standard output.
    #[arg(long, value_name = "FILE", add = names::files())]
    pub events: Option<PathBuf>,
    /// Say nothing but what went wrong.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print one JSON document at the end instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `pipe plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe plan pipelines/full.yaml -S lr=1e-4
  pipe plan pipelines/full.yaml --needs    the worker programs it wants, one a line")]
pub struct PlanArguments {
    #[command(flatten)]
    pub pipeline: PipelineArguments,
    /// For this once, run the stages of one backend on another: --backend gpu=local (may be repeated).
    #[arg(long = "backend", value_name = "NAME=OTHER", add = names::backends())]
    pub backends: Vec<String>,
    /// Print only the names of the worker programs that the pipeline needs.
    #[arg(long, conflicts_with = "json")]
    pub needs: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `pipe why`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe why model                    against the last run's pipeline
  pipe why model -f pipelines/full.yaml -S lr=1e-4

Without --file the pipeline of the last run is meant.")]
pub struct StageArguments {
    /// The stage.
    #[arg(value_name = "STAGE", add = names::stage())]
    pub stage: String,
    /// The pipeline; the default is that of the last run.
    #[arg(short, long, value_name = "FILE", add = names::pipelines())]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub params: ParamArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `pipe check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe check pipelines/*.yaml
Every problem of every file is reported at once, with file, line and caret; no worker is started.")]
pub struct CheckArguments {
    /// Pipelines.
    #[arg(value_name = "FILE", required = true, add = names::pipelines())]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub params: ParamArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `pipe graph`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe graph pipelines/full.yaml                      Mermaid, which Markdown renders
  pipe graph pipelines/full.yaml --svg > graph.svg
  pipe graph pipelines/full.yaml --format dot | dot -Tpng > graph.png
  pipe graph pipelines/full.yaml --svg --expand > graph.svg    every instance of a matrix for itself

Without --expand the instances of a matrix are one box that says how many they are. JSON always has each of them.")]
pub struct GraphArguments {
    #[command(flatten)]
    pub pipeline: PipelineArguments,
    /// The notation.
    #[arg(long, value_enum, default_value_t = GraphFormat::Mermaid)]
    pub format: GraphFormat,
    /// A picture: the same as --format svg.
    #[arg(long, conflicts_with = "format")]
    pub svg: bool,
    /// Draw every instance of a matrix as a box of its own.
    #[arg(long)]
    pub expand: bool,
    /// Print JSON.
    #[arg(long, conflicts_with_all = ["format", "svg"])]
    pub json: bool,
}

impl GraphArguments {
    /// The notation that is asked for.
    pub fn format(&self) -> GraphFormat {
        if self.svg { GraphFormat::Svg } else { self.format }
    }
}

/// A notation for graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Mermaid.
    Mermaid,
    /// Graphviz.
    Dot,
    /// A picture, coloured by what came of each stage in the last run.
    Svg,
}

/// `pipe stages`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe stages          every kind, one a line
  pipe stages train    its ports, params and defaults")]
pub struct StagesArguments {
    /// A kind to show in full.
    #[arg(value_name = "KIND", add = names::kinds())]
    pub kind: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The commands in the examples of a help text, as words: what stands before two spaces, a pipe or a redirection.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let lines = help.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| line.starts_with("pipe ")));
        let command = |line: &str| {
            let end = ["  ", " |", " >", " &&"].iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
            line[..end].split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()
        };
        lines.map(command).collect()
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
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("the example `{}` of pipe {} does not parse: {error}", words.join(" "), verb.get_name());
                }
            }
        }
        for words in examples(&cli.get_after_help().unwrap().to_string()) {
            assert!(Cli::try_parse_from(&words).is_ok(), "{words:?}");
        }
    }
}
