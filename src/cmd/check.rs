//! `pipe check`.

use super::arguments::CheckArguments;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::report::problems;
use crate::report::style::Color;

pub fn run(arguments: &CheckArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    project.recognize_store()?;
    let mut exit = Exit::Success;
    let mut documents = Vec::new();
    for file in &arguments.files {
        let found = match project.survey_file(file, &arguments.params) {
            Ok(plan) => {
                if !arguments.json {
                    output::text(&format!("{}: {} stages, no problems\n", file.display(), plan.order.len()));
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
        documents.push(serde_json::json!({"file": file, "problems": found}));
    }
    if arguments.json {
        output::document(&documents);
    }
    Ok(exit)
}
