//! The effect of a run, for people: a line for each stage, then the counts, and the changes.
//!
//! Of a large plan the stages that are up to date are counted, and the instances of a matrix stand in one line.

use std::collections::BTreeSet;
use std::fmt::Write;

use contract::foresight::Answer;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use super::compare::Change;
use crate::engine::forecast::{Forecast, Outlook, Supposed};
use crate::engine::foresight::Foreseen;
use crate::plan::instances::family;
use crate::plan::{Plan, PlannedStage, StageId};
use crate::report::clean::cell;
use crate::report::graph::figure::Detail;
use crate::report::screen::teller::SMALL;
use crate::report::style::Color;
use crate::report::units;

/// Lines on stages of a large plan.
const LINES: usize = 28;
/// Params that are named.
const PARAMS: usize = 6;
/// Characters of a value that are shown.
const VALUE: usize = 60;

/// How many stages there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// They would run.
    pub run: usize,
    /// They depend on outputs of stages before them.
    pub unknown: usize,
    /// They are up to date.
    pub hit: usize,
    /// They are not wanted.
    pub skipped: usize,
    /// They would fail before they start.
    pub refused: usize,
}

impl Totals {
    /// Of these forecasts.
    pub fn of(forecasts: &[Forecast]) -> Totals {
        let mut totals = Totals::default();
        for forecast in forecasts {
            let count = match forecast {
                Forecast::Run { .. } => &mut totals.run,
                Forecast::Unknown { supposed: Supposed::Run | Supposed::NeverRan, .. } => &mut totals.run,
                Forecast::Unknown { supposed: Supposed::Hit, .. } | Forecast::Undecided { .. } => &mut totals.unknown,
                Forecast::Hit { .. } => &mut totals.hit,
                Forecast::Skipped { .. } => &mut totals.skipped,
                Forecast::Refused { .. } => &mut totals.refused,
            };
            *count += 1;
        }
        totals
    }
}

/// The effect of a run of `plan`, and the `params` that differ from those of the run before.
pub fn render(plan: &Plan, outlook: &Outlook, params: &[Change<Value>], color: Color) -> String {
    let mut text = lines(plan, &plan.order, (&outlook.stages[..], &outlook.foreseen), color);
    let _ = writeln!(text, "{}", closing(outlook));
    for change in params.iter().take(PARAMS) {
        let value =
            |value: &Option<Value>| value.as_ref().map_or("(absent)".to_owned(), |value| shown(&value.to_string()));
        let (name, before, now) = (cell(&change.name), value(&change.before), value(&change.now));
        let _ = writeln!(text, "param {} changed since the last run: {before} -> {now}", color.name(&name));
    }
    if params.len() > PARAMS {
        let _ = writeln!(text, "{} more params changed; --json names each", params.len() - PARAMS);
    }
    text
}

/// The lines for some stages, as in the plan: folded where there are many. `forecasts` are those of all stages, by index.
pub fn lines(plan: &Plan, stages: &[StageId], (forecasts, foreseen): (&[Forecast], &Foreseen), color: Color) -> String {
    let detail = if stages.len() > SMALL { Detail::Folded } else { Detail::Expanded };
    let told = stages.iter().map(|stage| {
        let note = match foreseen.get(stage) {
            Some(Answer::Foreseen(foresight)) => foresight.note.clone(),
            _ => None,
        };
        Told { note, ..Told::of(plan, *stage, &forecasts[stage.index()], detail) }
    });
    let told: Vec<Told> = if detail == Detail::Folded { folded(told) } else { told.collect() };
    let mut text = String::new();
    for line in told.iter().take(LINES) {
        let _ = writeln!(text, "{}", line.render(color));
    }
    let more: usize = told.iter().skip(LINES).map(|line| line.count).sum();
    if more > 0 {
        let _ = writeln!(text, "{:>7}  {more} more stages; --json names each", "...");
    }
    text
}

/// The warning about a hit that was made by other code than this build's.
pub fn code_changed(stage: &PlannedStage, forecast: &Forecast) -> Option<String> {
    let name = &stage.name;
    forecast.code_changed(&stage.work).then(|| {
        format!("warning: its code changed since, and its card's version did not: --refresh {name} runs it again")
    })
}

/// The counts of stages, and the expected time.
fn closing(outlook: &Outlook) -> String {
    let totals = Totals::of(&outlook.stages);
    let counted = [
        (totals.run, "would run"),
        (totals.unknown, "unknown yet"),
        (totals.hit, "up to date"),
        (totals.skipped, "skipped"),
        (totals.refused, "would fail"),
    ];
    let counts = counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    if totals.run + totals.unknown == 0 {
        return counts;
    }
    match outlook.is_learned() {
        false => format!("{counts}; how long it takes is unknown: none of them ran before"),
        true if outlook.expected == outlook.at_most => {
            format!("{counts}; expected time {}", units::seconds(outlook.expected))
        }
        true => {
            let (expected, most) = (units::seconds(outlook.expected), units::seconds(outlook.at_most));
            format!("{counts}; expected time {expected}, at most {most}")
        }
    }
}

/// One line: a stage, or several that are told alike.
struct Told {
    word: &'static str,
    name: String,
    count: usize,
    why: String,
    /// Further stages of the line have other reasons.
    others: bool,
    seconds: Option<f64>,
    /// What its kind says of it.
    note: Option<String>,
    warning: Option<String>,
}

impl Told {
    fn of(plan: &Plan, stage: StageId, forecast: &Forecast, detail: Detail) -> Told {
        let planned = &plan.graph[stage];
        let (word, why) = word(plan, forecast, detail);
        let seconds = match forecast {
            Forecast::Run { last, .. } => last.as_ref().map(|record| record.usage.seconds),
            _ => None,
        };
        let (name, warning) = (planned.name.to_string(), code_changed(planned, forecast));
        Told { word, name, count: 1, why, others: false, seconds, note: None, warning }
    }

    /// Nothing would be done for it, and nothing is to be said.
    fn is_quiet(&self) -> bool {
        matches!(self.word, "hit" | "skip") && self.warning.is_none()
    }

    fn render(&self, color: Color) -> String {
        let word = format!("{:>7}", self.word);
        let word = if matches!(self.word, "hit" | "skip") { color.dim(&word) } else { word };
        let mut why = self.why.clone();
        if self.others {
            why.push_str(", others differently");
        }
        if let Some(seconds) = self.seconds {
            let each = if self.count > 1 { ", together took" } else { ", took" };
            let _ = write!(why, "{each} {}", units::seconds(seconds));
        }
        let name = match (self.count, self.is_quiet()) {
            (1, _) => color.name(&self.name),
            (count, true) => format!("{count} stages"),
            (count, false) => format!("{}: {count} instances", color.name(&self.name)),
        };
        let mut line = format!("{word}  {name}");
        if !why.is_empty() {
            let _ = write!(line, "  {}", color.dim(&why));
        }
        if let Some(warning) = &self.warning {
            let _ = write!(line, "  {}", color.warning(warning));
        }
        if let Some(note) = &self.note {
            let _ = write!(line, "\n{:>9}{}", "", color.dim(&cell(note)));
        }
        line
    }
}

/// Stages that are counted first, then those with a line of their own.
fn folded(told: impl Iterator<Item = Told>) -> Vec<Told> {
    let mut lines: IndexMap<(&'static str, String, bool), Told> = IndexMap::new();
    for mut one in told {
        let name = match one.is_quiet() {
            true => String::new(),
            false => family(&one.name).map_or_else(|| one.name.clone(), |(family, _)| family.to_owned()),
        };
        let key = (one.word, name.clone(), one.warning.is_some());
        match lines.get_mut(&key) {
            Some(line) => {
                line.count += 1;
                line.name = name;
                line.others |= line.why != one.why;
                line.seconds = line.seconds.zip(one.seconds).map(|(sum, more)| sum + more);
                line.note = line.note.take().filter(|note| one.note.as_ref() == Some(note));
                if line.is_quiet() && line.others {
                    (line.why, line.others) = (String::new(), false);
                }
            }
            None => {
                if one.is_quiet() && one.word == "hit" {
                    one.why.clear();
                }
                lines.insert(key, one);
            }
        }
    }
    let (quiet, rest): (Vec<_>, Vec<_>) = lines.into_values().partition(Told::is_quiet);
    quiet.into_iter().chain(rest).collect()
}

fn word(plan: &Plan, forecast: &Forecast, detail: Detail) -> (&'static str, String) {
    match forecast {
        Forecast::Hit { away: Some(away), .. } => ("hit", format!("on {}", away.remote)),
        Forecast::Hit { away: None, .. } => ("hit", String::new()),
        Forecast::Run { miss, changes, .. } if changes.is_empty() => ("run", miss.to_string()),
        Forecast::Run { changes, .. } => ("run", changed(changes.iter().map(|change| change.field.as_str()))),
        Forecast::Unknown { waits_for, supposed, changes, .. } => {
            let producers = producers(plan, waits_for, detail).join(" and ");
            let own = match changes.as_slice() {
                [] => String::new(),
                changes => changed(changes.iter().map(|change| change.field.as_str())) + ", ",
            };
            let why = match supposed {
                Supposed::Hit => format!("{own}unless {producers} gives what it gave before"),
                Supposed::Run | Supposed::NeverRan => format!("{own}after {producers}"),
            };
            ("run", why)
        }
        Forecast::Undecided { until, .. } => {
            ("if", format!("unknown until {}", producers(plan, &[*until], detail).join(" and ")))
        }
        Forecast::Skipped { cause } => ("skip", cause.clone()),
        Forecast::Refused { message } => ("fail", cell(message).into_owned()),
    }
}

fn changed<'a>(mut fields: impl ExactSizeIterator<Item = &'a str>) -> String {
    let first = fields.next().map(cell).unwrap_or_default();
    match fields.len() {
        0 => format!("{first} changed"),
        more => format!("{first} and {more} more changed"),
    }
}

/// The names of these stages; instances of one matrix, where they are several, by the name of it.
pub fn producers(plan: &Plan, stages: &[StageId], detail: Detail) -> Vec<String> {
    let names = || stages.iter().map(|stage| plan.graph[*stage].name.as_str());
    let several =
        |wanted: &str| names().filter(|name| family(name).is_some_and(|(it, _)| it == wanted)).nth(1).is_some();
    let mut seen = BTreeSet::new();
    let named = names().map(|name| match family(name) {
        Some((family, _)) if detail == Detail::Folded || several(family) => family,
        _ => name,
    });
    named.filter(|name| seen.insert(*name)).map(str::to_owned).collect()
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}..", cell(&text[..end])),
        None => cell(text).into_owned(),
    }
}
