//! `pipe check`.

use super::arguments::CheckArguments;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::engine::undeclared;
use crate::report::problems;
use crate::report::style::Color;
use crate::report::units;

pub fn run(arguments: &CheckArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    project.recognize_store()?;
    let mut exit = Exit::Success;
    let mut documents = Vec::new();
    for file in &arguments.files {
        let mut unseen = Vec::new();
        let found = match project.survey_file(file, &arguments.params) {
            Ok(plan) => {
                // Whoever needs the store tells what is wrong with it.
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
