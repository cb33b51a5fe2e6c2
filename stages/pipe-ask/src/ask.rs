//! From reports to answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use analyst::exchange::{self, Asking};
use analyst::{Enriched, Host, Latest, Model, Read, Source};
use contract::StageError;
use correlate::fleet::Fleet;

use crate::arguments::Arguments;
use crate::progress::{Progress, Shown, Step};
use crate::runtime::Sheet;
use crate::{files, output, runtime};

/// What a report is.
const REPORT: &str =
    "name a report that sys-scan wrote, or `-` for standard input; the kind `analyze` takes a directory of reports";

/// Does what the command line asks for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), StageError> {
    let progress = Progress::new(Shown::on_standard_error(arguments.quiet));
    let latest = latest(&arguments.reports, &progress)?;
    let questions = latest.questions(&arguments.wanted());
    let open = |path| {
        progress.step(Step::Opening);
        Model::open(path)
    };
    let model = arguments.model.as_deref().map(open).transpose()?;
    let asking: Vec<Asking> = match &model {
        Some(model) => questions.iter().map(|question| model.asking(question)).collect::<Result<_, _>>()?,
        None => vec![Asking::default(); questions.len()],
    };
    let digest = model.as_ref().map(|model| model.name.digest.as_str());
    let (head, lines) = exchange::lines(&questions, &asking, digest)?;
    if let Some(file) = &arguments.prompts {
        drop(progress);
        return output::prompts(&head, lines, file);
    }
    let Some(model) = model else {
        let answers = latest.by_rules(&questions, "no model was asked");
        drop(progress);
        return output::enriched(&Enriched::of(&latest, answers, None), arguments);
    };
    let said = match &arguments.answers {
        Some(file) => exchange::said(&text(file)?, &file.display().to_string(), &head, questions.len())?,
        None if asking.iter().all(|asking| asking.tokens.is_none()) => BTreeMap::new(),
        None => {
            let prompts = asking.iter().filter_map(|asking| asking.tokens.as_ref());
            let sheet = Sheet { head: &head, lines: &lines, asked: prompts.clone().count() as u64 };
            let told = runtime::ask(&model.path, arguments.threads, &sheet, &progress)?;
            progress.asked(prompts.map(|tokens| tokens.len() as u64).sum());
            exchange::said(&told, runtime::PROGRAM, &head, questions.len())?
        }
    };
    let answers = latest.judged(&questions, &asking, &said, &model.settings);
    drop(progress);
    output::enriched(&Enriched::of(&latest, answers, Some(model.name)), arguments)
}

fn text(path: &Path) -> Result<String, StageError> {
    let help = "name the file with what your program got from the model (docs/analyst.md)";
    let Source { name, bytes, .. } = files::read(path, help)?;
    let wrong = |error| StageError::invalid_input(format!("{name}: {error}")).help(help);
    String::from_utf8(bytes).map_err(wrong)
}

/// The newest scan of the host that the reports are of.
fn latest(reports: &[PathBuf], progress: &Progress) -> Result<Latest, StageError> {
    let mut read = Vec::new();
    let of = reports.len() as u64;
    for (done, path) in (0..).zip(distinct(reports)?) {
        // Whoever writes to standard input may show progress of its own.
        let is_awaited = path == Path::new(files::STREAM);
        progress.step(if is_awaited { Step::Waiting } else { Step::Reading { done, of } });
        read.push(Read::of(&files::read(path, REPORT)?)?);
    }
    progress.step(Step::Correlating);
    Host::of(read)?.latest(&Fleet::default())
}

/// A report that is named twice would be two scans of its host.
fn distinct(reports: &[PathBuf]) -> Result<Vec<&Path>, StageError> {
    let mut seen: Vec<&Path> = Vec::new();
    for path in reports {
        if seen.contains(&path.as_path()) {
            let message = format!("{} is named twice", path.display());
            return Err(StageError::invalid_input(message).help("name each report once"));
        }
        seen.push(path);
    }
    Ok(seen)
}
