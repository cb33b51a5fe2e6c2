//! `pipe shell`: a stage's private directory, for trying out its work by hand.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::arguments::{ParamArguments, PipelineArguments};
use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, cache, output, run, why};
use crate::engine::workbench::{self, NotReady};
use crate::executor::local::Workbench;
use crate::plan::Plan;
use crate::report::style::Color;

/// `pipe shell`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe shell loudest                   a shell where `loudest` would run
  pipe shell loudest -- ls -lR         one command there
  pipe shell model -f pipelines/full.yaml -S lr=1e-4 -- cat job.json

Inputs are in place, variables are those that the stage would see, and TERM. A card's stage has its job.json: the \
worker is started with `WORKER run job.json`, and its events appear on standard error. The directory is removed at the \
end, and nothing that was written there is recorded. What the stage needs must have run before.")]
pub(super) struct ShellArguments {
    /// The stage.
    #[arg(value_name = "STAGE", add = names::stage())]
    pub stage: String,
    /// The pipeline; the default is that of the last run.
    #[arg(short, long, value_name = "FILE", add = names::pipelines())]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub params: ParamArguments,
    /// Print what a run would start there, as JSON, and open nothing.
    #[arg(long, conflicts_with = "command")]
    pub json: bool,
    /// A command to run instead of $SHELL.
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

pub(super) fn run(project: &Project, arguments: ShellArguments) -> Result<Exit, Failure> {
    let store = Arc::new(project.store()?);
    let file = arguments.file.map_or_else(|| project.last_file(&store), Ok)?;
    // The whole pipeline first, so that a wrong name is told from all the right ones.
    why::find(&project.plan_file(&file, &arguments.params)?, &arguments.stage)?;
    let stages = vec![arguments.stage.clone()];
    let plan = Arc::new(project.plan(&PipelineArguments { file: file.clone(), stages, params: arguments.params })?);
    let stage = why::find(&plan, &arguments.stage)?;
    let mut opened = workbench::open(&plan, &store, stage, &run::run_id(), project.config.vault())?;
    if let Err(NotReady::Elsewhere(away)) = &opened {
        if !cache::remote::fetch(project, &store, away)? {
            return Ok(Exit::Interrupted);
        }
        opened = workbench::open(&plan, &store, stage, &run::run_id(), project.config.vault())?;
    }
    let bench = match opened {
        Ok(bench) => bench,
        Err(reason) => return Err(not_ready(&plan, &arguments.stage, reason)),
    };
    if arguments.json {
        output::document(&document(&arguments.stage, &bench));
        return Ok(Exit::Success);
    }
    let interactive = arguments.command.is_empty();
    if interactive {
        output::errors(&introduction(&arguments.stage, &bench));
    }
    start(&bench, arguments.command)
}

/// Runs the shell or the command to its end.
fn start(bench: &Workbench, command: Vec<OsString>) -> Result<Exit, Failure> {
    let shell = || std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut words = command.into_iter();
    let program = words.next().unwrap_or_else(shell);
    let mut child = Command::new(&program);
    child.args(words).current_dir(&bench.program.cwd).env_clear().envs(bench.program.environment.iter().cloned());
    child.envs(std::env::var_os("TERM").map(|term| ("TERM", term))).env("PIPE_EVENTS_FD", "2");
    // Ctrl-C is meant for the programs in the shell. A flag that nobody reads: the signal only must not end this process, whose
    // end removes the directory. A handler, unlike ignoring it, is not handed on to the child.
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::new(AtomicBool::new(false)))
        .map_err(|e| Failure::Broken(anyhow::Error::new(e).context("cannot listen for Ctrl-C")))?;
    let ended = child.status().map_err(|e| {
        let help = "name a program that PATH finds, or set SHELL".to_owned();
        Failure::usage(format!("cannot start {}: {e}", program.display()), help)
    })?;
    Ok(if ended.success() { Exit::Success } else { Exit::StageFailed })
}

fn introduction(stage: &str, bench: &Workbench) -> String {
    let Workbench { program, script, .. } = bench;
    let color = Color::of_stderr();
    let words: Vec<_> = program.argv.iter().map(|word| word.to_string_lossy()).collect();
    let words = words.join(" ");
    let (script, by) = match script {
        Some(script) => (script.as_str(), format!("by {words}\n")),
        None => (words.as_str(), String::new()),
    };
    let script: String = script.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "{} in {}\nit would run:\n{script}{by}{}\n",
        color.name(stage),
        program.cwd.display(),
        color.dim("nothing that you do here is recorded; the directory is removed when you leave (exit)")
    )
}

fn document(stage: &str, bench: &Workbench) -> serde_json::Value {
    let Workbench { program, script, secret, .. } = bench;
    let shown = |name: &OsString| !secret.iter().any(|secret| secret.as_str() == name);
    let variables = program.environment.iter().filter(|(name, _)| shown(name));
    let environment: BTreeMap<_, _> =
        variables.map(|(name, value)| (name.to_string_lossy(), value.to_string_lossy())).collect();
    let argv: Vec<_> = program.argv.iter().map(|word| word.to_string_lossy()).collect();
    let mut document = serde_json::json!({"stage": stage, "argv": argv, "environment": environment, "secrets": secret});
    if let Some(script) = script {
        document["script"] = script.as_str().into();
    }
    document
}

fn not_ready(plan: &Plan, stage: &str, reason: NotReady) -> Failure {
    match reason {
        NotReady::WaitsFor(stages) => {
            let names: Vec<_> = stages.iter().map(|stage| plan.graph[*stage].name.as_str()).collect();
            Failure::usage(
                format!("stage `{stage}` needs what {} gives, which is not in the store", names.join(" and ")),
                format!("pipe run {} {}", plan.file.display(), names.join(" ")),
            )
        }
        NotReady::RunsInWorkspace => Failure::usage(
            format!("stage `{stage}` has no directory of its own: with `sandbox: false` it runs at the project root"),
            format!("cd {}", plan.root.display()),
        ),
        NotReady::Elsewhere(_) => Failure::usage(
            format!("stage `{stage}` reads what the remote no longer has"),
            format!("pipe run {} {stage}", plan.file.display()),
        ),
        NotReady::Refused(failure) => Failure::usage(failure.message, failure.help),
    }
}
