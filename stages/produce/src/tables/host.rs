//! Tables of what hosts are: roles, distributions, address pools.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A distribution release.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Distribution {
    pub id: String,
    pub version: String,
    pub pretty: String,
    pub weight: u32,
    pub kernels: Vec<String>,
    pub mac: Mac,
    /// Values of kernel parameters by the last part of their path; one is drawn.
    pub params: BTreeMap<String, Vec<String>>,
    pub complaining: [u32; 2],
    /// How module files end.
    pub modules: String,
    pub suid: Vec<String>,
    pub capabilities: Vec<String>,
}

/// The mandatory access control that a distribution turns on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mac {
    Apparmor,
    Selinux,
}

/// The purpose of a host.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    pub name: String,
    /// Of the hostname.
    pub prefix: String,
    pub weight: u32,
    /// Share, per mille, that is itself a container.
    pub container: u32,
    pub sessions: [u32; 2],
    pub casual: [u32; 2],
    pub clients: [u32; 2],
    pub outbound: [u32; 2],
    /// Share, per mille, with ip_forward on.
    pub forwards: u32,
    #[serde(default)]
    pub desktop: bool,
    #[serde(default)]
    pub developer: bool,
    /// Settings that administrators make on some of the hosts.
    #[serde(default)]
    pub tuned: Tuned,
    /// How many containers run on it.
    #[serde(default)]
    pub containers: [u32; 2],
    pub services: Vec<Wish>,
}

/// Kernel parameters that administrators set, on a share of the hosts of a role.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tuned {
    /// Per mille.
    pub share: u32,
    /// Values by the last part of their path, in place of the distribution's; one is drawn.
    pub params: BTreeMap<String, Vec<String>>,
}

/// One of these services, on some of the hosts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub any: Vec<String>,
    pub share: u32,
}

/// A range of IPv4 addresses, written as `10.0.0.0/16`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    base: u32,
    bits: u32,
}

impl Pool {
    /// An address of the pool, from any number; never its first or last.
    pub(crate) fn address(self, number: u32) -> Ipv4Addr {
        let size = 1u32 << (32 - self.bits);
        Ipv4Addr::from(self.base + 1 + number % (size - 2))
    }

    /// The address at a place of the pool.
    pub(crate) fn nth(self, place: u32) -> Ipv4Addr {
        let size = 1u32 << (32 - self.bits);
        Ipv4Addr::from(self.base + place % size)
    }
}

impl<'de> Deserialize<'de> for Pool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pool, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parse = || {
            let (base, bits) = text.split_once('/')?;
            let base = u32::from(base.parse::<Ipv4Addr>().ok()?);
            let bits = bits.parse().ok().filter(|bits| (1..=30).contains(bits))?;
            Some(Pool { base, bits })
        };
        parse().ok_or_else(|| D::Error::custom(format!("{text:?} is not like 10.0.0.0/16")))
    }
}
