//! What became of an instance, in words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_ec2::types::{self, InstanceLifecycleType, InstanceStateName};
use contract::backend::{Ended, Instance, State};

use super::{ACTION, ATTEMPT, LIFETIME, PRICE, Spot};
use crate::instances::{cost, now};

/// An instance that ends so shortly before its lifetime is over was ended by that.
const EXPIRES_WITHIN: u64 = 90;

impl Spot {
    pub(super) async fn described(&self, instance: &types::Instance) -> Instance {
        let id = instance.instance_id().unwrap_or_default();
        let tag = |key: &str| instance.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
        let launched = instance.launch_time().and_then(|time| u64::try_from(time.secs()).ok());
        let lifetime: Option<u64> = tag(LIFETIME).and_then(|seconds| seconds.parse().ok());
        let expires = launched.zip(lifetime).map(|(launched, lifetime)| launched + lifetime);
        let ended = instance.state_transition_reason().and_then(time_in);
        let reason = instance.state_reason().and_then(|reason| reason.code()).unwrap_or_default();
        let state = instance.state().and_then(|state| state.name());
        let mark = match state {
            Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown) if ended_itself(reason) => {
                self.mark(id).await
            }
            _ => None,
        };
        let (state, end, why) = told(state, reason, mark.as_deref(), expires, ended);
        let spot = instance.instance_lifecycle() == Some(&InstanceLifecycleType::Spot);
        let kind = instance.instance_type().map(types::InstanceType::as_str).unwrap_or_default();
        let zone = instance.placement().and_then(|place| place.availability_zone()).unwrap_or_default();
        let price = match tag(PRICE).and_then(|price| price.parse().ok()) {
            Some(price) => Some(price),
            None if spot => self.price_then(kind, zone, launched).await,
            None => places::catalog::on_demand(kind, &self.ground.region),
        };
        let until = if state == State::Ended { ended } else { Some(now()) };
        Instance {
            id: id.into(),
            action: tag(ACTION).unwrap_or_default().into(),
            attempt: tag(ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or_default(),
            state,
            end,
            why,
            what: format!("{kind}, {}, {zone}", if spot { "spot" } else { "on demand" }),
            launched,
            ended: ended.filter(|_| state == State::Ended),
            expires,
            price,
            cost: price.zip(launched).zip(until).map(|((price, launched), until)| cost(price, launched, until)),
        }
    }

    /// The spot price when it was launched. An estimate needs no error.
    async fn price_then(&self, kind: &str, zone: &str, launched: Option<u64>) -> Option<f64> {
        let at: SystemTime = UNIX_EPOCH + Duration::from_secs(launched?);
        self.prices(&[kind], at).await.ok()?.remove(&(kind.to_owned(), zone.to_owned()))
    }
}

/// Whether the instance shut itself down.
fn ended_itself(reason: &str) -> bool {
    reason == "Client.InstanceInitiatedShutdown"
}

/// State, end and words, from what EC2 says and what the boot wrote down.
fn told(
    state: Option<&InstanceStateName>,
    reason: &str,
    mark: Option<&str>,
    expires: Option<u64>,
    ended: Option<u64>,
) -> (State, Option<Ended>, String) {
    let (end, why) = match (reason, mark) {
        (_, Some(mark)) => (Ended::Failed, mark.to_owned()),
        (reason, None) if ended_itself(reason) => match expires.zip(ended) {
            Some((expires, ended)) if ended + EXPIRES_WITHIN >= expires => {
                (Ended::Expired, "its lifetime was over".to_owned())
            }
            _ => (Ended::Finished, "its command has ended".to_owned()),
        },
        ("Server.SpotInstanceTermination" | "Server.SpotInstanceShutdown", _) => {
            (Ended::Interrupted, "EC2 took the spot instance back".to_owned())
        }
        ("Client.UserInitiatedShutdown" | "User.Initiated", _) => {
            (Ended::Stopped, "it was terminated on request".to_owned())
        }
        ("Server.InsufficientInstanceCapacity", _) => {
            (Ended::Interrupted, "EC2 had no capacity left when it was to start".to_owned())
        }
        ("Server.InternalError" | "Server.ScheduledStop" | "Server.HardwareFailure", _) => {
            (Ended::Interrupted, format!("EC2 ended it for reasons of its own ({reason})"))
        }
        ("Client.VolumeLimitExceeded", _) => (
            Ended::Failed,
            "the account's quota of EBS storage is used up (quota: Storage for General Purpose SSD)".to_owned(),
        ),
        ("Client.InvalidSnapshot.NotFound" | "Client.InternalError", _) => {
            (Ended::Failed, format!("its disk could not be made; check the ami and its encryption key ({reason})"))
        }
        ("", _) => (Ended::Stopped, "it was terminated".to_owned()),
        (reason, _) => (Ended::Failed, format!("EC2 ended it: {reason}")),
    };
    match state {
        Some(InstanceStateName::Pending) => (State::Starting, None, "the machine starts".to_owned()),
        Some(InstanceStateName::Running) => (State::Running, None, "the machine runs".to_owned()),
        Some(InstanceStateName::ShuttingDown | InstanceStateName::Stopping) => (State::Stopping, None, why),
        // One that is stopped and not terminated costs its disk; `stop` ends it.
        Some(InstanceStateName::Stopped) => (State::Stopping, None, "it is stopped and not terminated".to_owned()),
        _ => (State::Ended, Some(end), why),
    }
}

/// The time in a text such as `User initiated (2026-11-30 02:03:04 GMT)`, in Unix seconds.
fn time_in(reason: &str) -> Option<u64> {
    let (_, rest) = reason.split_once('(')?;
    let mut parts = rest.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).map(str::parse::<i64>);
    let mut next = || parts.next()?.ok();
    let (year, month, day) = (next()?, next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    // Days since 1970 of a date: years begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_end_is_read() {
        for (text, time) in [
            ("User initiated (1970-01-01 00:00:01 GMT)", Some(1)),
            ("User initiated (2024-02-29 12:00:00 GMT)", Some(1_709_208_000)),
            ("User initiated (2026-11-30 02:44:34 GMT)", Some(1_796_006_674)),
            ("User initiated", None),
            ("(2024-13-01 00:00:00)", None),
        ] {
            assert_eq!(time_in(text), time, "{text}");
        }
    }

    #[test]
    fn each_end_has_its_words() {
        let terminated = Some(&InstanceStateName::Terminated);
        for (reason, mark, ended, end, words) in [
            ("Server.SpotInstanceTermination", None, None, Ended::Interrupted, "took the spot instance back"),
            ("Client.UserInitiatedShutdown", None, None, Ended::Stopped, "on request"),
            ("Client.InstanceInitiatedShutdown", None, Some(100), Ended::Finished, "its command has ended"),
            ("Client.InstanceInitiatedShutdown", None, Some(990), Ended::Expired, "lifetime"),
            ("Client.InstanceInitiatedShutdown", Some("setup: 7"), Some(100), Ended::Failed, "setup: 7"),
            ("Client.VolumeLimitExceeded", None, None, Ended::Failed, "quota"),
            ("Client.Unheard", None, None, Ended::Failed, "Client.Unheard"),
        ] {
            let (state, found, why) = told(terminated, reason, mark, Some(1000), ended);
            assert_eq!((state, found), (State::Ended, Some(end)), "{reason}");
            assert!(why.contains(words), "{reason}: {why}");
        }
        assert_eq!(told(Some(&InstanceStateName::Pending), "", None, None, None).0, State::Starting);
    }
}
