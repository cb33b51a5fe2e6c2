//! `pipe cache gc`.

use std::collections::HashSet;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::remote::{Transfers, no_remote};
use super::{damage, needs};
use crate::backend;
use crate::cmd::failure::Failure;
use crate::cmd::project::Project;
use crate::cmd::{Exit, output};
use crate::engine::history::{History, OpenRun};
use crate::remote::{Kept, Place, RemoteCollected};
use crate::report::units;
use crate::spec::{conduct, quantity};
use crate::store::{Damage, Doomed, Keep, Mode, Store, StoreError, UserRoom};

/// `pipe cache gc`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe cache gc --dry-run              what would go
  pipe cache gc                        what was not needed for a week
  pipe cache gc --grace 0              also what was used today
  pipe cache gc --max-size 20GiB       then what was used longest ago
  pipe cache gc --also displaced       also your files that were moved
  pipe cache gc --remote --dry-run     what would go on the remote

What stays: what every pipeline came to last, in every workspace that used this store and still exists; what was used \
within the grace; what is pinned. Where one of these cannot be read nothing is removed, and the exit code is 1. While \
a run goes on it waits, and a run that begins meanwhile waits for it. On a remote nobody knows what other stores need: what \
they pushed within the grace stays, and what stages that run elsewhere name. The state of such a stage that showed no life for 7 days \
goes.")]
pub(crate) struct GcArguments {
    /// Only say what would go.
    #[arg(long)]
    pub dry_run: bool,
    /// What was used within this time stays: 0, 12h, 30d; unless given 7d, and 90d on the remote.
    #[arg(long, value_name = "TIME", value_parser = grace)]
    pub grace: Option<Duration>,
    /// Remove instead from the remote, and from the directories in which backends have their state, what this store does not need and
    /// nobody pushed within the grace.
    #[arg(long, conflicts_with_all = ["max_size", "also"])]
    pub remote: bool,
    /// What objects may take: 500MiB, 20GiB. What was used longest ago goes first, pins never.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,
    /// Also empty this room, which holds what is yours (may be repeated).
    #[arg(long, value_enum, value_name = "ROOM")]
    pub also: Vec<Also>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What others push to a remote is not known here, so it is given more time.
const REMOTE_GRACE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

fn of_remote(project: &Project, store: &Store, arguments: &GcArguments) -> Result<Exit, Failure> {
    let _hold = store.hold()?;
    let (needed, damaged) = needs::needs(store)?;
    if !damaged.is_empty() {
        return Ok(refuse(&damaged, arguments.json));
    }
    let places = places(project);
    if places.is_empty() {
        return Err(no_remote());
    }
    let mut documents = Vec::new();
    for place in &places {
        let kept = kept(&needed, arguments.grace.unwrap_or(place.grace));
        let transfers = Transfers::open_place(&place.place, "removing")?;
        if place.state && transfers.remote.is_new() {
            continue;
        }
        let collected =
            transfers.watch(|remote, meter, watch| remote.collect(store, &kept, arguments.dry_run, meter, watch))?;
        let Some(collected) = collected else { return Ok(Exit::Interrupted) };
        match arguments.json {
            true => documents.push((place, of_place(&collected))),
            false => output::text(&told(&collected, &place.place.url, arguments.dry_run)),
        }
    }
    if arguments.json {
        let (states, mut remote): (Vec<_>, Vec<_>) = documents.into_iter().partition(|(place, _)| place.state);
        let (url, mut document) = match remote.pop() {
            Some((place, document)) => (Some(&place.place.url), document),
            None => (None, serde_json::Map::new()),
        };
        document.insert("remote".to_owned(), json!(url));
        document.insert("dry_run".to_owned(), json!(arguments.dry_run));
        let states = states.into_iter().map(|(place, mut document)| {
            document.insert("state".to_owned(), json!(place.place.url));
            document
        });
        document.insert("states".to_owned(), states.collect());
        output::document(&document);
    }
    Ok(Exit::Success)
}

/// A place that is collected.
struct Collecting {
    place: Place,
    /// Whether it is the state of a backend, and not the remote.
    state: bool,
    /// What was written within this time stays, unless another time is asked for.
    grace: Duration,
}

/// The remote, and the directories in which backends have their state.
fn places(project: &Project) -> Vec<Collecting> {
    let remote = project.config.remote.place.value.clone();
    let remote = remote.map(|place| Collecting { place, state: false, grace: REMOTE_GRACE });
    let states = project.config.elsewhere().into_values().map(|backend| backend.objects);
    let states = states.filter(|place| place.directory().is_some());
    let states = states.map(|place| Collecting { place, state: true, grace: needs::GRACE });
    let mut seen = HashSet::new();
    remote.into_iter().chain(states).filter(|it| seen.insert(it.place.identity())).collect()
}

/// What a remote keeps for this store.
fn kept(needed: &Keep, grace: Duration) -> Kept {
    let since = needs::limits(grace, None).now.saturating_sub(grace.as_secs());
    let used = needed.used_at.iter().filter(|(_, used)| **used > since).map(|(key, _)| key);
    let roots = needed.roots.iter().chain(&needed.pinned).chain(used).copied().collect();
    Kept { roots, artifacts: needed.artifacts.clone(), grace }
}

fn of_place(collected: &RemoteCollected) -> serde_json::Map<String, Value> {
    let document = |(count, bytes): (u64, u64)| json!({"count": count, "bytes": bytes});
    let removed = json!({
        "records": document(collected.records),
        "objects": document(collected.objects),
        "actions": document(collected.actions),
    });
    let pairs = [("removed", removed), ("live_actions", json!(collected.live)), ("kept", document(collected.kept))];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn told(collected: &RemoteCollected, url: &str, dry_run: bool) -> String {
    let word = if dry_run { "would remove" } else { "removed" };
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    for (name, (count, bytes)) in [("records", collected.records), ("objects", collected.objects)] {
        line(format!("{word} {count} {name}, {} from {url}", units::bytes(bytes)));
    }
    if collected.actions.0 > 0 {
        let (count, bytes) = collected.actions;
        line(format!("{word} the state of {}, {}", units::count(count, "dead remote stage"), units::bytes(bytes)));
    }
    if collected.live > 0 {
        line(format!("kept what {} need", units::count(collected.live, "remote stage")));
    }
    let (count, bytes) = collected.kept;
    line(format!("kept: {}, {}", units::count(count, "object"), units::bytes(bytes)));
    text
}

/// A room that is emptied only when that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Also {
    /// Files that stood where outputs go.
    Displaced,
    /// What was found damaged.
    Quarantine,
    /// Private directories of failed stages, kept by run --keep-work.
    KeptWork,
}

pub(super) fn run(project: &Project, arguments: &GcArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    if arguments.remote {
        return of_remote(project, &store, arguments);
    }
    let mode = if arguments.dry_run {
        Mode::Look
    } else {
        refuse_within(&store)?;
        let waiting = || output::errors("waiting for a run that uses the store to end\n");
        Mode::Remove(store.hold_alone(waiting)?)
    };
    let (needed, damaged) = needs::needs(&store)?;
    if !damaged.is_empty() {
        return Ok(refuse(&damaged, arguments.json));
    }
    let limits = needs::limits(arguments.grace.unwrap_or(needs::GRACE), arguments.max_size);
    let bar = super::bar("removing {bar:30} {pos} of {len}");
    let mut collected = store.collect(&needed, &limits, &mode, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let mut rows = vec![
        ("records", collected.records),
        ("objects", collected.objects),
        ("checkpoints and plans", collected.leftovers),
    ];
    for also in &arguments.also {
        let (name, room) = also.room();
        rows.push((name, store.clear(room, &mode, &mut collected.stuck)?));
    }
    let over = arguments.max_size.is_some_and(|max| collected.kept.bytes > max);
    if arguments.json {
        let removed: serde_json::Map<_, _> =
            rows.iter().map(|(name, row)| ((*name).to_owned(), document(row))).collect();
        output::document(&json!({
            "dry_run": arguments.dry_run,
            "removed": removed,
            "kept": document(&collected.kept),
            "over_size": over,
            "stuck": collected.stuck.iter().map(stuck).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Success);
    }
    let word = if arguments.dry_run { "would remove" } else { "removed" };
    for (name, row) in rows.iter().filter(|(_, row)| row.count > 0) {
        output::text(&format!("{word} {} {name}, {}\n", row.count, units::bytes(row.bytes)));
    }
    if rows.iter().all(|(_, row)| row.count == 0) {
        output::text("nothing to remove\n");
    }
    let kept = units::count(collected.kept.count, "object");
    output::text(&format!("kept: {kept}, {}\n", units::bytes(collected.kept.bytes)));
    for error in &collected.stuck {
        output::errors(&format!("warning: cannot remove {error}\n"));
    }
    if over {
        output::errors("warning: what is pinned takes more than --max-size (pipe cache pin lists it)\n");
    }
    Ok(Exit::Success)
}

/// A run that uses the store goes on until its stages are done. In one of them, waiting for that run is waiting for oneself.
fn refuse_within(store: &Store) -> Result<(), Failure> {
    let history = History::open(store);
    let around = backend::runs_around();
    let Some(run) = around.iter().find(|run| history.state(run) == OpenRun::Running) else { return Ok(()) };
    Err(Failure::usage(
        format!(
            "run {run} uses the store {}, and this command is part of that run: it would wait for itself",
            store.root().display()
        ),
        "take it out of the stage and call it when the run is over; --dry-run waits for nobody".to_owned(),
    ))
}

impl Also {
    fn room(self) -> (&'static str, UserRoom) {
        match self {
            Also::Displaced => ("displaced files", UserRoom::Displaced),
            Also::Quarantine => ("quarantined files", UserRoom::Quarantine),
            Also::KeptWork => ("kept files of failed stages", UserRoom::KeptWork),
        }
    }
}

fn stuck(error: &StoreError) -> Value {
    json!({"path": error.path, "message": error.kind.to_string()})
}

/// Says why nothing is removed: something that is needed could go.
fn refuse(damaged: &[Damage], json: bool) -> Exit {
    if json {
        output::document(&json!({
            "outcome": "refused",
            "unreadable": damaged.iter().map(damage::document).collect::<Vec<_>>(),
        }));
        return Exit::StageFailed;
    }
    output::errors("error: nothing is removed, as it is not known what is needed:\n");
    for damage in damaged {
        output::errors(&format!("  {}\n", damage::line(damage)));
    }
    Exit::StageFailed
}

fn document(row: &Doomed) -> Value {
    json!({"count": row.count, "bytes": row.bytes})
}

fn grace(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    conduct::duration(text).ok_or_else(|| "write a time such as 12h or 30d, or 0".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    quantity::size(text).ok_or_else(|| "write a size such as 500MiB or 20GiB".to_owned())
}
