//! Who publishes where. Of the runs that work in one workspace, those whose outputs share places follow one another, so that
//! `out/` never holds half of one and half of another; others do not wait.
//!
//! ```text
//! publishing/<workspace>/turn          flock while somebody looks; how many claims there were so far
//! publishing/<workspace>/<run>.claim   flock for as long as the run may publish; the run, its place, its unfinished outputs
//! ```
//! A claim without its lock is of a run that was killed, or that left something unfinished in the workspace.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use contract::Digest;
use serde::{Deserialize, Serialize};

use crate::store::directory::layout::component;
use crate::store::directory::lock;
use crate::store::error::At;
use crate::store::files::open::{self, Opened, open_file};
use crate::store::{Store, StoreError};

/// Where the claims of one workspace lie.
#[derive(Debug)]
pub struct Claims {
    directory: PathBuf,
}

/// Who wants to publish, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claimant {
    /// The run.
    pub run: String,
    /// Its pipeline.
    pub pipeline: String,
    /// Its process.
    pub process: u32,
    /// Relative to the workspace.
    pub places: BTreeSet<PathBuf>,
    /// The runs of whose stages it is a part: they wait for it, so it does not wait for them.
    #[serde(skip)]
    pub around: Vec<String>,
}

/// A place that a stage writes to by itself, and has not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// Relative to the workspace.
    pub path: PathBuf,
    /// The run that the stage is part of.
    pub run: String,
}

/// A line of a claim after the first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Note {
    Begun(Unfinished),
    Finished(PathBuf),
}

/// The right to publish; given back on drop.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    file: File,
    /// How many claims there were before this one.
    pub turn: u64,
    unfinished: Vec<Unfinished>,
}

/// Another run that publishes to the same places.
#[derive(Debug)]
pub struct Busy {
    /// Who it is.
    pub by: Claimant,
    path: PathBuf,
}

impl Store {
    /// The claims of the workspace at `root`.
    pub fn claims(&self, root: &Path) -> Claims {
        let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let name = blake3::Hash::from_bytes(*Digest::of(real.as_os_str().as_encoded_bytes()).as_bytes()).to_hex();
        Claims { directory: self.root().join("publishing").join(&name[..16]) }
    }

    /// Takes the right to publish to the claimant's places, unless another run has it for any of them.
    pub fn claim_places(&self, claims: &Claims, claimant: &Claimant) -> Result<Result<Claim, Busy>, StoreError> {
        self.claim()?;
        claims.take(self.root(), claimant).map_err(|error| self.unwritable(error))
    }
}

impl Claims {
    /// Where they lie.
    pub(in crate::store) fn directory(&self) -> &Path {
        &self.directory
    }

    /// How many there were so far: who finds another number later knows that somebody published meanwhile.
    pub fn turn(&self) -> u64 {
        // Never written before the first claim.
        text(&self.turn_path()).and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn take(&self, root: &Path, claimant: &Claimant) -> Result<Result<Claim, Busy>, StoreError> {
        let mut turn_file = lock::take_below(root, &self.turn_path())?;
        let mut left = Vec::new();
        for path in self.claim_files()? {
            // A run that gives its claim up needs no turn for that.
            let Some(file) = open_file(&path) else { continue };
            match file.try_lock_shared() {
                Err(TryLockError::WouldBlock) => {
                    let Some((by, _)) = read(&path) else { continue };
                    if overlap(&by.places, &claimant.places) && !claimant.around.contains(&by.run) {
                        return Ok(Err(Busy { by, path }));
                    }
                }
                Ok(()) => left.push((path.clone(), read(&path))),
                Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, error)),
            }
        }
        let turn = self.turn();
        turn_file.set_len(0).at(&self.turn_path())?;
        turn_file.write_all((turn + 1).to_string().as_bytes()).at(&self.turn_path())?;
        let path = self.directory.join(format!("{}.{CLAIM}", component(&claimant.run)));
        let file = lock::open_below(root, &path)?;
        file.lock().at(&path)?;
        file.set_len(0).at(&path)?;
        let mut claim = Claim { path, file, turn, unfinished: Vec::new() };
        claim.write(claimant)?;
        for (path, found) in left {
            if path == claim.path {
                continue;
            }
            for unfinished in found.map_or(Vec::new(), |(_, unfinished)| unfinished) {
                claim.note(Note::Begun(unfinished.clone()))?;
                claim.unfinished.push(unfinished);
            }
            // Its content is part of this claim now.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(StoreError::io(&path, error)),
                _ => {}
            }
        }
        Ok(Ok(claim))
    }

    fn claim_files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let entries = fs::read_dir(&self.directory).at(&self.directory)?.flatten().map(|entry| entry.path());
        Ok(entries.filter(|path| path.extension() == Some(OsStr::new(CLAIM))).collect())
    }

    fn turn_path(&self) -> PathBuf {
        self.directory.join("turn")
    }
}

const CLAIM: &str = "claim";

impl Claim {
    /// A stage is about to write to `path` by itself; nothing lies there. Noted before it begins, so that the leftovers of a kill are
    /// not taken for the user's.
    pub fn begin(&mut self, path: &Path, run: &str) -> Result<(), StoreError> {
        let unfinished = Unfinished { path: path.to_owned(), run: run.to_owned() };
        self.note(Note::Begun(unfinished.clone()))?;
        self.unfinished.push(unfinished);
        Ok(())
    }

    /// Nothing unfinished lies at `path` any more.
    pub fn finish(&mut self, path: &Path) -> Result<(), StoreError> {
        let before = self.unfinished.len();
        self.unfinished.retain(|unfinished| unfinished.path != path);
        if self.unfinished.len() < before { self.note(Note::Finished(path.to_owned())) } else { Ok(()) }
    }

    /// The run that left the output at `path` unfinished, if one did.
    pub fn unfinished(&self, path: &Path) -> Option<&str> {
        self.unfinished.iter().find(|unfinished| unfinished.path == path).map(|unfinished| unfinished.run.as_str())
    }

    fn note(&mut self, note: Note) -> Result<(), StoreError> {
        self.write(&note)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(line).map_err(|error| StoreError::io(&self.path, error))?;
        text.push(b'\n');
        self.file.write_all(&text).at(&self.path)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The next claimant reads the unfinished outputs. An empty claim that stays is removed then, too.
        if self.unfinished.is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Busy {
    /// Returns when that run has ended, or publishes no more.
    pub fn wait(&self) -> Result<(), StoreError> {
        match open::file(&self.path).at(&self.path)? {
            Opened::File((file, _)) => file.lock_shared().at(&self.path),
            Opened::Nothing | Opened::Other(_) => Ok(()),
        }
    }
}

/// The text of the file at `path`, where there is one.
fn text(path: &Path) -> Option<String> {
    match open::read_small(path).ok()? {
        Opened::File(bytes) => String::from_utf8(bytes).ok(),
        Opened::Nothing | Opened::Other(_) => None,
    }
}

/// The content of a claim; `None` where its run was killed before it had written anything.
fn read(path: &Path) -> Option<(Claimant, Vec<Unfinished>)> {
    let text = text(path)?;
    let mut lines = text.lines();
    let claimant = serde_json::from_str(lines.next()?).ok()?;
    let mut unfinished: Vec<Unfinished> = Vec::new();
    // A line that a kill cut short is the last.
    for note in lines.map_while(|line| serde_json::from_str(line).ok()) {
        match note {
            Note::Begun(it) => unfinished.push(it),
            Note::Finished(path) => unfinished.retain(|it| it.path != path),
        }
    }
    Some((claimant, unfinished))
}

/// Whether one of `these` is one of `those`, or lies in one, or has one in it.
fn overlap(these: &BTreeSet<PathBuf>, those: &BTreeSet<PathBuf>) -> bool {
    let within = |place: &PathBuf| {
        let next = those.range::<PathBuf, _>((Bound::Included(place), Bound::Unbounded)).next();
        next.is_some_and(|next| next.starts_with(place)) || place.ancestors().any(|above| those.contains(above))
    };
    these.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimant(run: &str, places: &[&str]) -> Claimant {
        let places = places.iter().map(PathBuf::from).collect();
        Claimant { run: run.to_owned(), pipeline: "p".to_owned(), process: 1, places, around: Vec::new() }
    }

    #[test]
    fn places_overlap_when_one_lies_in_the_other() {
        let check = |these: &[&str], those: &[&str], expected: bool| {
            let (one, two) = (claimant("1", these).places, claimant("2", those).places);
            assert_eq!((overlap(&one, &two), overlap(&two, &one)), (expected, expected), "{these:?} {those:?}");
        };
        check(&["out/a", "out/c"], &["out/b", "out/d"], false);
        check(&["out/a", "out/c"], &["out/c"], true);
        check(&["out/a/deep/er"], &["out/a"], true);
        check(&["out/a", "out/ab"], &["out/abc"], false);
        check(&["out/a-b"], &["out/a", "out/a/b"], false);
        check(&[], &["out/a"], false);
    }

    #[test]
    fn who_shares_no_place_does_not_wait_and_turns_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let claims = store.claims(Path::new("/somewhere"));
        assert_eq!(claims.turn(), 0);
        let one = store.claim_places(&claims, &claimant("one", &["out/a"])).unwrap().unwrap();
        let two = store.claim_places(&claims, &claimant("two", &["out/b"])).unwrap().unwrap();
        assert_eq!((one.turn, two.turn, claims.turn()), (0, 1, 2));
        let busy = store.claim_places(&claims, &claimant("three", &["out/a", "out/c"])).unwrap().unwrap_err();
        assert_eq!(busy.by.run, "one");
        drop(one);
        busy.wait().unwrap();
        store.claim_places(&claims, &claimant("three", &["out/a", "out/c"])).unwrap().unwrap();
        let within = Claimant { around: vec!["two".to_owned()], ..claimant("four", &["out/b"]) };
        store.claim_places(&claims, &within).unwrap().unwrap();
        let elsewhere = store.claims(Path::new("/elsewhere"));
        store.claim_places(&elsewhere, &claimant("four", &["out/b"])).unwrap().unwrap();
        drop(two);
    }

    #[test]
    fn what_was_left_unfinished_is_known_to_whoever_comes_next() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let claims = store.claims(Path::new("/somewhere"));
        let mut one = store.claim_places(&claims, &claimant("one", &["out/a"])).unwrap().unwrap();
        for place in ["out/a", "out/b"] {
            one.begin(Path::new(place), "one").unwrap();
        }
        one.finish(Path::new("out/b")).unwrap();
        drop(one);
        let mut two = store.claim_places(&claims, &claimant("two", &["out/c"])).unwrap().unwrap();
        assert_eq!((two.unfinished(Path::new("out/a")), two.unfinished(Path::new("out/b"))), (Some("one"), None));
        drop(two);
        two = store.claim_places(&claims, &claimant("three", &["out/a"])).unwrap().unwrap();
        two.finish(Path::new("out/a")).unwrap();
        drop(two);
        assert_eq!(claims.claim_files().unwrap(), Vec::<PathBuf>::new());
    }
}
