//! `pipe graph`.

use super::arguments::{GraphArguments, GraphFormat};
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::engine::history::History;
use crate::report::{graph, svg};

pub fn run(arguments: &GraphArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    let plan = project.plan(&arguments.pipeline)?;
    if arguments.json {
        output::document(&graph::json(&plan));
        return Ok(Exit::Success);
    }
    output::text(&match arguments.format {
        GraphFormat::Mermaid => graph::mermaid(&plan),
        GraphFormat::Dot => graph::dot(&plan),
        GraphFormat::Svg => {
            let store = project.store()?;
            let last = History::open(&store).reports().find(|report| report.pipeline == plan.pipeline);
            svg::svg(&plan, last.as_ref())
        }
    });
    Ok(Exit::Success)
}
