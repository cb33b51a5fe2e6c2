//! The requests that launch: through all pools below the cap at once, then on demand where that is allowed.

use std::time::Duration;

use aws_sdk_ec2::operation::create_fleet::CreateFleetOutput;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, DefaultTargetCapacityType, EbsBlockDevice, Filter, FleetLaunchTemplateConfigRequest,
    FleetLaunchTemplateOverridesRequest, FleetLaunchTemplateSpecificationRequest, FleetOnDemandAllocationStrategy,
    FleetType, HttpTokensState, IamInstanceProfileSpecification, InstanceInterruptionBehavior,
    InstanceMarketOptionsRequest, InstanceMetadataOptionsRequest, InstanceType,
    LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateTagSpecificationRequest, MarketType, OnDemandOptionsRequest, Placement, RequestLaunchTemplateData,
    ResourceType, ShutdownBehavior, SpotAllocationStrategy, SpotInstanceType, SpotMarketOptions, SpotOptionsRequest,
    Tag, TagSpecification, TargetCapacitySpecificationRequest, VolumeType,
};
use contract::backend::{Failed, FailedClass};
use places::{Ami, Fallback, catalog};

use super::pools::Pool;
use super::{Spot, WORKSPACE};
use crate::answers::Progress;
use crate::failure::{failed, helped};
use crate::instances::dollars;
use crate::instances::trouble::{Verdict, code, is_open, over_quota, quota, said, verdict};

/// Containers on the instance may reach the metadata too.
const HOPS: i32 = 2;

/// What every request says.
pub(super) struct Order {
    /// In base64.
    pub(super) user_data: String,
    pub(super) tags: Vec<Tag>,
    pub(super) token: String,
    /// How often nothing could be launched with it. EC2 repeats such an answer to a request that has the same token of EC2.
    pub(super) refused: u32,
}

/// An instance that was launched.
pub(super) struct Launched {
    pub(super) id: String,
    /// US dollars an hour.
    pub(super) price: Option<f64>,
}

/// How an instance is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Market {
    Spot,
    OnDemand,
}

/// Why there is none.
struct Refusal {
    verdict: Verdict,
    /// `g4dn.xlarge in us-east-1a`.
    pool: String,
    instance: String,
    code: String,
    message: String,
}

/// How a request ended.
enum Outcome {
    Launched(String, Option<Pool>),
    Refused(Vec<Refusal>),
}

impl Spot {
    /// Launches one instance: spot in the best of the pools, then on demand.
    pub(super) async fn launch(&self, order: &Order, types: &[&str], progress: &Progress) -> Result<Launched, Failed> {
        let cap = self.settings.max_price;
        let all = self.pools(types).await?;
        // A pool without a price has no spot instances. Where EC2 tells no price at all, the cap in the request binds.
        let told = all.iter().any(|pool| pool.price.is_some());
        let offered = all.iter().filter(|pool| pool.price.is_some() || !told).cloned();
        let (below, above): (Vec<Pool>, Vec<Pool>) =
            offered.partition(|pool| pool.price.is_none_or(|price| price <= cap));
        let mut refusals: Vec<Refusal> = above.iter().map(|pool| too_dear(pool, cap)).collect();
        if !below.is_empty() {
            match self.try_pools(order, Market::Spot, &below).await? {
                Outcome::Launched(id, pool) => return Ok(Launched { id, price: pool.and_then(|pool| pool.price) }),
                Outcome::Refused(more) => refusals.extend(more),
            }
        }
        if self.settings.fallback == Fallback::OnDemand {
            progress.words(&format!("{}; trying on demand", words(&refusals)));
            let priced =
                |pool: &Pool| Pool { price: catalog::on_demand(&pool.instance, &self.ground.region), ..pool.clone() };
            let allowed: Vec<Pool> =
                all.iter().map(priced).filter(|pool| pool.price.is_some_and(|price| price <= cap)).collect();
            if !allowed.is_empty() {
                match self.try_pools(order, Market::OnDemand, &allowed).await? {
                    Outcome::Launched(id, pool) => return Ok(Launched { id, price: pool.and_then(|pool| pool.price) }),
                    Outcome::Refused(more) => refusals.extend(more),
                }
            }
        }
        Err(self.none(&refusals))
    }

    /// Why nothing could be launched. A quota is what the user can do most about.
    fn none(&self, refusals: &[Refusal]) -> Failed {
        let region = &self.ground.region;
        if let Some(refused) = refusals.iter().find(|it| it.verdict == Verdict::Quota) {
            let quota = quota(
                &refused.instance,
                refused.code == "MaxSpotInstanceCountExceeded" || !refused.pool.ends_with("on demand"),
            );
            return over_quota(
                &quota,
                "Amazon Elastic Compute Cloud (EC2)",
                region,
                &said(&refused.code, &refused.message),
            );
        }
        let message = format!("there is no instance to be had: {}", words(refusals));
        let help = match refusals.iter().all(|it| it.verdict == Verdict::Price) {
            true => "raise max_price, name other types, or wait until prices fall",
            false => {
                "wait, name more types or another region, or allow `fallback: on-demand` with a max_price that covers it"
            }
        };
        helped(FailedClass::NoRoom, message, help)
    }

    async fn try_pools(&self, order: &Order, market: Market, pools: &[Pool]) -> Result<Outcome, Failed> {
        match pools {
            [pool] => self.run(order, market, pool).await,
            pools => self.fleet(order, market, pools).await,
        }
    }

    /// One pool: no template and no fleet.
    async fn run(&self, order: &Order, market: Market, pool: &Pool) -> Result<Outcome, Failed> {
        let settings = &self.settings;
        let mut request = self
            .client
            .run_instances()
            .min_count(1)
            .max_count(1)
            .client_token(token(order, market, &pool.instance, &pool.zone))
            .image_id(image(&settings.ami))
            .instance_type(InstanceType::from(pool.instance.as_str()))
            .user_data(&order.user_data)
            .set_key_name(settings.key_name.clone())
            .set_security_group_ids(given(&settings.security_groups))
            .iam_instance_profile(profile(&settings.instance_profile))
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
            .metadata_options(
                InstanceMetadataOptionsRequest::builder()
                    .http_tokens(HttpTokensState::Required)
                    .http_put_response_hop_limit(HOPS)
                    .build(),
            )
            .set_block_device_mappings(self.disk().map(|disk| vec![disk]));
        for kind in [ResourceType::Instance, ResourceType::Volume] {
            let tags = TagSpecification::builder().resource_type(kind).set_tags(Some(order.tags.clone()));
            request = request.tag_specifications(tags.build());
        }
        request = match &pool.subnet {
            Some(subnet) => request.subnet_id(subnet),
            None => request.placement(Placement::builder().availability_zone(&pool.zone).build()),
        };
        if market == Market::Spot {
            let spot = SpotMarketOptions::builder()
                .max_price(dollars(settings.max_price))
                .spot_instance_type(SpotInstanceType::OneTime)
                .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate);
            let options =
                InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(spot.build());
            request = request.instance_market_options(options.build());
        }
        let error = match request.send().await {
            Ok(answer) => {
                let id = answer.instances().first().and_then(|instance| instance.instance_id());
                let id =
                    id.ok_or_else(|| failed(FailedClass::Broken, "ec2:RunInstances answered without an instance"))?;
                return Ok(Outcome::Launched(id.into(), Some(pool.clone())));
            }
            Err(error) => error,
        };
        let code = code(&error);
        if let Some(id) = self.launched_all_the_same(order, is_open(&error), &code).await? {
            return Ok(Outcome::Launched(id, Some(pool.clone())));
        }
        match verdict(&code) {
            Verdict::Stop => {
                Err(self.call("ec2:RunInstances", &format!("{} in {}", pool.instance, pool.zone)).failed(&error))
            }
            _ => {
                let message = aws_sdk_ec2::error::ProvideErrorMetadata::message(&error).unwrap_or_default();
                Ok(Outcome::Refused(vec![refusal(market, pool, &code, message)]))
            }
        }
    }

    /// All pools in one request; EC2 takes the one with the best price and capacity.
    async fn fleet(&self, order: &Order, market: Market, pools: &[Pool]) -> Result<Outcome, Failed> {
        let token = token(order, market, "", "");
        let name = format!("pipe-{}-{token}", self.ground.workspace);
        self.make_template(order, &name, &token).await?;
        let overrides = pools.iter().map(|pool| {
            let max_price = (market == Market::Spot).then(|| dollars(self.settings.max_price));
            let zone = pool.subnet.is_none().then(|| pool.zone.clone());
            FleetLaunchTemplateOverridesRequest::builder()
                .instance_type(InstanceType::from(pool.instance.as_str()))
                .set_max_price(max_price)
                .set_availability_zone(zone)
                .set_subnet_id(pool.subnet.clone())
                .build()
        });
        let template = FleetLaunchTemplateSpecificationRequest::builder().launch_template_name(&name).version("1");
        let config = FleetLaunchTemplateConfigRequest::builder()
            .launch_template_specification(template.build())
            .set_overrides(Some(overrides.collect()));
        let kind = match market {
            Market::Spot => DefaultTargetCapacityType::Spot,
            Market::OnDemand => DefaultTargetCapacityType::OnDemand,
        };
        let target =
            TargetCapacitySpecificationRequest::builder().total_target_capacity(1).default_target_capacity_type(kind);
        let request = self.client.create_fleet().r#type(FleetType::Instant).client_token(&token);
        let request = request.launch_template_configs(config.build()).target_capacity_specification(target.build());
        let request = match market {
            Market::Spot => request.spot_options(
                SpotOptionsRequest::builder()
                    .allocation_strategy(SpotAllocationStrategy::PriceCapacityOptimized)
                    .build(),
            ),
            Market::OnDemand => request.on_demand_options(
                OnDemandOptionsRequest::builder()
                    .allocation_strategy(FleetOnDemandAllocationStrategy::LowestPrice)
                    .build(),
            ),
        };
        let answer = request.send().await;
        let outcome = match answer {
            Ok(answer) => Ok(fleet_outcome(&answer, market, pools)),
            Err(error) => match self.launched_all_the_same(order, is_open(&error), &code(&error)).await? {
                Some(id) => Ok(Outcome::Launched(id, None)),
                None => Err(self.call("ec2:CreateFleet", "a fleet of one instance").failed(&error)),
            },
        };
        // A fleet that has answered needs its template no more. One that stays is removed by a reap.
        let _ = self.client.delete_launch_template().launch_template_name(&name).send().await;
        match outcome? {
            Outcome::Refused(refusals) if refusals.iter().any(|it| it.verdict == Verdict::Stop) => {
                let stop = refusals.iter().find(|it| it.verdict == Verdict::Stop);
                let (code, message) = stop.map(|it| (it.code.as_str(), it.message.as_str())).unwrap_or_default();
                Err(self.call("ec2:CreateFleet", "an instance").answered(code, message, 400))
            }
            outcome => Ok(outcome),
        }
    }

    /// The instance of a request whose answer says nothing of it: lost on the way, or given to an earlier one with this token.
    async fn launched_all_the_same(&self, order: &Order, is_open: bool, code: &str) -> Result<Option<String>, Failed> {
        if !is_open && code != "IdempotentParameterMismatch" {
            return Ok(None);
        }
        for pause in [0, 2, 5] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            if let Some(instance) = self.of_token(&order.token).await? {
                return Ok(Some(instance.id));
            }
        }
        if is_open {
            return Ok(None);
        }
        // A client that died before it wrote down what came of it. Prices, and with them the request, have changed since.
        let message =
            "a request with this token was sent before, with other settings, and launched nothing that is left";
        Err(helped(FailedClass::NoRoom, message, "the next request has another token"))
    }

    async fn make_template(&self, order: &Order, name: &str, token: &str) -> Result<(), Failed> {
        let settings = &self.settings;
        let mut profile = LaunchTemplateIamInstanceProfileSpecificationRequest::builder();
        profile = match settings.instance_profile.starts_with("arn:") {
            true => profile.arn(&settings.instance_profile),
            false => profile.name(&settings.instance_profile),
        };
        let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_tokens(LaunchTemplateHttpTokensState::Required)
            .http_put_response_hop_limit(HOPS);
        let disk = settings.volume.map(|size| {
            let ebs = LaunchTemplateEbsBlockDeviceRequest::builder()
                .volume_size(size as i32)
                .volume_type(VolumeType::Gp3)
                .delete_on_termination(true);
            let device = root_device(&settings.ami);
            vec![LaunchTemplateBlockDeviceMappingRequest::builder().device_name(device).ebs(ebs.build()).build()]
        });
        let mut data = RequestLaunchTemplateData::builder()
            .image_id(image(&settings.ami))
            .user_data(&order.user_data)
            .set_key_name(settings.key_name.clone())
            .set_security_group_ids(given(&settings.security_groups))
            .iam_instance_profile(profile.build())
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
            .metadata_options(metadata.build())
            .set_block_device_mappings(disk);
        for kind in [ResourceType::Instance, ResourceType::Volume] {
            let tags =
                LaunchTemplateTagSpecificationRequest::builder().resource_type(kind).set_tags(Some(order.tags.clone()));
            data = data.tag_specifications(tags.build());
        }
        let tag = Tag::builder().key(WORKSPACE).value(&self.ground.workspace).build();
        let tags = TagSpecification::builder().resource_type(ResourceType::LaunchTemplate).tags(tag).build();
        let request = self.client.create_launch_template().launch_template_name(name).client_token(token);
        match request.launch_template_data(data.build()).tag_specifications(tags).send().await {
            Ok(_) => Ok(()),
            // The same request, sent before.
            Err(error) if code(&error) == "InvalidLaunchTemplateName.AlreadyExistsException" => Ok(()),
            Err(error) => Err(self.call("ec2:CreateLaunchTemplate", name).failed(&error)),
        }
    }

    /// Removes the templates of this workspace.
    pub(super) async fn remove_templates(&self) -> Result<(), Failed> {
        let filter = Filter::builder().name(format!("tag:{WORKSPACE}")).values(&self.ground.workspace).build();
        let answer = self.client.describe_launch_templates().filters(filter).send().await;
        let answer = answer.map_err(|error| self.call("ec2:DescribeLaunchTemplates", "templates").failed(&error))?;
        for template in answer.launch_templates() {
            let request = self
                .client
                .delete_launch_template()
                .set_launch_template_id(template.launch_template_id().map(Into::into));
            request.send().await.map_err(|error| self.call("ec2:DeleteLaunchTemplate", "a template").failed(&error))?;
        }
        Ok(())
    }

    fn disk(&self) -> Option<BlockDeviceMapping> {
        let size = self.settings.volume?;
        let ebs =
            EbsBlockDevice::builder().volume_size(size as i32).volume_type(VolumeType::Gp3).delete_on_termination(true);
        Some(BlockDeviceMapping::builder().device_name(root_device(&self.settings.ami)).ebs(ebs.build()).build())
    }
}

fn fleet_outcome(answer: &CreateFleetOutput, market: Market, pools: &[Pool]) -> Outcome {
    let launched = answer.instances().iter().find_map(|it| Some((it, it.instance_ids().first()?)));
    if let Some((instance, id)) = launched {
        let overrides = instance.launch_template_and_overrides().and_then(|it| it.overrides());
        let zone = overrides.and_then(|it| it.availability_zone());
        let subnet = overrides.and_then(|it| it.subnet_id());
        let kind = instance.instance_type().map(InstanceType::as_str);
        let of = |pool: &&Pool| {
            Some(pool.instance.as_str()) == kind
                && (Some(pool.zone.as_str()) == zone || (subnet.is_some() && pool.subnet.as_deref() == subnet))
        };
        return Outcome::Launched(id.clone(), pools.iter().find(of).cloned());
    }
    let refusals = answer.errors().iter().map(|error| {
        let overrides = error.launch_template_and_overrides().and_then(|it| it.overrides());
        let pool = Pool {
            instance: overrides.and_then(|it| it.instance_type()).map(|it| it.as_str().to_owned()).unwrap_or_default(),
            zone: overrides.and_then(|it| it.availability_zone().or(it.subnet_id())).unwrap_or_default().into(),
            subnet: None,
            price: None,
        };
        refusal(market, &pool, error.error_code().unwrap_or_default(), error.error_message().unwrap_or_default())
    });
    Outcome::Refused(refusals.collect())
}

fn refusal(market: Market, pool: &Pool, code: &str, message: &str) -> Refusal {
    let on_demand = if market == Market::OnDemand { " on demand" } else { "" };
    Refusal {
        verdict: verdict(code),
        pool: format!("{} in {}{on_demand}", pool.instance, pool.zone),
        instance: pool.instance.clone(),
        code: code.into(),
        message: message.into(),
    }
}

fn too_dear(pool: &Pool, cap: f64) -> Refusal {
    let price = pool.price.unwrap_or_default();
    Refusal {
        verdict: Verdict::Price,
        pool: format!("{} in {}", pool.instance, pool.zone),
        instance: pool.instance.clone(),
        code: String::new(),
        message: format!("costs {} an hour, above max_price {}", dollars(price), dollars(cap)),
    }
}

/// All refusals in one sentence.
fn words(refusals: &[Refusal]) -> String {
    let word = |refused: &Refusal| match refused.verdict {
        Verdict::NoCapacity => format!("no capacity for {}", refused.pool),
        Verdict::Quota => format!("no quota for {}", refused.pool),
        Verdict::Price if refused.code.is_empty() => format!("{} {}", refused.pool, refused.message),
        Verdict::Price => format!("{} costs more than max_price", refused.pool),
        Verdict::Stop => format!("{}: {}", refused.pool, refused.code),
    };
    let mut texts: Vec<String> = refusals.iter().map(word).collect();
    texts.dedup();
    if texts.is_empty() { "EC2 gave no reason".into() } else { texts.join(", ") }
}

/// A token of EC2 for (action, attempt, pool, refusals): another pool is another request, and so is one after a refusal.
fn token(order: &Order, market: Market, instance: &str, zone: &str) -> String {
    let kind = match market {
        Market::Spot => "s",
        Market::OnDemand => "o",
    };
    let pool = super::super::hexadecimal(format!("{instance} {zone}").as_bytes());
    format!("{}-{kind}{}-{}", order.token, order.refused, &pool[..12])
}

/// EC2 looks a parameter of SSM up by itself, when it launches.
fn image(ami: &Ami) -> String {
    match ami {
        Ami::Id(id) => id.clone(),
        Ami::Parameter(name) => format!("resolve:ssm:{name}"),
    }
}

/// The device of the image's own disk, by the system that its name tells.
fn root_device(ami: &Ami) -> &'static str {
    match ami {
        Ami::Parameter(name) if name.contains("amazon-linux") || name.contains("al2023") => "/dev/xvda",
        _ => "/dev/sda1",
    }
}

fn given(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn profile(name: &str) -> IamInstanceProfileSpecification {
    let profile = IamInstanceProfileSpecification::builder();
    if name.starts_with("arn:") { profile.arn(name).build() } else { profile.name(name).build() }
}
