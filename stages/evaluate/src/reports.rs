//! Real scanner reports: their findings as `transform` asks about them, the severity against the scanner's own.
//!
//! The input is a dataset that was made of nothing but reports. All of its splits are asked about: none of it was trained on.

use std::collections::BTreeMap;
use std::path::Path;

use contract::StageError;
use dataset::Split;
use draws::{Stream, permutation};
use tokens::ChatEncoder;

use crate::answered::Answered;
use crate::baselines::{Training, finding};
use crate::judge::severity;
use crate::measure::Measure;
use crate::metrics::{ReportFigures, ScannerFigures};
use crate::params::EvaluateParams;
use crate::samples::{self, Hosts, Line, Question};
use crate::scores::{Resamples, Scope, Scores};

/// Tokens that an answer needs at least.
const ROOM: usize = 64;

/// The splits that hold findings; the calibration set repeats some of them.
const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

/// Questions about the findings of real reports.
#[derive(Debug)]
pub struct Reports {
    /// The questions.
    pub questions: Vec<Question>,
    /// The scanner of each.
    scanners: Vec<String>,
    hosts: usize,
    too_long: usize,
}

impl Reports {
    /// Draws questions from the dataset in `directory`, of each scanner alike, for a model that sees `positions` tokens.
    pub fn read(
        directory: &Path,
        encoder: &ChatEncoder,
        positions: usize,
        params: &EvaluateParams,
    ) -> Result<Reports, StageError> {
        let mut lines = Vec::new();
        for split in SPLITS {
            lines.extend(samples::lines(directory, split)?.into_iter().filter(|line| line.task() == finding::TASK));
        }
        let mut stream = Stream::seeded(params.seed).numbered(2);
        let mut hosts = Hosts::default();
        let mut groups: BTreeMap<String, Vec<Question>> = BTreeMap::new();
        let mut too_long = 0;
        for index in permutation(lines.len(), |bound| stream.index(bound)) {
            let line = &lines[index];
            for question in questions(line, encoder, &mut hosts)? {
                if question.ids.len() + ROOM > positions {
                    too_long += 1;
                } else {
                    groups.entry(finding::scanner(&question.prompt).to_owned()).or_default().push(question);
                }
            }
        }
        let (scanners, questions): (Vec<_>, Vec<_>) =
            samples::evenly(groups, params.samples as usize).into_iter().unzip();
        if questions.is_empty() {
            let message = format!("`reports` has no question of task `{}` that fits the model", finding::TASK);
            return Err(StageError::invalid_input(message)
                .help("wire the dataset that `transform` makes of ingested reports alone, or leave the input out"));
        }
        Ok(Reports { questions, scanners, hosts: hosts.count(), too_long })
    }

    /// The figures of what was answered, by model or baseline.
    pub fn figures(
        &self,
        answered: &BTreeMap<&str, Answered>,
        training: &Training,
        params: &EvaluateParams,
    ) -> ReportFigures {
        let resamples = Resamples::new(params.seed, self.hosts);
        let scores: BTreeMap<&str, Scores> = answered
            .iter()
            .map(|(name, answered)| (*name, answered.severities(&self.questions, |place| &self.scanners[place])))
            .collect();
        let seen: Vec<bool> = self.questions.iter().map(|question| training.has_seen(&question.prompt)).collect();
        let share = |wanted: &dyn Fn(usize) -> bool| {
            let places: Vec<usize> = (0..seen.len()).filter(|place| wanted(*place)).collect();
            places.iter().filter(|place| seen[**place]).count() as f64 / places.len().max(1) as f64
        };
        let of_scanner = |scanner: &String| {
            let figure = |(name, scores): (&&str, &Scores)| {
                let figures = scores.figures(Scope::Task(scanner), &resamples);
                figures.get(Measure::SeverityAccuracy.name()).map(|figure| ((*name).to_owned(), *figure))
            };
            let figures = ScannerFigures {
                questions: self.scanners.iter().filter(|name| *name == scanner).count(),
                seen_in_training: share(&|place| self.scanners[place] == *scanner),
                severity_accuracy: scores.iter().filter_map(figure).collect(),
            };
            (scanner.clone(), figures)
        };
        let mean = scores.iter().map(|(name, scores)| ((*name).to_owned(), scores.figures(Scope::Mean, &resamples)));
        ReportFigures {
            standing: params.reports_standing,
            hosts: self.hosts,
            too_long: self.too_long,
            seen_in_training: share(&|_| true),
            scanners: self.scanners.iter().map(of_scanner).collect(),
            mean: mean.collect(),
        }
    }
}

/// The questions of a line whose answers have a severity.
fn questions(line: &Line, encoder: &ChatEncoder, hosts: &mut Hosts) -> Result<Vec<Question>, StageError> {
    let host = hosts.of(line);
    let mut found = Vec::new();
    for turn in line.turns() {
        let ids = encoder.prompt(turn.before)?.into_iter().map(i64::from).collect();
        let question = Question::new(ids, line, turn, host);
        if question.json.as_ref().and_then(severity).is_some() {
            found.push(question);
        }
    }
    Ok(found)
}
