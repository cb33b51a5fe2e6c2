//! `pipe cache pin`.

use clap::Args;
use serde_json::json;

use super::damage;
use crate::cmd::complete::names;
use crate::cmd::failure::Failure;
use crate::cmd::made::{self, Found, Where};
use crate::cmd::project::Project;
use crate::cmd::{Exit, output};
use crate::engine::history::History;
use crate::store::{Pin, Store};

/// `pipe cache pin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe cache pin                  list what is pinned
  pipe cache pin model            what `model` gave last, every instance
  pipe cache pin last             everything that the last run used
  pipe cache pin 3f2a9c04d1       a record or an artifact by its digest
  pipe cache pin model --remove

A pin holds what the name means now. It keeps records with their inputs and outputs from `pipe cache gc`.")]
pub(crate) struct PinArguments {
    /// What is pinned; the default is to list the pins.
    #[arg(value_name = "STAGE|DIGEST|RUN", add = names::pinned())]
    pub what: Option<String>,
    /// Remove the pin of this name.
    #[arg(long, requires = "what")]
    pub remove: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &PinArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let Some(what) = &arguments.what else {
        return list(&store, arguments.json);
    };
    if arguments.remove {
        if !store.unpin(what)? {
            let message = format!("nothing is pinned as `{what}`");
            return Err(Failure::usage(message, "pipe cache pin lists the pins".to_owned()));
        }
        say(arguments, &json!({"removed": what}), &format!("{what} is no longer pinned\n"));
        return Ok(Exit::Success);
    }
    let pin = resolve(project, &store, what)?;
    store.pin(&pin)?;
    say(arguments, &json!(pin), &format!("pinned {}\n", describe(&pin)));
    Ok(Exit::Success)
}

/// A stage first, as people name those most; then a run; then a digest.
fn resolve(project: &Project, store: &Store, what: &str) -> Result<Pin, Failure> {
    let pin = |keys, artifacts| Pin { name: what.to_owned(), keys, artifacts };
    let place = Where { file: None, run: None };
    // That no stage is called so says nothing yet: the other meanings are tried, and then all of them are named.
    if let Ok(found) = made::find(project, store, what, &place) {
        let all = match found {
            Found::Stage(made) => vec![*made],
            Found::Matrix { instances, .. } => instances,
        };
        let keys: Vec<_> = all.into_iter().filter_map(|made| Some(made.record?.key)).collect();
        if !keys.is_empty() {
            return Ok(pin(keys, Vec::new()));
        }
    }
    let history = History::open(store);
    if let Some(report) = history.find(what).ok().and_then(|run| history.report(run)) {
        let keys: Vec<_> = report.stages.values().filter_map(|stage| stage.key).collect();
        return Ok(pin(keys, Vec::new()));
    }
    let is_hex = what.len() >= SHORTEST && what.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (keys, artifacts) = if is_hex { store.beginning_with(&what.to_lowercase())? } else { Default::default() };
    match (keys.as_slice(), artifacts.as_slice()) {
        ([key], []) => Ok(pin(vec![*key], Vec::new())),
        ([], [artifact]) => Ok(pin(Vec::new(), vec![*artifact])),
        ([], []) => Err(Failure::usage(
            format!("`{what}` is no stage with a record, no run and no digest in the store"),
            "pipe show STAGE prints digests, pipe runs the runs".to_owned(),
        )),
        _ => Err(Failure::usage(format!("several digests begin with `{what}`"), "write more of it".to_owned())),
    }
}

/// Fewer digits than this would rather be a misspelt name.
const SHORTEST: usize = 6;

fn list(store: &Store, json: bool) -> Result<Exit, Failure> {
    let (pins, damaged) = store.pins()?;
    for damage in &damaged {
        output::errors(&format!("warning: {}\n", damage::line(damage)));
    }
    if json {
        output::document(&pins);
    } else if pins.is_empty() && damaged.is_empty() {
        output::text("nothing is pinned\n");
    } else {
        pins.iter().for_each(|pin| output::text(&format!("{}\n", describe(pin))));
    }
    Ok(Exit::Success)
}

fn describe(pin: &Pin) -> String {
    match (pin.keys.as_slice(), pin.artifacts.as_slice()) {
        ([], artifacts) => {
            let artifacts: Vec<_> = artifacts.iter().map(contract::Digest::short).collect();
            format!("{}: artifact {}", pin.name, artifacts.join(" "))
        }
        ([action], _) => format!("{}: action {}", pin.name, action.short()),
        (actions, _) => format!("{}: {} actions", pin.name, actions.len()),
    }
}

fn say(arguments: &PinArguments, document: &serde_json::Value, text: &str) {
    if arguments.json { output::document(document) } else { output::text(text) }
}
