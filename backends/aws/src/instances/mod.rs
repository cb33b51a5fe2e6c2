//! Places that run instances: EC2 spot and SageMaker, by the requests of docs/backend-protocol.md.
//!
//! - [`Site`]: a place with its clients. [`spot`], [`jobs`]: the two of them.
//! - [`bundle`]: what goes along, and whether it can run there. [`boot`]: what an instance executes first.
//! - [`trouble`]: errors of these services in words.

mod boot;
mod bundle;
mod jobs;
mod spot;
mod trouble;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use contract::backend::{Done, Failed, FailedClass, Instance, Operation, Submit};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use trouble::said;

use crate::PROGRAM;
use crate::answers::Progress;
use crate::failure::{failed, helped};
use crate::place::{Bucket, load_services};

/// Seconds of the shortest useful lifetime.
const LEAST: u64 = 300;

/// A place for instances.
pub(crate) enum Site {
    Spot(spot::Spot),
    Jobs(jobs::Jobs),
}

/// What every place works with.
pub(crate) struct Ground {
    bucket: Arc<Bucket>,
    /// What has its objects under the same URL: instances of others are left alone.
    workspace: String,
    region: String,
    sdk: SdkConfig,
}

impl Site {
    /// The place that the settings of a hello name. Nothing is asked yet: an engine may only want the objects.
    pub(crate) async fn open(place: &Value, bucket: &Arc<Bucket>) -> Result<Self, Failed> {
        let entries = place.as_object().filter(|place| place.len() == 1);
        let Some((name, settings)) = entries.and_then(|place| place.iter().next()) else {
            return Err(failed(FailedClass::Invalid, "the place of the hello is not one type with its settings"));
        };
        let Some(read) = places::read(name, settings) else {
            let message = format!("{PROGRAM} knows no place of the type {name:?}");
            let known: Vec<&str> = places::TYPES.iter().map(|(name, _)| *name).collect();
            return Err(helped(FailedClass::Unsupported, message, format!("there is {}", known.join(", "))));
        };
        let read = read.map_err(|findings| {
            let texts: Vec<String> = findings.iter().map(|found| found.message.clone()).collect();
            let help = findings.first().map(|found| found.help.clone()).unwrap_or_default();
            helped(FailedClass::Invalid, format!("{name}: {}", texts.join("; ")), help)
        })?;
        let region = match &read {
            places::Place::Ec2Spot(spot) => spot.region.clone(),
            places::Place::SageMaker(job) => job.region.clone(),
        };
        let sdk = load_services(bucket.profile.as_deref(), &region).await;
        let ground = Ground { bucket: Arc::clone(bucket), workspace: workspace(&bucket.url()), region, sdk };
        Ok(match read {
            places::Place::Ec2Spot(settings) => Self::Spot(spot::Spot::new(ground, settings)),
            places::Place::SageMaker(settings) => Self::Jobs(jobs::Jobs::new(ground, settings)),
        })
    }

    /// Carries out one of the requests about instances.
    pub(crate) async fn carry_out(&self, operation: Operation, progress: &Progress) -> Result<Done, Failed> {
        let one = |instance| Done::Instance { instance: Some(Box::new(instance)) };
        let many = |instances| Done::Instances { instances };
        match operation {
            Operation::Submit(submit) => {
                check(&submit)?;
                match self {
                    Self::Spot(spot) => spot.submit(&submit, progress).await.map(one),
                    Self::Jobs(jobs) => jobs.submit(&submit).await.map(one),
                }
            }
            Operation::Attach(attach) => {
                let found: Option<Instance> = match self {
                    Self::Spot(spot) => spot.attach(&attach.action, attach.attempt).await?,
                    Self::Jobs(jobs) => jobs.attach(&attach.action, attach.attempt).await?,
                };
                Ok(Done::Instance { instance: found.map(Box::new) })
            }
            Operation::Instances(asked) => match self {
                Self::Spot(spot) => spot.instances(asked.ids.as_deref()).await.map(many),
                Self::Jobs(jobs) => jobs.instances(asked.ids.as_deref()).await.map(many),
            },
            Operation::Logs(asked) => match self {
                Self::Spot(spot) => spot.logs(&asked.id, asked.after.as_deref()).await,
                Self::Jobs(jobs) => jobs.logs(&asked.id, asked.after.as_deref()).await,
            }
            .map(|log| Done::Logs { log }),
            Operation::Stop(stop) => match self {
                Self::Spot(spot) => spot.stop(&stop.id).await.map(one),
                Self::Jobs(jobs) => jobs.stop(&stop.id).await.map(one),
            },
            Operation::Reap(_) => match self {
                Self::Spot(spot) => spot.reap().await.map(many),
                Self::Jobs(jobs) => jobs.reap().await.map(many),
            },
            Operation::Prices(asked) => {
                let prices = match self {
                    Self::Spot(spot) => spot.quote(asked.resources).await?,
                    Self::Jobs(jobs) => jobs.quote(asked.resources)?,
                };
                Ok(Done::Prices { prices })
            }
            _ => Err(failed(FailedClass::Broken, "this request is about no instance")),
        }
    }
}

/// The identity of what has its objects at this URL.
fn workspace(url: &str) -> String {
    hexadecimal(url.as_bytes())[..16].to_owned()
}

/// The SHA-256 of the bytes.
fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether names and numbers are such that tags and names of jobs can be made of them.
fn check(submit: &Submit) -> Result<(), Failed> {
    let wrong = |message: &str| Err(failed(FailedClass::Invalid, message));
    let is_name = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if !is_name(&submit.action, 128) || submit.action.len() < 12 {
        return wrong("the action of a submit is no digest");
    }
    if submit.attempt == 0 {
        return wrong("attempts are counted from 1");
    }
    if !is_name(&submit.token, 40) {
        return wrong("the token of a submit has 1 to 40 letters, digits and `-`");
    }
    if submit.command.is_empty() || !submit.bundle.files.iter().any(|piece| piece.name == submit.command[0]) {
        return wrong("the first word of the command names no file of the bundle");
    }
    Ok(())
}

/// How long an instance may live: as long as the place says, and as the budget pays for at `price` an hour.
fn lifetime(longest: Duration, budget: Option<f64>, spent: f64, price: Option<f64>) -> Result<Duration, Failed> {
    let (Some(budget), Some(price)) = (budget, price) else { return Ok(longest) };
    let left = (budget - spent).max(0.0);
    let pays_for = left / price * 3600.0;
    if pays_for < LEAST as f64 {
        let message = format!(
            "{spent:.2} of the budget of {budget:.2} US dollars are spent; the rest pays for no further attempt"
        );
        return Err(helped(FailedClass::Denied, message, "raise `budget`, or run the stage on another backend"));
    }
    Ok(longest.min(Duration::from_secs(pays_for as u64)))
}

/// What an instance cost in this time, as it is billed: at least a minute.
fn cost(price: f64, launched: u64, until: u64) -> f64 {
    price * until.saturating_sub(launched).max(60) as f64 / 3600.0
}

/// Unix seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Dollars as EC2 reads them: `0.20`, `0.1234`.
fn dollars(amount: f64) -> String {
    let text = format!("{amount:.4}");
    let short = text.trim_end_matches('0');
    let decimals = short.len() - short.find('.').map_or(0, |dot| dot + 1);
    if decimals >= 2 { short.to_owned() } else { format!("{amount:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_shortens_the_life_and_then_forbids_it() {
        let day = Duration::from_secs(86_400);
        let check = |budget, spent, hours: Option<f64>| {
            let allowed = lifetime(day, budget, spent, Some(0.20)).ok().map(|time| time.as_secs_f64() / 3600.0);
            assert_eq!(allowed.map(f64::round), hours, "{budget:?} {spent}");
        };
        check(None, 100.0, Some(24.0));
        check(Some(5.0), 0.0, Some(24.0));
        check(Some(1.0), 0.0, Some(5.0));
        check(Some(1.0), 0.6, Some(2.0));
        check(Some(1.0), 1.2, None);
    }

    #[test]
    fn dollars_have_two_decimals_or_what_they_need() {
        for (amount, text) in [(0.2, "0.20"), (0.1234, "0.1234"), (1.0, "1.00"), (0.526, "0.526")] {
            assert_eq!(dollars(amount), text);
        }
    }
}
