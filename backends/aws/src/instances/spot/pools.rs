//! Where an instance may run: types of machines in zones, and what they cost there now.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{Filter, InstanceType, LocationType};
use contract::backend::{Failed, FailedClass};

use super::Spot;
use crate::failure::helped;

/// A type of machine in a zone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pool {
    pub(super) instance: String,
    pub(super) zone: String,
    /// The subnet, where the settings name some.
    pub(super) subnet: Option<String>,
    /// US dollars an hour; unknown where EC2 tells none.
    pub(super) price: Option<f64>,
}

/// The spot prices of a pool over a time, in US dollars an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spell {
    /// Since when the newest is in force.
    since: DateTime,
    pub(super) newest: f64,
    pub(super) highest: f64,
}

impl Spot {
    /// The pools with machines of these types, in the order of types, each with its spot price.
    pub(super) async fn pools(&self, types: &[&str]) -> Result<Vec<Pool>, Failed> {
        let subnets = self.subnets().await?;
        let filter =
            Filter::builder().name("instance-type").set_values(Some(types.iter().map(ToString::to_string).collect()));
        let offered = self.client.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
        let mut pages = offered.filters(filter.build()).into_paginator().send();
        let mut pools = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("ec2:DescribeInstanceTypeOfferings", "types").failed(&error))?;
            for offering in page.instance_type_offerings() {
                let (Some(instance), Some(zone)) = (offering.instance_type(), offering.location()) else { continue };
                let subnet = subnets.as_ref().map(|subnets| subnets.get(zone).cloned());
                if let Some(subnet) = subnet.unwrap_or_else(|| Some(String::new())) {
                    let subnet = Some(subnet).filter(|subnet| !subnet.is_empty());
                    pools.push(Pool { instance: instance.as_str().into(), zone: zone.into(), subnet, price: None });
                }
            }
        }
        if pools.is_empty() {
            let message = format!("no zone of {} has {}", self.ground.region, types.join(" or "));
            return Err(helped(
                FailedClass::Invalid,
                message,
                "name other types, subnets in other zones, or another region",
            ));
        }
        let place = |pool: &Pool| types.iter().position(|name| *name == pool.instance);
        pools.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.zone.cmp(&b.zone)));
        let prices = self.prices(types, SystemTime::now()).await?;
        for pool in &mut pools {
            pool.price = prices.get(&(pool.instance.clone(), pool.zone.clone())).copied();
        }
        Ok(pools)
    }

    /// The given subnets by their zone.
    async fn subnets(&self) -> Result<Option<BTreeMap<String, String>>, Failed> {
        if self.settings.subnets.is_empty() {
            return Ok(None);
        }
        let answer = self.client.describe_subnets().set_subnet_ids(Some(self.settings.subnets.clone())).send().await;
        let answer = answer.map_err(|error| self.call("ec2:DescribeSubnets", "the subnets").failed(&error))?;
        let pairs =
            answer.subnets().iter().filter_map(|it| Some((it.availability_zone()?.into(), it.subnet_id()?.into())));
        Ok(Some(pairs.collect()))
    }

    /// Spot prices at a time, by type and zone.
    pub(super) async fn prices(
        &self,
        types: &[&str],
        at: SystemTime,
    ) -> Result<BTreeMap<(String, String), f64>, Failed> {
        let history = self.history(types, at, at).await?;
        Ok(history.into_iter().map(|(pool, spell)| (pool, spell.newest)).collect())
    }

    /// Spot prices from one time to another, by type and zone.
    pub(super) async fn history(
        &self,
        types: &[&str],
        from: SystemTime,
        to: SystemTime,
    ) -> Result<BTreeMap<(String, String), Spell>, Failed> {
        let request = self.client.describe_spot_price_history().product_descriptions("Linux/UNIX");
        let request = request.set_instance_types(Some(types.iter().map(|name| InstanceType::from(*name)).collect()));
        let mut pages = request.start_time(DateTime::from(from)).end_time(DateTime::from(to)).into_paginator().send();
        let mut spells: BTreeMap<(String, String), Spell> = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("ec2:DescribeSpotPriceHistory", "prices").failed(&error))?;
            for entry in page.spot_price_history() {
                let (Some(instance), Some(zone)) = (entry.instance_type(), entry.availability_zone()) else { continue };
                let (Some(price), Some(since)) = (entry.spot_price().and_then(|it| it.parse().ok()), entry.timestamp())
                else {
                    continue;
                };
                let first = Spell { since: *since, newest: price, highest: price };
                let spell = spells.entry((instance.as_str().into(), zone.into())).or_insert(first);
                spell.highest = spell.highest.max(price);
                if *since > spell.since {
                    (spell.since, spell.newest) = (*since, price);
                }
            }
        }
        Ok(spells)
    }
}
