//! Params, card and the pass: every scan becomes a document and examples, then the examples become splits.

use std::path::Path;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use correlate::{Batches, ScanLines};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::balance::Balance;
use crate::dataset::{Writer, spread};
use crate::example::{Example, Task};
use crate::manifest::{Manifest, VerificationStatus};
use crate::merge::merge;
use crate::split::{self, Fractions, Split, Ties};
use crate::spool::{Cache, Offer, Spool};
use crate::visible::{Surroundings, Visible};
use crate::{advice, briefing, correlation, document, refine, triage};

/// Params of `transform`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransformParams {
    /// Fixes which hosts are in which split, and the order of examples.
    pub seed: u64,
    /// What the examples teach.
    pub tasks: Vec<Task>,
    /// Shares of the hosts for validation and test.
    pub fractions: Fractions,
    /// What one split may hold.
    pub balance: Balance,
    /// Examples of the calibration set, drawn from the training split.
    pub calibration: u32,
}

impl Default for TransformParams {
    fn default() -> TransformParams {
        TransformParams {
            seed: 0,
            tasks: Task::ALL.to_vec(),
            fractions: Fractions::default(),
            balance: Balance::default(),
            calibration: 128,
        }
    }
}

/// The stage.
pub struct Transform;

impl Stage for Transform {
    type Params = TransformParams;

    fn card() -> Card {
        Card::new("transform", 3)
            .worker("pipe-data")
            .summary("Writes ground-truth documents and chat-form training sets")
            .input("findings", Type::Findings, "Enriched findings")
            .input("correlations", Type::Correlations, "Their correlations")
            .input("verification", Type::Metrics, "The report of `verify`; its status goes into the manifest")
            .output("documents", Type::Documents, "One document a host and scan")
            .output("dataset", Type::Dataset, "Splits, calibration set and manifest")
            .resources(4, 512 << 20)
    }

    fn run(params: TransformParams, context: &Context) -> Result<(), StageError> {
        if params.tasks.is_empty() {
            return Err(StageError::invalid_input("param `tasks` names no task, so there is nothing to write")
                .help("leave it out for all tasks"));
        }
        let verification = status(context.input("verification")?)?;
        if verification == VerificationStatus::Failed {
            context.warn("the verification failed; the manifest says so");
        }
        let documents = context.output_dir("documents")?;
        let dataset = context.output_dir("dataset")?;
        let mut batches = Batches::open(context.input("findings")?, context.input("correlations")?)?;
        let mut spool = Spool::create(context.scratch())?;
        let mut hosts: Vec<String> = Vec::new();
        let mut ties = Ties::default();
        let (mut scans, mut findings, mut undetermined) = (0, 0, 0);
        loop {
            let batch = batches.next_batch()?;
            if batch.is_empty() {
                break;
            }
            let known = spool.cache();
            let done: Vec<Done> = context.map(&batch, |scan| transform(scan, documents, &params, known))?;
            for (scan, done) in batch.iter().zip(done) {
                if hosts.last() != Some(&scan.host) {
                    hosts.push(scan.host.clone());
                }
                spool.add(hosts.len() as u32 - 1, done.offers, done.offered)?;
                ties.extend(done.ties);
                findings += done.findings;
                undetermined += done.undetermined;
            }
            scans += batch.len() as u64;
            context.progress(scans, None, "scans");
        }
        let offered = spool.offered;
        let (lines, partitions) = spool.finish()?;
        let (of_hosts, tie_figures) = split::assign(params.seed, &hosts, &ties, params.fractions);
        let merged = merge(&partitions, &of_hosts, params.balance, context)?;
        if merged.conflicting > 0 {
            return Err(StageError::invalid_input(merged.describe(&lines)?)
                .help("the prompt hides something that the answer depends on; show it or leave the finding out"));
        }
        let distinct = merged.distinct;
        let selections = merged.reservoirs.select();
        let writer = Writer { directory: dataset, lines: &lines, context };
        let splits = writer.splits(&selections, &hosts, &of_hosts)?;
        let train = selections.get(&Split::Train).map_or(&[][..], |selection| &selection.kept);
        let calibration = writer.file("calibration", &spread(train, params.calibration as usize))?;
        for split in Split::ALL {
            let count = splits[split.name()].lines.examples;
            context.metric(&format!("{}_examples", split.name()), count as f64);
            if count == 0 {
                context.warn(format!("split `{}` is empty: {} hosts are too few", split.name(), hosts.len()));
            }
        }
        context.metric("documents", scans as f64);
        context.metric("distinct_prompts", distinct as f64);
        let manifest = Manifest {
            version: 2,
            seed: params.seed,
            verification,
            fractions: params.fractions,
            ties: tie_figures,
            balance: params.balance,
            offered,
            distinct,
            undetermined,
            findings,
            scans,
            splits,
            calibration,
        };
        let path = dataset.join("manifest.json");
        let text = serde_json::to_string_pretty(&manifest).expect("plain data") + "\n";
        std::fs::write(&path, text).at(&path)
    }
}

/// What came of one scan, besides its document.
struct Done {
    offers: Vec<Offer>,
    offered: u64,
    ties: Ties,
    findings: u64,
    undetermined: u64,
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
        findings.iter().zip(&visible).filter_map(|(finding, visible)| Example::of_finding(finding, visible)).collect();
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

fn status(path: &Path) -> Result<VerificationStatus, StageError> {
    #[derive(Deserialize)]
    struct Report {
        overall_status: VerificationStatus,
    }
    let bytes = std::fs::read(path).at(path)?;
    let report: Report = serde_json::from_slice(&bytes).map_err(|e| {
        StageError::invalid_input(format!("{}: {e}", path.display()))
            .help("wire `verification` to the output of that name of a stage `verify`")
    })?;
    Ok(report.overall_status)
}
