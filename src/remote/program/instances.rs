//! The instances of a backend program, asked for one request at a time.

use contract::Resources;
use contract::backend::{AskPrices, Attach, Done, Instance, Log, Logs, Operation, Prices, Reap, Stop, Submit};

use super::Program;
use crate::remote::RemoteError;

impl Program {
    pub(in crate::remote) fn submit(
        &self,
        submit: Submit,
        told: &mut dyn FnMut(&str),
    ) -> Result<Instance, RemoteError> {
        let (action, attempt) = (submit.action.clone(), submit.attempt);
        match self.ask_and_hear(Operation::Submit(submit), None, told)? {
            Done::Instance { instance: Some(instance) } if instance.action == action && instance.attempt == attempt => {
                Ok(*instance)
            }
            _ => Err(self.nonsense()),
        }
    }

    pub(in crate::remote) fn attach(&self, attach: Attach) -> Result<Option<Instance>, RemoteError> {
        let (action, attempt) = (attach.action.clone(), attach.attempt);
        match self.ask(Operation::Attach(attach), None)? {
            Done::Instance { instance: None } => Ok(None),
            Done::Instance { instance: Some(instance) } if instance.action == action && instance.attempt == attempt => {
                Ok(Some(*instance))
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
        match self.ask(operation, None)? {
            Done::Instances { instances } => Ok(instances),
            _ => Err(self.nonsense()),
        }
    }

    pub(in crate::remote) fn stop(&self, id: &str) -> Result<(), RemoteError> {
        match self.ask(Operation::Stop(Stop { id: id.to_owned() }), None)? {
            Done::Instance { .. } => Ok(()),
            _ => Err(self.nonsense()),
        }
    }

    pub(in crate::remote) fn logs(&self, id: &str, after: Option<String>) -> Result<Log, RemoteError> {
        match self.ask(Operation::Logs(Logs { id: id.to_owned(), after }), None)? {
            Done::Logs { log } => Ok(log),
            _ => Err(self.nonsense()),
        }
    }

    pub(in crate::remote) fn prices(&self, resources: Resources) -> Result<Prices, RemoteError> {
        match self.ask(Operation::Prices(AskPrices { resources }), None)? {
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
