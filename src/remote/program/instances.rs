//! The instances of a backend program, asked for one request at a time.

use contract::Resources;
use contract::backend::{AskPrices, Attach, Done, Instance, Log, Logs, Operation, Prices, Reap, Stop, Submit};
use contract::clean::bounded;

use super::Program;
use super::session::Ask;
use crate::remote::{Meter, RemoteError};

/// US dollars an hour, and in all, above which a figure is taken for a mistake.
const DEAREST_HOUR: f64 = 10_000.0;
const DEAREST: f64 = 100_000_000.0;

/// Bytes that are shown of what a program says of an instance.
const LONGEST_WORDS: usize = 500;

impl Program {
    pub(in crate::remote) fn submit(
        &self,
        submit: Submit,
        told: &mut dyn FnMut(&str),
    ) -> Result<Instance, RemoteError> {
        let (action, attempt) = (submit.action.clone(), submit.attempt);
        match self.ask_and_hear(Ask {
            operation: Operation::Submit(submit),
            measure: None,
            meter: &Meter::default(),
            told,
        })? {
            Done::Instance { instance: Some(instance) } if instance.action == action && instance.attempt == attempt => {
                Ok(checked(*instance))
            }
            _ => Err(self.nonsense()),
        }
    }

    pub(in crate::remote) fn attach(&self, attach: Attach) -> Result<Option<Instance>, RemoteError> {
        let (action, attempt) = (attach.action.clone(), attach.attempt);
        match self.ask(Operation::Attach(attach), None, &Meter::default())? {
            Done::Instance { instance: None } => Ok(None),
            Done::Instance { instance: Some(instance) } if instance.action == action && instance.attempt == attempt => {
                Ok(Some(checked(*instance)))
            }
            _ => Err(self.nonsense()),
        }
    }

    pub(in crate::remote) fn instances(&self) -> Result<Vec<Instance>, RemoteError> {
        self.listed(Operation::Instances(contract::backend::Instances { ids: None }))
    }

    pub(in crate::remote) fn reap(&self) -> Result<Vec<Instance>, RemoteError> {
        self.listed(Operation::Reap(Reap {}))
    }

    fn listed(&self, operation: Operation) -> Result<Vec<Instance>, RemoteError> {
        match self.ask(operation, None, &Meter::default())? {
            Done::Instances { instances } => Ok(instances.into_iter().map(checked).collect()),
            _ => Err(self.nonsense()),
        }
    }

    pub(in crate::remote) fn stop(&self, id: &str) -> Result<(), RemoteError> {
        match self.ask(Operation::Stop(Stop { id: id.to_owned() }), None, &Meter::default())? {
            Done::Instance { .. } => Ok(()),
            _ => Err(self.nonsense()),
        }
    }

    pub(in crate::remote) fn logs(&self, id: &str, after: Option<String>) -> Result<Log, RemoteError> {
        match self.ask(Operation::Logs(Logs { id: id.to_owned(), after }), None, &Meter::default())? {
            Done::Logs { log } => Ok(log),
            _ => Err(self.nonsense()),
        }
    }

    pub(in crate::remote) fn prices(&self, resources: Resources) -> Result<Prices, RemoteError> {
        match self.ask(Operation::Prices(AskPrices { resources }), None, &Meter::default())? {
            Done::Prices { prices } if is_sound(&prices) => Ok(prices),
            _ => Err(self.nonsense()),
        }
    }
}

/// Whether its figures are amounts, so that sums of them mean something.
fn is_sound(prices: &Prices) -> bool {
    let amounts = [prices.least, prices.most, prices.cap, prices.budget];
    let in_order = prices.least.zip(prices.most).is_none_or(|(least, most)| least <= most);
    in_order && amounts.into_iter().flatten().all(|amount| amount.is_finite() && amount >= 0.0)
}

/// An instance as people and budgets may see it: its words in one line each, and no figure that is none.
fn checked(instance: Instance) -> Instance {
    let line = |text: &str| bounded(text, LONGEST_WORDS).into_owned();
    let usd = |figure: Option<f64>, most: f64| figure.filter(|usd| (0.0..=most).contains(usd));
    let price = usd(instance.price, DEAREST_HOUR);
    // A cost that follows from a price that is none is none either.
    let is_priced = price.is_some() || instance.price.is_none();
    Instance {
        why: line(&instance.why),
        what: line(&instance.what),
        price,
        cost: usd(instance.cost, DEAREST).filter(|_| is_priced),
        ..instance
    }
}
