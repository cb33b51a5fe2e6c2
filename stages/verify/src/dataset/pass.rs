//! The pass over all files of a training set.

use std::path::Path;

use contract::{Context, StageError};
use scan::chains;

use super::checks::Checks;
use super::file::{FilePass, same_bytes};
use super::manifest::{Manifest, SplitPart};
use crate::check::{CheckName, guard};
use crate::documents::DocumentsSeen;
use crate::labels::answers::Answers;
use crate::labels::attacks::Attacks;
use crate::measurements::measure;
use crate::params::VerifyParams;
use crate::tally::Tally;

/// The split that others are compared with.
pub(super) const TRAIN: &str = "train";

/// Checks a training set. Where `documents` are wired too, their ratings and correlations across hosts count; where the truth is as well,
/// `attacks` what it says of scans.
pub fn verify(
    params: &VerifyParams,
    directory: &Path,
    (documents, attacks): (Option<&DocumentsSeen>, Option<&Attacks>),
    context: &Context,
    tally: &mut Tally,
) -> Result<u64, StageError> {
    let manifest = Manifest::read(directory)?;
    let chains = context.optional_input("truth").map(chains::of_several_hosts).transpose()?;
    let mut checks = Checks::of(&manifest, documents.map(|seen| &seen.ratings), attacks);
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
        checks.hosts_apart(&manifest, documents.map(|seen| &seen.shared), params.tied_hosts as usize);
        checks.chains_whole(chains.iter().flatten());
    });
    if let Err(crash) = apart {
        tally.add(CheckName::SplitLeakage, crash);
    }
    tally.add(CheckName::LabelConflicts, checks.conflicts);
    tally.add(CheckName::Integrity, checks.integrity);
    tally.add(CheckName::SplitLeakage, checks.leaks);
    if documents.is_some() {
        tally.add(CheckName::Scores, checks.rated);
    }
    let Answers { techniques, actions, .. } = &mut checks.answers;
    tally.add(CheckName::Techniques, std::mem::take(techniques));
    tally.add(CheckName::Actions, std::mem::take(actions));
    let (answers, summaries) = (checks.answers, checks.summaries);
    let share = params.threshold(CheckName::TechniqueShare);
    measure(tally, CheckName::TechniqueShare, || answers.dominance(share));
    if attacks.is_some() {
        measure(tally, CheckName::Summaries, || summaries.measure(params.threshold(CheckName::Summaries)));
    }
    let (near, crash) = (checks.near, checks.near_crashed);
    let (threshold, warn_beyond) = (params.threshold(CheckName::NearDuplicates), params.warn_beyond.near_duplicates);
    measure(tally, CheckName::NearDuplicates, || near.measure(threshold, warn_beyond));
    if crash.crashed {
        tally.add(CheckName::NearDuplicates, crash);
    }
    Ok(examples)
}
