//! `pipe cache gc`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::remote::Transfers;
use super::{damage, needs};
use crate::backend;
use crate::cmd::failure::Failure;
use crate::cmd::project::Project;
use crate::cmd::{Exit, output};
use crate::engine::history::{History, OpenRun};
use crate::remote::Kept;
use crate::report::units;
use crate::spec::{conduct, quantity};
use crate::store::{Damage, Doomed, Mode, Store, StoreError, UserRoom};

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
    /// What was used within this time stays: 0, 12h, 30d; unless given 7d, and 90d on a remote.
    #[arg(long, value_name = "TIME", value_parser = grace)]
    pub grace: Option<Duration>,
    /// Remove from the remote instead what this store does not need and nobody pushed within the grace.
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
    let grace = arguments.grace.unwrap_or(REMOTE_GRACE);
    let since = needs::limits(grace, None).now.saturating_sub(grace.as_secs());
    let used = needed.used_at.into_iter().filter(|(_, used)| *used > since).map(|(key, _)| key);
    let roots = needed.roots.into_iter().chain(needed.pinned).chain(used).collect();
    let kept = Kept { roots, artifacts: needed.artifacts, grace };
    let transfers = Transfers::open(project, "removing")?;
    let collected =
        transfers.watch(|remote, meter, watch| remote.collect(store, &kept, arguments.dry_run, meter, watch))?;
    let Some(collected) = collected else { return Ok(Exit::Interrupted) };
    let document = |(count, bytes): (u64, u64)| json!({"count": count, "bytes": bytes});
    let url = &transfers.remote.place().url;
    if arguments.json {
        output::document(&json!({
            "remote": url,
            "dry_run": arguments.dry_run,
            "removed": {
                "records": document(collected.records),
                "objects": document(collected.objects),
                "actions": document(collected.actions),
            },
            "live_actions": collected.live,
            "kept": document(collected.kept),
        }));
        return Ok(Exit::Success);
    }
    let word = if arguments.dry_run { "would remove" } else { "removed" };
    for (name, (count, bytes)) in [("records", collected.records), ("objects", collected.objects)] {
        output::text(&format!("{word} {count} {name}, {} from {url}\n", units::bytes(bytes)));
    }
    if collected.actions.0 > 0 {
        let (count, bytes) = collected.actions;
        output::text(&format!(
            "{word} the state of {}, {}\n",
            units::count(count, "dead remote stage"),
            units::bytes(bytes)
        ));
    }
    if collected.live > 0 {
        output::text(&format!("kept what {} need\n", units::count(collected.live, "remote stage")));
    }
    let (count, bytes) = collected.kept;
    output::text(&format!("kept: {}, {}\n", units::count(count, "object"), units::bytes(bytes)));
    Ok(Exit::Success)
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
