//! Params, card and run: the hosts of a directory, one after the other.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use analyst::exchange::{Asked, Asking};
use analyst::{Enriched, Host, Latest, Model, Read, Source, Tally, Wanted};
use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use correlate::fleet::{self, Comparison, Fleet, Seen};
use ingest::ReportFile;
use rules::rule::RULES;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use transform::tasks::task::Task;

use crate::runtime::Runtime;

/// Params of `analyze`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnalyzeParams {
    /// What is asked about each host.
    pub tasks: Vec<Task>,
    /// Whether every finding is rated, and not only those that no rule settles.
    pub rate_all: bool,
    /// Threads of the tensor library: part of the key, since sums depend on how they are split.
    #[schemars(range(min = 1, max = 256))]
    pub threads: u32,
}

impl Default for AnalyzeParams {
    fn default() -> AnalyzeParams {
        AnalyzeParams { tasks: Task::ALL.to_vec(), rate_all: false, threads: 1 }
    }
}

/// The stage.
pub struct Analyze;

impl Stage for Analyze {
    type Params = AnalyzeParams;

    fn card() -> Card {
        Card::new("analyze", 2)
            .worker("pipe-torch")
            .summary("Enriches the newest scan of each host: severity, risk and links by rules, text by a model where it can be taken")
            .input("reports", Type::DIR, "*.json, directly or one directory down; earlier reports of a host are its history")
            .optional_input("gguf", Type::GGUF, "the model that is asked; without one, rules answer alone")
            .optional_input("model", Type::HF_MODEL, "the same as a directory, plain or GPTQ, in place of `gguf`")
            .output("documents", Type::DOCUMENTS, "One enriched report a host, with every answer and where it is from")
            .resources(2, 2 << 30)
    }

    fn run(params: AnalyzeParams, context: &Context) -> Result<(), StageError> {
        tch::set_num_threads(params.threads as i32);
        tch::no_grad(|| run(params, context))
    }
}

/// Where the reports of each host lie, in the order of time, and what hosts share.
struct Survey {
    hosts: BTreeMap<String, Vec<ReportFile>>,
    fleet: Fleet,
}

fn run(params: AnalyzeParams, context: &Context) -> Result<(), StageError> {
    if params.tasks.is_empty() {
        return Err(StageError::invalid_input("param `tasks` names no task, so there is nothing to ask")
            .help("leave it out for all tasks"));
    }
    let model = model_of(context)?;
    let runtime = model.as_ref().map(|model| Runtime::load(model, None)).transpose()?;
    let out = context.output_dir("documents")?;
    let Survey { hosts, fleet } = survey(context)?;
    let wanted = Wanted { tasks: params.tasks, rate_all: params.rate_all };
    let asker = model.as_ref().zip(runtime.as_ref());
    let total = hosts.len() as u64;
    let (mut tallies, mut findings) = (BTreeMap::<&str, Tally>::new(), 0);
    for (done, (host, files)) in (0..).zip(hosts) {
        context.check_cancelled()?;
        context.progress(done, total, "hosts");
        let latest = latest(files, &fleet)?;
        latest.notes.iter().for_each(|note| context.info(note.as_str()));
        findings += latest.findings.len();
        let enriched = enrich(&latest, &wanted, asker, context)?;
        for (task, tally) in Tally::of(&enriched.answers) {
            *tallies.entry(task).or_default() += tally;
        }
        write(&enriched, &out.join(&host))?;
    }
    context.progress(total, total, "hosts");
    context.metric("hosts", total as f64);
    context.metric("findings", findings as f64);
    for (task, Tally { asked, model, .. }) in tallies {
        context.metric(&format!("{task}_asked"), asked as f64);
        context.metric(&format!("{task}_model"), model as f64);
    }
    Ok(())
}

/// The model that is wired.
fn model_of(context: &Context) -> Result<Option<Model>, StageError> {
    match (context.optional_input("gguf"), context.optional_input("model")) {
        (Some(_), Some(_)) => {
            Err(StageError::invalid_input("both `gguf` and `model` are wired, and one model is asked")
                .help("wire one of them"))
        }
        (one, other) => one.or(other).map(Model::open).transpose(),
    }
}

/// Reads every report once, and keeps of each where it lies and what other hosts may share. One that is none is left out.
fn survey(context: &Context) -> Result<Survey, StageError> {
    let files = ingest::reports(context.input("reports")?)?.reports;
    let scanners = fleet::scanners(&RULES);
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    for file in files {
        context.check_cancelled()?;
        match read(&file) {
            Err(error) => bad.push(error.message),
            Ok(read) => {
                let host = read.report.hostname().to_owned();
                let mut results = read.report.results;
                results.retain(|result| scanners.contains(result.scanner.as_str()));
                fleet::collect(&RULES, &results, seen.entry(host.clone()).or_default());
                found.push((host, read.moment, file));
            }
        }
    }
    bad.iter().for_each(|message| context.warn(message.as_str()));
    context.metric("skipped", bad.len() as f64);
    if found.is_empty() {
        return Err(
            StageError::invalid_input("not one report could be read").help("the log has the reason for each file")
        );
    }
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let mut hosts: BTreeMap<String, Vec<ReportFile>> = BTreeMap::new();
    found.into_iter().for_each(|(host, _, file)| hosts.entry(host).or_default().push(file));
    let mut comparison = Comparison::default();
    // A host alone shares nothing.
    if hosts.len() > 1 {
        seen.into_iter().for_each(|(host, seen)| comparison.add(&host, seen));
    }
    Ok(Survey { hosts, fleet: comparison.finish(&RULES) })
}

fn read(file: &ReportFile) -> Result<Read, StageError> {
    // A host that a report does not name goes by the name of the file.
    let host = file.below.file_stem().map(|stem| stem.display().to_string());
    Read::of(&Source { name: file.name.clone(), host, bytes: std::fs::read(&file.path).at(&file.below)? })
}

fn latest(files: Vec<ReportFile>, fleet: &Fleet) -> Result<Latest, StageError> {
    Host::of(files.iter().map(read).collect::<Result<_, _>>()?)?.latest(fleet)
}

/// The host's answers.
fn enrich<'l>(
    latest: &'l Latest,
    wanted: &Wanted,
    asker: Option<(&Model, &Runtime)>,
    context: &Context,
) -> Result<Enriched<'l>, StageError> {
    let questions = latest.questions(wanted);
    let Some((model, runtime)) = asker else {
        return Ok(Enriched::of(latest, latest.by_rules(&questions, "no model was asked"), None));
    };
    let asking: Vec<Asking> = questions.iter().map(|question| model.asking(question)).collect::<Result<_, _>>()?;
    let asked: Vec<Asked> = asking.iter().enumerate().map(|(id, asking)| asking.asked(id)).collect();
    let mut all = BTreeMap::new();
    runtime.ask(model, &asked, |said| {
        all.extend(said.into_iter().map(|said| (said.id, said)));
        context.check_cancelled()
    })?;
    let answers = latest.judged(&questions, &asking, &all, &model.settings);
    Ok(Enriched::of(latest, answers, Some(model.name.clone())))
}

fn write(enriched: &Enriched<'_>, directory: &Path) -> Result<(), StageError> {
    std::fs::create_dir_all(directory).at(directory)?;
    let path = directory.join(format!("{:04}.json", enriched.latest.scan));
    let mut out = BufWriter::with_capacity(1 << 16, File::create(&path).at(&path)?);
    enriched.write(&mut out).and_then(|()| out.flush()).at(&path)
}
