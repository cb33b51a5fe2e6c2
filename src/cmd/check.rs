//! `pipe check`.

use std::path::PathBuf;

use clap::Args;

use super::arguments::ParamArguments;
use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::engine::undeclared;
use crate::report::problems;
use crate::report::style::Color;
use crate::report::units;

/// `pipe check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe check pipelines/*.yaml
Every problem of every file is reported at once, with file, line and caret. Nothing is run, but a worker may be asked what it foresees.")]
pub(super) struct CheckArguments {
    /// Pipelines.
    #[arg(value_name = "FILE", required = true, add = names::pipelines())]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub params: ParamArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &CheckArguments) -> Result<Exit, Failure> {
    project.recognize_store()?;
    let mut exit = Exit::Success;
    let mut documents = Vec::new();
    for file in &arguments.files {
        let mut unseen = Vec::new();
        let found = match project.survey_file(file, &arguments.params) {
            Ok(plan) => {
                // Verbs that need the store report its errors.
                if let Ok(store) = project.store() {
                    unseen = undeclared::unseen(&plan, &store);
                }
                if !arguments.json {
                    output::warnings(&unseen);
                    let stages = units::count(plan.order.len(), "stage");
                    output::text(&format!("{}: {stages}, no problems\n", file.display()));
                }
                serde_json::json!([])
            }
            Err(Failure::Invalid(invalid)) => {
                exit = Exit::InvalidInput;
                if !arguments.json {
                    output::errors(&problems::render(&invalid, Color::of_stderr() == Color::On));
                }
                problems::json(&invalid)
            }
            Err(other) => return Err(other),
        };
        documents.push(serde_json::json!({"file": file, "problems": found, "warnings": unseen}));
    }
    if arguments.json {
        output::document(&documents);
    }
    Ok(exit)
}
