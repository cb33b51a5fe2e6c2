//! What the hidden truth says of scans: which of their findings are of an attack, and what these are about.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use scan::truth::Role;
use serde::Deserialize;

use crate::documents::view::{Document, Finding};

/// A host and the number of a scan.
pub type ScanKey = (String, u32);

/// Attacks by scan.
#[derive(Default)]
pub struct Attacks {
    /// Scanner and id of the visible findings of chains.
    chains: HashMap<ScanKey, HashSet<(String, String)>>,
    /// Hosts that the truth is about.
    simulated: HashSet<String>,
    /// Hosts that a chain reached in some scan.
    attacked: HashSet<String>,
    /// What the findings of a chain are about that a correlation names.
    subjects: HashMap<ScanKey, BTreeSet<String>>,
}

/// The part of a line of truth that is read; the gate before `transform` checks the whole.
#[derive(Deserialize)]
struct Line {
    host: String,
    scan: Option<u32>,
    scanner: Option<String>,
    id: Option<String>,
    role: Option<Role>,
    #[serde(default)]
    visible: bool,
}

/// What a scan is, by the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It shows findings of an attack.
    Attacked,
    /// No attack ever reached its host.
    NeverAttacked,
    /// It is of a real host, or of one that is attacked in another scan or unseen.
    Neither,
}

impl Attacks {
    /// Reads the truth.
    pub fn open(path: &Path) -> Result<Attacks, StageError> {
        let mut attacks = Attacks::default();
        let mut lines = BufReader::with_capacity(1 << 18, File::open(path).at(path)?);
        let mut text = String::new();
        for number in 1.. {
            text.clear();
            if lines.read_line(&mut text).at(path)? == 0 {
                break;
            }
            let line: Line = serde_json::from_str(&text).map_err(|error| {
                StageError::invalid_input(format!("{}:{number}: {error}", path.display()))
                    .help("the file must be as the stage `produce` writes it")
            })?;
            attacks.add(line);
        }
        Ok(attacks)
    }

    fn add(&mut self, line: Line) {
        if line.role == Some(Role::Chain) {
            self.attacked.insert(line.host.clone());
            if let Some((scan, finding)) = line.scan.zip(line.scanner.zip(line.id)).filter(|_| line.visible) {
                self.chains.entry((line.host.clone(), scan)).or_default().insert(finding);
            }
        }
        if !self.simulated.contains(&line.host) {
            self.simulated.insert(line.host);
        }
    }

    /// What the attack on a document's scan is about, of the findings that a correlation names; `raw` holds the ids as the scanner
    /// wrote them.
    pub fn subjects_in(&self, key: &ScanKey, document: &Document<'_>, raw: &[&str]) -> Option<BTreeSet<String>> {
        let chain = self.chains.get(key)?;
        let joined: HashSet<&str> =
            document.correlations.iter().flat_map(|c| &c.related_finding_ids).map(|id| &**id).collect();
        let of_chain = |(finding, raw): &(&Finding<'_>, &&str)| {
            joined.contains(&*finding.id) && chain.contains(&(finding.scanner.to_string(), (**raw).to_owned()))
        };
        let members: Vec<_> = document.enriched_findings.iter().zip(raw).filter(of_chain).collect();
        let subjects = members.iter().flat_map(|(finding, raw)| subjects(finding, raw)).collect();
        (!members.is_empty()).then_some(subjects)
    }

    /// Notes what the attack on a scan is about.
    pub fn note(&mut self, key: ScanKey, subjects: BTreeSet<String>) {
        self.subjects.insert(key, subjects);
    }

    /// What the attack on a scan is about; none where no correlation names a finding of it.
    pub fn subjects(&self, key: &ScanKey) -> Option<&BTreeSet<String>> {
        self.subjects.get(key)
    }

    /// What a scan is.
    pub fn standing(&self, key: &ScanKey) -> Standing {
        match self.chains.contains_key(key) {
            true => Standing::Attacked,
            false if self.simulated.contains(&key.0) && !self.attacked.contains(&key.0) => Standing::NeverAttacked,
            false => Standing::Neither,
        }
    }
}

/// The texts by which a finding can be named: programs, paths, modules, units, parameters.
fn subjects(finding: &Finding<'_>, raw: &str) -> Vec<String> {
    let get = |key: &str| finding.metadata.get(key);
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let texts: Vec<String> = match &*finding.scanner {
        "network" => get("exe").into_iter().map(str::to_owned).collect(),
        "processes" => get("exe_path").into_iter().chain([&*finding.description]).map(str::to_owned).collect(),
        "ioc" => {
            let program = raw.rsplit_once(':').map_or(raw, |(program, _)| program);
            [program].into_iter().chain(get("command")).map(str::to_owned).collect()
        }
        "systemd_units" => get("unit").into_iter().map(str::to_owned).collect(),
        "kernel_params" => vec![last(raw)],
        "kernel_hardening" => vec![last(get("path").unwrap_or(raw))],
        _ => vec![raw.to_owned()],
    };
    let texts = texts.into_iter().map(|text| text.trim_end_matches(" (deleted)").to_owned());
    texts.filter(|text| text.len() > 1).collect()
}
