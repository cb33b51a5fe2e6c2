//! What became of a job, in words.

use std::collections::BTreeMap;

use aws_sdk_sagemaker::operation::describe_training_job::DescribeTrainingJobOutput;
use aws_sdk_sagemaker::primitives::DateTime;
use aws_sdk_sagemaker::types::{SecondaryStatus, TrainingJobStatus};
use contract::backend::{Ended, Instance, State};

use super::{ACTION, ATTEMPT};
use crate::instances::cost;

/// The job as an instance. `price` is that of its machine on demand.
pub(super) fn instance(
    job: &DescribeTrainingJobOutput,
    tags: &BTreeMap<String, String>,
    price: Option<f64>,
    now: u64,
) -> Instance {
    let unix = |time: Option<&DateTime>| time.and_then(|time| u64::try_from(time.secs()).ok());
    let status = job.training_job_status().unwrap_or(&TrainingJobStatus::InProgress);
    let secondary = job.secondary_status().unwrap_or(&SecondaryStatus::Starting);
    let message = job.secondary_status_transitions().last().and_then(|last| last.status_message()).unwrap_or_default();
    let (state, end, why) = told(status, secondary, job.failure_reason().unwrap_or_default(), message);
    let launched = unix(job.creation_time());
    let ended =
        unix(job.training_end_time()).or_else(|| unix(job.last_modified_time())).filter(|_| state == State::Ended);
    let limits = job.stopping_condition();
    let wait = limits
        .and_then(|it| it.max_wait_time_in_seconds())
        .or_else(|| limits.and_then(|it| it.max_runtime_in_seconds()));
    let spot = job.enable_managed_spot_training() == Some(true);
    let kind =
        job.resource_config().and_then(|it| it.instance_type()).map(|it| it.as_str().to_owned()).unwrap_or_default();
    let billed = job.billable_time_in_seconds().and_then(|seconds| u64::try_from(seconds).ok());
    // Until SageMaker says what it bills, the time since the training began, at the price on demand.
    let since = unix(job.training_start_time());
    let cost = match (price, billed, since) {
        (Some(price), Some(billed), _) => Some(price * billed as f64 / 3600.0),
        (Some(price), None, Some(since)) => Some(cost(price, since, ended.unwrap_or(now))),
        (Some(_), None, None) => Some(0.0),
        (None, ..) => None,
    };
    Instance {
        id: job.training_job_name().unwrap_or_default().into(),
        action: tags.get(ACTION).cloned().unwrap_or_default(),
        attempt: tags.get(ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or_default(),
        state,
        end,
        why,
        what: format!("{kind}, {}", if spot { "managed spot" } else { "on demand" }),
        launched,
        ended,
        expires: launched.zip(wait).map(|(launched, wait)| launched + u64::try_from(wait).unwrap_or_default()),
        price,
        cost,
    }
}

/// State, end and words.
fn told(
    status: &TrainingJobStatus,
    secondary: &SecondaryStatus,
    reason: &str,
    message: &str,
) -> (State, Option<Ended>, String) {
    use SecondaryStatus as Secondary;
    let go = |state, why: &str| (state, None, why.to_owned());
    let over = |end, why: &str| (State::Ended, Some(end), why.to_owned());
    match (status, secondary) {
        (TrainingJobStatus::Completed, _) => over(Ended::Finished, "its command has ended"),
        (TrainingJobStatus::Failed, _) => failed(reason),
        (TrainingJobStatus::Stopped, Secondary::MaxRuntimeExceeded) => over(Ended::Expired, "max_runtime was over"),
        (TrainingJobStatus::Stopped, Secondary::MaxWaitTimeExceeded) => {
            over(Ended::Expired, "max_wait was over before the job was done; there was too little spot capacity")
        }
        (TrainingJobStatus::Stopped, _) => over(Ended::Stopped, "it was stopped on request"),
        (TrainingJobStatus::Stopping, _) | (_, Secondary::Stopping) => go(State::Stopping, "it was told to stop"),
        (_, Secondary::Starting) => go(State::Waiting, "SageMaker looks for a machine"),
        (_, Secondary::Pending) => go(State::Waiting, "it waits for capacity"),
        (_, Secondary::LaunchingMlInstances) => go(State::Starting, "the machine starts"),
        (_, Secondary::PreparingTrainingStack) => go(State::Starting, "the machine is prepared"),
        (_, Secondary::Downloading | Secondary::DownloadingTrainingImage) => go(State::Starting, "the image is loaded"),
        (_, Secondary::Training) => go(State::Running, "the machine runs"),
        (_, Secondary::Interrupted) => {
            go(State::Waiting, "SageMaker took the spot machine back; the job starts again when there is another one")
        }
        (_, Secondary::Restarting) => go(State::Starting, "SageMaker starts it again after a fault of its own"),
        (_, Secondary::Uploading) => go(State::Running, "SageMaker closes the job"),
        (_, Secondary::Updating) => go(State::Running, "SageMaker changes the job"),
        (_, other) => (State::Running, None, format!("{}: {message}", other.as_str())),
    }
}

/// Why a job failed, by the word before the colon.
fn failed(reason: &str) -> (State, Option<Ended>, String) {
    let (class, detail) = reason.split_once(':').unwrap_or(("", reason));
    let detail: String = detail.trim().trim_end_matches('.').chars().filter(|c| !c.is_control()).take(600).collect();
    let (end, why) = match class {
        "CapacityError" => (Ended::Interrupted, format!("there is no capacity for this type of machine now: {detail}")),
        "InternalServerError" => (Ended::Interrupted, format!("SageMaker itself failed: {detail}")),
        "AlgorithmError" => (Ended::Failed, format!("the command on the machine failed: {detail}")),
        "ClientError" => {
            (Ended::Failed, format!("SageMaker refuses the job: {detail}; check the image, the role and the network"))
        }
        "ResourceLimitExceeded" => (Ended::Failed, format!("the account's quota does not permit it: {detail}")),
        "" => {
            (Ended::Failed, if detail.is_empty() { "it failed, and SageMaker gives no reason".into() } else { detail })
        }
        class => (Ended::Failed, format!("{class}: {detail}")),
    };
    (State::Ended, Some(end), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_words_of_its_own() {
        let all = [
            "Starting",
            "Pending",
            "LaunchingMLInstances",
            "PreparingTrainingStack",
            "Downloading",
            "DownloadingTrainingImage",
            "Training",
            "Interrupted",
            "Restarting",
            "Uploading",
            "Updating",
            "Stopping",
        ];
        for name in all {
            let (_, end, why) = told(&TrainingJobStatus::InProgress, &SecondaryStatus::from(name), "", "");
            assert!(end.is_none() && !why.contains(name), "{name}: {why}");
        }
        let (.., why) = told(&TrainingJobStatus::InProgress, &SecondaryStatus::from("Flying"), "", "high");
        assert_eq!(why, "Flying: high");
    }

    #[test]
    fn every_end_says_whether_another_attempt_may_help() {
        let check = |status: TrainingJobStatus, secondary, reason: &str, end, words: &str| {
            let (state, found, why) = told(&status, &SecondaryStatus::from(secondary), reason, "");
            assert_eq!((state, found), (State::Ended, Some(end)), "{reason}");
            assert!(why.contains(words), "{why}");
        };
        check(TrainingJobStatus::Completed, "Completed", "", Ended::Finished, "ended");
        check(TrainingJobStatus::Stopped, "Stopped", "", Ended::Stopped, "on request");
        check(TrainingJobStatus::Stopped, "MaxRuntimeExceeded", "", Ended::Expired, "max_runtime");
        check(TrainingJobStatus::Stopped, "MaxWaitTimeExceeded", "", Ended::Expired, "spot capacity");
        check(
            TrainingJobStatus::Failed,
            "Failed",
            "CapacityError: Unable to provision",
            Ended::Interrupted,
            "no capacity",
        );
        check(
            TrainingJobStatus::Failed,
            "Failed",
            "AlgorithmError: no disk, exit code: 3",
            Ended::Failed,
            "no disk, exit code: 3",
        );
        check(TrainingJobStatus::Failed, "Failed", "ClientError: no image", Ended::Failed, "check the image");
        check(TrainingJobStatus::Failed, "Failed", "", Ended::Failed, "no reason");
    }
}
