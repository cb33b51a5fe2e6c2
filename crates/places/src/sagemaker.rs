//! Training jobs of SageMaker.

use std::time::Duration;

use serde_json::Value;

use crate::reader::{Finding, Reader};
use crate::{Key, catalog, shapes};

/// Keys of `sagemaker`.
pub(crate) const KEYS: &[Key] = &[
    ("instance", "the type of machine: ml.g5.4xlarge"),
    ("count", "how many machines; 1"),
    ("role", "the ARN of the role that the job has"),
    ("image", "the image in ECR that the job runs in, with its tag or digest"),
    ("region", "the region; that of the image unless given"),
    ("managed_spot", "true: spot capacity; false unless given"),
    ("max_runtime", "a job ends after so long, whatever happens: 10h"),
    ("max_wait", "with managed_spot: a job ends after so long, waiting included: 12h"),
    ("volume", "the size of its disk; 100GiB unless given"),
    ("budget", "US dollars that the attempts at one stage may cost together"),
    ("subnets", "subnets, together with security_groups; none unless given"),
    ("security_groups", "security groups, used as they are"),
    ("state", "where its objects are; those of `remote` unless given"),
    ("jobs", "stages at once; 4 unless given"),
    ("lease", "after so long without a sign of life a stage is tried again; 60s unless given"),
];

/// Seconds that a job may run at most: 28 days.
const LONGEST: u64 = 28 * 86_400;

/// The settings of a place of this type.
#[derive(Clone, Debug, PartialEq)]
pub struct SageMaker {
    /// The type of machine.
    pub instance: String,
    /// The ARN of the role.
    pub role: String,
    /// The image.
    pub image: String,
    /// The region.
    pub region: String,
    /// What the job waits for.
    pub capacity: Capacity,
    /// A job ends after it ran so long.
    pub max_runtime: Duration,
    /// GiB of its disk.
    pub volume: u32,
    /// US dollars that the attempts at one action may cost together.
    pub budget: Option<f64>,
    /// Subnets, where it runs in a VPC.
    pub subnets: Vec<String>,
    /// Security groups, where it runs in a VPC.
    pub security_groups: Vec<String>,
    /// Stages at once.
    pub jobs: u32,
    /// How long a stage may show no life.
    pub lease: Duration,
}

/// What a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// A machine on demand.
    OnDemand,
    /// Spot capacity, waiting and running together so long at most.
    Spot {
        /// At least `max_runtime`.
        max_wait: Duration,
    },
}

pub(crate) fn read(settings: &Value) -> Result<SageMaker, Vec<Finding>> {
    let mut reader = Reader::new(settings, "sagemaker", KEYS);
    reader.missing("instance", "write instance: ml.g5.4xlarge");
    reader.missing("role", "write role: arn:aws:iam::ACCOUNT:role/NAME");
    reader.missing("image", "write image: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG");
    reader.missing("max_runtime", "write max_runtime: 10h");
    let instance = reader.text("instance", "a type of machine of SageMaker", "ml.g5.4xlarge", shapes::job_instance);
    let role = reader.text("role", "the ARN of a role", "arn:aws:iam::123456789012:role/pipe-sagemaker", shapes::role);
    let example = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:TAG";
    let image = reader.text("image", "an image in ECR with its tag or digest", example, shapes::image);
    let region = reader.text("region", "a region", "us-east-1", shapes::region);
    let spot = reader.flag("managed_spot").unwrap_or(false);
    let max_runtime = reader.time("max_runtime", "a time from 1m to 28d", "10h", 60, LONGEST);
    let max_wait = reader.time("max_wait", "a time from 1m to 28d", "12h", 60, LONGEST);
    let volume = reader.gibibytes("volume", 16_384);
    let budget = reader.dollars("budget", "20.00");
    let subnets = reader.texts("subnets", "a list of subnets", "[subnet-0c3016e7d01243e5b]", shapes::subnet);
    let groups =
        reader.texts("security_groups", "a list of security groups", "[sg-0c3016e7d01243e5b]", shapes::security_group);
    let jobs = reader.count("jobs", 1, 100);
    let lease = reader.time("lease", "a time from 15s to 1h", "60s", 15, 3600);
    if reader.count("count", 1, 100).is_some_and(|count| count > 1) {
        let help = "write count: 1; more of them come with replicas in `train`";
        reader.add(Some("count"), "a stage runs on one machine", help);
    }
    if let Some(name) = &instance {
        machine(&mut reader, name);
    }
    let capacity = capacity(&mut reader, spot, max_runtime, max_wait);
    let of_image = image.as_deref().and_then(shapes::image_region);
    if let (Some(region), Some(of_image)) = (&region, of_image)
        && region != of_image
    {
        let message = format!("the image lies in {of_image}, and the job runs in {region}");
        reader.add(Some("image"), message, "SageMaker takes images of its own region only");
    }
    if subnets.is_empty() != groups.is_empty() {
        let key = if subnets.is_empty() { "security_groups" } else { "subnets" };
        reader.add(Some(key), "`subnets` and `security_groups` go together", "give both, or none of them");
    }
    let region = region.or_else(|| of_image.map(ToString::to_string));
    let all = (instance, role, image, region, max_runtime);
    let (Some(instance), Some(role), Some(image), Some(region), Some(max_runtime)) = all else {
        return reader.done(None);
    };
    let job = SageMaker {
        instance,
        role,
        image,
        region,
        capacity,
        max_runtime,
        volume: volume.unwrap_or(100),
        budget,
        subnets,
        security_groups: groups,
        jobs: jobs.unwrap_or(4),
        lease: lease.unwrap_or(Duration::from_secs(60)),
    };
    match (budget, job.costs_at_most()) {
        (Some(budget), Some(most)) if budget < most => {
            let message = format!("a job may cost {most:.2} until `max_runtime` ends it, and `budget` is {budget:.2}");
            reader.add(Some("budget"), message, "shorten max_runtime, or raise the budget");
        }
        (Some(_), None) => {
            let message =
                "no list price of this machine in this region is known, so that nothing tells when it is spent";
            reader.add(Some("budget"), message.to_owned(), "leave it out; `max_runtime` bounds the job");
        }
        _ => {}
    }
    reader.done(Some(job))
}

fn machine(reader: &mut Reader<'_>, name: &str) {
    let siblings = catalog::siblings(name);
    if !siblings.is_empty() {
        let names: Vec<String> = siblings.iter().map(|name| format!("ml.{name}")).collect();
        reader.add(
            Some("instance"),
            format!("there is no type of machine `{name}`"),
            format!("there is {}", names.join(", ")),
        );
    }
    if !catalog::is_x86_64(name) {
        let help = "the programs that go along are for x86_64";
        reader.add(Some("instance"), format!("`{name}` is a machine for arm64"), help);
    }
}

fn capacity(reader: &mut Reader<'_>, spot: bool, runtime: Option<Duration>, wait: Option<Duration>) -> Capacity {
    match (spot, wait) {
        (false, None) => Capacity::OnDemand,
        (false, Some(_)) => {
            reader.add(
                Some("max_wait"),
                "`max_wait` is for spot capacity",
                "write managed_spot: true, or leave it out",
            );
            Capacity::OnDemand
        }
        (true, None) => {
            reader.missing("max_wait", "write max_wait: 12h; with managed_spot a job waits for capacity");
            Capacity::OnDemand
        }
        (true, Some(max_wait)) => {
            if runtime.is_some_and(|runtime| max_wait < runtime) {
                let help = "waiting counts in it, so make it at least max_runtime";
                reader.add(Some("max_wait"), "`max_wait` is shorter than `max_runtime`", help);
            }
            Capacity::Spot { max_wait }
        }
    }
}

impl SageMaker {
    /// US dollars an hour, where they are known; spot capacity costs no more.
    pub fn price(&self) -> Option<f64> {
        catalog::on_demand(&self.instance, &self.region)
    }

    /// US dollars of a job that runs until it is ended.
    pub fn costs_at_most(&self) -> Option<f64> {
        Some(self.price()? * self.max_runtime.as_secs_f64() / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const IMAGE: &str =
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.9.0-gpu-py312-cu130-ubuntu22.04-sagemaker";

    fn mission() -> Value {
        json!({"instance": "ml.g5.4xlarge", "count": 1, "role": "arn:aws:iam::123456789012:role/pipe", "image": IMAGE,
            "managed_spot": true, "max_runtime": "10h", "max_wait": "12h", "volume": "150GiB"})
    }

    #[test]
    fn the_settings_of_the_mission_are_read() {
        let job = read(&mission()).unwrap();
        assert_eq!((job.instance.as_str(), job.region.as_str(), job.volume), ("ml.g5.4xlarge", "us-east-1", 150));
        assert_eq!(job.capacity, Capacity::Spot { max_wait: Duration::from_secs(12 * 3600) });
        assert!((job.costs_at_most().unwrap() - 20.30).abs() < 0.01);
    }

    #[test]
    fn each_mistake_is_found_under_its_key() {
        for (key, value, message) in [
            ("instance", json!("g5.4xlarge"), "a type of machine of SageMaker"),
            ("instance", json!("ml.g5.5xlarge"), "there is no type of machine"),
            ("count", json!(2), "a stage runs on one machine"),
            ("role", json!("pipe"), "the ARN of a role"),
            ("image", json!("pytorch"), "an image in ECR"),
            ("max_wait", json!("9h"), "shorter than `max_runtime`"),
            ("max_runtime", json!("29d"), "a time from 1m to 28d"),
            ("budget", json!(5), "a job may cost 20.30"),
            ("subnets", json!(["subnet-12345678"]), "go together"),
        ] {
            let mut settings = mission();
            settings[key] = value;
            let findings = read(&settings).unwrap_err();
            assert!(
                findings.iter().any(|found| found.message.contains(message) && found.key.as_deref() == Some(key)),
                "{findings:?}"
            );
        }
        let mut unpriced = mission();
        (unpriced["instance"], unpriced["budget"]) = (json!("ml.g6.xlarge"), json!(500));
        assert_eq!(read(&unpriced).unwrap_err()[0].key.as_deref(), Some("budget"));
        let mut elsewhere = mission();
        elsewhere["region"] = json!("eu-central-1");
        assert_eq!(read(&elsewhere).unwrap_err()[0].key.as_deref(), Some("image"));
        let mut steady = mission();
        steady["managed_spot"] = json!(false);
        assert_eq!(read(&steady).unwrap_err()[0].key.as_deref(), Some("max_wait"));
    }

    proptest! {
        #[test]
        fn a_wait_is_read_exactly_when_it_covers_the_runtime(runtime in 1_u64..1000, wait in 1_u64..1000) {
            let mut settings = mission();
            settings["max_runtime"] = json!(format!("{runtime}m"));
            settings["max_wait"] = json!(format!("{wait}m"));
            prop_assert_eq!(read(&settings).is_ok(), wait >= runtime);
        }
    }
}
