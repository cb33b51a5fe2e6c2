//! The model card: `README.md` of a model in the form of the Hugging Face Hub. It says what the figures say, and where they came from.

use std::fmt::Write;
use std::path::Path;

use contract::StageError;
use contract::stage::At;
use serde::Deserialize;

use crate::comparisons::MEAN;
use crate::measure::Measure;
use crate::metrics::{Figure, Metrics, Verdict};
use crate::params::{EvaluateParams, Standing};

/// The license of data or models about which nobody has said any.
const UNKNOWN: &str = "unknown";

/// What the card says about the dataset: a part of its `manifest.json`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Data {
    /// Its license, as the Hub names it.
    #[serde(default)]
    pub license: Option<String>,
    /// Scans it was made of.
    #[serde(default)]
    pub scans: Option<u64>,
    /// Findings in them.
    #[serde(default)]
    pub findings: Option<u64>,
}

impl Data {
    /// That of the dataset in `directory`; nothing where it has no manifest, as one of somebody else.
    pub fn read(directory: &Path) -> Result<Data, StageError> {
        let path = directory.join("manifest.json");
        if !path.exists() {
            return Ok(Data::default());
        }
        let text = std::fs::read_to_string(&path).at(&path)?;
        serde_json::from_str(&text).map_err(|e| StageError::invalid_input(format!("{}: {e}", path.display())))
    }
}

/// The card.
pub fn of(metrics: &Metrics, data: &Data, params: &EvaluateParams) -> String {
    let of_data = data.license.as_deref().filter(|license| *license != UNKNOWN);
    let license = if params.license.is_empty() { of_data } else { Some(params.license.as_str()) };
    let mut text = front_matter(license);
    text.push_str(&introduction(license, data, metrics));
    text.push_str(&answers(metrics));
    text.push_str(&quantization(metrics));
    text.push_str(&limits(metrics));
    text
}

fn front_matter(license: Option<&str>) -> String {
    let license = license.map_or_else(|| "other\nlicense_name: unknown".to_owned(), str::to_owned);
    format!(
        "---\nlicense: {license}\nlanguage:\n- en\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- security\n\
         - gptq\n- 4-bit\n---\n"
    )
}

fn introduction(license: Option<&str>, data: &Data, metrics: &Metrics) -> String {
    let made = match (data.findings, data.scans) {
        (Some(findings), Some(scans)) => format!(", made of {findings} findings in {scans} scans"),
        _ => String::new(),
    };
    let licensed = match (license, &data.license) {
        (None, _) => "Nobody has said under which license model or data are.".to_owned(),
        (Some(model), Some(data)) => format!("License of the model: {model}; of the data: {data}."),
        (Some(model), None) => format!("License of the model: {model}; the data name none."),
    };
    let inputs: String = metrics.inputs.iter().map(|(port, digest)| format!("| `{port}` | `{digest}` |\n")).collect();
    format!(
        "\n# A model that judges security scans\n\nIt answers questions about findings of security scanners as JSON. Its training data are a \
         chat-form dataset{made}; the dataset's own card says how it was made. {licensed}\n\n| part | digest |\n|---|---|\n{inputs}"
    )
}

fn answers(metrics: &Metrics) -> String {
    let answers = [&metrics.original.answers, &metrics.quantized.answers];
    let mut text = format!(
        "\n## Evaluation\n\n{} questions about {} held-out hosts; in brackets 95 % intervals by host. Baselines answer from the training \
         set alone. `-` means that a task has no such figure.\n",
        answers[0].questions, metrics.hosts
    );
    if let Some(sampled) = metrics.sampling {
        let _ = writeln!(text, "\nThe answers of the models are {sampled}.");
    }
    let baselines: Vec<&String> = metrics.baselines.keys().collect();
    for (task, of_task) in &answers[0].tasks {
        let _ = write!(text, "\n### {task}, {} questions\n\n| | original | quantized |", of_task.questions);
        for name in &baselines {
            let _ = write!(text, " {name} |");
        }
        let _ = writeln!(text, "\n|---|---|---|{}", "---|".repeat(baselines.len()));
        for measure in Measure::ALL {
            let figure = |figures: &crate::metrics::AnswerFigures| {
                figures.tasks.get(task).and_then(|task| task.figures.get(measure.name()).copied())
            };
            let columns = answers.into_iter().chain(metrics.baselines.values()).map(figure);
            let cells: Vec<String> =
                columns.map(|figure| figure.map_or("-".to_owned(), |figure| cell(&figure))).collect();
            if cells.iter().any(|cell| cell != "-") {
                let _ = writeln!(text, "| {} | {} |", measure.title(), cells.join(" | "));
            }
        }
    }
    text
}

fn cell(figure: &Figure) -> String {
    match figure.low.zip(figure.high) {
        Some((low, high)) => format!("{:.3} [{low:.3}, {high:.3}]", figure.value),
        None => format!("{:.3}", figure.value),
    }
}

fn quantization(metrics: &Metrics) -> String {
    let Metrics { original, quantized, drift, out_of_domain, .. } = metrics;
    format!(
        "\n## Quantization\n\n| | in domain, answers | out of domain |\n|---|---|---|\n\
         | perplexity, original | {:.4} | {:.4} |\n| perplexity, quantized | {:.4} | {:.4} |\n| KL, mean | {:.2e} | {:.2e} |\n\
         | KL, 99th percentile | {:.2e} | {:.2e} |\n| the same most likely token | {:.4} | {:.4} |\n\nOut of domain: {}.\n",
        original.likelihood.answers.perplexity.value,
        out_of_domain.original.perplexity.value,
        quantized.likelihood.answers.perplexity.value,
        out_of_domain.quantized.perplexity.value,
        drift.answers.kl_mean,
        out_of_domain.drift.kl_mean,
        drift.answers.kl_p99,
        out_of_domain.drift.kl_p99,
        drift.answers.top1_agreement,
        out_of_domain.drift.top1_agreement,
        out_of_domain.text,
    )
}

fn limits(metrics: &Metrics) -> String {
    let mut text =
        "\n## Limits\n\n- The true answers follow from rules: a right answer says that the model learned them.\n"
            .to_owned();
    let unbeaten: Vec<String> = metrics
        .comparisons
        .iter()
        .filter(|one| one.of == "quantized" && one.against != "original" && one.task != MEAN)
        .filter(|one| one.verdict != Verdict::Better && Measure::named(&one.figure).is_some_and(Measure::is_headline))
        .map(|one| format!("{} of {} against `{}`", one.figure, one.task, one.against))
        .collect();
    if !unbeaten.is_empty() {
        let _ = writeln!(text, "- Not shown to be better than a baseline: {}.", unbeaten.join(", "));
    }
    for outcome in metrics.requirements.iter().filter(|outcome| !outcome.met) {
        let _ = writeln!(text, "- Required and not met: {}.", outcome.told());
    }
    let _ = match &metrics.reports {
        None => writeln!(text, "- It was not measured on real reports."),
        Some(reports) => {
            let standing = match reports.standing {
                Standing::HeldOut => "held out",
                Standing::KnownToTheSimulator => "known to the simulator, so not held out",
            };
            let figure =
                reports.mean.get("quantized").and_then(|figures| figures.get(Measure::SeverityAccuracy.name()));
            let right = figure.map_or("not measured".to_owned(), |figure| format!("{:.3}", figure.value));
            writeln!(
                text,
                "- On reports of {} real hosts ({standing}) the severity is right in a share of {right}, mean over scanners; {:.3} of \
                 these prompts were in the training set.",
                reports.hosts, reports.seen_in_training
            )
        }
    };
    text
}
