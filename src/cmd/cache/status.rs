//! `pipe cache status`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::remote::Transfers;
use super::{damage, needs};
use crate::cmd::failure::Failure;
use crate::cmd::project::Project;
use crate::cmd::{Exit, output};
use crate::remote::Conditions;
use crate::report::units;
use crate::store::{Collected, Mode, ROOMS, Room, RoomSize, Store};

/// `pipe cache status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe cache status
  pipe cache status --json | jq .reclaimable.bytes
  pipe cache status --remote            what the remote of pipe.yaml holds

Outputs in the workspace are links to what lies here where the filesystem can: they take no space of their own, and \
what is removed here gives its space back only when they are gone too.")]
pub(crate) struct StatusArguments {
    /// Show what the remote holds instead; every object there is listed.
    #[arg(long)]
    pub remote: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(project: &Project, arguments: &StatusArguments) -> Result<Exit, Failure> {
    if arguments.remote {
        return of_remote(project, arguments.json);
    }
    let store = project.store()?;
    let rooms: Vec<_> = ROOMS.iter().map(|room| (*room, store.room_size(*room))).collect();
    let runs = std::fs::read_dir(store.runs_dir()).map_or(0, Iterator::count);
    let pins = store.pins()?.0.len();
    let limits = needs::limits(needs::GRACE, None);
    let (needed, damaged) = needs::needs(&store)?;
    let would = store.collect(&needed, &limits, &Mode::Look, &|_, _| ())?;
    if arguments.json {
        output::document(&json!({
            "store": store.root(),
            "rooms": rooms.iter().map(|(room, size)| (room.name.to_owned(), size_json(size))).collect::<serde_json::Map<_, _>>(),
            "unreadable": unreadable(&rooms).collect::<Vec<_>>(),
            "objects": would.kept.count + would.objects.count,
            "records": records(&rooms),
            "runs": runs,
            "pins": pins,
            "reclaimable": {
                "bytes": if damaged.is_empty() { reclaimable(&would) } else { 0 },
                "records": if damaged.is_empty() { would.records.count } else { 0 },
                "objects": if damaged.is_empty() { would.objects.count } else { 0 },
            },
            "damaged": damaged.iter().map(damage::document).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Success);
    }
    output::text(&text(&store, &rooms, &would, (runs, pins)));
    if damaged.is_empty() {
        output::text(&can_go(&would));
    } else {
        output::text("nothing can go, as it is not known what is needed:\n");
        damaged.iter().for_each(|it| output::text(&format!("  {}\n", damage::line(it))));
    }
    Ok(Exit::Success)
}

fn of_remote(project: &Project, json: bool) -> Result<Exit, Failure> {
    let transfers = Transfers::open(project, "listing")?;
    let Some(survey) = transfers.watch(|remote, meter, _| remote.survey(meter))? else { return Ok(Exit::Interrupted) };
    let url = &transfers.remote.place().url;
    if json {
        let families = survey
            .families
            .iter()
            .map(|(family, (objects, bytes))| ((*family).to_owned(), json!({"objects": objects, "bytes": bytes})));
        output::document(&json!({
            "remote": url,
            "made_by": survey.made_by,
            "conditional_writes": survey.conditions.map(|conditions| conditions == Conditions::Heeded),
            "families": families.collect::<serde_json::Map<_, _>>(),
        }));
        return Ok(Exit::Success);
    }
    let Some(made_by) = &survey.made_by else {
        output::text(&format!("{url}\nnothing was pushed to it yet (pipe cache push)\n"));
        return Ok(Exit::Success);
    };
    let mut text = format!("{url}\n");
    for (family, (objects, bytes)) in &survey.families {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {family:<8} {:>10} {objects:>6} objects", units::bytes(*bytes));
    }
    let _ = write!(text, "made by {made_by}; ");
    text.push_str(match survey.conditions {
        Some(Conditions::Ignored) => {
            "it ignores conditions of writes: good for artifacts, no place for remote stages\n"
        }
        _ => "it heeds conditions of writes\n",
    });
    output::text(&text);
    Ok(Exit::Success)
}

fn text(store: &Store, rooms: &[(Room, RoomSize)], would: &Collected, (runs, pins): (usize, usize)) -> String {
    let mut text = format!("{}\n", store.root().display());
    for (room, size) in rooms {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {:<11} {:>10} {:>6} files  {}",
            room.name,
            units::bytes(size.bytes),
            size.files,
            room.holds
        );
    }
    let total = rooms.iter().map(|(_, size)| size.bytes).sum();
    let objects = would.kept.count + would.objects.count;
    let _ = writeln!(
        text,
        "{} in all: {}, {}, {}, {}",
        units::bytes(total),
        units::count(objects, "object"),
        units::count(records(rooms), "record"),
        units::count(runs, "run"),
        units::count(pins, "pin")
    );
    for directory in unreadable(rooms) {
        let _ = writeln!(text, "unreadable, and not counted: {}", directory.display());
    }
    text
}

fn can_go(would: &Collected) -> String {
    format!(
        "{} can go: {} and {} that nothing needs (pipe cache gc)\n",
        units::bytes(reclaimable(would)),
        units::count(would.records.count, "record"),
        units::count(would.objects.count, "object")
    )
}

fn unreadable(rooms: &[(Room, RoomSize)]) -> impl Iterator<Item = &PathBuf> {
    rooms.iter().flat_map(|(_, size)| &size.unreadable)
}

fn reclaimable(would: &Collected) -> u64 {
    would.records.bytes + would.objects.bytes + would.leftovers.bytes
}

fn records(rooms: &[(Room, RoomSize)]) -> u64 {
    rooms.iter().filter(|(room, _)| room.name == "records").map(|(_, size)| size.files).sum()
}

fn size_json(size: &RoomSize) -> serde_json::Value {
    json!({"files": size.files, "bytes": size.bytes, "unreadable": size.unreadable.len()})
}
