//! What a launch would cost: the spot prices of the pools that it may take, and of the list where it may run on demand. Nothing is launched.

use std::time::{Duration, SystemTime};

use contract::backend::{Failed, Prices};
use contract::card::Resources;
use places::{Fallback, catalog};

use super::Spot;
use super::pools::Pool;

/// How far back prices are looked at.
const LATELY: Duration = Duration::from_secs(24 * 60 * 60);

impl Spot {
    pub(crate) async fn quote(&self, wanted: Resources) -> Result<Prices, Failed> {
        let types = self.fitting(wanted)?;
        let pools = self.pools(&types).await?;
        let cap = self.settings.max_price;
        let region = &self.ground.region;
        let within: Vec<&Pool> = pools.iter().filter(|pool| pool.price.is_some_and(|price| price <= cap)).collect();
        let now = SystemTime::now();
        // What was dearer than the cap would not have been launched.
        let lately = match within.is_empty() {
            true => Vec::new(),
            false => {
                let history = self.history(&types, now - LATELY, now).await?;
                let spell = |pool: &&Pool| history.get(&(pool.instance.clone(), pool.zone.clone())).copied();
                within.iter().filter_map(spell).map(|spell| spell.highest.min(cap)).collect()
            }
        };
        let mut amounts: Vec<f64> = within.iter().filter_map(|pool| pool.price).chain(lately).collect();
        let on_demand = match self.settings.fallback {
            Fallback::None => Vec::new(),
            Fallback::OnDemand => {
                let list = types.iter().filter_map(|name| catalog::on_demand(name, region));
                list.filter(|price| *price <= cap).collect()
            }
        };
        let also = if on_demand.is_empty() { "" } else { " or on demand" };
        amounts.extend(on_demand);
        let named: Vec<&str> = match within.is_empty() {
            true => types.clone(),
            false => types.iter().copied().filter(|name| within.iter().any(|pool| pool.instance == *name)).collect(),
        };
        Ok(Prices {
            what: format!("{}, spot{also}, {region}", named.join(" or ")),
            least: amounts.iter().copied().reduce(f64::min),
            most: amounts.iter().copied().reduce(f64::max),
            cap: Some(cap),
            budget: self.settings.budget,
            why: why(&pools, within.len(), cap),
        })
    }
}

/// Where the prices come from, or why there are none.
fn why(pools: &[Pool], within: usize, cap: f64) -> String {
    let cheapest = pools.iter().filter(|pool| pool.price.is_some());
    let cheapest =
        cheapest.min_by(|one, other| one.price.unwrap_or(f64::MAX).total_cmp(&other.price.unwrap_or(f64::MAX)));
    match cheapest.and_then(|pool| Some((pool, pool.price?))) {
        _ if within > 0 => "prices of the last 24 hours within max_price".to_owned(),
        None => "EC2 tells no spot price of these types, so that max_price alone binds".to_owned(),
        Some((pool, price)) => {
            format!("all spot prices are above max_price {cap:.2} now, the lowest {price:.3} in {}", pool.zone)
        }
    }
}
