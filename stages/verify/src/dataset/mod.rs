//! The gate after `transform`: training sets against themselves. Lines are read one after another and not kept; of a prompt its
//! digest stays (about 60 bytes), and of a prompt of training its signature (about 150 more).

mod line;
mod near;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use contract::stage::At;
use contract::{Context, StageError};
use serde::Deserialize;

use crate::check::{CheckName, Outcome};
use crate::documents::Shared;
use crate::statistics::measure;
use crate::tally::Tally;
use line::Line;
use near::NearDuplicates;

/// The split that others are compared with.
const TRAIN: &str = "train";

/// How much of a prompt a violation repeats.
const QUOTED: usize = 200;

/// `manifest.json`, as far as the checks read it.
#[derive(Deserialize)]
struct Manifest {
    splits: BTreeMap<String, SplitPart>,
    calibration: FilePart,
    #[serde(default)]
    ties: Ties,
}

#[derive(Deserialize)]
struct SplitPart {
    lines: FilePart,
    hosts: Vec<String>,
}

#[derive(Deserialize)]
struct FilePart {
    file: String,
    examples: u64,
    blake3: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ties {
    /// Most hosts of a correlation that ties them.
    limit: usize,
}

/// Checks a training set; `shared` holds the correlations across hosts, where documents are wired too.
pub fn verify(
    directory: &Path,
    shared: Option<&Shared>,
    context: &Context,
    tally: &mut Tally,
) -> Result<u64, StageError> {
    let manifest = manifest(directory)?;
    let mut checks = Checks { hosts: hosts(&manifest), ..Checks::default() };
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
    checks.hosts_apart(&manifest, shared);
    tally.add(CheckName::LabelConflicts, checks.conflicts);
    tally.add(CheckName::Integrity, checks.integrity);
    tally.add(CheckName::SplitLeakage, checks.leaks);
    let near = checks.near;
    measure(tally, CheckName::NearDuplicates, || near.measure());
    Ok(examples)
}

fn manifest(directory: &Path) -> Result<Manifest, StageError> {
    let path = directory.join("manifest.json");
    serde_json::from_slice(&std::fs::read(&path).at(&path)?).map_err(|error| {
        StageError::invalid_input(format!("{}: {error}", path.display()))
            .help("the dataset must be as the stage `transform` writes it")
    })
}

/// The split of each host: the first that names it.
fn hosts(manifest: &Manifest) -> HashMap<String, String> {
    let mut hosts = HashMap::new();
    for (name, part) in &manifest.splits {
        for host in &part.hosts {
            hosts.entry(host.clone()).or_insert_with(|| name.clone());
        }
    }
    hosts
}

/// The checks on their way.
#[derive(Default)]
struct Checks {
    /// The split of each host, by the manifest.
    hosts: HashMap<String, String>,
    seen: HashMap<u128, Seen>,
    /// Splits by number, as [`Seen`] names them.
    splits: Vec<String>,
    conflicts: Outcome,
    integrity: Outcome,
    leaks: Outcome,
    near: NearDuplicates,
}

/// A prompt that was seen.
struct Seen {
    answer: u64,
    split: u8,
    line: u32,
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
            checks.line(self, number, &line, &place);
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

impl Checks {
    fn line(&mut self, file: &FilePass<'_>, number: u32, line: &Line<'_>, place: &dyn Fn() -> String) {
        self.conflicts.items += 1;
        let Some(answer) = line.answer() else {
            self.conflicts.tell(place(), "/messages", "the last message is not the assistant's answer");
            return;
        };
        let split = self.split(file.split);
        let answer = hash(answer);
        let seen = self.seen.entry(key(line)).or_insert(Seen { answer, split, line: number });
        let (first_split, first_line) = (seen.split, seen.line);
        if seen.answer != answer {
            let first = format!("{}:{first_line}", self.splits[usize::from(first_split)]);
            self.conflicts.tell(place(), "", format!("{:?} has another answer than in {first}", quoted(line)));
        }
        if !file.own {
            return;
        }
        self.leaks.items += 1;
        if first_split != split {
            let first = format!("{}:{first_line}", self.splits[usize::from(first_split)]);
            self.leaks.tell(place(), "", format!("{:?} is in {first} too", quoted(line)));
        }
        match self.hosts.get(&*line.host) {
            Some(of) if *of == file.split => {}
            Some(of) => {
                let message = format!("host `{}` belongs to split `{of}`", &*line.host);
                self.leaks.tell(place(), "/host", message);
            }
            None => self.leaks.tell(place(), "/host", format!("host `{}` is not in the manifest", &*line.host)),
        }
        if file.split == TRAIN {
            self.near.learn(&line.task, &line.question());
        } else {
            self.near.compare(&line.task, &line.question());
        }
    }

    fn split(&mut self, name: &str) -> u8 {
        let place = self.splits.iter().position(|split| split == name).unwrap_or_else(|| {
            self.splits.push(name.to_owned());
            self.splits.len() - 1
        });
        place as u8
    }

    /// No host in two splits, and none tied to one of another split.
    fn hosts_apart(&mut self, manifest: &Manifest, shared: Option<&Shared>) {
        for (name, part) in &manifest.splits {
            for host in &part.hosts {
                self.leaks.items += 1;
                if let Some(other) = self.hosts.get(host).filter(|other| *other != name) {
                    self.leaks.tell(
                        "manifest.json",
                        format!("/splits/{name}/hosts"),
                        format!("`{host}` is in `{other}` too"),
                    );
                }
            }
        }
        for (id, hosts) in shared.into_iter().flatten().filter(|(_, hosts)| hosts.len() <= manifest.ties.limit) {
            self.leaks.items += 1;
            let mut splits: Vec<(&String, &String)> =
                hosts.iter().filter_map(|host| Some((self.hosts.get(host)?, host))).collect();
            splits.sort_unstable();
            splits.dedup_by_key(|(split, _)| *split);
            if let [(first, a), (second, b), ..] = splits[..] {
                let message = format!("correlation `{id}` ties `{a}` of `{first}` to `{b}` of `{second}`");
                self.leaks.tell("documents", "", message);
            }
        }
    }
}

/// The digest of a prompt, roles included.
fn key(line: &Line<'_>) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for message in line.prompt() {
        for text in [&*message.role, &*message.content] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }
    let (first, _) =
        hasher.finalize().as_bytes().split_first_chunk::<16>().map(|(a, b)| (*a, b.len())).unwrap_or_default();
    u128::from_le_bytes(first)
}

fn hash(text: &str) -> u64 {
    let digest = blake3::hash(text.as_bytes());
    let first = digest.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
    u64::from_le_bytes(first)
}

fn quoted(line: &Line<'_>) -> String {
    let text = line.question();
    if text.len() <= QUOTED {
        return text.into_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(QUOTED)])
}
