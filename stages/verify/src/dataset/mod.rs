//! The gate after `transform`: training sets against themselves. Lines are read one after another and not kept; what of them stays,
//! [`checks`] says.

mod checks;
mod line;
mod manifest;
mod near;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use contract::stage::At;
use contract::{Context, StageError};
use scan::chains;

use crate::check::{CheckName, Outcome, guard};
use crate::documents::Shared;
use crate::params::VerifyParams;
use crate::statistics::measure;
use crate::tally::Tally;
use checks::Checks;
use line::Line;
use manifest::{FilePart, Manifest, SplitPart};

/// The split that others are compared with.
const TRAIN: &str = "train";

/// Checks a training set; `shared` holds the correlations across hosts, where documents are wired too.
pub fn verify(
    params: &VerifyParams,
    directory: &Path,
    shared: Option<&Shared>,
    context: &Context,
    tally: &mut Tally,
) -> Result<u64, StageError> {
    let manifest = Manifest::read(directory)?;
    let chains = context.optional_input("truth").map(chains::of_several_hosts).transpose()?;
    let mut checks = Checks::of(&manifest);
    let mut examples = 0;
    // Training first: what follows is compared with it.
    let mut splits: Vec<(&str, &SplitPart)> =
        manifest.splits.iter().map(|(name, part)| (name.as_str(), part)).collect();
    splits.sort_by_key(|(name, _)| *name != TRAIN);
    let files = splits.iter().map(|(name, part)| (*name, &part.lines, true));
    for (split, part, own) in files.chain([(TRAIN, &manifest.calibration, false)]) {
        let pass = FilePass { split, part, own };
        examples += pass.run(directory, &mut checks, context)?;
    }
    for part in manifest.parquet.values().flat_map(|splits| splits.values()) {
        tally.add(CheckName::Integrity, same_bytes(directory, part, context)?);
    }
    let apart = guard("manifest.json", || {
        checks.hosts_apart(&manifest, shared, params.tied_hosts as usize);
        checks.chains_whole(chains.iter().flatten());
    });
    if let Err(crash) = apart {
        tally.add(CheckName::SplitLeakage, crash);
    }
    tally.add(CheckName::LabelConflicts, checks.conflicts);
    tally.add(CheckName::Integrity, checks.integrity);
    tally.add(CheckName::SplitLeakage, checks.leaks);
    let (near, crash) = (checks.near, checks.near_crashed);
    let (threshold, warn_beyond) = (params.threshold(CheckName::NearDuplicates), params.warn_beyond.near_duplicates);
    measure(tally, CheckName::NearDuplicates, || near.measure(threshold, warn_beyond));
    if crash.crashed {
        tally.add(CheckName::NearDuplicates, crash);
    }
    Ok(examples)
}

/// A file that holds the same examples in another form is the one of which the manifest has the digest.
fn same_bytes(directory: &Path, part: &FilePart, context: &Context) -> Result<Outcome, StageError> {
    let path = directory.join(&part.file);
    context.check_cancelled()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(&path).at(&path)?).at(&path)?;
    let digest = hasher.finalize().to_hex();
    let mut outcome = Outcome::of(1);
    if *digest != *part.blake3 {
        outcome.tell(&part.file, "", format!("its digest is {digest}, but the manifest says {}", part.blake3));
    }
    Ok(outcome)
}

/// One file of a dataset.
struct FilePass<'p> {
    split: &'p str,
    part: &'p FilePart,
    /// Whether it is the split's own file, and not drawn from it.
    own: bool,
}

impl FilePass<'_> {
    fn run(&self, directory: &Path, checks: &mut Checks, context: &Context) -> Result<u64, StageError> {
        let path = directory.join(&self.part.file);
        let mut lines = BufReader::with_capacity(1 << 18, File::open(&path).at(&path)?);
        let mut hasher = blake3::Hasher::new();
        let mut text = String::new();
        let mut number = 0;
        loop {
            text.clear();
            if lines.read_line(&mut text).at(&path)? == 0 {
                break;
            }
            hasher.update(text.as_bytes());
            number += 1;
            if number % 1024 == 0 {
                context.check_cancelled()?;
                context.progress(u64::from(number), None, "examples");
            }
            let line: Line<'_> = serde_json::from_str(&text).map_err(|error| self.error(&path, number, &error))?;
            let place = || format!("{}:{number}", self.part.file);
            checks.line(self, number, &line, place);
        }
        let digest = hasher.finalize().to_hex();
        checks.integrity.items += 1;
        if *digest != *self.part.blake3 || u64::from(number) != self.part.examples {
            let message = format!(
                "{number} lines with digest {digest}, but the manifest says {} and {}",
                self.part.examples, self.part.blake3
            );
            checks.integrity.tell(&self.part.file, "", message);
        }
        Ok(u64::from(number))
    }

    fn error(&self, path: &Path, number: u32, error: &serde_json::Error) -> StageError {
        StageError::invalid_input(format!("{}:{number}: {error}", path.display()))
            .help("the dataset must be as the stage `transform` writes it")
    }
}
