//! The one pass over the scans: every scan becomes a document on disk and offers its examples to the spool.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use contract::stage::At;
use contract::{Context, StageError};
use findings::{Batches, ScanLines};

use crate::redaction::Redaction;
use crate::selection::split::Ties;
use crate::selection::spool::{Cache, Offers, Spool};
use crate::stage::TransformParams;
use crate::tasks::example::Example;
use crate::view::View;

/// The results of all scans, besides their documents.
pub struct Pass {
    /// Their examples.
    pub spool: Spool,
    /// Their hosts, sorted.
    pub hosts: Vec<String>,
    /// How the dataset calls each: by its name or by a pseudonym.
    pub names: Vec<String>,
    /// Which hosts are in one chain.
    pub ties: Ties,
    /// Counts of the input.
    pub figures: PassFigures,
}

/// Counts of the input.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassFigures {
    /// Scans.
    pub scans: u64,
    /// Their findings.
    pub findings: u64,
    /// Findings without an example.
    pub undetermined: u64,
    /// Real hosts.
    pub real_hosts: u64,
    /// Values that got pseudonyms, a scan at a time.
    pub pseudonyms: u64,
}

/// The results of one scan, besides its document.
struct Done {
    /// How the host is called.
    name: String,
    real: bool,
    pseudonyms: u64,
    offers: Offers,
    offered: u64,
    ties: Ties,
    findings: u64,
    undetermined: u64,
}

impl Pass {
    /// Reads all scans and writes their documents into `documents`.
    pub fn over(params: &TransformParams, documents: &Path, context: &Context) -> Result<Pass, StageError> {
        let redaction = params.redact.then(|| Redaction::of(context)).transpose()?;
        let mut batches = Batches::open(context.input("findings")?, context.input("correlations")?)?;
        let mut pass = Pass {
            spool: Spool::create(context.scratch())?,
            hosts: Vec::new(),
            names: Vec::new(),
            ties: Ties::default(),
            figures: PassFigures::default(),
        };
        loop {
            let batch = batches.next_batch()?;
            if batch.is_empty() {
                return Ok(pass);
            }
            let known = pass.spool.cache();
            let place = Place { documents, scratch: context.scratch() };
            let done: Vec<Done> =
                context.map(&batch, |scan| transform(scan, place, params, redaction.as_ref(), known))?;
            for (scan, done) in batch.iter().zip(done) {
                pass.take(scan, done)?;
            }
            context.progress(pass.figures.scans, None, "scans");
        }
    }

    fn take(&mut self, scan: &ScanLines, done: Done) -> Result<(), StageError> {
        if self.hosts.last() != Some(&scan.host) {
            self.hosts.push(scan.host.clone());
            self.names.push(done.name);
            self.figures.real_hosts += u64::from(done.real);
        }
        self.spool.add(self.hosts.len() as u32 - 1, done.offers, done.offered)?;
        self.ties.extend(done.ties);
        self.figures.scans += 1;
        self.figures.findings += done.findings;
        self.figures.undetermined += done.undetermined;
        self.figures.pseudonyms += done.pseudonyms;
        Ok(())
    }
}

/// Where scans are written.
#[derive(Clone, Copy)]
struct Place<'p> {
    documents: &'p Path,
    scratch: &'p Path,
}

fn transform(
    scan: &ScanLines,
    Place { documents, scratch }: Place<'_>,
    TransformParams { seed, tasks, .. }: &TransformParams,
    redaction: Option<&Redaction>,
    known: &Cache,
) -> Result<Done, StageError> {
    let (mut findings, mut correlations) = scan.parse()?;
    let mut ties = Ties::default();
    ties.note(&correlations);
    let real = findings.first().is_some_and(|finding| finding.real);
    let (name, pseudonyms) = match redaction {
        Some(redaction) => {
            let (name, pseudonyms) = redaction.scan(&scan.host, &mut findings, &mut correlations);
            (name, pseudonyms.len() as u64)
        }
        None => (scan.host.clone(), 0),
    };
    let view = View::of(&findings, &correlations);
    let path = documents.join(&name).join(format!("{:04}.json", scan.scan));
    write_document(&path, |out| view.write_document(out))?;
    let mut offers = Offering {
        known,
        seed: *seed,
        scan: (&name, scan.scan),
        seen: HashSet::new(),
        offers: Offers::new(scratch.join(format!("{name}.{}.offers", scan.scan))),
        offered: 0,
    };
    let undetermined = view.each_example(tasks, |example| offers.add(&example))?;
    let Offering { offers, offered, .. } = offers;
    Ok(Done { name, real, pseudonyms, offers, offered, ties, findings: findings.len() as u64, undetermined })
}

fn write_document(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), StageError> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).at(directory)?;
    }
    let mut out = BufWriter::with_capacity(1 << 16, File::create(path).at(path)?);
    write(&mut out).and_then(|()| out.flush()).at(path)
}

/// The examples of one scan on their way to the spool.
struct Offering<'a> {
    known: &'a Cache,
    seed: u64,
    /// Host and number.
    scan: (&'a str, u32),
    /// Those that the scan offered before: thousands of findings may read alike.
    seen: HashSet<u128>,
    offers: Offers,
    offered: u64,
}

impl Offering<'_> {
    fn add(&mut self, example: &Example) -> Result<(), StageError> {
        self.offered += 1;
        let offer = self.known.offer(self.seed, self.scan, example);
        match offer.filter(|offer| self.seen.insert(offer.identity())) {
            Some(offer) => self.offers.push(offer),
            None => Ok(()),
        }
    }
}
