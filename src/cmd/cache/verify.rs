//! `pipe cache verify`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;

use super::damage;
use crate::cmd::failure::Failure;
use crate::cmd::project::Project;
use crate::cmd::{Exit, output};
use crate::engine::intact;
use crate::engine::traces::{self, Trace};
use crate::report::units;
use crate::store::{Damage, DamagedThing, Record, Sample, Scrubbed, Store};

/// `pipe cache verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe cache verify                every byte
  pipe cache verify --sample 100   a hundred objects, others each time
  pipe cache verify --sample 5%

Exit code 1 when something was damaged. It is put aside, so that the next run makes it anew.")]
pub(crate) struct VerifyArguments {
    /// Only so many objects, or this share of them; records are always read.
    #[arg(long, value_name = "N|P%", value_parser = sample)]
    pub sample: Option<Sample>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is told about something damaged.
struct Finding {
    damage: Damage,
    /// The published file that it was changed through.
    through: Option<PathBuf>,
    /// The stages that made it, as `stage (run)`.
    producers: Vec<String>,
}

pub(super) fn run(project: &Project, arguments: &VerifyArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let _hold = store.hold()?;
    // Read before anything is put aside: a damaged record can no longer say who made what.
    let records = store.records()?;
    let bar = super::bar("verifying {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos() as u64);
    let scrubbed = store.scrub(arguments.sample.unwrap_or(Sample::All), seed, &|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let traces = traces::traces(&store);
    let runs = intact::damaged(&store)?;
    let findings: Vec<_> =
        scrubbed.damage.iter().chain(&runs).map(|damage| finding(&store, damage.clone(), &records, &traces)).collect();
    if arguments.json {
        output::document(&json!({
            "objects": scrubbed.objects,
            "bytes": scrubbed.bytes,
            "records": scrubbed.records,
            "damaged": findings.iter().map(document).collect::<Vec<_>>(),
        }));
    } else {
        output::text(&text(&scrubbed, &findings));
    }
    Ok(if findings.is_empty() { Exit::Success } else { Exit::StageFailed })
}

fn finding(store: &Store, damage: Damage, records: &[Record], traces: &[Trace]) -> Finding {
    let DamagedThing::Artifact(digest) = damage.what else {
        return Finding { damage, through: None, producers: Vec::new() };
    };
    let made = |record: &&Record| record.outputs.values().any(|output| output.digest == digest);
    let makers: Vec<&Record> = records.iter().filter(made).collect();
    let artifact = makers.first().and_then(|record| record.outputs.values().find(|output| output.digest == digest));
    let through = artifact.and_then(|artifact| {
        let places = traces::published(traces, &digest);
        traces::culprit(places, &store.object(artifact), &damage.path, damage.quarantined.as_deref())
    });
    let producers = makers.iter().map(|record| format!("{} (run {})", record.stage, record.run)).collect();
    Finding { damage, through, producers }
}

fn text(scrubbed: &Scrubbed, findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { damage, through, producers } in findings {
        text.push_str(&format!("damaged: {}\n  {}\n", damage.path.display(), damage.why));
        if let Some(through) = through {
            text.push_str(&format!("  by a write to {}, which is a link to it\n", through.display()));
        }
        if !producers.is_empty() {
            text.push_str(&format!("  made by {}; the next run makes it again\n", producers.join(", ")));
        }
        text.push_str(&format!("  {}\n", damage::advice(damage)));
    }
    let Scrubbed { objects, bytes, records, .. } = scrubbed;
    let (objects, records) = (units::count(objects, "object"), units::count(records, "record"));
    let read = format!("read {objects} ({}) and {records}", units::bytes(*bytes));
    let verdict = if findings.is_empty() { "all sound".to_owned() } else { format!("{} damaged", findings.len()) };
    text + &format!("{read}: {verdict}\n")
}

fn document(finding: &Finding) -> serde_json::Value {
    let Finding { damage, through, producers } = finding;
    let mut document = damage::document(damage);
    document["through"] = json!(through);
    document["producers"] = json!(producers);
    document
}

/// `100` or `5%`.
fn sample(text: &str) -> Result<Sample, String> {
    let wrong = || "write a number of objects such as 100, or a share such as 5%".to_owned();
    match text.strip_suffix('%') {
        None => text.parse().map(Sample::Count).map_err(|_| wrong()),
        Some(percent) => {
            let percent: f64 = percent.parse().map_err(|_| wrong())?;
            if (0.0..=100.0).contains(&percent) { Ok(Sample::Share(percent / 100.0)) } else { Err(wrong()) }
        }
    }
}
