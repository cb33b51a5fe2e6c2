//! Prints `measured/usual.yaml`: which signs of one subject the scans of clean hosts show together.
//!
//!     cargo run --release -p correlate --example usual -- SCANS...
//!
//! Each SCANS is a directory of scans of one fleet, in which there must be no attack: `produce` with `attack_rate: 0`. It has at least as
//! many hosts as are needed to tell what is rare; then each host is counted once more by itself.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::path::Path;
use std::process::ExitCode;

use contract::StageError;
use correlate::baseline::{Baseline, Sightings};
use correlate::fleet::{self, Comparison, FEWEST_HOSTS, Fleet, Seen};
use correlate::host;
use findings::terms::Terms;
use rules::rule::RULES;
use rules::tally::Count;
use scan::{Finding, ScanFile, Scans};

fn main() -> ExitCode {
    let fleets: Vec<String> = std::env::args().skip(1).collect();
    if fleets.is_empty() {
        eprintln!("usual: name at least one directory of scans of clean hosts");
        return ExitCode::from(2);
    }
    let mut count = Count::default();
    match fleets.iter().try_for_each(|fleet| add(Path::new(fleet), &mut count)) {
        Ok(()) => {
            print!("{}", count.table());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("usual: {error}");
            ExitCode::FAILURE
        }
    }
}

fn add(fleet: &Path, count: &mut Count) -> Result<(), StageError> {
    let files: Vec<ScanFile> = Scans::open(fleet)?.iter().cloned().collect();
    let hosts = || files.chunk_by(|a, b| a.host == b.host);
    let mut comparison = Comparison::default();
    for scans in hosts() {
        let mut seen = Seen::default();
        for file in scans {
            fleet::collect(&RULES, &file.read()?.results, &mut seen);
        }
        comparison.add(&scans[0].host, seen);
    }
    if hosts().count() < FEWEST_HOSTS {
        let message = format!("{}: {} hosts, {FEWEST_HOSTS} are needed", fleet.display(), hosts().count());
        return Err(StageError::invalid_input(message).help("produce more hosts"));
    }
    let (fleet, none) = (comparison.finish(&RULES), Fleet::default());
    for scans in hosts() {
        for file in scans {
            let results = file.read()?.results.into_iter();
            let findings: Vec<(String, Finding)> =
                results.flat_map(|r| r.findings.into_iter().map(move |finding| (r.scanner.clone(), finding))).collect();
            let mut baseline = Baseline::default();
            let sightings: Vec<Sightings> = findings
                .iter()
                .map(|(scanner, finding)| baseline.observe(scanner, finding, &Terms::of(scanner, finding)))
                .collect();
            let facts = |fleet| host::facts(&findings, &sightings, fleet).0;
            count.add(&facts(&fleet), &facts(&none));
        }
    }
    Ok(())
}
