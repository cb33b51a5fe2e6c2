//! What a run would cost beyond this machine, for people and for programs: the bounds of each stage, and where they come from.

use std::collections::BTreeSet;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::costs::{Basis, RunBounds, StageBounds};
use crate::report::clean::cell;
use crate::report::style::Color;
use crate::report::units;
use crate::spec::StageName;

/// What every figure here is.
pub const ESTIMATE: &str =
    "an estimate: prices as they are now, one attempt at each stage; storage, requests and traffic are not in it";

/// Lines on stages beyond this machine of a plan.
const LINES: usize = 40;

/// What a run would cost: the document of `plan --cost --json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PlanCosts {
    /// The pipeline's name.
    pub pipeline: String,
    /// What the figures are.
    pub estimate: &'static str,
    /// The bounds.
    pub cost: RunBounds,
}

/// What a run would cost, as a table.
pub fn render(bounds: &RunBounds, color: Color) -> String {
    let (quiet, told): (Vec<_>, Vec<_>) = bounds.stages.iter().partition(|(_, stage)| stage.is_nothing());
    let mut text = String::new();
    let rows: Vec<[String; 4]> = told
        .iter()
        .take(LINES)
        .map(|(name, stage)| {
            [cell(name.as_str()).into_owned(), cell(&stage.backend).into_owned(), amount(stage), basis(stage)]
        })
        .collect();
    let header = ["STAGE", "AT", "COST", "WHY"].map(str::to_owned);
    let width = |column: usize| {
        let cells = std::iter::once(&header).chain(&rows).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let (name, at, cost) = (width(0), width(1), width(2));
    for row in std::iter::once(&header).chain(&rows).filter(|_| !rows.is_empty()) {
        let _ = writeln!(text, "{:<name$}  {:<at$}  {:<cost$}  {}", row[0], row[1], row[2], cell(&row[3]));
    }
    if told.len() > LINES {
        let _ = writeln!(text, "{} more; --json names each", units::count(told.len() - LINES, "stage"));
    }
    for place in told.iter().filter_map(|(_, stage)| said(stage)).collect::<BTreeSet<_>>() {
        let _ = writeln!(text, "{}", cell(&place));
    }
    if !quiet.is_empty() {
        let stages = units::count(quiet.len(), if told.is_empty() { "stage" } else { "other stage" });
        let (here, idle) = quiet.iter().fold((0, 0), |(here, idle), (_, stage)| match stage.why {
            Basis::Here => (here + 1, idle),
            _ => (here, idle + 1),
        });
        let why = match (here, idle) {
            (_, 0) => "here".to_owned(),
            (0, _) => "nothing is to be done".to_owned(),
            (here, idle) => format!("{here} here, {idle} with nothing to be done"),
        };
        let cost = if quiet.len() == 1 { "costs" } else { "cost" };
        let _ = writeln!(text, "{stages} {cost} nothing: {}", color.dim(&why));
    }
    if !told.is_empty() {
        let _ = writeln!(text, "{}", closing(bounds));
        let _ = writeln!(text, "{ESTIMATE}");
    }
    text
}

/// The sum of a plan: `in all $0.08 to $1.70`.
fn closing(bounds: &RunBounds) -> String {
    let limit = match bounds.limit {
        Some(limit) if bounds.most.is_some_and(|most| most < limit) => {
            format!("; the places end it at {} in any case", units::exact(limit))
        }
        _ => String::new(),
    };
    match bounds.most {
        Some(most) if bounds.least > 0.0 && units::exact(bounds.least) != units::exact(most) => {
            format!("in all {} to {}{limit}", units::exact(bounds.least), units::exact(most))
        }
        Some(most) if bounds.least > 0.0 => format!("in all {}{limit}", units::exact(most)),
        Some(most) => format!("in all at most {}{limit}", units::exact(most)),
        None => {
            let unknown: Vec<_> = bounds.stages.iter().filter(|(_, stage)| stage.most.is_none()).collect();
            // The sum of nothing would be -0.
            let known = bounds.stages.values().filter_map(|stage| stage.most).fold(0.0, |sum, most| sum + most);
            let stages = units::count(unknown.len(), "stage");
            format!("in all not known: {stages} of unknown price; the others at most {}", units::exact(known))
        }
    }
}

/// The bounds of a stage as amounts.
pub fn amount(stage: &StageBounds) -> String {
    match stage.most {
        None => "not known".to_owned(),
        Some(most) if stage.least > 0.0 && units::exact(stage.least) != units::exact(most) => {
            format!("{} to {}", units::exact(stage.least), units::exact(most))
        }
        Some(most) if stage.least > 0.0 => units::dollars(most),
        Some(most) => format!("at most {}", units::exact(most)),
    }
}

/// Why a stage costs so much.
pub fn basis(stage: &StageBounds) -> String {
    let prices = stage.prices.as_ref();
    let time = stage.seconds.map(units::seconds).unwrap_or_default();
    match &stage.why {
        Basis::Idle => "nothing is to be done".to_owned(),
        Basis::Here => "it runs here".to_owned(),
        Basis::Learned => format!("{time} there last time"),
        Basis::NoRunYet => {
            let of_budget = prices.and_then(|prices| prices.budget).filter(|budget| stage.most == Some(*budget));
            match (of_budget, prices.and_then(|prices| prices.cap), prices.and_then(|prices| prices.most)) {
                (Some(budget), ..) => format!("no run there yet: its budget, {}", units::exact(budget)),
                (None, Some(cap), _) => {
                    format!("no run there yet: max_lifetime x max_price, {time} at ${cap:.3} an hour")
                }
                (None, None, Some(most)) => format!("no run there yet: its lifetime, {time} at ${most:.3} an hour"),
                (None, None, None) => "no run there yet".to_owned(),
            }
        }
        Basis::NoPrice(why) => format!("no price: {why}"),
    }
}

/// What its place says of prices: `spot: g4dn.xlarge, spot, $0.158 an hour; the spot prices of the last day`.
fn said(stage: &StageBounds) -> Option<String> {
    let prices = stage.prices.as_ref()?;
    let hourly = match (prices.least, prices.most) {
        (Some(least), Some(most)) if least < most => format!(", ${least:.3} to ${most:.3} an hour"),
        (_, Some(most)) => format!(", ${most:.3} an hour"),
        (Some(least), None) => format!(", from ${least:.3} an hour"),
        (None, None) => String::new(),
    };
    let limit = prices.cap.map(|cap| format!(", never above ${cap:.3}")).unwrap_or_default();
    Some(format!("{}: {}{hourly}{limit}; {}", stage.backend, prices.what, prices.why))
}

/// Sums of dollars are not exact: a bound of $1.60 is within $1.60.
const DUST: f64 = 1e-6;

/// Stages that a refusal names.
const NAMED: usize = 3;

/// Why a run with these bounds may cost more than this, and what to do about it; `None`: it may not.
pub fn refusal(bounds: &RunBounds, allowed: f64) -> Option<(String, String)> {
    let unknown: Vec<_> = bounds.stages.iter().filter(|(_, stage)| stage.most.is_none()).collect();
    let named = |stages: &[(&StageName, &StageBounds)]| {
        let words = stages.iter().take(NAMED).map(|(name, stage)| match stage.most {
            Some(_) => format!("`{name}` at {}: {} ({})", stage.backend, amount(stage), basis(stage)),
            None => format!("`{name}` at {}: {}", stage.backend, basis(stage)),
        });
        let words = words.collect::<Vec<_>>().join("; ");
        match stages.len().saturating_sub(NAMED) {
            0 => words,
            more => format!("{words}; {}", units::count(more, "more stage")),
        }
    };
    if !unknown.is_empty() {
        let message = format!("nobody knows what the run may cost, so --max-cost cannot be kept: {}", named(&unknown));
        let help = "leave --max-cost out, or run these stages elsewhere: --backend NAME=OTHER";
        return Some((message, help.to_owned()));
    }
    let most = bounds.most.filter(|most| *most > allowed + DUST)?;
    let mut dear: Vec<_> = bounds.stages.iter().filter(|(_, stage)| !stage.is_nothing()).collect();
    dear.sort_by(|one, other| other.1.most.unwrap_or_default().total_cmp(&one.1.most.unwrap_or_default()));
    let message = format!(
        "the run may cost {} beyond this machine, and --max-cost is {}: {}",
        units::exact(most),
        units::exact(allowed),
        named(&dear)
    );
    let help = "raise --max-cost; lower max_price, max_lifetime or budget of the backend in pipe.yaml; name fewer stages; or run some \
                here: --backend NAME=local. `pipe plan FILE --cost` shows every stage";
    Some((message, help.to_owned()))
}
