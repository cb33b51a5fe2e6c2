//! `pipe graph`.

use clap::{Args, ValueEnum};

use super::arguments::PipelineArguments;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::engine::history::History;
use crate::report::figure::Detail;
use crate::report::{graph, svg};

/// `pipe graph`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe graph pipelines/full.yaml            Mermaid, which Markdown renders
  pipe graph pipelines/full.yaml --svg > graph.svg
  pipe graph pipelines/full.yaml --format dot | dot -Tpng > graph.png
  pipe graph pipelines/full.yaml --svg --expand > graph.svg

Without --expand the instances of a matrix are one box that says how many they are. JSON always has each of them.")]
pub(super) struct GraphArguments {
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
    pub(super) fn format(&self) -> GraphFormat {
        if self.svg { GraphFormat::Svg } else { self.format }
    }
}

/// A notation for graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// Mermaid.
    Mermaid,
    /// Graphviz.
    Dot,
    /// A picture, coloured by the outcome of each stage in the last run.
    Svg,
}

pub(super) fn run(project: &Project, arguments: &GraphArguments) -> Result<Exit, Failure> {
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
