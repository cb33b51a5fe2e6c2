//! `pipe cache push`.

use std::collections::{HashMap, HashSet};

use clap::Args;
use contract::Digest;
use serde_json::json;

use super::remote::Transfers;
use crate::action::ActionKey;
use crate::cmd::complete::names;
use crate::cmd::failure::Failure;
use crate::cmd::made::{self, Found, WhereArguments};
use crate::cmd::project::Project;
use crate::cmd::{Exit, output};
use crate::engine::history::History;
use crate::report::units;
use crate::store::{Record, Store};

/// `pipe cache push`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe cache push                  what the last run came to
  pipe cache push model            `model` and all that it was made from
  pipe cache push --run last~1

Sends to the remote of pipe.yaml what is not there yet, records last. What was sent stays when it is broken off, and the \
same command goes on from there. `remote: {share: true}` makes every run push what it makes.")]
pub(crate) struct PushArguments {
    /// Stages, with all that they were made from; the default is every stage of the run.
    #[arg(value_name = "STAGE", add = names::past_stage())]
    pub stages: Vec<String>,
    #[command(flatten)]
    pub place: WhereArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &PushArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let _hold = store.hold()?;
    let records = chosen(project, &store, arguments)?;
    let transfers = Transfers::open(project, "pushing")?;
    if transfers.remote.is_new() {
        // A disk that is not mounted looks as a store that is not there yet.
        output::errors(&format!("makes a new store at {}\n", transfers.remote.place()));
    }
    let pushed = transfers.watch(|remote, meter, watch| remote.push(&store, &records, meter, watch))?;
    let Some(pushed) = pushed else { return Ok(Exit::Interrupted) };
    for (stage, path) in &pushed.lacking {
        output::errors(&format!("warning: {stage} is not pushed: the store no longer has {path}\n"));
    }
    let url = &transfers.remote.place().url;
    if arguments.json {
        output::document(&json!({
            "remote": url,
            "records": records.len() - pushed.lacking.len(),
            "sent": {"objects": pushed.sent, "bytes": pushed.bytes},
            "there": pushed.there,
            "lacking": pushed.lacking.iter().map(|(stage, _)| stage).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Success);
    }
    let there = units::count(pushed.there, "object");
    output::text(&match pushed.sent {
        0 => format!("{url} has it all: {there}\n"),
        sent => {
            let sent = units::count(sent, "object");
            format!("pushed {sent}, {} to {url}; {there} were there\n", units::bytes(pushed.bytes))
        }
    });
    Ok(Exit::Success)
}

/// The records to send: of the stages named, or of all, in the run that is meant.
fn chosen(project: &Project, store: &Store, arguments: &PushArguments) -> Result<Vec<Record>, Failure> {
    let place = arguments.place.place();
    if arguments.stages.is_empty() {
        let report = made::newest(project, &History::open(store), &place)?;
        let keys: HashSet<ActionKey> = report.stages.values().filter_map(|stage| stage.key).collect();
        return Ok(keys.iter().filter_map(|key| store.past_record(key)).collect());
    }
    let mut records = Vec::new();
    for name in &arguments.stages {
        let found = match made::find(project, store, name, &place)? {
            Found::Stage(made) => vec![*made],
            Found::Matrix { instances, .. } => instances,
        };
        for made in found {
            let Some(record) = made.record else {
                let message = format!("stage `{}` has given nothing in run {}", made.name, made.report.run);
                return Err(Failure::usage(message, format!("pipe run {} {}", made.report.file.display(), made.name)));
            };
            let keys = made.report.stages.values().filter_map(|stage| stage.key);
            let others: Vec<Record> = keys.filter_map(|key| store.past_record(&key)).collect();
            records.extend(with_sources(record, &others));
        }
    }
    let mut seen = HashSet::new();
    records.retain(|record| seen.insert(record.key));
    Ok(records)
}

/// A record and those among `others` that gave what it was made from: without them nobody else can tell its key.
fn with_sources(record: Record, others: &[Record]) -> Vec<Record> {
    let mut makers: HashMap<Digest, Vec<&Record>> = HashMap::new();
    for other in others {
        other.outputs.values().for_each(|output| makers.entry(output.digest).or_default().push(other));
    }
    let (mut seen, mut all, mut at) = (HashSet::from([record.key]), vec![record], 0);
    while at < all.len() {
        let inputs: Vec<Digest> = all[at].action.inputs.values().flatten().map(|input| input.digest).collect();
        for maker in inputs.iter().filter_map(|digest| makers.get(digest)).flatten() {
            if seen.insert(maker.key) {
                all.push((*maker).clone());
            }
        }
        at += 1;
    }
    all
}
