//! The attempts of an execution, for people: the place, time and cost of each.

use std::ops::{Range, RangeInclusive};

use contract::backend::{Instance, State};

use super::board::Board;
use super::documents::End;
use super::lease::unix_seconds;
use super::teller::Teller;
use crate::executor::{AttemptEnd, RemoteAttempt};
use crate::remote::RemoteError;

/// The first attempt of the execution to which `newest` belongs: the one after the last earlier attempt that finished, failed or broke.
pub(super) fn first(board: &Board, newest: u32) -> Result<u32, RemoteError> {
    let mut first = newest.max(1);
    let earlier = if newest > 1 { board.intents()? } else { Vec::new() };
    for attempt in earlier.into_iter().rev().filter(|attempt| *attempt < newest) {
        match board.attempt(attempt)?.map(|attempt| attempt.end) {
            None | Some(End::Interrupted { .. }) => first = attempt,
            Some(End::Finished {} | End::Found {} | End::Failed { .. } | End::Broken { .. }) => break,
        }
    }
    Ok(first)
}

/// US dollars that attempts cost, as far as the place said.
pub(super) fn spent(board: &Board, attempts: Range<u32>) -> Result<f64, RemoteError> {
    let mut spent = 0.0;
    for attempt in attempts {
        spent += board.instance(attempt)?.and_then(|instance| instance.cost).unwrap_or(0.0);
    }
    Ok(spent)
}

/// Completes an ended instance that lacks its end or its cost: its last sign of life gives the end, and its price gives the cost.
pub(super) fn completed(board: &Board, mut instance: Instance) -> Result<Instance, RemoteError> {
    if instance.state != State::Ended || (instance.ended.is_some() && instance.cost.is_some()) {
        return Ok(instance);
    }
    let attempt = instance.attempt;
    if instance.ended.is_none() {
        let end = board.attempt(attempt)?.map(|end| end.ended);
        let lease = board.lease()?.map(|(lease, _)| lease).filter(|lease| lease.epoch == attempt);
        let former = board.instance(attempt)?.and_then(|former| former.ended);
        instance.ended = end.or(lease.map(|lease| lease.renewed)).or(former).or_else(|| Some(unix_seconds()));
    }
    instance.cost = instance.cost.or_else(|| Some(estimate(instance.price?, instance.launched?, instance.ended?)));
    Ok(instance)
}

/// US dollars at this price an hour. Places bill a minute at least.
pub(super) fn estimate(price: f64, launched: u64, ended: u64) -> f64 {
    price * ended.saturating_sub(launched).max(60) as f64 / 3600.0
}

/// Tells of each attempt. One that cannot be read now is left out: it is for the report alone.
pub(super) fn tell(board: &Board, teller: &Teller, attempts: RangeInclusive<u32>) {
    for attempt in attempts.filter(|attempt| *attempt > 0) {
        if let Ok(Some(told)) = one(board, teller, attempt) {
            teller.attempt(told);
        }
    }
}

fn one(board: &Board, teller: &Teller, attempt: u32) -> Result<Option<RemoteAttempt>, RemoteError> {
    let (instance, ended) = (board.instance(attempt)?, board.attempt(attempt)?);
    if instance.is_none() && ended.is_none() {
        return Ok(None);
    }
    // One that wrote nothing down was taken away with its machine.
    let is_gone = instance.as_ref().is_some_and(|instance| instance.state == State::Ended);
    let without_words = if is_gone { AttemptEnd::Interrupted } else { AttemptEnd::Unknown };
    let end = ended.as_ref().map_or(without_words, |ended| match ended.end {
        End::Finished {} | End::Found {} => AttemptEnd::Finished,
        End::Failed { .. } => AttemptEnd::Failed,
        End::Interrupted { .. } => AttemptEnd::Interrupted,
        End::Broken { .. } => AttemptEnd::Broken,
    });
    let instance = instance.as_ref();
    Ok(Some(RemoteAttempt {
        attempt,
        backend: teller.place.clone(),
        instance: instance.map(|instance| instance.id.clone()),
        what: instance.map(|instance| instance.what.clone()),
        host: ended.as_ref().map(|ended| ended.host.clone()),
        launched: instance.and_then(|instance| instance.launched),
        started: ended.as_ref().map(|ended| ended.started),
        ended: ended.as_ref().map(|ended| ended.ended).or(instance.and_then(|instance| instance.ended)),
        end,
        price: instance.and_then(|instance| instance.price),
        cost: instance.and_then(|instance| instance.cost),
    }))
}
