//! The checks of single lines. Of each prompt they keep its digest (about 60 bytes), and of a prompt of training its signature too
//! (about 150 more).

use std::collections::{BTreeSet, HashMap};

use crate::check::{Outcome, guard};
use crate::documents::Shared;
use crate::labels::answers::Answers;
use crate::labels::attacks::Attacks;
use crate::labels::ratings::Ratings;
use crate::labels::summaries::Summaries;

use super::file::FilePass;
use super::line::Line;
use super::manifest::Manifest;
use super::near::NearDuplicates;
use super::pass::TRAIN;

/// How much of a prompt a violation repeats.
const QUOTED: usize = 200;

/// The checks on their way.
#[derive(Default)]
pub(super) struct Checks<'t> {
    /// What the truth says of scans, where it is wired.
    attacks: Option<&'t Attacks>,
    /// How documents rate findings, where they are wired.
    ratings: Option<&'t Ratings>,
    /// The split of each host, by the manifest.
    hosts: HashMap<String, String>,
    seen: HashMap<u128, Seen>,
    /// Splits by number, as [`Seen`] names them.
    splits: Vec<String>,
    /// Prompts with two answers.
    pub conflicts: Outcome,
    /// Files that are not as the manifest says.
    pub integrity: Outcome,
    /// Splits that share something.
    pub leaks: Outcome,
    /// Prompts that are alike.
    pub near: NearDuplicates,
    /// What answers say of findings.
    pub answers: Answers,
    /// Ratings of findings that documents have and answers do not.
    pub rated: Outcome,
    /// What summaries say of scans.
    pub summaries: Summaries,
    /// Lines on which that comparison crashed.
    pub near_crashed: Outcome,
}

/// A prompt that was seen.
struct Seen {
    answer: u64,
    split: u8,
    line: u32,
}

impl<'t> Checks<'t> {
    /// Nothing seen yet.
    pub(super) fn of(manifest: &Manifest, ratings: Option<&'t Ratings>, attacks: Option<&'t Attacks>) -> Checks<'t> {
        Checks { attacks, ratings, hosts: manifest.hosts(), ..Checks::default() }
    }

    /// Looks at a line. A check that crashes on it has failed, and the others look at it all the same.
    pub(super) fn line(&mut self, file: &FilePass<'_>, number: u32, line: &Line<'_>, place: impl Fn() -> String) {
        self.conflicts.items += 1;
        let Some(answer) = line.answer() else {
            self.conflicts.tell(place(), "/messages", "the last message is not the assistant's answer");
            return;
        };
        let split = self.split(file.split);
        let first = guard("", || {
            let answer = hash(answer);
            let seen = self.seen.entry(key(line)).or_insert(Seen { answer, split, line: number });
            (seen.split, seen.line, seen.answer == answer)
        });
        let first = first.map_err(|crash| self.conflicts.absorb(crash, &place)).ok();
        if let Some((split, number, false)) = first {
            let first = format!("{}:{number}", self.splits[usize::from(split)]);
            self.conflicts.tell(place(), "", format!("{:?} has another answer than in {first}", quoted(line)));
        }
        if let Err(crash) =
            guard("", || self.leaks(file, line, first.map(|(split, number, _)| (split, number)), &place))
        {
            self.leaks.absorb(crash, &place);
        }
        // What is drawn from a split is as near to another one as that split is.
        if !file.own {
            return;
        }
        if let Err(crash) = guard("", || self.labels(line, answer, &place)) {
            self.answers.techniques.absorb(crash, &place);
        }
        let near = guard("", || match file.split {
            TRAIN => self.near.learn(&line.task, &line.question()),
            _ => self.near.compare(&line.task, &line.host, &line.question()),
        });
        if let Err(crash) = near {
            self.near_crashed.absorb(crash, &place);
        }
    }

    /// The prompt is in no split before, and the host belongs to this one. `first` is where the prompt was first.
    fn leaks(&mut self, file: &FilePass<'_>, line: &Line<'_>, first: Option<(u8, u32)>, place: &impl Fn() -> String) {
        self.leaks.items += 1;
        if let Some((split, number)) = first.filter(|(split, _)| self.splits[usize::from(*split)] != file.split) {
            let first = format!("{}:{number}", self.splits[usize::from(split)]);
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
    }

    /// What the answer says fits what the prompt shows.
    fn labels(&mut self, line: &Line<'_>, answer: &str, place: &dyn Fn() -> String) {
        let question = line.question();
        self.answers.read(&line.task, &question, answer, place);
        if let Some((ratings, scan)) = self.ratings.zip(line.scan).filter(|_| &*line.task == "finding") {
            ratings.check(&(line.host.to_string(), scan), answer, place, &mut self.rated);
        }
        if let Some((attacks, scan)) = self.attacks.zip(line.scan).filter(|_| &*line.task == "summary") {
            self.summaries.read(&(line.host.to_string(), scan), attacks, &question, answer);
        }
    }

    fn split(&mut self, name: &str) -> u8 {
        let place = self.splits.iter().position(|split| split == name).unwrap_or_else(|| {
            self.splits.push(name.to_owned());
            self.splits.len() - 1
        });
        place as u8
    }

    /// No host in two splits, and none tied to one of another split. What a training set says of itself may be stricter than
    /// `tied_hosts`, and not more lenient.
    pub(super) fn hosts_apart(&mut self, manifest: &Manifest, shared: Option<&Shared>, tied_hosts: usize) {
        self.leaks.items += 1;
        let limit = manifest.ties.limit.max(tied_hosts);
        if manifest.ties.limit < limit {
            let message =
                format!("{}, but {limit} hosts that share a correlation must be together", manifest.ties.limit);
            self.leaks.tell("manifest.json", "/ties/limit", message);
        }
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
        for (id, hosts) in shared.into_iter().flatten().filter(|(_, hosts)| hosts.len() <= limit) {
            self.leaks.items += 1;
            if let Some(tie) = self.tie_of_splits(hosts) {
                self.leaks.tell("documents", "", format!("correlation `{id}` ties {tie}"));
            }
        }
    }

    /// No attack chain reached hosts of two splits, whether their scans show that or not, and however many they are.
    pub(super) fn chains_whole<'c>(&mut self, chains: impl Iterator<Item = (&'c String, &'c BTreeSet<String>)>) {
        for (id, hosts) in chains {
            let held = hosts.iter().filter(|host| self.hosts.contains_key(*host)).count();
            self.leaks.items += u64::from(held > 1);
            if let Some(tie) = self.tie_of_splits(hosts) {
                self.leaks.tell("truth", "", format!("attack chain `{id}` ties {tie}"));
            }
        }
    }

    /// Two of the hosts that are in two splits, in words.
    fn tie_of_splits(&self, hosts: &BTreeSet<String>) -> Option<String> {
        let mut splits: Vec<(&String, &String)> =
            hosts.iter().filter_map(|host| Some((self.hosts.get(host)?, host))).collect();
        splits.sort_unstable();
        splits.dedup_by_key(|(split, _)| *split);
        let [(first, a), (second, b), ..] = splits[..] else { return None };
        Some(format!("`{a}` of `{first}` to `{b}` of `{second}`"))
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
