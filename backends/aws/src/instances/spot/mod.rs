//! Spot instances of EC2, and instances on demand where the settings allow them.
//!
//! ```text
//!   submit ── is it there? ──> pools (types x zones) ──> prices below the cap ──> one pool: RunInstances, more: CreateFleet
//!                                                                        └─ no capacity ──> on demand, below the same cap
//! ```
//! - [`pools`]: where an instance may run, and what that costs now. [`prices`]: what a launch would cost. [`launch`]: the requests. [`describe`]: what became of it.
//!
//! An instance ends by itself: when its command does, and when its lifetime is over ([`super::boot`]).

mod describe;
mod launch;
mod pools;
mod prices;

use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Tag};
use aws_smithy_types::base64;
use contract::backend::{Failed, FailedClass, Instance, Log, State, Submit};
use contract::card::Resources;
use places::{Ami, Ec2Spot};

use super::boot::{Boot, MARK};
use super::trouble::Call;
use super::{Ground, bundle, lifetime, now};
use crate::answers::Progress;
use crate::failure::{failed, helped};

/// The tags of what we launch.
pub(super) const WORKSPACE: &str = "pipe:workspace";
const ACTION: &str = "pipe:action";
const ATTEMPT: &str = "pipe:attempt";
const TOKEN: &str = "pipe:token";
/// Seconds. With the time of the launch it says when an instance has expired; a date would make two equal requests differ.
const LIFETIME: &str = "pipe:lifetime";
/// US dollars an hour at the launch; written right after it, when the pool is known.
const PRICE: &str = "pipe:price";

/// A place of this type.
pub(crate) struct Spot {
    ground: Ground,
    settings: Ec2Spot,
    client: Client,
}

impl Spot {
    pub(super) fn new(ground: Ground, settings: Ec2Spot) -> Self {
        let client = Client::new(&ground.sdk);
        Self { ground, settings, client }
    }

    fn call<'a>(&'a self, action: &'static str, on: &'a str) -> Call<'a> {
        Call { action, on, region: &self.ground.region }
    }

    /// Launches an instance, unless the token launched one already.
    pub(super) async fn submit(&self, submit: &Submit, progress: &Progress) -> Result<Instance, Failed> {
        let Ec2Spot { max_price, budget, max_lifetime, .. } = &self.settings;
        let wanted = submit.resources;
        let fitting = self.fitting(wanted)?;
        let image = match &self.settings.ami {
            Ami::Id(id) | Ami::Parameter(id) => id,
        };
        bundle::fits(&submit.bundle, image)?;
        if let Some(instance) = self.of_token(&submit.token).await? {
            return Ok(instance);
        }
        let lifetime = lifetime(*max_lifetime, *budget, submit.spent, Some(*max_price))?;
        let boot = Boot {
            bucket: &self.ground.bucket,
            pieces: &bundle::pieces(submit, &self.ground.bucket).await?,
            command: &submit.command,
            lifetime,
            has_setup: submit.setup.is_some(),
            wants_gpu: wanted.gpus > 0 || wanted.gpu_memory > 0,
        };
        let order = launch::Order {
            user_data: base64::encode(boot.user_data()?),
            tags: self.tags(submit, lifetime),
            token: submit.token.clone(),
            refused: submit.refused,
        };
        let launched = self.launch(&order, &fitting, progress).await?;
        self.write_price(&launched).await;
        self.of_id(&launched.id).await?.ok_or_else(|| {
            failed(FailedClass::Unavailable, format!("{} was launched, and EC2 does not show it yet", launched.id))
        })
    }

    /// The types that have what a stage asks for.
    fn fitting(&self, wanted: Resources) -> Result<Vec<&str>, Failed> {
        let types = self.settings.instances.iter().map(String::as_str);
        let lacks = |name: &str| places::catalog::lacks(name, wanted);
        let fitting: Vec<&str> = types.clone().filter(|name| lacks(name).is_none()).collect();
        if fitting.is_empty() {
            let reasons: Vec<String> = types.filter_map(lacks).collect();
            let help = "name larger machines, or lower the stage's resources";
            return Err(helped(FailedClass::Invalid, reasons.join("; "), help));
        }
        Ok(fitting)
    }

    /// Keeps the price of the launch with the instance. Where that fails, the history of prices tells it.
    async fn write_price(&self, launched: &launch::Launched) {
        let Some(price) = launched.price else { return };
        let tag = Tag::builder().key(PRICE).value(price.to_string()).build();
        let _ = self.client.create_tags().resources(&launched.id).tags(tag).send().await;
    }

    fn tags(&self, submit: &Submit, lifetime: Duration) -> Vec<Tag> {
        let tag = |key: &str, value: String| Tag::builder().key(key).value(value).build();
        vec![
            tag("Name", format!("pipe {} {}", &submit.action[..12], submit.attempt)),
            tag(WORKSPACE, self.ground.workspace.clone()),
            tag(ACTION, submit.action.clone()),
            tag(ATTEMPT, submit.attempt.to_string()),
            tag(TOKEN, submit.token.clone()),
            tag(LIFETIME, lifetime.as_secs().to_string()),
        ]
    }

    /// What was launched for the attempt, the newest where it is several.
    pub(super) async fn attach(&self, action: &str, attempt: u32) -> Result<Option<Instance>, Failed> {
        let found = self.find(&[(ACTION, action), (ATTEMPT, &attempt.to_string())], None).await?;
        Ok(found.into_iter().max_by_key(|instance| instance.launched))
    }

    async fn of_token(&self, token: &str) -> Result<Option<Instance>, Failed> {
        let found = self.find(&[(TOKEN, token)], None).await?;
        // One that lives before one that has ended.
        Ok(found.into_iter().max_by_key(|instance| (instance.state != State::Ended, instance.launched)))
    }

    /// An instance that was launched a moment ago may not be shown yet.
    async fn of_id(&self, id: &str) -> Result<Option<Instance>, Failed> {
        for pause in [0, 1, 2, 4, 8] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            if let Some(instance) = self.find(&[], Some(&[id.to_owned()])).await?.pop() {
                return Ok(Some(instance));
            }
        }
        Ok(None)
    }

    /// The instances of this workspace with these ids, or all that have not ended.
    pub(super) async fn instances(&self, ids: Option<&[String]>) -> Result<Vec<Instance>, Failed> {
        let mut found = self.find(&[], ids).await?;
        if ids.is_none() {
            found.retain(|instance| instance.state != State::Ended);
        }
        Ok(found)
    }

    /// Instances of this workspace: a filter that is never left out.
    async fn find(&self, tags: &[(&str, &str)], ids: Option<&[String]>) -> Result<Vec<Instance>, Failed> {
        if ids.is_some_and(<[String]>::is_empty) {
            return Ok(Vec::new());
        }
        let workspace = [(WORKSPACE, self.ground.workspace.as_str())];
        let filter = |name: String, values: Vec<String>| Filter::builder().name(name).set_values(Some(values)).build();
        let mut filters: Vec<Filter> = workspace
            .iter()
            .chain(tags)
            .map(|(key, value)| filter(format!("tag:{key}"), vec![(*value).to_owned()]))
            .collect();
        // A filter and not `instance_ids`, which fails for all when EC2 does not know one of them.
        filters.extend(ids.map(|ids| filter("instance-id".into(), ids.to_vec())));
        let mut pages = self.client.describe_instances().set_filters(Some(filters)).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("ec2:DescribeInstances", "instances").failed(&error))?;
            for instance in page.reservations().iter().flat_map(|reservation| reservation.instances()) {
                found.push(self.described(instance).await);
            }
        }
        Ok(found)
    }

    /// What the instance wrote to its console. `after` is what was read before: a console keeps its last 64 KiB only.
    pub(super) async fn logs(&self, id: &str, after: Option<&str>) -> Result<Log, Failed> {
        self.of_workspace(id).await?;
        let text = self.console(id).await?;
        let seen = after.unwrap_or_default();
        // The end of what was read before is looked for in what is there now.
        let new = match seen.is_empty() {
            true => text.as_str(),
            false => text.rfind(seen).map_or(text.as_str(), |at| &text[at + seen.len()..]),
        };
        let tail = text.char_indices().rev().take(200).last().map_or(0, |(at, _)| at);
        Ok(Log { text: new.to_owned(), next: Some(text[tail..].to_owned()) })
    }

    async fn console(&self, id: &str) -> Result<String, Failed> {
        let answer = self.client.get_console_output().instance_id(id).send().await;
        let answer = answer.map_err(|error| self.call("ec2:GetConsoleOutput", id).failed(&error))?;
        let bytes = base64::decode(answer.output().unwrap_or_default()).unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The reason that a boot wrote down, where it failed.
    async fn mark(&self, id: &str) -> Option<String> {
        let console = self.console(id).await.ok()?;
        let (_, rest) = console.rsplit_once(MARK)?;
        let line = rest.lines().next()?.trim().trim_end_matches('.');
        Some(line.chars().filter(|c| !c.is_control()).take(300).collect())
    }

    /// Ends the instance.
    pub(super) async fn stop(&self, id: &str) -> Result<Instance, Failed> {
        let instance = self.of_workspace(id).await?;
        if instance.state == State::Ended {
            return Ok(instance);
        }
        self.terminate(&[id.to_owned()]).await?;
        self.of_workspace(id).await
    }

    /// Never one of another workspace, whatever id is asked for.
    async fn of_workspace(&self, id: &str) -> Result<Instance, Failed> {
        self.find(&[], Some(&[id.to_owned()])).await?.pop().ok_or_else(|| {
            failed(
                FailedClass::Missing,
                format!("there is no instance {id} of this workspace in {}", self.ground.region),
            )
        })
    }

    async fn terminate(&self, ids: &[String]) -> Result<(), Failed> {
        let answer = self.client.terminate_instances().set_instance_ids(Some(ids.to_vec())).send().await;
        answer.map(drop).map_err(|error| self.call("ec2:TerminateInstances", &ids.join(", ")).failed(&error))
    }

    /// Ends the instances of this workspace that outlived their lifetime, and removes templates that a killed client left.
    pub(super) async fn reap(&self) -> Result<Vec<Instance>, Failed> {
        let now = now();
        let mut expired = self.instances(None).await?;
        expired.retain(|instance| instance.expires.is_some_and(|expires| expires < now));
        let ids: Vec<String> = expired.iter().map(|instance| instance.id.clone()).collect();
        if !ids.is_empty() {
            self.terminate(&ids).await?;
        }
        self.remove_templates().await?;
        match ids.is_empty() {
            true => Ok(Vec::new()),
            false => self.find(&[], Some(&ids)).await,
        }
    }
}
