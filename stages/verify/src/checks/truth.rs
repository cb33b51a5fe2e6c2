//! The hidden truth names exactly the findings of the hosts that it is about. Whether a finding is harmless is not looked at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use contract::stage::At;
use contract::{Digest, StageError};
use scan::truth::TruthLine;

use crate::check::{Outcome, ScanView};
use crate::report::Violation;

/// How often the truth names a finding as visible, by host, scan and a digest of scanner and id.
pub struct Truth {
    hosts: HashSet<String>,
    named: HashMap<Digest, u32>,
}

impl Truth {
    /// Reads the artifact.
    pub fn read(path: &Path) -> Result<Truth, StageError> {
        let mut truth = Truth { hosts: HashSet::new(), named: HashMap::new() };
        for (number, line) in BufReader::new(File::open(path).at(path)?).lines().enumerate() {
            let line: TruthLine = serde_json::from_str(&line.at(path)?).map_err(|error| {
                StageError::invalid_input(format!("{}:{}: {error}", path.display(), number + 1))
                    .help("the file must be as the stage `produce` writes it")
            })?;
            if !truth.hosts.contains(&line.host) {
                truth.hosts.insert(line.host.clone());
            }
            if line.visible {
                *truth.named.entry(key(&line.host, line.scan, &line.scanner, &line.id)).or_default() += 1;
            }
        }
        Ok(truth)
    }

    /// Checks one scan; nothing where the truth is not about its host.
    pub fn check(&self, host: &str, scan: u32, view: &ScanView<'_>) -> Outcome {
        if !self.hosts.contains(host) {
            return Outcome::default();
        }
        let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for finding in view.findings {
            *counts.entry((&finding.scanner, &finding.id)).or_default() += 1;
        }
        let differs = |((scanner, id), found): ((&str, &str), u32)| {
            let named = self.named.get(&key(host, scan, scanner, id)).copied().unwrap_or(0);
            (named != found).then(|| Violation {
                place: format!("{} {scanner} {id}", view.place),
                pointer: String::new(),
                message: format!("the truth names it {named} times, the scan holds it {found} times"),
            })
        };
        Outcome {
            items: view.findings.len() as u64,
            violations: counts.into_iter().filter_map(differs).collect(),
            crashed: false,
        }
    }
}

fn key(host: &str, scan: u32, scanner: &str, id: &str) -> Digest {
    Digest::of([host, &scan.to_string(), scanner, id].join("\0").as_bytes())
}
