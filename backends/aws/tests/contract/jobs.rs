//! Training jobs of SageMaker on the test cloud, whose jobs are real processes.

use contract::backend::{Ended, FailedClass, State, Submit};
use contract::card::Resources;
use serde_json::{Value, json};

use crate::instances::Cloud;

const IMAGE: &str =
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.9.0-gpu-py312-cu130-ubuntu22.04-sagemaker";

/// As the mission has it.
fn mission() -> Value {
    json!({"sagemaker": {"instance": "ml.g5.4xlarge", "count": 1, "role": "arn:aws:iam::123456789012:role/pipe", "image": IMAGE,
        "managed_spot": true, "max_runtime": "10h", "max_wait": "12h", "volume": "150GiB"}})
}

#[test]
fn a_job_begins_and_ends_with_its_command() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let order = cloud.order("quiet", "echo \"the stage: $3\"; test -x \"$(dirname \"$0\")/pipe-aws\"");
    let job = cloud.submit(&order).unwrap_or_else(|failed| panic!("{failed:?}"));
    assert_eq!((job.attempt, job.what.as_str(), job.price), (1, "ml.g5.4xlarge, managed spot", Some(2.03)));
    assert_eq!(job.expires.unwrap() - job.launched.unwrap(), 12 * 3600);
    assert_eq!(cloud.submit(&order).unwrap().id, job.id, "its name is its token");
    let ended = cloud.ended(&job.id);
    cloud.says(&job.id, "the stage: /");
    let log = cloud.log(&job.id, None);
    assert_eq!(ended.end, Some(Ended::Finished), "{ended:?}: {}", log.text);
    assert!(log.text.contains("/it's here\n"), "{}", log.text);
    assert_eq!(cloud.log(&job.id, log.next).text, "", "it was read already");
    assert!(ended.cost.unwrap() > 0.0);
    assert!(cloud.living().is_empty());
    assert_eq!(cloud.attach(1).unwrap().id, job.id);
    assert_eq!(cloud.attach(2), None);

    let requests = cloud.requests("CreateTrainingJob");
    let request: Value = serde_json::from_str(&requests[0]).unwrap();
    assert_eq!(
        request["ResourceConfig"],
        json!({"InstanceType": "ml.g5.4xlarge", "InstanceCount": 1, "VolumeSizeInGB": 150})
    );
    assert_eq!(request["StoppingCondition"], json!({"MaxRuntimeInSeconds": 36_000, "MaxWaitTimeInSeconds": 43_200}));
    assert_eq!(request["EnableManagedSpotTraining"], true);
    assert_eq!(request["AlgorithmSpecification"]["TrainingImage"], IMAGE);
    assert!(request.get("CheckpointConfig").is_none() && request.get("Environment").is_none());
    let words = ["ContainerEntrypoint", "ContainerArguments"]
        .map(|key| request["AlgorithmSpecification"][key].as_array().unwrap().clone());
    assert!(
        words.concat().iter().all(|word| word.as_str().is_some_and(|word| word.len() <= 256 && !word.contains('\n')))
    );
    let name = request["TrainingJobName"].as_str().unwrap();
    assert!(name.len() <= 63 && name.starts_with("pipe-"), "{name}");
}

#[test]
fn prices_of_jobs_are_those_of_the_list() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let prices = cloud.prices(Resources::default()).unwrap_or_else(|failed| panic!("{failed:?}"));
    assert_eq!((prices.least, prices.most, prices.cap, prices.budget), (None, Some(2.03), None, None));
    assert_eq!(prices.what, "ml.g5.4xlarge, managed spot, us-east-1");
    assert!(prices.why.contains("managed spot costs less"), "{prices:?}");
}

#[test]
fn a_job_of_another_workspace_is_left_alone_whatever_its_name() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let ours = cloud.submit(&cloud.order("ours", "sleep 600")).unwrap();
    // As the ninth attempt at the same action would be called: only the tag tells them apart.
    let stem = ours.id.rsplitn(3, '-').last().unwrap();
    let foreign = format!("{stem}-9-of-others");
    cloud.server.job_of_others(&foreign);
    assert_eq!(cloud.living().iter().map(|job| &job.id).collect::<Vec<_>>(), [&ours.id]);
    assert_eq!(cloud.attach(9), None);
    let failed = cloud.stop(&foreign).unwrap_err();
    assert!(failed.message.contains("of this workspace"), "{failed:?}");
    assert_eq!(cloud.server.state()["jobs"][&foreign]["status"], "InProgress");
}

#[test]
fn a_job_that_fails_or_is_stopped_says_so() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let job = cloud.submit(&cloud.order("status", "exit 3")).unwrap();
    let ended = cloud.ended(&job.id);
    assert_eq!(ended.end, Some(Ended::Failed));
    assert!(ended.why.contains("the command on the machine failed") && ended.why.contains("exit code: 3"), "{ended:?}");

    let order = Submit { attempt: 2, ..cloud.order("bytes", "true") };
    cloud.program.put_text("blobs/pipe", "#!/bin/sh\n");
    let ended = cloud.ended(&cloud.submit(&order).unwrap().id);
    assert!(ended.why.contains("it has another checksum than the file that was sent"), "{ended:?}");

    // SIGTERM reaches the command, as the process that SageMaker started is pipe-aws itself.
    let waits = "trap 'echo checkpoint; exit 75' TERM; echo works; while :; do sleep 0.05; done";
    let job = cloud.submit(&Submit { attempt: 3, ..cloud.order("stop", waits) }).unwrap();
    cloud.says(&job.id, "works");
    cloud.stop(&job.id).unwrap();
    let ended = cloud.ended(&job.id);
    assert_eq!((ended.end, ended.why.as_str()), (Some(Ended::Stopped), "it was stopped on request"));
    cloud.says(&job.id, "checkpoint");
    assert_eq!(cloud.stop(&job.id).unwrap().state, State::Ended, "a second time changes nothing");
}

#[test]
fn a_job_whose_machine_is_taken_back_starts_again() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let once = "again=$(dirname \"$PIPE_SM_ROOT\")/../again; [ -e \"$again\" ] && exit 0; touch \"$again\"; \
                trap 'exit 75' TERM; echo works; while :; do sleep 0.05; done";
    let job = cloud.submit(&cloud.order("interrupted", once)).unwrap();
    cloud.says(&job.id, "works");
    cloud.server.control("sm_interrupt", &json!({"job": job.id}));
    assert_eq!(cloud.ended(&job.id).end, Some(Ended::Finished));
    assert_eq!(cloud.server.state()["jobs"][&job.id]["attempts"], 2);
}

#[test]
fn quota_and_capacity_are_told_apart() {
    let Some(cloud) = Cloud::new(&mission(), "0.01") else { return };
    let order = cloud.order("quota", "true");
    cloud
        .server
        .faults(json!([{"op": "CreateTrainingJob", "code": "ResourceLimitExceeded", "message": "0 Instances"}]));
    let failed = cloud.submit(&order).unwrap_err();
    assert_eq!(failed.class, FailedClass::Denied);
    assert!(failed.message.contains("ml.g5.4xlarge for spot training job usage"), "{failed:?}");
    cloud.server.faults(json!([{"op": "sm:Launch", "code": "CapacityError"}]));
    let ended = cloud.ended(&cloud.submit(&order).unwrap().id);
    assert_eq!(ended.end, Some(Ended::Interrupted), "{ended:?}");
    assert!(ended.why.contains("no capacity for this type of machine now"), "{ended:?}");
    let large = Resources { gpus: 1, gpu_memory: 40 << 30, ..Resources::default() };
    let failed = cloud.submit(&Submit { resources: large, ..order }).unwrap_err();
    assert!(failed.message.contains("the A10G of ml.g5.4xlarge has 24 GiB"), "{failed:?}");
}
