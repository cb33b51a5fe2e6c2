//! Training jobs of SageMaker.
//!
//! - [`describe`]: every status and reason in words. The name of a job is its token: SageMaker takes no other, and takes it once.
//!
//! A job has no input channels, no checkpoints and no model of SageMaker's: the worker fetches and sends everything by itself.

mod describe;

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::Client as LogsClient;
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::error::ProvideErrorMetadata;
use aws_sdk_sagemaker::operation::describe_training_job::DescribeTrainingJobOutput;
use aws_sdk_sagemaker::types::{
    AlgorithmSpecification, OutputDataConfig, ResourceConfig, StoppingCondition, Tag, TrainingInputMode,
    TrainingInstanceType, TrainingJobStatus, VpcConfig,
};
use contract::backend::{Failed, FailedClass, Instance, Log, Prices, Submit};
use contract::card::Resources;
use places::{Capacity, SageMaker};

use super::trouble::{Call, code, over_quota, said};
use super::{Ground, boot, bundle, hexadecimal, lifetime, now};
use crate::failure::{failed, helped};

/// Where SageMaker keeps the logs of jobs.
const LOG_GROUP: &str = "/aws/sagemaker/TrainingJobs";

/// The tags of what we launch.
const WORKSPACE: &str = "pipe:workspace";
const ACTION: &str = "pipe:action";
const ATTEMPT: &str = "pipe:attempt";
const TOKEN: &str = "pipe:token";

/// Seconds after which a job that SageMaker should have ended is ended by a reap.
const OVERDUE: u64 = 600;

/// A place of this type.
pub(crate) struct Jobs {
    ground: Ground,
    settings: SageMaker,
    client: Client,
    logs: LogsClient,
}

impl Jobs {
    pub(super) fn new(ground: Ground, settings: SageMaker) -> Self {
        let (client, logs) = (Client::new(&ground.sdk), LogsClient::new(&ground.sdk));
        Self { ground, settings, client, logs }
    }

    fn call<'a>(&'a self, action: &'static str, on: &'a str) -> Call<'a> {
        Call { action, on, region: &self.ground.region }
    }

    /// Whether the machine has what a stage asks for.
    fn fits(&self, wanted: Resources) -> Result<(), Failed> {
        match places::catalog::lacks(&self.settings.instance, wanted) {
            None => Ok(()),
            Some(lacks) => {
                Err(helped(FailedClass::Invalid, lacks, "name a larger machine, or lower the stage's resources"))
            }
        }
    }

    /// What a job would cost. Nobody is asked: SageMaker tells no prices, so the list is all there is.
    pub(super) fn quote(&self, wanted: Resources) -> Result<Prices, Failed> {
        self.fits(wanted)?;
        let SageMaker { instance, region, capacity, budget, .. } = &self.settings;
        let list = self.settings.price();
        let as_of = places::catalog::AS_OF;
        let (sort, least, why) = match (capacity, list) {
            (_, None) => ("", None, format!("the list price of {instance} in {region} is not known")),
            (Capacity::OnDemand, Some(_)) => ("", list, format!("the list price of {as_of}")),
            (Capacity::Spot { .. }, Some(_)) => (
                ", managed spot",
                None,
                format!("the list price of {as_of}; managed spot costs less, nobody tells how much"),
            ),
        };
        let what = format!("{instance}{sort}, {region}");
        Ok(Prices { what, least, most: list, cap: None, budget: *budget, why })
    }

    /// Creates the job, unless it is there.
    pub(super) async fn submit(&self, submit: &Submit) -> Result<Instance, Failed> {
        let settings = &self.settings;
        self.fits(submit.resources)?;
        bundle::fits(&submit.bundle, &settings.image)?;
        if submit.setup.is_some() {
            return Err(failed(
                FailedClass::Unsupported,
                "a job of SageMaker runs no script of yours; put it into the image",
            ));
        }
        let runtime = lifetime(settings.max_runtime, settings.budget, submit.spent, settings.price())?;
        let pieces = bundle::pieces(submit, &self.ground.bucket).await?;
        let (entrypoint, arguments) = boot::entrypoint(&self.ground.bucket, &pieces, &submit.command)?;
        let algorithm = AlgorithmSpecification::builder()
            .training_image(&settings.image)
            .training_input_mode(TrainingInputMode::File)
            .set_container_entrypoint(Some(entrypoint))
            .set_container_arguments(Some(arguments));
        let mut stopping = StoppingCondition::builder().max_runtime_in_seconds(seconds(runtime.as_secs()));
        if let Capacity::Spot { max_wait } = settings.capacity {
            stopping = stopping.max_wait_time_in_seconds(seconds(max_wait.as_secs()));
        }
        let resources = ResourceConfig::builder()
            .instance_type(TrainingInstanceType::from(settings.instance.as_str()))
            .instance_count(1)
            .volume_size_in_gb(settings.volume as i32);
        let network = (!settings.subnets.is_empty()).then(|| {
            VpcConfig::builder()
                .set_subnets(Some(settings.subnets.clone()))
                .set_security_group_ids(Some(settings.security_groups.clone()))
                .build()
        });
        let name = self.name(submit);
        let output = format!("{}/sagemaker", self.ground.bucket.url());
        let request = self
            .client
            .create_training_job()
            .training_job_name(&name)
            .algorithm_specification(algorithm.build())
            .role_arn(&settings.role)
            .output_data_config(OutputDataConfig::builder().s3_output_path(output).build())
            .resource_config(resources.build())
            .stopping_condition(stopping.build())
            .enable_managed_spot_training(settings.capacity != Capacity::OnDemand)
            .set_vpc_config(network)
            .set_tags(Some(self.tags(submit)));
        match request.send().await {
            Ok(_) => self.of_name(&name).await,
            Err(error) if code(&error) == "ResourceInUse" => self.own(&name, &submit.token).await,
            Err(error) if code(&error) == "ResourceLimitExceeded" => {
                let kind = if settings.capacity == Capacity::OnDemand {
                    "training job usage"
                } else {
                    "spot training job usage"
                };
                let quota = format!("{} for {kind}", settings.instance);
                let said = said(&code(&error), error.message().unwrap_or_default());
                Err(over_quota(&quota, "Amazon SageMaker", &self.ground.region, &said))
            }
            Err(error) => {
                let failed = self.call("sagemaker:CreateTrainingJob", &settings.role).failed(&error);
                // The name may have been taken by this very request.
                match failed.class {
                    FailedClass::Unavailable => self.own(&name, &submit.token).await.map_err(|_| failed),
                    _ => Err(failed),
                }
            }
        }
    }

    /// The job of this name, where this token made it.
    async fn own(&self, name: &str, token: &str) -> Result<Instance, Failed> {
        let (job, tags) = self.described(name).await?;
        if tags.get(TOKEN).map(String::as_str) != Some(token) {
            return Err(failed(
                FailedClass::Invalid,
                format!("the name {name} is taken by a job that pipe did not make"),
            ));
        }
        Ok(describe::instance(&job, &tags, self.settings.price(), now()))
    }

    fn tags(&self, submit: &Submit) -> Vec<Tag> {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        vec![
            tag(WORKSPACE, &self.ground.workspace),
            tag(ACTION, &submit.action),
            tag(ATTEMPT, &submit.attempt.to_string()),
            tag(TOKEN, &submit.token),
        ]
    }

    /// The beginning of the names of all jobs of this workspace.
    fn prefix(&self) -> String {
        format!("pipe-{}-", &self.ground.workspace[..8])
    }

    /// A function of the token, as nobody can use a name twice.
    fn name(&self, submit: &Submit) -> String {
        let token = &hexadecimal(submit.token.as_bytes())[..8];
        format!("{}{token}", self.prefix_of(&submit.action, submit.attempt))
    }

    fn prefix_of(&self, action: &str, attempt: u32) -> String {
        format!("{}{}-{attempt}-", self.prefix(), &action[..action.len().min(12)])
    }

    /// What was launched for the attempt, the newest where it is several.
    pub(super) async fn attach(&self, action: &str, attempt: u32) -> Result<Option<Instance>, Failed> {
        let prefix = self.prefix_of(action, attempt);
        let mut newest = None;
        for name in self.names(&prefix, None).await? {
            let (job, tags) = self.described(&name).await?;
            if tags.get(ACTION).map(String::as_str) == Some(action) && self.is_ours(&tags) {
                let instance = describe::instance(&job, &tags, self.settings.price(), now());
                newest = Some(instance).into_iter().chain(newest).max_by_key(|instance: &Instance| instance.launched);
            }
        }
        Ok(newest)
    }

    /// The jobs with these names, or all of this workspace that have not ended.
    pub(super) async fn instances(&self, names: Option<&[String]>) -> Result<Vec<Instance>, Failed> {
        let running = [TrainingJobStatus::InProgress, TrainingJobStatus::Stopping];
        let mut found = Vec::new();
        let names = match names {
            Some(names) => names.to_vec(),
            None => {
                let mut names = Vec::new();
                for status in running {
                    names.extend(self.names(&self.prefix(), Some(status)).await?);
                }
                names
            }
        };
        for name in names {
            let (job, tags) = self.described(&name).await?;
            if self.is_ours(&tags) {
                found.push(describe::instance(&job, &tags, self.settings.price(), now()));
            }
        }
        Ok(found)
    }

    async fn names(&self, prefix: &str, status: Option<TrainingJobStatus>) -> Result<Vec<String>, Failed> {
        let request = self.client.list_training_jobs().name_contains(prefix).set_status_equals(status);
        let mut pages = request.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("sagemaker:ListTrainingJobs", "jobs").failed(&error))?;
            names.extend(
                page.training_job_summaries().iter().filter_map(|job| job.training_job_name()).map(ToString::to_string),
            );
        }
        names.retain(|name| name.starts_with(prefix));
        Ok(names)
    }

    fn is_ours(&self, tags: &BTreeMap<String, String>) -> bool {
        tags.get(WORKSPACE) == Some(&self.ground.workspace)
    }

    async fn described(&self, name: &str) -> Result<(DescribeTrainingJobOutput, BTreeMap<String, String>), Failed> {
        let job = self.client.describe_training_job().training_job_name(name).send().await.map_err(|error| {
            match (code(&error).as_str(), error.message().unwrap_or_default()) {
                ("ValidationException" | "ResourceNotFound", message)
                    if message.contains("not found") || message.contains("Could not find") =>
                {
                    failed(FailedClass::Missing, format!("there is no job {name} in {}", self.ground.region))
                }
                _ => self.call("sagemaker:DescribeTrainingJob", name).failed(&error),
            }
        })?;
        let mut tags = BTreeMap::new();
        if let Some(arn) = job.training_job_arn() {
            let answer = self.client.list_tags().resource_arn(arn).send().await;
            let answer = answer.map_err(|error| self.call("sagemaker:ListTags", name).failed(&error))?;
            tags.extend(answer.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()))));
        }
        Ok((job, tags))
    }

    /// Never one of another workspace, whatever name is asked for.
    async fn of_name(&self, name: &str) -> Result<Instance, Failed> {
        let (job, tags) = self.described(name).await?;
        if !self.is_ours(&tags) {
            return Err(failed(
                FailedClass::Missing,
                format!("there is no job {name} of this workspace in {}", self.ground.region),
            ));
        }
        Ok(describe::instance(&job, &tags, self.settings.price(), now()))
    }

    /// Ends the job.
    pub(super) async fn stop(&self, name: &str) -> Result<Instance, Failed> {
        let instance = self.of_name(name).await?;
        if instance.end.is_some() {
            return Ok(instance);
        }
        match self.client.stop_training_job().training_job_name(name).send().await {
            Ok(_) => {}
            // It ended meanwhile, or ends already.
            Err(error) if code(&error) == "ValidationException" => {}
            Err(error) => return Err(self.call("sagemaker:StopTrainingJob", name).failed(&error)),
        }
        self.of_name(name).await
    }

    /// Ends the jobs of this workspace that SageMaker should have ended.
    pub(super) async fn reap(&self) -> Result<Vec<Instance>, Failed> {
        let now = now();
        let mut reaped = Vec::new();
        for instance in self.instances(None).await? {
            if instance.expires.is_some_and(|expires| expires + OVERDUE < now) {
                reaped.push(self.stop(&instance.id).await?);
            }
        }
        Ok(reaped)
    }

    /// What the job wrote, and why it failed. `after` is how far each stream was read.
    pub(super) async fn logs(&self, name: &str, after: Option<&str>) -> Result<Log, Failed> {
        self.of_name(name).await?;
        let mut cursors: BTreeMap<String, String> =
            after.and_then(|after| serde_json::from_str(after).ok()).unwrap_or_default();
        let call = |action| self.call(action, LOG_GROUP);
        let streams =
            self.logs.describe_log_streams().log_group_name(LOG_GROUP).log_stream_name_prefix(format!("{name}/"));
        let streams = match streams.send().await {
            Ok(answer) => answer,
            // Nothing was written yet.
            Err(error) if code(&error) == "ResourceNotFoundException" => {
                return Ok(Log { text: String::new(), next: after.map(Into::into) });
            }
            Err(error) => return Err(call("logs:DescribeLogStreams").failed(&error)),
        };
        let mut text = String::new();
        for stream in streams.log_streams().iter().filter_map(|stream| stream.log_stream_name()) {
            loop {
                let token = cursors.get(stream).cloned();
                let request =
                    self.logs.get_log_events().log_group_name(LOG_GROUP).log_stream_name(stream).start_from_head(true);
                let answer = request.set_next_token(token.clone()).send().await;
                let answer = answer.map_err(|error| call("logs:GetLogEvents").failed(&error))?;
                for event in answer.events() {
                    text += event.message().unwrap_or_default();
                    text.push('\n');
                }
                let next = answer.next_forward_token().map(ToString::to_string);
                let is_end = answer.events().is_empty() || next.is_none() || next == token;
                if let Some(next) = next {
                    cursors.insert(stream.to_owned(), next);
                }
                if is_end {
                    break;
                }
            }
        }
        Ok(Log { text, next: serde_json::to_string(&cursors).ok() })
    }
}

fn seconds(time: u64) -> i32 {
    i32::try_from(time).unwrap_or(i32::MAX)
}
