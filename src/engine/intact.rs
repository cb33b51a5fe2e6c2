//! Checks that the files of runs are as they were written: reports and notes of workspaces, which tell the objects that may not be
//! collected, and their journals.

use std::path::Path;

use super::history::{self, JOURNAL, OpenRun, REPORT};
use super::traces::{TracedReport, runs};
use crate::store::{Chain, Damage, DamagedThing, Kept, Store, StoreError, open_document, read_kept};

/// The damage in the files of all runs.
pub fn damaged(store: &Store) -> Result<Vec<Damage>, StoreError> {
    let mut damage = Vec::new();
    for run in runs(store) {
        damage.extend(roots(store, &run)?);
        let journal = store.run_dir(&run).join(JOURNAL);
        // The last line of a run that goes on may be half written.
        if history::open_state(&journal) == OpenRun::Ended {
            damage.extend(wrong(&journal, |bytes| lines(&run, bytes)));
        }
    }
    Ok(damage)
}

/// The damage in the files that tell which objects may not be collected.
pub fn damaged_roots(store: &Store) -> Result<Vec<Damage>, StoreError> {
    let mut damage = Vec::new();
    for run in runs(store) {
        damage.extend(roots(store, &run)?);
    }
    Ok(damage)
}

/// As [`damaged_roots`], of one run.
pub(super) fn roots(store: &Store, run: &str) -> Result<Vec<Damage>, StoreError> {
    let directory = store.run_dir(run);
    if !directory.is_dir() {
        let why = "it is no directory".to_owned();
        let there = directory.symlink_metadata().is_ok();
        return Ok(there.then(|| damage(&directory, why)).into_iter().collect());
    }
    let mut found: Vec<Damage> = wrong(&directory.join(REPORT), |bytes| report(run, bytes)).into_iter().collect();
    if let Err(why) = store.workspace_of(run) {
        found.push(damage(&directory.join("workspace"), why));
    }
    Ok(found)
}

/// The damage to the file, if it is there and not as it was written.
fn wrong(path: &Path, check: impl Fn(&[u8]) -> Option<String>) -> Option<Damage> {
    let why = match read_kept(path) {
        Ok(None) => None,
        Ok(Some(bytes)) => check(&bytes),
        Err(error) => Some(error.to_string()),
    };
    why.map(|why| damage(path, why))
}

fn damage(path: &Path, why: String) -> Damage {
    Damage { what: DamagedThing::Run, path: path.to_owned(), why, quarantined: None }
}

fn report(run: &str, bytes: &[u8]) -> Option<String> {
    match open_document(&history::report_name(run), bytes) {
        Kept::Damaged => Some("its checksum differs".to_owned()),
        Kept::Sound(bytes) | Kept::Unsealed(bytes) => {
            serde_json::from_slice::<TracedReport>(bytes).err().map(|error| format!("it is no report: {error}"))
        }
    }
}

fn lines(run: &str, bytes: &[u8]) -> Option<String> {
    let mut chain = Chain::new(&history::journal_name(run));
    // A kill may cut the last line short.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut sealed = None;
    for (number, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let found = chain.open(&line[..line.len() - 1]);
        let is_sealed = !matches!(found, Kept::Unsealed(_));
        // Of an older version all are without.
        if found == Kept::Damaged || *sealed.get_or_insert(is_sealed) != is_sealed {
            return Some(format!("the checksum of line {} differs", number + 1));
        }
    }
    None
}
