//! Params, card and run: the scans become documents and examples, the examples splits.

use contract::{Card, Context, Stage, StageError, Type};
use scan::chains;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pass::Pass;
use crate::selection::balance::Balance;
use crate::selection::merge::merge;
use crate::selection::split::{self, Fractions, Split};
use crate::tasks::task::Task;
use crate::writing::dataset::{Writer, spread};
use crate::writing::license::{self, License};
use crate::writing::manifest::{Manifest, RedactionFigures, VerificationStatus};
use crate::writing::measure::measure;
use dataset::token_counter::TokenCounter;

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
    /// Of the examples, as the Hugging Face Hub names it (`apache-2.0`); for the data card. It is that of the reports that went in.
    pub license: String,
    /// Whether to write the examples as Parquet too, a file for each task and split.
    pub parquet: bool,
    /// Whether to put pseudonyms in place of user names, host names and addresses of real hosts, whose reports `ingest` took in.
    pub redact: bool,
}

impl Default for TransformParams {
    fn default() -> TransformParams {
        TransformParams {
            seed: 0,
            tasks: Task::ALL.to_vec(),
            fractions: Fractions::default(),
            balance: Balance::default(),
            calibration: 128,
            license: license::UNKNOWN.to_owned(),
            parquet: false,
            redact: true,
        }
    }
}

/// The stage.
pub struct Transform;

impl Stage for Transform {
    type Params = TransformParams;

    fn card() -> Card {
        Card::new("transform", 19)
            .worker("pipe-data")
            .summary("Writes ground-truth documents and chat-form training sets")
            .input("findings", Type::FINDINGS, "Enriched findings")
            .input("correlations", Type::CORRELATIONS, "Their correlations")
            .input("verification", Type::METRICS, "The report of `verify`; its status goes into the manifest")
            .optional_input(
                "tokenizer",
                Type::FILE,
                "A `tokenizer.json` with which a sample of the examples is measured",
            )
            .optional_input(
                "truth",
                Type::TRUTH,
                "The hidden truth of simulated hosts, of which only chains are read: hosts of one chain stay in one split",
            )
            .output("documents", Type::DOCUMENTS, "One document a host and scan")
            .output("dataset", Type::DATASET, "Splits, calibration set, manifest and data card")
            .resources(4, 1280 << 20)
    }

    fn run(params: TransformParams, context: &Context) -> Result<(), StageError> {
        if params.tasks.is_empty() {
            return Err(StageError::invalid_input("param `tasks` names no task, so there is nothing to write")
                .help("leave it out for all tasks"));
        }
        let license = License::of_param(&params.license)?;
        let verification = VerificationStatus::read(context.input("verification")?)?;
        if verification == VerificationStatus::Failed {
            context.warn("the verification failed; the manifest says so");
        }
        let counter = context.optional_input("tokenizer").map(TokenCounter::read).transpose()?;
        let chains = context.optional_input("truth").map(chains::of_several_hosts).transpose()?;
        let Pass { spool, hosts, names, mut ties, figures } =
            Pass::over(&params, context.output_dir("documents")?, context)?;
        let offered = spool.offered;
        let (lines, partitions) = spool.finish()?;
        ties.chains = chains.into_iter().flatten().map(|(_, hosts)| hosts.into_iter().collect()).collect();
        let (of_hosts, ties) = split::assign(params.seed, &hosts, &ties, params.fractions);
        let merged = merge(&partitions, &of_hosts, params.balance, context)?;
        merged.tell_conflicts(&lines, context)?;
        let (distinct, contradictory) = (merged.distinct, merged.conflicting);
        let selections = merged.reservoirs.select();
        let writer = Writer { directory: context.output_dir("dataset")?, lines: &lines, context };
        let splits = writer.splits(&selections, &names, &of_hosts)?;
        let train = selections.get(&Split::Train).map_or(&[][..], |selection| &selection.kept);
        let calibration = spread(train, params.calibration as usize);
        let parquet = params.parquet.then(|| writer.parquet(&selections, &calibration)).transpose()?;
        let tokens = counter.map(|counter| measure(&counter, &selections, &lines, context)).transpose()?;
        let manifest = Manifest {
            version: 3,
            seed: params.seed,
            license,
            verification,
            fractions: params.fractions,
            ties,
            balance: params.balance,
            offered,
            distinct,
            undetermined: figures.undetermined,
            contradictory,
            findings: figures.findings,
            scans: figures.scans,
            redaction: (figures.real_hosts > 0).then_some(RedactionFigures {
                real_hosts: figures.real_hosts,
                redacted: params.redact,
                pseudonyms: figures.pseudonyms,
            }),
            splits,
            calibration: writer.file("calibration", &calibration)?,
            parquet,
            tokens,
        };
        report(&manifest, hosts.len(), context);
        writer.describe(&manifest)
    }
}

/// Says what is worth knowing without opening the manifest.
fn report(manifest: &Manifest, hosts: usize, context: &Context) {
    for (name, split) in &manifest.splits {
        context.metric(&format!("{name}_examples"), split.lines.examples as f64);
        let wanted = match *name {
            "validation" => manifest.fractions.validation > 0.0,
            "test" => manifest.fractions.test > 0.0,
            _ => true,
        };
        match (wanted && split.lines.examples == 0, split.hosts.len()) {
            (false, _) => {}
            (true, 0) => {
                context.warn(format!("split `{name}` is empty: {hosts} hosts are too few, or tied too widely"))
            }
            (true, of_split) => context.warn(format!("split `{name}` is empty: its {of_split} hosts gave no example")),
        }
    }
    context.metric("documents", manifest.scans as f64);
    context.metric("distinct_prompts", manifest.distinct as f64);
    context.metric("contradictory_prompts", manifest.contradictory as f64);
}
