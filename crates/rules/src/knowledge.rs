//! The tables of `knowledge/`, embedded and read once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::LazyLock;

use findings::place;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Everything looked up about ports, modules, organisations and techniques.
pub struct Knowledge {
    ports: BTreeMap<String, Port>,
    modules: BTreeMap<String, Module>,
    networks: Vec<Network>,
    rarity: BTreeMap<String, f64>,
    techniques: BTreeMap<String, Vec<String>>,
    packaged_suid: BTreeSet<String>,
}

/// The tables of this build.
pub static KNOWLEDGE: LazyLock<Knowledge> = LazyLock::new(Knowledge::load);

/// A well-known port.
#[derive(Deserialize)]
pub struct Port {
    /// The program that usually answers there.
    pub service: String,
    /// Tags of a finding about it.
    pub tags: Vec<String>,
}

/// A kernel module of note.
#[derive(Deserialize)]
pub struct Module {
    /// What it belongs to.
    pub family: String,
    /// Tags of a finding about it.
    pub tags: Vec<String>,
}

/// An organisation's addresses.
pub struct Network {
    /// The organisation.
    pub name: String,
    /// Tags of a finding about an address of it.
    pub tags: Vec<String>,
    base: u32,
    mask: u32,
}

#[derive(Deserialize)]
struct Ports {
    ports: BTreeMap<String, Port>,
}

#[derive(Deserialize)]
struct Modules {
    modules: BTreeMap<String, Module>,
}

#[derive(Deserialize)]
struct Organisations {
    orgs: BTreeMap<String, Organisation>,
}

#[derive(Deserialize)]
struct Organisation {
    cidrs: Vec<String>,
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Rarity {
    modules: Vec<RareModule>,
}

#[derive(Deserialize)]
struct RareModule {
    module: String,
    rarity_score: f64,
}

impl Knowledge {
    fn load() -> Knowledge {
        let ports: Ports = table!("ports");
        let modules: Modules = table!("modules");
        let organisations: Organisations = table!("orgs");
        let rarity: Rarity = table!("rarity");
        let mut techniques: BTreeMap<String, Vec<String>> = table!("attack_mapping");
        // A finding that is merely new is no sign of valid accounts; the agent's table would give T1078 to every one.
        techniques.remove("baseline:new");
        let further: BTreeMap<String, Vec<String>> = table!("techniques");
        techniques.extend(further);
        Knowledge {
            ports: ports.ports,
            modules: modules.modules,
            networks: organisations.orgs.into_iter().flat_map(|(name, org)| networks(&name, &org)).collect(),
            rarity: rarity.modules.into_iter().map(|m| (m.module, m.rarity_score)).collect(),
            techniques,
            packaged_suid: table!("suid_packaged"),
        }
    }

    /// The entry of a port.
    pub fn port(&self, port: &str) -> Option<&Port> {
        self.ports.get(port)
    }

    /// The entry of a module.
    pub fn module(&self, module: &str) -> Option<&Module> {
        self.modules.get(module)
    }

    /// How rare a module is, where that was measured.
    pub fn rarity(&self, module: &str) -> Option<f64> {
        self.rarity.get(module).copied()
    }

    /// The organisation that an IPv4 address belongs to.
    pub fn organisation(&self, address: &str) -> Option<&Network> {
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        self.networks.iter().find(|network| address & network.mask == network.base)
    }

    /// Whether a distribution installs the program at `path` with the SUID or SGID bit.
    pub fn packaged_suid(&self, path: &str) -> bool {
        place::place(path) == Some("packaged") && self.packaged_suid.contains(place::base_name(path))
    }

    /// The techniques that a tag stands for.
    pub fn techniques(&self, tag: &str) -> &[String] {
        self.techniques.get(tag).map_or(&[], Vec::as_slice)
    }
}

fn networks(name: &str, organisation: &Organisation) -> Vec<Network> {
    let network = |cidr: &String| {
        let (address, bits) = cidr.split_once('/').expect("a table entry is ADDRESS/BITS");
        let bits: u32 = bits.parse().expect("a table entry ends in a number of bits");
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        let base = u32::from(address.parse::<Ipv4Addr>().expect("a table entry is an IPv4 network")) & mask;
        Network { name: name.to_owned(), tags: organisation.tags.clone(), base, mask }
    };
    organisation.cidrs.iter().map(network).collect()
}

/// Reads a table of `rules/`, `measured/` or `knowledge/`, which `build.rs` has turned into JSON.
macro_rules! table {
    ($name:literal) => {
        $crate::knowledge::read(include_str!(concat!(env!("OUT_DIR"), "/", $name, ".json")))
    };
}
pub(crate) use table;

/// Reads the table for [`table!`].
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("an embedded table has its documented form")
}

/// Reads a table that a test spells out.
#[cfg(test)]
pub(crate) fn embedded<T: DeserializeOwned>(text: &str) -> T {
    let value: serde_json::Value = serde_yaml::from_str(text).expect("a table is YAML");
    serde_json::from_value(value).expect("a table has its documented form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_reads() {
        assert_eq!(KNOWLEDGE.port("22").unwrap().service, "ssh");
        assert_eq!(KNOWLEDGE.module("xt_MASQUERADE").unwrap().family, "netfilter_nat");
        assert_eq!(KNOWLEDGE.organisation("140.82.121.4").unwrap().name, "github");
        assert!(KNOWLEDGE.organisation("203.0.113.80").is_none());
        assert_eq!(KNOWLEDGE.techniques("suid"), ["T1548"]);
        assert!(KNOWLEDGE.techniques("baseline:new").is_empty());
        assert!(KNOWLEDGE.packaged_suid("/usr/bin/chage") && !KNOWLEDGE.packaged_suid("/usr/local/bin/chage"));
        assert_eq!(KNOWLEDGE.rarity("test_module"), Some(0.0));
    }
}
