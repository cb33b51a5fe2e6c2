//! Spot instances of EC2.

use std::time::Duration;

use serde_json::Value;

use crate::reader::{Finding, Reader};
use crate::{Key, catalog, shapes};

/// Keys of `ec2-spot`.
pub(crate) const KEYS: &[Key] = &[
    ("region", "the region: us-east-1"),
    ("instances", "types of machines, any of which will do: [g4dn.xlarge, g5.xlarge]"),
    ("max_price", "US dollars an hour that an instance may cost at most, spot or on demand"),
    ("budget", "US dollars that the attempts at one stage may cost together"),
    ("max_lifetime", "an instance ends after so long, whatever happens; 24h unless given"),
    ("fallback", "`none`, or `on-demand` where there is no spot capacity and max_price allows it"),
    ("user_data", "a script that runs on the instance before the stage, relative to this file"),
    ("key_name", "the key pair for SSH; none unless given"),
    ("security_groups", "security groups, used as they are; those of the VPC unless given"),
    ("subnets", "subnets; the default one of each zone unless given"),
    ("instance_profile", "the profile whose role the instance has; pipe-worker unless given"),
    ("ami", "an AMI, or the name of a parameter of SSM that holds one"),
    ("volume", "the size of its disk: 150GiB; as the AMI has it unless given"),
    ("state", "where its objects are; those of `remote` unless given"),
    ("jobs", "stages at once; 4 unless given"),
    ("lease", "after so long without a sign of life a stage is tried again; 60s unless given"),
];

/// What a GPU needs: its driver. The name is that of the release notes of the Deep Learning AMI.
const GPU_AMI: &str = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id";

/// What runs without a GPU.
const CPU_AMI: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

/// Seconds of the longest lifetime: a week.
const LONGEST: u64 = 7 * 86_400;

/// Types of machines in one request: with all zones they stay below what a fleet takes.
const MOST_TYPES: usize = 20;

/// The settings of a place of this type.
#[derive(Clone, Debug, PartialEq)]
pub struct Ec2Spot {
    /// The region.
    pub region: String,
    /// Types of machines, in the order of preference.
    pub instances: Vec<String>,
    /// US dollars an hour that an instance may cost at most, spot or on demand.
    pub max_price: f64,
    /// US dollars that the attempts at one action may cost together.
    pub budget: Option<f64>,
    /// An instance ends after so long.
    pub max_lifetime: Duration,
    /// What to do without spot capacity.
    pub fallback: Fallback,
    /// A script for the instance, relative to `pipe.yaml`.
    pub user_data: Option<String>,
    /// The key pair for SSH.
    pub key_name: Option<String>,
    /// Security groups, used as they are.
    pub security_groups: Vec<String>,
    /// Subnets.
    pub subnets: Vec<String>,
    /// The name or ARN of the instance profile.
    pub instance_profile: String,
    /// The image.
    pub ami: Ami,
    /// GiB of its disk.
    pub volume: Option<u32>,
    /// Stages at once.
    pub jobs: u32,
    /// How long a stage may show no life.
    pub lease: Duration,
}

/// What to do where there is no spot capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Wait for it.
    None,
    /// Take an instance on demand, within `max_price`.
    OnDemand,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ami {
    /// Itself.
    Id(String),
    /// The parameter of SSM that holds it.
    Parameter(String),
}

pub(crate) fn read(settings: &Value) -> Result<Ec2Spot, Vec<Finding>> {
    let mut reader = Reader::new(settings, "ec2-spot", KEYS);
    reader.missing("region", "write region: us-east-1");
    reader.missing("instances", "write instances: [g4dn.xlarge]");
    reader.missing("max_price", "write max_price: 0.20, in US dollars an hour");
    let region = reader.text("region", "a region", "us-east-1", shapes::region);
    let instances =
        reader.texts("instances", "a list of types of machines, each once", "[g4dn.xlarge]", shapes::instance);
    let max_price = reader.dollars("max_price", "0.20");
    let budget = reader.dollars("budget", "5.00");
    let lifetime = reader.time("max_lifetime", "a time from 10m to 7d", "8h", 600, LONGEST);
    let fallback =
        reader.text("fallback", "`none` or `on-demand`", "none", |word| matches!(word, "none" | "on-demand"));
    let ami = reader.text("ami", "an AMI or the name of a parameter of SSM", GPU_AMI, |text| {
        shapes::ami(text) || shapes::parameter(text)
    });
    let groups = "a list of security groups, sg- and 8 or 17 hexadecimal digits";
    let security_groups = reader.texts("security_groups", groups, "[sg-0c3016e7d01243e5b]", shapes::security_group);
    let subnets = "a list of subnets, subnet- and 8 or 17 hexadecimal digits";
    let subnets = reader.texts("subnets", subnets, "[subnet-0c3016e7d01243e5b]", shapes::subnet);
    let key_name = reader.text("key_name", "the name of a key pair", "my-key", shapes::key_name);
    let profile =
        reader.text("instance_profile", "the name or ARN of an instance profile", "pipe-worker", shapes::profile);
    let user_data = reader.text("user_data", "the path of a script", "setup.sh", shapes::path);
    let volume = reader.gibibytes("volume", 16_384);
    let jobs = reader.count("jobs", 1, 100);
    let lease = reader.time("lease", "a time from 15s to 1h", "60s", 15, 3600);
    types(&mut reader, &instances, ami.is_some());
    let fallback = if fallback.as_deref() == Some("on-demand") { Fallback::OnDemand } else { Fallback::None };
    if let (Some(region), Some(max_price), Fallback::OnDemand) = (&region, max_price, fallback) {
        affordable(&mut reader, &instances, region, max_price);
    }
    if let (Some(budget), Some(max_price)) = (budget, max_price)
        && budget < max_price / 6.0
    {
        let message = format!("`budget: {budget}` pays for less than 10 minutes at `max_price: {max_price}`");
        reader.add(Some("budget"), message, "raise it, or lower max_price");
    }
    let has_gpu = instances.iter().all(|name| catalog::find(name).is_none_or(|machine| machine.gpus > 0));
    let ami = match ami {
        Some(id) if shapes::ami(&id) => Ami::Id(id),
        Some(name) => Ami::Parameter(name),
        None => Ami::Parameter(if has_gpu { GPU_AMI } else { CPU_AMI }.into()),
    };
    let read = region.zip(max_price).map(|(region, max_price)| Ec2Spot {
        region,
        instances,
        max_price,
        budget,
        max_lifetime: lifetime.unwrap_or(Duration::from_secs(86_400)),
        fallback,
        user_data,
        key_name,
        security_groups,
        subnets,
        instance_profile: profile.unwrap_or_else(|| "pipe-worker".into()),
        ami,
        volume,
        jobs: jobs.unwrap_or(4),
        lease: lease.unwrap_or(Duration::from_secs(60)),
    });
    reader.done(read)
}

/// Whether such machines exist, and one image serves all of them.
fn types(reader: &mut Reader<'_>, instances: &[String], ami_given: bool) {
    let key = Some("instances");
    if instances.len() > MOST_TYPES {
        reader.add(key, format!("`instances` has more than {MOST_TYPES} types"), "leave some out");
    }
    for name in instances {
        let siblings = catalog::siblings(name);
        if !siblings.is_empty() {
            reader.add(
                key,
                format!("there is no type of machine `{name}`"),
                format!("there is {}", siblings.join(", ")),
            );
        }
        if !catalog::is_x86_64(name) {
            reader.add(key, format!("`{name}` is a machine for arm64"), "the programs that go along are for x86_64");
        }
    }
    let gpus = |name: &String| catalog::find(name).map(|machine| machine.gpus > 0);
    let (some, none) =
        (instances.iter().any(|it| gpus(it) == Some(true)), instances.iter().any(|it| gpus(it) == Some(false)));
    if some && none && !ami_given {
        let help = "name an `ami` that serves both, or make two backends";
        reader.add(key, "`instances` has types with a GPU and types without one", help);
    }
}

/// An on-demand instance that costs more than the cap is never launched, so that the fallback would be of no use.
fn affordable(reader: &mut Reader<'_>, instances: &[String], region: &str, max_price: f64) {
    let prices: Option<Vec<f64>> = instances.iter().map(|name| catalog::on_demand(name, region)).collect();
    let Some(least) = prices.into_iter().flatten().reduce(f64::min) else { return };
    if max_price < least {
        let message =
            format!("`fallback: on-demand` costs at least {least:.2} an hour, and `max_price` is {max_price:.2}");
        reader.add(Some("fallback"), message, format!("set max_price: {least:.2}, or fallback: none"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// As the mission has it.
    fn mission() -> Value {
        json!({"region": "us-east-1", "instances": ["g4dn.xlarge", "g5.xlarge"], "max_price": 0.20,
            "key_name": "sys-scan-agent_instance", "security_groups": ["sg-0c3016e7d01243e5b"], "user_data": "setup.sh",
            "fallback": "none", "budget": 5.00, "max_lifetime": "8h"})
    }

    #[test]
    fn the_settings_of_the_mission_are_read() {
        let spot = read(&mission()).unwrap();
        assert_eq!(spot.instances, ["g4dn.xlarge", "g5.xlarge"]);
        assert_eq!((spot.max_price, spot.budget), (0.20, Some(5.0)));
        assert_eq!(spot.key_name.as_deref(), Some("sys-scan-agent_instance"));
        assert_eq!(spot.security_groups, ["sg-0c3016e7d01243e5b"]);
        assert_eq!((spot.fallback, spot.max_lifetime.as_secs()), (Fallback::None, 8 * 3600));
        assert_eq!(spot.ami, Ami::Parameter(GPU_AMI.into()));
    }

    #[test]
    fn each_mistake_is_found_under_its_key() {
        for (key, value, message) in [
            ("colour", json!("red"), "has no key `colour`"),
            ("region", json!("us-east-1a"), "`region` must be a region"),
            ("instances", json!(["g4dn.xlrage"]), "there is no type of machine `g4dn.xlrage`"),
            ("instances", json!(["g4dn.xlarge", "m5.xlarge"]), "types with a GPU and types without one"),
            ("instances", json!(["g5g.xlarge"]), "arm64"),
            ("instances", json!(["g5.xlarge", "g5.xlarge"]), "each once"),
            ("max_price", json!("0.20"), "an amount in US dollars"),
            ("max_price", json!(0), "an amount in US dollars"),
            ("max_lifetime", json!("8"), "a time from 10m to 7d"),
            ("max_lifetime", json!("5m"), "a time from 10m to 7d"),
            ("fallback", json!("on-demand"), "costs at least 0.53 an hour, and `max_price` is 0.20"),
            ("security_groups", json!(["default"]), "a list of security groups"),
            ("budget", json!(0.01), "pays for less than 10 minutes"),
            ("volume", json!("150"), "a size from 1GiB"),
            ("ami", json!("ubuntu"), "an AMI or the name"),
        ] {
            let mut settings = mission();
            settings[key] = value;
            let findings = read(&settings).unwrap_err();
            assert!(findings[0].message.contains(message), "{findings:?}");
            assert_eq!(findings[0].key.as_deref(), Some(key));
        }
        let findings = read(&json!({})).unwrap_err();
        assert_eq!(findings.len(), 3, "all that is missing, at once: {findings:?}");
        assert!(!read(&json!([])).unwrap_err().is_empty());
    }

    proptest! {
        #[test]
        fn the_fallback_is_refused_exactly_below_the_cheapest_price(cap in 0.01_f64..2.0) {
            let mut settings = mission();
            settings["max_price"] = json!(cap);
            settings["fallback"] = json!("on-demand");
            prop_assert_eq!(read(&settings).is_ok(), cap >= 0.53);
        }

        #[test]
        fn whatever_is_written_is_read_or_found(key in 0..KEYS.len(), text in ".{0,40}", number in any::<f64>()) {
            for value in [json!(text), json!(number), json!([text]), json!({"a": 1}), json!(true)] {
                let mut settings = mission();
                settings[KEYS[key].0] = value;
                if let Err(findings) = read(&settings) {
                    prop_assert!(!findings.is_empty());
                }
            }
        }
    }
}
