//! `pipe config`.

use std::fmt::Write;

use clap::Args;
use serde_json::Value;

use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::plan::request::CONFIG;
use crate::report::clean::cell;
use crate::report::style::Color;

/// `pipe config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe config                   every setting, its value and where it came from
  PIPE_JOBS=2 pipe config       a variable goes above pipe.yaml
  pipe config --store /tmp/s    a flag goes above both
  pipe config --json | jq '.settings[\"governor.jobs\"]'

Settings stand in pipe.yaml at the project root; docs/config.md lists them.")]
pub(super) struct ConfigArguments {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &ConfigArguments) -> Result<Exit, Failure> {
    if arguments.json {
        output::document(&json(project));
    } else {
        output::text(&text(project, Color::of_stdout()));
    }
    Ok(Exit::Success)
}

fn json(project: &Project) -> Value {
    let setting = |row: crate::config::table::Row<'_>| {
        let mut setting = row.origin.to_json();
        setting["value"] = row.value;
        (row.key, setting)
    };
    let settings: serde_json::Map<String, Value> = project.config.rows().into_iter().map(setting).collect();
    serde_json::json!({"root": project.root, "file": file(project), "settings": settings})
}

fn text(project: &Project, color: Color) -> String {
    let rows: Vec<_> =
        project.config.rows().into_iter().map(|row| (row.key, written(&row.value), row.origin)).collect();
    let widest =
        |width: fn(&(String, String, &crate::config::Origin)) -> usize| rows.iter().map(width).max().unwrap_or(0);
    let (keys, values) = (widest(|row| row.0.len()), widest(|row| row.1.chars().count()).min(48));
    let mut text = match file(project) {
        Some(file) => format!("{}\n", color.dim(&format!("# {}", file.display()))),
        None => format!("{}\n", color.dim(&format!("# no {CONFIG} at {}", project.root.display()))),
    };
    for (key, value, origin) in &rows {
        let _ = writeln!(
            text,
            "{}  {value:<values$}  {}",
            color.name(&format!("{key:<keys$}")),
            color.dim(&format!("({origin})"))
        );
    }
    text
}

/// The file, when there is one.
fn file(project: &Project) -> Option<std::path::PathBuf> {
    Some(project.root.join(CONFIG)).filter(|path| path.is_file())
}

/// A value as `pipe.yaml` would have it.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "automatic".to_owned(),
        Value::String(text) => cell(text).into_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
