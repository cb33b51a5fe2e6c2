//! `pipe stages`.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use contract::{Card, Worker};
use serde_json::Value;

use clap::Args;

use super::complete::names;
use super::failure::Failure;
use super::project::Project;
use super::{Exit, output};
use crate::plan::Cards;
use crate::plan::cards::CardError;
use crate::report::clean::cell;
use crate::report::style::Color;
use crate::report::units;
use crate::spec::suggest;

/// `pipe stages`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe stages          every kind, one a line
  pipe stages train    its ports, params and defaults")]
pub(super) struct StagesArguments {
    /// A kind to show in full.
    #[arg(value_name = "KIND", add = names::kinds())]
    pub kind: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &StagesArguments) -> Result<Exit, Failure> {
    let cards = project.cards()?;
    let color = Color::of_stdout();
    let Some(kind) = &arguments.kind else {
        let all: Vec<_> = cards.iter().collect::<Result<_, _>>().map_err(broken)?;
        if arguments.json {
            output::document(&all.iter().map(|card| card.as_ref()).collect::<Vec<_>>());
        } else {
            output::text(&list(&cards, &all, color));
        }
        return Ok(Exit::Success);
    };
    let Some(card) = cards.get(kind) else {
        return Err(Failure::usage(format!("no kind `{kind}`"), suggest::help(kind, cards.kinds())));
    };
    let card = card.map_err(broken)?;
    if arguments.json {
        output::document(card.as_ref());
    } else {
        output::text(&show(card, cards.path(kind), color));
    }
    Ok(Exit::Success)
}

/// A card that ships with the engine cannot be read: nothing the user wrote.
fn broken(error: &CardError) -> Failure {
    Failure::Broken(error.clone().into())
}

fn list(cards: &Cards, all: &[&Arc<Card>], color: Color) -> String {
    let mut text = String::new();
    for card in all {
        let from = cards.path(&card.kind).map(|path| color.dim(&format!("  ({})", path.display()))).unwrap_or_default();
        let _ = writeln!(text, "{}  {}{from}", color.name(&format!("{:<12}", cell(&card.kind))), cell(&card.summary));
    }
    let _ = writeln!(text, "{}  Runs your own program: run, in, out", color.name(&format!("{:<12}", "command")));
    text
}

fn show(card: &Card, path: Option<&Path>, color: Color) -> String {
    let mut text = format!("{} (version {}): {}\n", color.name(&card.kind), card.version, card.summary);
    if let Some(path) = path {
        let _ = writeln!(text, "  card {}", path.display());
    }
    if let Worker::Command(worker) = &card.worker {
        let files: Vec<_> = worker.files.iter().map(|file| file.display().to_string()).collect();
        let keyed = if files.is_empty() { String::new() } else { format!("; keyed by {}", files.join(", ")) };
        let _ = writeln!(text, "  runs {}{}", worker.argv.join(" "), color.dim(&keyed));
    }
    for port in &card.inputs {
        let optional = match (port.optional, port.many) {
            (false, false) => "",
            (true, false) => ", optional",
            (false, true) => ", any number",
            (true, true) => ", any number, optional",
        };
        let _ = writeln!(
            text,
            "  in   {:<14} {:<10}{optional}  {}",
            port.name,
            port.artifact.name(),
            color.dim(&port.summary)
        );
    }
    for port in &card.outputs {
        let _ = writeln!(text, "  out  {:<14} {:<10}  {}", port.name, port.artifact.name(), color.dim(&port.summary));
    }
    if !card.environment.is_empty() {
        let _ = writeln!(
            text,
            "  sees {}  {}",
            card.environment.join(" "),
            color.dim("your variables; not part of the key")
        );
    }
    let resources = card.resources;
    if resources.cpus > 0 || resources.memory > 0 {
        let _ = writeln!(text, "  wants {} cpus, {}", resources.cpus.max(1), units::bytes(resources.memory));
    }
    params(&mut text, &card.params, color);
    text
}

/// Params with type, default and first line of their description, nested ones by path.
fn params(text: &mut String, schema: &Value, color: Color) {
    let mut pending = vec![(String::new(), schema)];
    while let Some((path, schema)) = pending.pop() {
        let alternatives = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
        pending.extend(alternatives.into_iter().flatten().map(|alternative| (path.clone(), alternative)));
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { continue };
        for (name, property) in properties {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let default = property.get("default").map(|value| format!(" = {value}")).unwrap_or_default();
            let about = property.get("description").and_then(Value::as_str).and_then(|d| d.lines().next());
            let kind = type_name(property);
            let _ = writeln!(text, "  with {path}: {kind}{default}  {}", color.dim(about.unwrap_or_default()));
            pending.push((path, property));
        }
    }
}

fn type_name(schema: &Value) -> String {
    let alternatives = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array);
    if let Some(alternatives) = alternatives {
        let names: Vec<_> = alternatives.iter().map(type_name).collect();
        return names.join(" | ");
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    let single_key = schema.get("required").and_then(Value::as_array).filter(|keys| keys.len() == 1);
    match (schema.get("type"), single_key) {
        (Some(Value::String(name)), Some(keys)) if name == "object" => {
            format!("{{{}: ..}}", keys[0].as_str().unwrap_or(""))
        }
        (Some(Value::String(name)), _) => name.clone(),
        (Some(Value::Array(names)), _) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | "),
        _ => "any".to_owned(),
    }
}
