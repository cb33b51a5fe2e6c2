//! The one pass over the scans: every scan becomes a document on disk and offers its examples to the spool.

use std::path::Path;

use contract::stage::At;
use contract::{Context, StageError};
use findings::{Batches, ScanLines};

use crate::documents::document;
use crate::prompt::visible::{Surroundings, Visible};
use crate::selection::split::Ties;
use crate::selection::spool::{Cache, Offer, Spool};
use crate::stage::TransformParams;
use crate::tasks::example::Example;
use crate::tasks::task::Task;
use crate::tasks::{advice, briefing, correlation, finding, refine, triage};

/// The results of all scans, besides their documents.
pub struct Pass {
    /// Their examples.
    pub spool: Spool,
    /// Their hosts, sorted.
    pub hosts: Vec<String>,
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
}

/// The results of one scan, besides its document.
struct Done {
    offers: Vec<Offer>,
    offered: u64,
    ties: Ties,
    findings: u64,
    undetermined: u64,
}

impl Pass {
    /// Reads all scans and writes their documents into `documents`.
    pub fn over(params: &TransformParams, documents: &Path, context: &Context) -> Result<Pass, StageError> {
        let mut batches = Batches::open(context.input("findings")?, context.input("correlations")?)?;
        let mut pass = Pass {
            spool: Spool::create(context.scratch())?,
            hosts: Vec::new(),
            ties: Ties::default(),
            figures: PassFigures::default(),
        };
        loop {
            let batch = batches.next_batch()?;
            if batch.is_empty() {
                return Ok(pass);
            }
            let known = pass.spool.cache();
            let done: Vec<Done> = context.map(&batch, |scan| transform(scan, documents, params, known))?;
            for (scan, done) in batch.iter().zip(done) {
                pass.take(scan, done)?;
            }
            context.progress(pass.figures.scans, None, "scans");
        }
    }

    fn take(&mut self, scan: &ScanLines, done: Done) -> Result<(), StageError> {
        if self.hosts.last() != Some(&scan.host) {
            self.hosts.push(scan.host.clone());
        }
        self.spool.add(self.hosts.len() as u32 - 1, done.offers, done.offered)?;
        self.ties.extend(done.ties);
        self.figures.scans += 1;
        self.figures.findings += done.findings;
        self.figures.undetermined += done.undetermined;
        Ok(())
    }
}

fn transform(
    scan: &ScanLines,
    documents: &Path,
    TransformParams { seed, tasks, .. }: &TransformParams,
    known: &Cache,
) -> Result<Done, StageError> {
    let (findings, correlations) = scan.parse()?;
    let surroundings = Surroundings::of(&findings, &correlations);
    let visible: Vec<Visible> = findings.iter().map(|finding| Visible::of(finding, &surroundings)).collect();
    let document = document::of(&findings, &correlations, &visible);
    let directory = documents.join(&scan.host);
    std::fs::create_dir_all(&directory).at(&directory)?;
    let path = directory.join(format!("{:04}.json", scan.scan));
    std::fs::write(&path, serde_json::to_vec(&document).expect("plain data")).at(&path)?;
    let wanted = |task: Task| tasks.contains(&task);
    let of_findings: Vec<Example> =
        findings.iter().zip(&visible).filter_map(|(finding, visible)| finding::example(finding, visible)).collect();
    let undetermined = (findings.len() - of_findings.len()) as u64;
    let mut examples = if wanted(Task::Finding) { of_findings } else { Vec::new() };
    if wanted(Task::Correlation) {
        examples.extend(correlation::examples(&findings, &correlations, &visible));
    }
    if wanted(Task::Actions) {
        examples.extend(advice::example(&findings, &correlations, &visible, &document.actions));
    }
    if wanted(Task::Summary) {
        examples.extend(briefing::example(&document, &findings, &correlations, &visible));
    }
    if wanted(Task::Triage) {
        examples.push(triage::example(&document, &findings, &correlations, &visible));
    }
    if wanted(Task::Refine) {
        examples.extend(refine::example(&findings, &correlations, &visible));
    }
    let mut ties = Ties::default();
    ties.note(&correlations);
    let offers = examples.iter().filter_map(|example| known.offer(*seed, &scan.host, example)).collect();
    Ok(Done { offers, offered: examples.len() as u64, ties, findings: findings.len() as u64, undetermined })
}
