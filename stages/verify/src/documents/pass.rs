//! The pass over all documents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use contract::stage::At;
use contract::{Context, StageError};

use super::document::{Checked, DocumentFile, check};
use crate::check::{CheckName, Outcome, guard};
use crate::labels::attacks::Attacks;
use crate::labels::ratings::Ratings;
use crate::tally::Tally;

/// Documents that are read together; it bounds how many are held.
const BATCH: usize = 64;

/// The checks that look at documents.
const CHECKS: [CheckName; 8] = [
    CheckName::Schema,
    CheckName::Duplicates,
    CheckName::References,
    CheckName::Scores,
    CheckName::Formats,
    CheckName::Integrity,
    CheckName::Techniques,
    CheckName::Actions,
];

/// Hosts that share a correlation across hosts, by its id.
pub type Shared = BTreeMap<String, BTreeSet<String>>;

/// The counts of the pass, and what it found of several hosts.
#[derive(Debug, Default)]
pub struct DocumentsSeen {
    /// How many documents.
    pub documents: u64,
    /// Correlations across hosts.
    pub shared: Shared,
    /// How documents rate findings.
    pub ratings: Ratings,
}

/// Checks all documents. `attacks` learns what each attack is about.
pub fn verify(
    directory: &Path,
    attacks: &mut Option<Attacks>,
    context: &Context,
    tally: &mut Tally,
) -> Result<DocumentsSeen, StageError> {
    tally.wired(CHECKS);
    let files = files(directory)?;
    let mut seen = DocumentsSeen { documents: files.len() as u64, ..DocumentsSeen::default() };
    let mut done = 0;
    for batch in files.chunks(BATCH) {
        let known = attacks.as_ref();
        let checked: Vec<Checked> = context.map(batch, |file| check(file, known))?;
        for (file, checked) in batch.iter().zip(checked) {
            if let Some((attacks, subjects)) = attacks.as_mut().zip(checked.subjects) {
                attacks.note((file.host.clone(), file.scan), subjects);
            }
            if let Some(ratings) = checked.ratings {
                seen.ratings.add((file.host.clone(), file.scan), ratings);
            }
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
