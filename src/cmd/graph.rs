//! `pipe graph`.

use super::arguments::{GraphArguments, GraphFormat};
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::engine::history::History;
use crate::report::figure::Detail;
use crate::report::{graph, svg};

pub fn run(arguments: &GraphArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    let plan = project.plan(&arguments.pipeline)?;
    if arguments.json {
        output::document(&graph::json(&plan));
        return Ok(Exit::Success);
    }
    let detail = if arguments.expand { Detail::Expanded } else { Detail::Folded };
    output::text(&match arguments.format() {
        GraphFormat::Mermaid => graph::mermaid(&plan, detail),
        GraphFormat::Dot => graph::dot(&plan, detail),
        GraphFormat::Svg => {
            let store = project.store()?;
            let last = History::open(&store).reports().find(|report| report.pipeline == plan.pipeline);
            svg::svg(&plan, last.as_ref(), detail)
        }
    });
    Ok(Exit::Success)
}
