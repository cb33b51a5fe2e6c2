//! What a run would cost beyond this machine, before anything is launched: bounds, from the prices that places name and the time that
//! stages took there last.
//!
//! A stage that never ran at its place is bounded by the lifetime of an instance and the highest price that a launch may have. What is not
//! known is said, never taken for 0. Stages that are up to date or run here cost nothing, and for them alone nobody is asked.

use std::collections::{BTreeMap, BTreeSet};

use contract::Resources;
use contract::backend::Prices;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::forecast::{Forecast, Supposed};
use super::history::History;
use super::outcome::RunReport;
use crate::executor::remote::RemotePlace;
use crate::plan::{Plan, StageId};
use crate::remote::RemoteError;
use crate::spec::StageName;
use crate::store::{Record, Store};

/// Seconds that a place bills at least.
const LEAST_BILLED: f64 = 60.0;

/// What a run would cost beyond this machine.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RunBounds {
    /// US dollars that the stages which are known to run cost at least, as far as that is known.
    pub least: f64,
    /// US dollars that all of it may cost; `null` where it is not known of a stage.
    pub most: Option<f64>,
    /// US dollars after which the places themselves end what they launched, one attempt at each stage; `null` where a place has no limit.
    pub limit: Option<f64>,
    /// By name, in the plan's order.
    #[schemars(with = "BTreeMap<String, StageBounds>")]
    pub stages: IndexMap<StageName, StageBounds>,
}

/// What a stage would cost.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StageBounds {
    /// Where it runs.
    pub backend: String,
    /// Why it costs what it costs.
    pub why: Basis,
    /// US dollars; 0 where it may turn out up to date, or where nothing is known.
    pub least: f64,
    /// US dollars; `null` where it is not known.
    pub most: Option<f64>,
    /// US dollars after which the place ends one attempt at it; `null` where it has no limit.
    pub limit: Option<f64>,
    /// The seconds that count: those that it took there last, or the lifetime of an instance.
    pub seconds: Option<f64>,
    /// What the place says of its prices.
    pub prices: Option<Prices>,
}

/// Why a stage costs what it costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Its record serves it, it is not wanted, or it fails before it starts.
    Idle,
    /// It runs on this machine.
    Here,
    /// It takes the time that it took there last.
    Learned,
    /// It never ran there: an instance lives no longer than its lifetime, at no higher price than the place permits.
    NoRunYet,
    /// The place names no price: this is why.
    NoPrice(String),
}

impl StageBounds {
    fn nothing(backend: &str, why: Basis) -> StageBounds {
        let backend = backend.to_owned();
        StageBounds { backend, why, least: 0.0, most: Some(0.0), limit: Some(0.0), seconds: None, prices: None }
    }

    /// Whether it is certain to cost nothing.
    pub fn is_nothing(&self) -> bool {
        matches!(self.why, Basis::Idle | Basis::Here)
    }
}

/// Bounds of what a run of `plan` costs at the places `elsewhere`. Stages of `refresh` run although they have a record.
pub fn bounds(
    plan: &Plan,
    store: &Store,
    forecasts: &[Forecast],
    elsewhere: &BTreeMap<String, RemotePlace>,
    refresh: &BTreeSet<StageName>,
) -> RunBounds {
    let mut quotes = Quotes { elsewhere, asked: BTreeMap::new() };
    quotes.ask(plan.graph.node_indices().filter(|stage| may_run(plan, *stage, forecasts, refresh)).map(|stage| {
        let planned = &plan.graph[stage];
        (planned.backend.as_str(), planned.resources)
    }));
    let mut past = Past { history: History::open(store), reports: BTreeMap::new() };
    let mut of = |stage: StageId| {
        let planned = &plan.graph[stage];
        let backend = planned.backend.as_str();
        let bounds = match elsewhere.get(backend) {
            _ if !may_run(plan, stage, forecasts, refresh) => StageBounds::nothing(backend, Basis::Idle),
            None => StageBounds::nothing(backend, Basis::Here),
            Some(place) => match quotes.of(backend, planned.resources) {
                None => StageBounds::nothing(backend, Basis::Here),
                Some(quote) => {
                    let forecast = &forecasts[stage.index()];
                    let took = last(forecast).and_then(|record| past.seconds_there(record, backend));
                    let lifetime = place.timing.lifetime.as_secs_f64();
                    let certain = matches!(
                        forecast,
                        Forecast::Run { .. } | Forecast::Hit { .. } | Forecast::Unknown { supposed: Supposed::Run, .. }
                    );
                    priced(backend, quote, took, lifetime, certain)
                }
            },
        };
        (planned.name.clone(), bounds)
    };
    let stages: IndexMap<StageName, StageBounds> = plan.order.iter().map(|stage| of(*stage)).collect();
    RunBounds {
        least: stages.values().map(|stage| stage.least).sum(),
        most: stages.values().map(|stage| stage.most).sum(),
        limit: stages.values().map(|stage| stage.limit).sum(),
        stages,
    }
}

fn may_run(plan: &Plan, stage: StageId, forecasts: &[Forecast], refresh: &BTreeSet<StageName>) -> bool {
    match &forecasts[stage.index()] {
        Forecast::Run { .. } | Forecast::Unknown { .. } | Forecast::Undecided { .. } => true,
        Forecast::Hit { .. } => refresh.contains(&plan.graph[stage].name),
        Forecast::Skipped { .. } | Forecast::Refused { .. } => false,
    }
}

fn last(forecast: &Forecast) -> Option<&Record> {
    match forecast {
        Forecast::Run { last, .. } | Forecast::Unknown { last, .. } | Forecast::Undecided { last, .. } => {
            last.as_deref()
        }
        Forecast::Hit { record, .. } => Some(record),
        Forecast::Skipped { .. } | Forecast::Refused { .. } => None,
    }
}

/// Runs that made records.
struct Past<'a> {
    history: History<'a>,
    /// Those that were read; most stages of a plan were made by the same few.
    reports: BTreeMap<String, Option<RunReport>>,
}

impl Past<'_> {
    /// The seconds for which machines of `backend` were taken for this record; those of another place say little of this one. The report
    /// of the run tells them with boots and interrupted attempts; without it the execution alone is known.
    fn seconds_there(&mut self, record: &Record, backend: &str) -> Option<f64> {
        if record.backend != backend {
            return None;
        }
        let Past { history, reports } = self;
        let report = reports.entry(record.run.clone()).or_insert_with(|| history.report(&record.run));
        let stage = report.as_ref().and_then(|report| report.stages.get(record.stage.as_str()));
        let attempts = stage.into_iter().flat_map(|stage| &stage.attempts).filter(|it| it.backend == backend);
        let lived: u64 = attempts.filter_map(|it| Some(it.ended?.saturating_sub(it.launched?))).sum();
        Some(record.usage.seconds.max(lived as f64))
    }
}

/// The bounds of a stage for which a place has this to say.
fn priced(backend: &str, quote: &Quote, took: Option<f64>, lifetime: f64, certain: bool) -> StageBounds {
    let nothing = StageBounds::nothing(backend, Basis::Here);
    let prices = match quote {
        Ok(prices) => prices,
        Err(error) => {
            let help = error.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
            let why = Basis::NoPrice(format!("{error}{help}"));
            return StageBounds { why, most: None, limit: None, ..nothing };
        }
    };
    let dollars = |price: f64, seconds: f64| price * seconds.max(LEAST_BILLED) / 3600.0;
    let within = |amount: f64, limit: Option<f64>| limit.map_or(amount, |limit| amount.min(limit));
    let limit = prices.cap.or(prices.most).map(|price| within(dollars(price, lifetime), prices.budget));
    let limit = limit.or(prices.budget);
    let highest = prices.most.or(prices.cap);
    let prices = Some(prices.clone());
    match (took, highest) {
        (Some(took), Some(highest)) => {
            let most = within(dollars(highest, took), limit);
            let cheapest = prices.as_ref().and_then(|prices| prices.least).filter(|_| certain);
            let least = cheapest.map_or(0.0, |price| dollars(price, took).min(most));
            let seconds = Some(took);
            StageBounds { why: Basis::Learned, least, most: Some(most), limit, seconds, prices, ..nothing }
        }
        (None, _) if limit.is_some() => {
            StageBounds { why: Basis::NoRunYet, most: limit, limit, seconds: Some(lifetime), prices, ..nothing }
        }
        _ => {
            let why = prices.as_ref().map(|prices| prices.why.clone()).unwrap_or_default();
            StageBounds { why: Basis::NoPrice(why), most: limit, limit, prices, ..nothing }
        }
    }
}

/// What a place says of its prices, or that it says nothing.
type Quote = Result<Prices, RemoteError>;

/// What places say of their prices, each asked once for each sort of machine.
struct Quotes<'a> {
    elsewhere: &'a BTreeMap<String, RemotePlace>,
    asked: BTreeMap<&'a str, Vec<(Resources, Quote)>>,
}

impl<'a> Quotes<'a> {
    fn ask<'s>(&mut self, stages: impl Iterator<Item = (&'s str, Resources)>) {
        let mut wanted: BTreeMap<&'s str, Vec<Resources>> = BTreeMap::new();
        for (backend, resources) in stages {
            let of_backend = wanted.entry(backend).or_default();
            if !of_backend.contains(&resources) {
                of_backend.push(resources);
            }
        }
        for (backend, wanted) in wanted {
            let Some((name, place)) = self.elsewhere.get_key_value(backend) else { continue };
            let Some(answers) = place.prices(&wanted) else { continue };
            let answers = answers.unwrap_or_else(|error| vec![Err(error); wanted.len()]);
            self.asked.insert(name.as_str(), wanted.into_iter().zip(answers).collect());
        }
    }

    /// `None` where instances cost nothing.
    fn of(&self, backend: &str, resources: Resources) -> Option<&Quote> {
        self.asked.get(backend)?.iter().find(|(of, _)| *of == resources).map(|(_, quote)| quote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::FailedClass;

    fn quote(
        least: Option<f64>,
        most: Option<f64>,
        cap: Option<f64>,
        budget: Option<f64>,
    ) -> Result<Prices, RemoteError> {
        Ok(Prices { what: "a machine".into(), least, most, cap, budget, why: "it says so".into() })
    }

    /// Two hours as the last time, eight as the lifetime.
    #[track_caller]
    fn check(
        quote: Result<Prices, RemoteError>,
        took: Option<f64>,
        bounds: (f64, Option<f64>, Option<f64>),
        why: &Basis,
    ) {
        let found = priced("spot", &quote, took, 8.0 * 3600.0, true);
        assert_eq!((found.least, found.most, found.limit), bounds);
        assert_eq!(&found.why, why);
    }

    #[test]
    fn bounds_are_hours_times_dollars_within_what_the_place_permits() {
        let (two, unknown) = (Some(7200.0), || Basis::NoPrice("it says so".into()));
        check(quote(Some(0.1), Some(0.2), Some(0.25), None), two, (0.2, Some(0.4), Some(2.0)), &Basis::Learned);
        check(quote(Some(0.1), Some(0.2), Some(0.25), None), None, (0.0, Some(2.0), Some(2.0)), &Basis::NoRunYet);
        check(quote(Some(0.1), Some(0.2), Some(0.25), Some(1.5)), None, (0.0, Some(1.5), Some(1.5)), &Basis::NoRunYet);
        check(quote(Some(0.1), Some(0.2), Some(0.25), Some(0.3)), two, (0.2, Some(0.3), Some(0.3)), &Basis::Learned);
        check(quote(None, None, Some(0.25), None), two, (0.0, Some(0.5), Some(2.0)), &Basis::Learned);
        check(quote(Some(0.6), Some(0.6), None, None), Some(1.0), (0.01, Some(0.01), Some(4.8)), &Basis::Learned);
        check(quote(None, None, None, None), two, (0.0, None, None), &unknown());
        check(quote(None, None, None, Some(5.0)), two, (0.0, Some(5.0), Some(5.0)), &unknown());
        let refused = RemoteError::new(FailedClass::Unsupported, "it knows no prices");
        check(Err(refused), two, (0.0, None, None), &Basis::NoPrice("it knows no prices".into()));
    }
}
