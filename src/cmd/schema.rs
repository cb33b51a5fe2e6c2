//! `pipe schema`.

use std::fmt::Write;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::report::schemas::{PIPELINE, SCHEMAS};
use crate::report::style::Color;

/// `pipe schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe schema                                    what there are schemas of
  pipe schema pipeline > pipeline.schema.json    for editors
  pipe schema run-event | jq .title

In a project, the schema of a pipeline knows the kinds of its own cards too (`cards` in pipe.yaml). A first line `# \
yaml-language-server: $schema=../pipeline.schema.json` makes an editor complete and check a pipeline.")]
pub(super) struct SchemaArguments {
    /// The schema to print; the default is to list them.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(SCHEMAS.iter().map(|schema| schema.name)))]
    pub name: Option<String>,
    /// List as JSON; a schema is JSON anyway.
    #[arg(long)]
    pub json: bool,
}

/// `project` finds the project: only the schema of a pipeline asks for it.
pub(super) fn run(
    project: impl FnOnce() -> Result<Project, Failure>,
    arguments: &SchemaArguments,
) -> Result<Exit, Failure> {
    // Another name than these was refused when the arguments were read.
    let wanted = arguments.name.as_deref().and_then(|name| SCHEMAS.iter().find(|schema| schema.name == name));
    if let Some(schema) = wanted {
        // The kinds of the project are kinds of its pipelines; no other schema asks for a project.
        let document = match schema.name {
            PIPELINE => schema.of_cards(&project()?.cards()?),
            _ => schema.document(),
        };
        let document = document.map_err(|error| Failure::Broken(error.into()))?;
        output::document(&document);
    } else if arguments.json {
        let rows = SCHEMAS.iter().map(|schema| json!({"name": schema.name, "about": schema.about}));
        output::document(&rows.collect::<Vec<_>>());
    } else {
        let (color, width) = (Color::of_stdout(), SCHEMAS.iter().map(|schema| schema.name.len()).max().unwrap_or(0));
        let mut text = String::new();
        for schema in SCHEMAS {
            let _ = writeln!(text, "{}  {}", color.name(&format!("{:<width$}", schema.name)), schema.about);
        }
        output::text(&text);
    }
    Ok(Exit::Success)
}
