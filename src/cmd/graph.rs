//! `pipe graph`.

use super::arguments::{GraphArguments, GraphFormat};
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::report::graph;

pub fn run(arguments: &GraphArguments) -> Result<Exit, Failure> {
    let plan = Project::find()?.plan(&arguments.pipeline)?;
    if arguments.json {
        output::document(&graph::json(&plan));
        return Ok(Exit::Success);
    }
    output::text(&match arguments.format {
        GraphFormat::Mermaid => graph::mermaid(&plan),
        GraphFormat::Dot => graph::dot(&plan),
    });
    Ok(Exit::Success)
}
