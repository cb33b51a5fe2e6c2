//! Examples on disk: their lines in one file, what decides about them in small records beside it, by prompt in partitions.
//!
//! Memory stays flat however many there are: [`Spool::add`] keeps a cache of fixed size, [`crate::selection::merge`] reads one partition
//! at a time, and [`Lines`] fetches only what a split takes.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use contract::stage::At;
use contract::{Digest, StageError};
use draws::mix;
use scan::Severity;

use crate::tasks::example::Example;
use crate::tasks::task::Task;

/// Files that the records are spread over, by the first bits of the prompt's hash.
const PARTITIONS: usize = 64;
/// Records that the cache can hold.
const CACHE: usize = 1 << 16;
/// Bytes of lines of one scan that are held before they go into a file.
const HELD: usize = 4 << 20;
/// Bytes of an encoded [`Entry`].
const SIZE: usize = 62;

/// The record by which an example is kept or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Hash of task and prompt.
    pub prompt: u128,
    /// Hash of the answer.
    pub answer: u64,
    /// Decides which host keeps it, and its place in the file.
    pub rank: u64,
    /// Hash of what [`Example::template`] says.
    pub template: u64,
    /// Where its line lies.
    pub offset: u64,
    /// The host, by its place among all.
    pub host: u32,
    /// Bytes of its line.
    pub line: u32,
    /// Bytes of its three messages.
    pub content: u32,
    /// Its task.
    pub task: Task,
    /// The class that is balanced.
    pub class: Severity,
}

/// An example of one host before the spool takes it.
pub struct Offer {
    entry: Entry,
    line: String,
}

impl Offer {
    /// Prompt and answer, of one host.
    pub(crate) fn identity(&self) -> u128 {
        self.entry.prompt ^ u128::from(self.entry.answer)
    }
}

/// The examples of one scan before the spool takes them; the lines of very many wait in a file.
pub struct Offers {
    entries: Vec<Entry>,
    held: Vec<u8>,
    path: PathBuf,
    file: Option<File>,
}

impl Offers {
    /// None yet; `path` is where lines wait when they become many.
    pub fn new(path: PathBuf) -> Offers {
        Offers { entries: Vec::new(), held: Vec::new(), path, file: None }
    }

    /// Adds one.
    pub fn push(&mut self, Offer { entry, line }: Offer) -> Result<(), StageError> {
        self.entries.push(entry);
        self.held.extend_from_slice(line.as_bytes());
        if self.held.len() < HELD {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::create_new(&self.path).at(&self.path)?),
        };
        file.write_all(&self.held).at(&self.path)?;
        self.held.clear();
        Ok(())
    }

    /// Gives each with its line, and removes what waited.
    fn drain(self, mut each: impl FnMut(Entry, &[u8]) -> Result<(), StageError>) -> Result<(), StageError> {
        let Offers { entries, held, path, file } = self;
        let waiting = file.is_some().then(|| File::open(&path).at(&path)).transpose()?;
        let waiting: Box<dyn Read> = match waiting {
            Some(file) => Box::new(BufReader::with_capacity(1 << 18, file)),
            None => Box::new(std::io::empty()),
        };
        let mut lines = waiting.chain(held.as_slice());
        let mut line = Vec::new();
        for entry in entries {
            line.resize(entry.line as usize, 0);
            lines.read_exact(&mut line).at(&path)?;
            each(entry, &line)?;
        }
        if file.is_some() {
            std::fs::remove_file(&path).at(&path)?;
        }
        Ok(())
    }
}

/// All examples so far.
pub struct Spool {
    directory: PathBuf,
    lines: BufWriter<File>,
    partitions: Vec<BufWriter<File>>,
    offset: u64,
    /// Examples that were offered.
    pub offered: u64,
    cache: Cache,
}

/// The last records by prompt, to keep repeated examples off the disk.
#[derive(Clone)]
pub struct Cache(Vec<Option<(u128, u64, u64)>>);

/// The lines of a finished spool.
pub struct Lines {
    file: File,
    path: PathBuf,
}

impl Spool {
    /// An empty spool in `directory`.
    pub fn create(directory: &Path) -> Result<Spool, StageError> {
        let open = |name: &str| {
            let path = directory.join(name);
            File::create(&path).at(&path).map(|file| BufWriter::with_capacity(1 << 14, file))
        };
        Ok(Spool {
            directory: directory.to_owned(),
            lines: open("examples")?,
            partitions: (0..PARTITIONS).map(|number| open(&partition(number))).collect::<Result<_, _>>()?,
            offset: 0,
            offered: 0,
            cache: Cache(vec![None; CACHE]),
        })
    }

    /// The examples that are known to be there.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Adds the examples that one scan of `host` gave; `offered` counts those too that [`Cache::offer`] held back.
    pub fn add(&mut self, host: u32, offers: Offers, offered: u64) -> Result<(), StageError> {
        self.offered += offered;
        offers.drain(|mut entry, line| {
            if self.cache.holds_better(&entry) {
                return Ok(());
            }
            self.cache.keep(&entry);
            (entry.host, entry.offset) = (host, self.offset);
            self.offset += line.len() as u64;
            self.lines.write_all(line).at(&self.directory)?;
            let number = entry.partition();
            self.partitions[number].write_all(&entry.encode()).at(&self.directory)
        })
    }

    /// Ends the writing: the lines, and where the partitions of records lie.
    pub fn finish(mut self) -> Result<(Lines, Vec<PathBuf>), StageError> {
        self.lines.flush().at(&self.directory)?;
        for file in &mut self.partitions {
            file.flush().at(&self.directory)?;
        }
        let path = self.directory.join("examples");
        let file = File::open(&path).at(&path)?;
        Ok((Lines { file, path }, (0..PARTITIONS).map(|number| self.directory.join(partition(number))).collect()))
    }
}

fn partition(number: usize) -> String {
    format!("records-{number:02}")
}

impl Cache {
    /// The offer of an example of a scan of `host`; none where a better one is known with the same prompt and answer.
    pub fn offer(&self, seed: u64, (host, scan): (&str, u32), example: &Example) -> Option<Offer> {
        let mut entry = Entry::of(seed, host, example);
        (!self.holds_better(&entry)).then(|| {
            let line = example.line(host, scan);
            entry.line = line.len() as u32;
            Offer { entry, line }
        })
    }

    /// Neither the winner nor a conflict can be lost by leaving such an entry out: one with the same answer and a lower rank
    /// is on disk.
    fn holds_better(&self, entry: &Entry) -> bool {
        let known = self.0[slot(entry)];
        known.is_some_and(|(prompt, answer, rank)| {
            (prompt, answer) == (entry.prompt, entry.answer) && rank <= entry.rank
        })
    }

    fn keep(&mut self, entry: &Entry) {
        self.0[slot(entry)] = Some((entry.prompt, entry.answer, entry.rank));
    }
}

fn slot(entry: &Entry) -> usize {
    entry.prompt as usize % CACHE
}

impl Entry {
    fn of(seed: u64, host: &str, example: &Example) -> Entry {
        let head = example.task.name().len() as u64;
        let prompt = low(&[&head.to_le_bytes(), example.task.name().as_bytes(), example.prompt.as_bytes()]);
        let host = low(&[&seed.to_le_bytes(), host.as_bytes()]) as u64;
        Entry {
            prompt,
            answer: low(&[example.answer.as_bytes()]) as u64,
            rank: mix(prompt as u64 ^ mix(host)),
            template: low(&[example.task.name().as_bytes(), b" ", example.template.as_bytes()]) as u64,
            offset: 0,
            host: 0,
            line: 0,
            content: example.bytes() as u32,
            task: example.task,
            class: example.class,
        }
    }

    fn partition(&self) -> usize {
        (self.prompt >> (128 - PARTITIONS.ilog2())) as usize
    }

    fn encode(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let mut rest = bytes.as_mut_slice();
        let mut put = |value: &[u8]| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(value.len());
            head.copy_from_slice(value);
            rest = tail;
        };
        put(&self.prompt.to_le_bytes());
        for number in [self.answer, self.rank, self.template, self.offset] {
            put(&number.to_le_bytes());
        }
        for number in [self.host, self.line, self.content] {
            put(&number.to_le_bytes());
        }
        put(&[self.task as u8, self.class as u8]);
        bytes
    }

    fn decode(bytes: &[u8; SIZE]) -> Option<Entry> {
        let long = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let short = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        Some(Entry {
            prompt: u128::from_le_bytes(*bytes.first_chunk()?),
            answer: long(16)?,
            rank: long(24)?,
            template: long(32)?,
            offset: long(40)?,
            host: short(48)?,
            line: short(52)?,
            content: short(56)?,
            task: Task::ALL.into_iter().find(|task| *task as u8 == bytes[60])?,
            class: Severity::ALL.into_iter().find(|class| *class as u8 == bytes[61])?,
        })
    }
}

/// The records of one partition, in the order they came.
pub fn read_partition(path: &Path) -> Result<Vec<Entry>, StageError> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).at(path)?;
    let (records, rest) = bytes.as_chunks::<SIZE>();
    let entries: Option<Vec<Entry>> = records.iter().map(Entry::decode).collect();
    entries
        .filter(|_| rest.is_empty())
        .ok_or_else(|| StageError::bug(format!("{}: a record is damaged", path.display())))
}

impl Lines {
    /// The line of one example, with its end.
    pub fn get(&self, entry: &Entry) -> Result<String, StageError> {
        let mut bytes = vec![0; entry.line as usize];
        self.file.read_exact_at(&mut bytes, entry.offset).at(&self.path)?;
        String::from_utf8(bytes).map_err(|e| StageError::bug(format!("{}: {e}", self.path.display())))
    }
}

/// The first 16 bytes of a hash over the parts, which must be told apart by what they hold.
pub fn low(parts: &[&[u8]]) -> u128 {
    let bytes = parts.concat();
    let digest = Digest::of(&bytes);
    let (first, _) = digest.as_bytes().split_first_chunk::<16>().expect("a digest has 32 bytes");
    u128::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_order_whether_they_waited_in_a_file_or_not() {
        let directory = tempfile::tempdir().unwrap();
        for count in [2, 9] {
            let path = directory.path().join("offers");
            let mut offers = Offers::new(path.clone());
            let line = |number: usize| format!("{number}{}\n", "x".repeat(HELD / 4));
            for number in 0..count {
                let example = Example {
                    task: Task::Finding,
                    findings: Vec::new(),
                    class: Severity::Low,
                    template: String::new(),
                    prompt: number.to_string(),
                    answer: String::new(),
                };
                let entry = Entry { line: line(number).len() as u32, ..Entry::of(1, "a", &example) };
                offers.push(Offer { entry, line: line(number) }).unwrap();
            }
            assert_eq!(path.exists(), count == 9);
            let mut number = 0;
            offers
                .drain(|_, bytes| {
                    assert!(bytes == line(number).as_bytes(), "line {number}");
                    number += 1;
                    Ok(())
                })
                .unwrap();
            assert!(number == count && !path.exists());
        }
    }
}
