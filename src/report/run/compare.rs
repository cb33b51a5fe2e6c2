//! How two runs differ: params, and of each stage its action, metrics, outputs and time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use contract::Digest;
use serde::Serialize;
use serde_json::Value;

use super::lines;
use crate::action::ActionKey;
use crate::action::difference::{Difference, differences};
use crate::engine::{RunOutcome, RunReport, StageOutcome, StageReport};
use crate::report::style::Color;
use crate::report::units;
use crate::store::Record;

/// How two runs differ.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The earlier one, or the one named first.
    pub before: Side,
    /// The other one.
    pub now: Side,
    /// Params of the pipeline that differ.
    pub params: Vec<Change<Value>>,
    /// Stages that differ in more than whether they were executed.
    pub stages: Vec<StageComparison>,
}

/// One of the runs.
#[derive(Debug, Serialize)]
pub struct Side {
    /// Its id.
    pub run: String,
    /// Its pipeline.
    pub pipeline: String,
    /// Its outcome.
    pub outcome: RunOutcome,
    /// Unix seconds.
    pub started_at: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// A value that differs; `None` = absent on that side.
#[derive(Debug, PartialEq, Serialize)]
pub struct Change<T> {
    /// Its name.
    pub name: String,
    /// Before.
    pub before: Option<T>,
    /// Now.
    pub now: Option<T>,
}

/// How a stage differs.
#[derive(Debug, Serialize)]
pub struct StageComparison {
    /// The stage.
    pub stage: String,
    /// Its outcome.
    pub outcome: Change<StageOutcome>,
    /// Fields of its action: params, inputs, script.
    pub fields: Vec<Difference>,
    /// Metrics.
    pub metrics: Vec<Change<f64>>,
    /// Digests of its outputs, by port.
    #[serde(serialize_with = "as_texts")]
    pub outputs: Vec<Change<Digest>>,
    /// Seconds that its executions took, where they are two.
    pub seconds: Option<Change<f64>>,
}

impl StageComparison {
    fn says_something(&self) -> bool {
        let one_sided = self.outcome.before.is_none() || self.outcome.now.is_none();
        let went_wrong = |outcome: Option<StageOutcome>| {
            use StageOutcome::{Hit, Ran, Restored};
            !matches!(outcome, None | Some(Ran | Hit | Restored))
        };
        one_sided
            || went_wrong(self.outcome.before) != went_wrong(self.outcome.now)
            || !self.fields.is_empty()
            || !self.metrics.is_empty()
            || !self.outputs.is_empty()
            || self.seconds.is_some()
    }
}

/// Compares two runs. `record` finds the record of an action.
pub fn compare(before: &RunReport, now: &RunReport, record: impl Fn(&ActionKey) -> Option<Record>) -> Comparison {
    // In the order of the run that is asked about, then the stages that only the other had.
    let gone = before.stages.keys().filter(|name| !now.stages.contains_key(*name));
    let names = now.stages.keys().chain(gone);
    let stages = names.map(|name| {
        compare_stage(name.as_str(), before.stages.get(name.as_str()), now.stages.get(name.as_str()), &record)
    });
    Comparison {
        params: changes(&before.params, &now.params),
        stages: stages.filter(StageComparison::says_something).collect(),
        before: Side::of(before),
        now: Side::of(now),
    }
}

impl Side {
    fn of(report: &RunReport) -> Side {
        Side {
            run: report.run.clone(),
            pipeline: report.pipeline.to_string(),
            outcome: report.outcome,
            started_at: report.started_at,
            seconds: report.seconds,
        }
    }
}

fn compare_stage(
    name: &str,
    before: Option<&StageReport>,
    now: Option<&StageReport>,
    record: impl Fn(&ActionKey) -> Option<Record>,
) -> StageComparison {
    let action = |side: Option<&StageReport>| side.and_then(|stage| record(&stage.key?)).map(|record| record.action);
    let key = |side: Option<&StageReport>| side.and_then(|stage| stage.key);
    let fields = match (key(before) != key(now)).then(|| (action(before), action(now))) {
        Some((Some(before), Some(now))) => differences(&before, &now),
        _ => Vec::new(),
    };
    let outputs = |side: Option<&StageReport>| {
        let outputs = side.into_iter().flat_map(|stage| &stage.outputs);
        outputs.map(|(port, output)| (port.to_string(), output.digest)).collect::<BTreeMap<_, _>>()
    };
    let metrics = |side: Option<&StageReport>| side.map(|stage| stage.metrics.clone()).unwrap_or_default();
    let seconds = |side: Option<&StageReport>| side.and_then(|stage| stage.usage).map(|usage| usage.seconds);
    let (took_before, took_now) = (seconds(before), seconds(now));
    StageComparison {
        stage: name.to_owned(),
        outcome: Change {
            name: "outcome".to_owned(),
            before: before.map(|stage| stage.outcome),
            now: now.map(|stage| stage.outcome),
        },
        fields,
        metrics: changes(&metrics(before), &metrics(now)),
        outputs: changes(&outputs(before), &outputs(now)),
        // One execution served both runs where the figures are the same.
        seconds: (took_before.is_some() && took_now.is_some() && took_before != took_now).then(|| Change {
            name: "seconds".to_owned(),
            before: took_before,
            now: took_now,
        }),
    }
}

/// The entries that differ.
pub fn changes<T: Clone + PartialEq>(before: &BTreeMap<String, T>, now: &BTreeMap<String, T>) -> Vec<Change<T>> {
    let names: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let differing = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
    let change =
        |name: &String| Change { name: name.clone(), before: before.get(name).cloned(), now: now.get(name).cloned() };
    differing.map(change).collect()
}

fn as_texts<S: serde::Serializer>(changes: &[Change<Digest>], serializer: S) -> Result<S::Ok, S::Error> {
    let text = |digest: &Option<Digest>| digest.map(|digest| digest.to_string());
    serializer.collect_seq(changes.iter().map(|change| Change {
        name: change.name.clone(),
        before: text(&change.before),
        now: text(&change.now),
    }))
}

/// The comparison as a person reads it.
pub fn render(comparison: &Comparison, color: Color) -> String {
    let Comparison { before, now, params, stages } = comparison;
    let mut text = String::new();
    for (sign, side) in [("-", before), ("+", now)] {
        let when = units::date(side.started_at);
        let (outcome, took) = (color.run_outcome(side.outcome, 0), units::seconds(side.seconds));
        let _ = writeln!(text, "{sign} {}  {}  {when}  {outcome} in {took}", side.run, side.pipeline);
    }
    if before.pipeline != now.pipeline {
        let note = format!("these are runs of different pipelines: `{}` and `{}`", before.pipeline, now.pipeline);
        let _ = writeln!(text, "{}", color.warning(&note));
    }
    if !params.is_empty() {
        let _ = writeln!(text, "{}", color.name("params"));
    }
    for change in params {
        let _ = writeln!(text, "  {}", describe(&change.name, &change.before, &change.now, Value::to_string));
    }
    for stage in stages {
        let _ = writeln!(text, "{}", color.name(&stage.stage));
        for line in stage_lines(stage) {
            let _ = writeln!(text, "  {line}");
        }
    }
    if params.is_empty() && stages.is_empty() {
        text.push_str("no difference in params, metrics or outputs\n");
    }
    text
}

fn stage_lines(stage: &StageComparison) -> Vec<String> {
    let mut lines = Vec::new();
    match (stage.outcome.before, stage.outcome.now) {
        (Some(before), Some(now)) if before != now => {
            let word = |outcome| Color::Off.outcome(outcome).trim().to_owned();
            lines.push(format!("{} -> {}", word(before), word(now)));
        }
        (Some(_), None) => lines.push("only in the first run".to_owned()),
        (None, Some(_)) => lines.push("only in the second run".to_owned()),
        _ => {}
    }
    lines.extend(stage.fields.iter().flat_map(field));
    for metric in &stage.metrics {
        let change = match (metric.before, metric.now) {
            (Some(before), Some(now)) if before != 0.0 => {
                format!("  ({:+.2} %)", (now - before) / before.abs() * 100.0)
            }
            _ => String::new(),
        };
        let values = describe(&format!("metric {}", metric.name), &metric.before, &metric.now, f64::to_string);
        lines.push(values + &change);
    }
    for output in &stage.outputs {
        let name = format!("output {}", output.name);
        lines.push(describe(&name, &output.before, &output.now, |digest| digest.short().to_string()));
    }
    if let Some(it) = &stage.seconds {
        lines.push(describe("took", &it.before, &it.now, |seconds| units::seconds(*seconds)));
    }
    lines
}

/// A field of an action; a script of several lines as the lines that differ.
fn field(it: &Difference) -> Vec<String> {
    match it.before.as_deref().zip(it.now.as_deref()).and_then(|(before, now)| lines::difference(before, now)) {
        Some(lines) => {
            std::iter::once(format!("{}:", it.field)).chain(lines.iter().map(|l| format!("  {l}"))).collect()
        }
        None => vec![describe(&it.field, &it.before, &it.now, String::clone)],
    }
}

fn describe<T>(name: &str, before: &Option<T>, now: &Option<T>, show: impl Fn(&T) -> String) -> String {
    match (before, now) {
        (Some(before), Some(now)) => format!("{name}: {} -> {}", show(before), show(now)),
        (Some(before), None) => format!("{name}: {} is gone", show(before)),
        (None, Some(now)) => format!("{name}: {} is new", show(now)),
        (None, None) => name.to_owned(),
    }
}
