//! The command line.

use std::path::PathBuf;

use analyst::Wanted;
use clap::{Parser, ValueHint};
use transform::tasks::task::Task;

/// Explain what the reports of one host show.
#[derive(Debug, Parser)]
#[command(
    name = "pipe-ask",
    bin_name = "pipe ask",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  pipe ask report.json                     what rules say of a scan
  pipe ask older.json newer.json --json    the newest, with its history
  sys-scan | pipe ask -                    a report on standard input
  pipe ask report.json --model model.gguf  and what the model makes of it
  pipe ask report.json --prompts q.jsonl   what would be asked, and nothing else

Severity, risk, ids, counts and techniques always come from the scan and the rules. A model \
writes text, which is taken where the prompt shows what it says and the model is sure enough.

Exit codes: 0 done, 2 invalid input, 3 something broke, 130 interrupted."
)]
pub(crate) struct Arguments {
    /// Reports of one host; the newest is asked about, the others are its history. `-` is standard input.
    #[arg(value_name = "REPORT", required = true, value_hint = ValueHint::FilePath)]
    pub reports: Vec<PathBuf>,
    /// The model that is asked: a GGUF file, or a directory in the form of Hugging Face or GPTQ. Without one, rules answer alone.
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    pub model: Option<PathBuf>,
    /// What is asked: finding, correlation, actions, summary, triage or refine. It may be given more than once; without it, all is asked.
    #[arg(long, value_name = "TASK", value_parser = task)]
    pub task: Vec<Task>,
    /// Ask about every finding, not only about those that no rule settles.
    #[arg(long)]
    pub rate_all: bool,
    /// Print the enriched report as JSON, also on a terminal.
    #[arg(long, conflicts_with = "prompts")]
    pub json: bool,
    /// Write the enriched report to a file.
    #[arg(long, value_name = "FILE", conflicts_with = "prompts", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Write what would be asked, as lines of JSON, and stop. `-` is standard output.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub prompts: Option<PathBuf>,
    /// Take what a program of your own got from the model for the lines of --prompts, instead of asking it here.
    #[arg(long, value_name = "FILE", requires = "model", conflicts_with = "prompts", value_hint = ValueHint::FilePath)]
    pub answers: Option<PathBuf>,
    /// Threads that ask the model. More than one pays for models of a billion weights, on a machine that does nothing else.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256), requires = "model")]
    pub threads: u16,
    /// Say nothing but what went wrong.
    #[arg(short, long)]
    pub quiet: bool,
}

impl Arguments {
    /// What is to be asked.
    pub(crate) fn wanted(&self) -> Wanted {
        let tasks = if self.task.is_empty() { Task::ALL.to_vec() } else { self.task.clone() };
        Wanted { tasks, rate_all: self.rate_all }
    }
}

fn task(name: &str) -> Result<Task, String> {
    let names = Task::ALL.map(Task::name).join(", ");
    Task::ALL.into_iter().find(|task| task.name() == name).ok_or_else(|| format!("the tasks are {names}"))
}
