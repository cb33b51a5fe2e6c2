//! The gate after `transform`: ground-truth documents against their schema and against themselves.

mod checks;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use contract::stage::At;
use contract::{Context, StageError};
use findings::document_id;

use crate::check::{CheckName, Outcome, guard};
use crate::schema::GROUND_TRUTH;
use crate::tally::Tally;
use view::{Digested, Document};

/// Documents that are read together; it bounds how many are held.
const BATCH: usize = 64;

/// The checks that look at documents.
const CHECKS: [CheckName; 6] = [
    CheckName::Schema,
    CheckName::Duplicates,
    CheckName::References,
    CheckName::Scores,
    CheckName::Formats,
    CheckName::Integrity,
];

/// Hosts that share a correlation across hosts, by its id.
pub type Shared = BTreeMap<String, BTreeSet<String>>;

/// What the pass saw.
#[derive(Debug, Default)]
pub struct DocumentsSeen {
    /// How many documents.
    pub documents: u64,
    /// Correlations across hosts.
    pub shared: Shared,
}

/// One document: `HOST/NNNN.json`.
struct DocumentFile {
    host: String,
    scan: u32,
    path: PathBuf,
}

/// Checks all documents.
pub fn verify(directory: &Path, context: &Context, tally: &mut Tally) -> Result<DocumentsSeen, StageError> {
    tally.wired(CHECKS);
    let files = files(directory)?;
    let mut seen = DocumentsSeen { documents: files.len() as u64, ..DocumentsSeen::default() };
    let mut done = 0;
    for batch in files.chunks(BATCH) {
        let checked: Vec<Checked> = context.map(batch, check)?;
        for checked in checked {
            for (name, outcome) in checked.outcomes {
                tally.add(name, outcome);
            }
            for (id, hosts) in checked.shared {
                seen.shared.entry(id).or_default().extend(hosts);
            }
        }
        done += batch.len() as u64;
        context.progress(done, seen.documents, "documents");
    }
    if let Err(crash) = guard("documents", || tally.add(CheckName::References, strangers(&seen.shared, &files))) {
        tally.add(CheckName::References, crash);
    }
    Ok(seen)
}

/// Tells hosts that a correlation across hosts names and of which there is no document.
fn strangers(shared: &Shared, files: &[DocumentFile]) -> Outcome {
    let mut outcome = Outcome::default();
    let known: BTreeSet<&str> = files.iter().map(|file| file.host.as_str()).collect();
    for (id, hosts) in shared {
        for host in hosts.iter().filter(|host| !known.contains(host.as_str())) {
            outcome.tell(
                "documents",
                "",
                format!("correlation `{id}` names host `{host}`, of which there is no document"),
            );
        }
    }
    outcome
}

fn files(directory: &Path) -> Result<Vec<DocumentFile>, StageError> {
    let mut files = Vec::new();
    for host in std::fs::read_dir(directory).at(directory)? {
        let host = host.at(directory)?;
        for file in std::fs::read_dir(host.path()).at(&host.path())? {
            let path = file.at(&host.path())?.path();
            let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
            let (Some(scan), Ok(host)) = (number.and_then(|n| n.parse().ok()), host.file_name().into_string()) else {
                let message = format!("{}: not part of a directory of documents", path.display());
                return Err(StageError::invalid_input(message).help("documents lie as <host>/<NNNN>.json"));
            };
            files.push(DocumentFile { host, scan, path });
        }
    }
    files.sort_unstable_by(|a, b| (&a.host, a.scan).cmp(&(&b.host, b.scan)));
    Ok(files)
}

struct Checked {
    outcomes: Vec<(CheckName, Outcome)>,
    shared: Vec<(String, Vec<String>)>,
}

fn check(file: &DocumentFile) -> Result<Checked, StageError> {
    let bytes = std::fs::read(&file.path).at(&file.path)?;
    let place = format!("documents/{}/{:04}", file.host, file.scan);
    let mut schema = Outcome::of(1);
    let Ok(text) = std::str::from_utf8(&bytes) else {
        schema.tell(place, "", "no UTF-8 text");
        return Ok(Checked { outcomes: vec![(CheckName::Schema, schema)], shared: Vec::new() });
    };
    let schema = guard(&place, || {
        for mismatch in GROUND_TRUTH.mismatches(text) {
            schema.tell(&place, mismatch.pointer, mismatch.message);
        }
        schema
    });
    let mut outcomes = vec![(CheckName::Schema, schema.unwrap_or_else(|crash| crash))];
    // What is not as the schema has it may have no parts that could be compared; the schema check says so then.
    let fits = outcomes.iter().all(|(_, outcome)| outcome.violations.is_empty());
    if !fits {
        return Ok(Checked { outcomes, shared: Vec::new() });
    }
    let (document, digested) = match (serde_json::from_str::<Document<'_>>(text), serde_json::from_str(text)) {
        (Ok(document), Ok(digested)) => (document, digested),
        (Err(error), _) | (_, Err(error)) => {
            let mut references = Outcome::of(1);
            references.tell(place, "", format!("a part that the schema leaves open is in no known form: {error}"));
            outcomes.push((CheckName::References, references));
            return Ok(Checked { outcomes, shared: Vec::new() });
        }
    };
    let digested: Digested<'_> = digested;
    let mut run = |name, check: &dyn Fn() -> Outcome| {
        outcomes.push((name, guard(&place, check).unwrap_or_else(|crash| crash)));
    };
    let ids: Vec<&str> = document.enriched_findings.iter().map(|finding| &*finding.id).collect();
    let raw_ids = document_id::raw(&ids);
    run(CheckName::Duplicates, &|| checks::duplicates(&place, &document, &raw_ids));
    run(CheckName::References, &|| checks::references(&place, (&file.host, file.scan), &document));
    run(CheckName::Scores, &|| checks::scores(&place, &document));
    run(CheckName::Formats, &|| checks::formats(&place, &document, &raw_ids));
    run(CheckName::Integrity, &|| checks::integrity(&place, &digested));
    let hosts = |shared: &view::MultiHost<'_>| {
        (shared.id.to_string(), shared.hosts.iter().map(|host| host.to_string()).collect())
    };
    let shared = document.multi_host_correlation.iter().map(hosts).collect();
    Ok(Checked { outcomes, shared })
}
