//! `README.md` of a dataset: its data card in the form of the Hugging Face Hub, which `datasets.load_dataset` reads too.
//!
//! It says what the manifest says, and nothing that this stage cannot know: whose reports they were and how good a model becomes.

use std::fmt::Write;

use crate::selection::split::Split;
use crate::tasks::task::Task;
use crate::writing::license::License;
use crate::writing::manifest::{FileManifest, Manifest, RedactionFigures, VerificationStatus};
use crate::writing::measure::Lengths;
use crate::writing::parquet_files::{ParquetManifest, ParquetManifests};

/// The card of the dataset that `manifest` describes.
pub fn of(manifest: &Manifest) -> String {
    let mut text = String::new();
    let parts = [
        front_matter(manifest),
        introduction(manifest),
        files(manifest),
        contents(manifest),
        lengths(manifest),
        making(manifest),
    ];
    for part in parts.into_iter().chain([limits(manifest)]) {
        text.push_str(&part);
    }
    text
}

/// Put in place of what the text has of people and networks.
const NAMES: &str = "@NAMES@";

fn limits(manifest: &Manifest) -> String {
    let names = match manifest.redaction {
        Some(RedactionFigures { real_hosts, redacted: true, pseudonyms }) => format!(
            "User names, host names, IP and MAC addresses of the {real_hosts}
  real hosts are pseudonyms ({pseudonyms} values over all scans): one value has one pseudonym in the whole dataset, whatever its case,
  an address keeps its class, a path its depth. Neither the map nor its key is part of the dataset. Names are known from home
  directories, from the names and domains of the hosts and from metadata that name a user or a host, over all scans; a command line
  (`sudo -u NAME`, `NAME@HOST`, `USER=NAME`) gives a name away at its own place only. Not covered are: accounts that systems have by
  themselves; names under three characters and those that are also a word of paths, protocols, rules or prompts, but in a home
  directory; the other words of a name with spaces; hosts of other domains that no text shows to be one; addresses as one number
  (`0xC6336455`, `3325256789`), IPv6 addresses within words and MAC addresses without separators, but in names of interfaces; whatever
  else a text says of a person."
        ),
        _ => "Host names, paths and addresses of real reports are in the text as the\n  reports have them.".to_owned(),
    };
    LIMITS.replace(NAMES, &names)
}

const LIMITS: &str = "\n## Limits\n
- Answers are computed by rules: severities are the scanner's, risk is a formula over severity, category, exposure and baseline,
  with the points of correlations; texts are put together from facts of the findings. No person wrote or reviewed them. A model that
  learns them learns those rules.
- Simulated hosts are synthetic: drawn from tables and a seed. Nothing is claimed about how results carry over to real hosts.
- The task `correlation` asks for what its prompt shows. Some correlations are in the documents but in none of its answers: those that
  need another scan (of another host, which has the other end of a connection, or an earlier one of this host), which is not in the
  prompt; weak links, which join findings with what else is on the host, whether it is listed or not; and what stands beside a
  suspected cluster, which follows from points that no line tells. What several hosts share is marked in the list. A prompt lists a
  correlation wholly or one finding of it at most, so of a large cluster it shows a part. That clean hosts hardly ever show two signs
  of one program together is an answer too, and which signs these are stands in no prompt: a model learns it from the examples.
- Lines do not say whether their host was simulated. @NAMES@
- Names in prompts come from reports, so from whoever may start a process. Control characters, invisible characters, `;`, and tokens of
  chat forms (`<|...|>`, `<s>`, `[INST]`) stand in prompts and answers as escapes such as `\\x3c`.
- Classes are thinned to the limits in `manifest.json`, so their shares are not those of any fleet.
";

/// The configurations that can be loaded by name, and the files of each of their splits.
type Configs<'a> = Vec<(&'a str, Vec<(&'a str, Vec<&'a str>)>)>;

/// The configs: a file without lines is none, since it has no columns. The loader takes one format for all of them, so with Parquet
/// they are of Parquet files only.
fn configs(manifest: &Manifest) -> Configs<'_> {
    let mut configs = manifest.parquet.as_ref().map_or_else(|| of_lines(manifest), of_parquet);
    for (_, splits) in &mut configs {
        splits.retain(|(_, paths)| !paths.is_empty());
    }
    configs.retain(|(_, splits)| !splits.is_empty());
    configs
}

fn of_lines(manifest: &Manifest) -> Configs<'_> {
    fn paths(lines: &FileManifest) -> Vec<&str> {
        let filled = lines.examples > 0;
        filled.then_some(lines.file.as_str()).into_iter().collect()
    }
    let of_split = |split: Split| Some((split.name(), paths(&manifest.splits.get(split.name())?.lines)));
    let splits = Split::ALL.into_iter().filter_map(of_split);
    vec![("default", splits.collect()), ("calibration", vec![("train", paths(&manifest.calibration))])]
}

fn of_parquet(files: &ParquetManifests) -> Configs<'_> {
    let path = |config: &str, split: Split| Some(files.get(config)?.get(split.name())?.file.as_str());
    let splits = |configs: &[&str]| {
        let paths = |split: Split| configs.iter().filter_map(|config| path(config, split)).collect();
        Split::ALL.map(|split| (split.name(), paths(split))).to_vec()
    };
    let tasks = Task::ALL.map(Task::name);
    let each = tasks.iter().chain(&["calibration"]).map(|config| (*config, splits(&[config])));
    [("default", splits(&tasks))].into_iter().chain(each).collect()
}

fn front_matter(manifest: &Manifest) -> String {
    let total: u64 = manifest.splits.values().map(|split| split.lines.examples).sum();
    let mut text = format!(
        "---\nlicense: {}\nlanguage:\n- en\ntask_categories:\n- text-generation\ntags:\n- security\n- chat\nsize_categories:\n- {}\n",
        manifest.license,
        size(total)
    );
    let configs = configs(manifest);
    if !configs.is_empty() {
        text.push_str("configs:\n");
    }
    for (config, splits) in configs {
        let _ = writeln!(text, "- config_name: {config}");
        if config == "default" {
            text.push_str("  default: true\n");
        }
        text.push_str("  data_files:\n");
        for (split, paths) in splits {
            match paths[..] {
                [path] => _ = writeln!(text, "  - split: {split}\n    path: {path}"),
                _ => _ = writeln!(text, "  - split: {split}\n    path:\n    - {}", paths.join("\n    - ")),
            }
        }
    }
    text + "---\n"
}

/// The Hub's classes of size.
fn size(examples: u64) -> &'static str {
    match examples {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        10_000_000..100_000_000 => "10M<n<100M",
        _ => "100M<n<1B",
    }
}

fn introduction(manifest: &Manifest) -> String {
    let hosts: usize = manifest.splits.values().map(|split| split.hosts.len()).sum();
    let license = match manifest.license {
        License::Unknown => "\nNobody has said under which license these data are.\n",
        License::Named(_) => "",
    };
    format!(
        "
# Findings of security scans, as conversations

Made of {} findings in {} scans of {hosts} hosts. A line is one conversation in chat form: a system message that names the task, a
user message with what a scan shows, and the assistant's answer as JSON.

    {{\"messages\": [{{\"role\": \"system\", \"content\": ..}}, {{\"role\": \"user\", ..}}, {{\"role\": \"assistant\", ..}}], \"task\": .., \"host\": .., \"scan\": ..}}
{license}
| task | the prompt shows | the answer |
|---|---|---|
| `finding` | one finding | severity, risk and rationale |
| `correlation` | findings of one scan | which belong together, with ATT&CK techniques |
| `actions` | findings of one scan | what to do, by priority |
| `summary` | one scan of one host | the four parts of the agent's summary |
| `triage` | one scan of one host | what to look at first |
| `refine` | rules that the agent suggests | the refined rules |
",
        manifest.findings, manifest.scans
    )
}

fn files(manifest: &Manifest) -> String {
    let mut text = String::from(
        "
## Files

| file | examples | hosts | bytes | BLAKE3 |
|---|---:|---:|---:|---|
",
    );
    let splits = Split::ALL.into_iter().filter_map(|split| manifest.splits.get(split.name()));
    let rows = splits.map(|split| (&split.lines, split.hosts.len().to_string()));
    for (lines, hosts) in rows.chain([(&manifest.calibration, String::from("of train"))]) {
        let FileManifest { file, examples, bytes, blake3, .. } = lines;
        let _ = writeln!(text, "| `{file}` | {examples} | {hosts} | {bytes} | `{blake3}` |");
    }
    text.push_str(&parquet(manifest));
    text + "\n`calibration.jsonl` repeats examples of `train.jsonl`, spread evenly over it. `manifest.json` has all figures of this page.\n"
}

/// Rows of the table of files, and how to load one task.
fn parquet(manifest: &Manifest) -> String {
    let mut text = String::new();
    let Some(configs) = &manifest.parquet else { return text };
    for ParquetManifest { file, examples, bytes, blake3 } in configs.values().flat_map(|splits| splits.values()) {
        let _ = writeln!(text, "| `{file}` | {examples} | | {bytes} | `{blake3}` |");
    }
    text + "
The Parquet files hold the same examples in the same order, task by task: `load_dataset(path)` reads all tasks one after another,
`load_dataset(path, \"finding\")` one.
"
}

fn contents(manifest: &Manifest) -> String {
    let splits: Vec<(Split, &FileManifest)> =
        Split::ALL.into_iter().filter_map(|split| Some((split, &manifest.splits.get(split.name())?.lines))).collect();
    let mut text = String::from("\n## Contents\n\n| |");
    for (split, _) in &splits {
        let _ = write!(text, " {} |", split.name());
    }
    let _ = writeln!(text, " longest, bytes |\n|---|{}---:|", "---:|".repeat(splits.len()));
    let longest = |task: Task| splits.iter().filter_map(|(_, lines)| lines.longest.get(task.name())).max();
    for task in Task::ALL {
        let _ = write!(text, "| `{}` |", task.name());
        for (_, lines) in &splits {
            let _ = write!(text, " {} |", lines.tasks.get(task.name()).unwrap_or(&0));
        }
        let _ = writeln!(text, " {} |", longest(task).unwrap_or(&0));
    }
    for severity in scan::Severity::ALL {
        let of = |lines: &FileManifest| lines.severities.get(severity.name()).copied().unwrap_or(0);
        if splits.iter().all(|(_, lines)| of(lines) == 0) {
            continue;
        }
        let _ = write!(text, "| `finding`, {severity} |");
        for (_, lines) in &splits {
            let _ = write!(text, " {} |", of(lines));
        }
        text.push_str(" |\n");
    }
    text
}

fn lengths(manifest: &Manifest) -> String {
    let Some(tokens) = &manifest.tokens else { return String::new() };
    let mut text = format!(
        "
## Lengths

Tokens of whole examples in Llama 3's chat form, by a tokenizer of {} tokens (BLAKE3 of its `tokenizer.json`
`{}`), over {} examples of each task or all that there are.

| task | examples | min | median | p95 | p99 | max | over 512 | over 4,096 |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
",
        tokens.vocabulary, tokens.tokenizer, tokens.sample
    );
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    for (task, lengths) in &tokens.tasks {
        let Lengths { examples, min, median, p95, p99, max, share_over_512, share_over_4096 } = lengths;
        let [over_512, over_4096] = [share_over_512, share_over_4096].map(|share| percent(*share));
        let _ = writeln!(
            text,
            "| `{task}` | {examples} | {min} | {median} | {p95} | {p99} | {max} | {over_512} | {over_4096} |"
        );
    }
    text
}

fn making(manifest: &Manifest) -> String {
    let verification = match manifest.verification {
        VerificationStatus::Passed => "The findings passed the verification before.",
        VerificationStatus::Warning => "The verification of the findings ended with warnings.",
        VerificationStatus::Failed => {
            "**The verification of the findings failed**, and the pipeline was told to go on."
        }
    };
    let Manifest { seed, ties, offered, distinct, undetermined, contradictory, .. } = manifest;
    format!(
        "
## How it was made

By the stage `transform` of pipe, out of findings that its stage `correlate` enriched, with seed {seed}. The scans were simulated
(`produce`), read from scanner reports (`ingest`), or both. {verification}

- Prompts leave out severities, scores, risk, pids and inodes. {undetermined} findings gave no example, since their answer depends on
  what no report shows or what would not fit, or their scanner failed.
- One prompt has one answer: {offered} examples had {distinct} distinct prompts, each of which is there once at most. {contradictory} of
  them had two answers and are left out: what decides between them is not in the prompt, as with findings of a form that nobody knows.
- Splits are by host, never by row. The hosts of one attack chain stay together, as far as the truth of simulated hosts was given
  ({} chains of several hosts). Hosts that share a correlation across at most {} hosts count as one chain too: {} correlations tied
  hosts. That made {} groups of more than one host, the largest with {} hosts; {} wider correlations tied nothing.
- What a file holds is limited: {} examples a task, {} a template, a share of {} for one severity. The manifest counts what that left out.
",
        ties.chains,
        ties.limit,
        ties.ties,
        ties.groups,
        ties.largest,
        ties.too_wide,
        manifest.balance.max_per_task,
        manifest.balance.max_per_template,
        manifest.balance.max_share,
    )
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_the_classes_of_the_hub() {
        let classes = [0, 999, 1_000, 99_999, 100_000, 1_000_000, 9_999_999, 10_000_000, 100_000_000].map(size);
        let expected =
            ["n<1K", "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "1M<n<10M", "10M<n<100M", "100M<n<1B"];
        assert_eq!(classes, expected);
    }
}
