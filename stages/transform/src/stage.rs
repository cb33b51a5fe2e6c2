//! Params, card and the pass: every scan becomes a document and examples, then the examples become splits.

use std::collections::BTreeSet;
use std::path::Path;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use correlate::{Batches, ScanLines};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dataset::{self, Manifest, VerificationStatus};
use crate::document;
use crate::example::Example;
use crate::pool::{Balance, Pool};
use crate::split::{self, Fractions, Split};
use crate::triage;
use crate::visible::{Surroundings, Visible};

/// Params of `transform`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransformParams {
    /// Fixes which hosts are in which split, and the order of examples.
    pub seed: u64,
    /// Shares of the hosts for validation and test.
    pub fractions: Fractions,
    /// What one split may hold.
    pub balance: Balance,
    /// Examples of the calibration set, drawn from the training split.
    pub calibration: u32,
}

impl Default for TransformParams {
    fn default() -> TransformParams {
        TransformParams { seed: 0, fractions: Fractions::default(), balance: Balance::default(), calibration: 128 }
    }
}

/// The stage.
pub struct Transform;

impl Stage for Transform {
    type Params = TransformParams;

    fn card() -> Card {
        Card::new("transform", 1)
            .worker("pipe-data")
            .summary("Writes ground-truth documents and chat-form training sets")
            .input("findings", Type::Findings, "Enriched findings")
            .input("correlations", Type::Correlations, "Their correlations")
            .input("verification", Type::Metrics, "The report of `verify`; its status goes into the manifest")
            .output("documents", Type::Documents, "One document a host and scan")
            .output("dataset", Type::Dataset, "Splits, calibration set and manifest")
            .resources(1, 512 << 20)
    }

    fn run(params: TransformParams, context: &Context) -> Result<(), StageError> {
        let verification = status(context.input("verification")?)?;
        if verification == VerificationStatus::Failed {
            context.warn("the verification failed; the manifest says so");
        }
        let documents = context.output_dir("documents")?;
        let dataset = context.output_dir("dataset")?;
        let threads = ThreadPoolBuilder::new()
            .num_threads(context.threads())
            .build()
            .map_err(|e| StageError::resources(format!("cannot start threads: {e}")))?;
        let mut batches = Batches::open(context.input("findings")?, context.input("correlations")?)?;
        let mut pool = Pool::new(params.seed);
        let mut hosts = BTreeSet::new();
        let (mut scans, mut findings, mut undetermined) = (0, 0, 0);
        loop {
            context.check_cancelled()?;
            let batch = batches.next_batch()?;
            if batch.is_empty() {
                break;
            }
            let done: Vec<Done> = threads
                .install(|| batch.par_iter().map(|scan| transform(scan, documents)).collect::<Result<_, _>>())?;
            for (scan, done) in batch.iter().zip(done) {
                for example in done.examples {
                    pool.offer(&scan.host, example);
                }
                findings += done.findings;
                undetermined += done.undetermined;
                hosts.insert(scan.host.clone());
            }
            scans += batch.len() as u64;
            context.progress(scans, None, "scans");
        }
        refuse_conflicts(&pool)?;
        let (offered, distinct) = (pool.offered, pool.len() as u64);
        let hosts = split::assign(params.seed, hosts, params.fractions);
        let splits = pool.select(&hosts, params.balance);
        let (manifests, calibration) = dataset::write(dataset, &splits, &hosts, params.calibration as usize)?;
        for split in Split::ALL {
            let count = manifests[split.name()].lines.examples;
            context.metric(&format!("{}_examples", split.name()), count as f64);
            if count == 0 {
                context.warn(format!("split `{}` is empty: {} hosts are too few", split.name(), hosts.len()));
            }
        }
        context.metric("documents", scans as f64);
        context.metric("distinct_prompts", distinct as f64);
        let manifest = Manifest {
            version: 1,
            seed: params.seed,
            verification,
            fractions: params.fractions,
            balance: params.balance,
            offered,
            distinct,
            undetermined,
            findings,
            scans,
            splits: manifests,
            calibration,
        };
        let path = dataset.join("manifest.json");
        let text = serde_json::to_string_pretty(&manifest).expect("plain data") + "\n";
        std::fs::write(&path, text).at(&path)
    }
}

/// What came of one scan, besides its document.
struct Done {
    examples: Vec<Example>,
    findings: u64,
    undetermined: u64,
}

fn transform(scan: &ScanLines, documents: &Path) -> Result<Done, StageError> {
    let (findings, correlations) = scan.parse()?;
    let surroundings = Surroundings::of(&findings, &correlations);
    let visible: Vec<Visible> = findings.iter().map(|finding| Visible::of(finding, &surroundings)).collect();
    let document = document::of(&findings, &correlations, &visible);
    let directory = documents.join(&scan.host);
    std::fs::create_dir_all(&directory).at(&directory)?;
    let path = directory.join(format!("{:04}.json", scan.scan));
    std::fs::write(&path, serde_json::to_vec(&document).expect("plain data")).at(&path)?;
    let mut examples: Vec<Example> =
        findings.iter().zip(&visible).filter_map(|(finding, visible)| Example::of_finding(finding, visible)).collect();
    let undetermined = (findings.len() - examples.len()) as u64;
    examples.push(triage::example(&document, &findings, &correlations, &visible));
    Ok(Done { examples, findings: findings.len() as u64, undetermined })
}

fn refuse_conflicts(pool: &Pool) -> Result<(), StageError> {
    if pool.conflict_count == 0 {
        return Ok(());
    }
    let mut message = format!("{} prompts have two different answers", pool.conflict_count);
    for conflict in &pool.conflicts {
        let [(first, host), (second, other)] = &conflict.answers;
        message.push_str(&format!("\n  {:?}\n    {host}: {first}\n    {other}: {second}", conflict.prompt));
    }
    Err(StageError::invalid_input(message)
        .help("the prompt hides something that the answer depends on; show it or leave the finding out"))
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
