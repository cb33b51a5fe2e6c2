//! The data tables under `data/`: what hosts, services, look-alikes and attack chains there are.
//!
//! A reader edits the YAML, never Rust. The tables are embedded, so a worker needs no file besides itself; a table that does
//! not read is a bug of this crate, and its test says where.

mod choices;
mod extra;
mod host;
mod service;
mod template;
mod trace;

use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(crate) use choices::Choices;
pub(crate) use extra::{Binaries, Mismatches, Mode, Mount, Program, Programs, Units};
pub(crate) use host::{Distribution, Mac, Role};
pub(crate) use service::{Account, Bind, Casual, Listener, Protocol, Service, Site, Where};
pub(crate) use template::{Step, Template};
pub(crate) use trace::{
    AlterTrace, Anomaly, Direction, ExposeTrace, FirmwareChange, MacChange, ModuleTrace, Owner, ParamTrace, Place,
    ProcessTrace, Remote, SocketState, SocketTrace, Trace, WritableCheck,
};

/// Every table.
pub(crate) struct Tables {
    pub distributions: Vec<Distribution>,
    pub roles: Vec<Role>,
    pub services: Vec<Service>,
    pub casual: Vec<Casual>,
    pub modules: Modules,
    pub networks: Networks,
    pub programs: Programs,
    pub modes: Vec<Mode>,
    pub units: Units,
    pub mounts: Vec<Mount>,
    pub mismatches: Mismatches,
    pub binaries: Binaries,
    pub lookalikes: Vec<Template>,
    /// Those of the files chains*.yaml, the frozen ones last.
    pub chains: Vec<Template>,
}

/// Kernel modules by how common they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Modules {
    pub base: Vec<String>,
    pub extra: Vec<String>,
    pub out_of_tree: Vec<Vendor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vendor {
    /// Below /lib/modules/<release>.
    pub directory: String,
    pub names: Vec<String>,
}

/// Addresses, ports and names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Networks {
    pub public: Vec<host::Pool>,
    pub lan: Vec<host::Pool>,
    /// Of the simulated hosts themselves.
    pub hosts: host::Pool,
    pub outbound_ports: Vec<u16>,
    /// Remote ports of datagrams.
    pub datagram_ports: Vec<u16>,
    /// Programs that open no connections.
    pub silent: Vec<String>,
    pub users: Vec<String>,
    pub words: Vec<String>,
}

/// A table of `data/`, which the build script has turned into JSON.
macro_rules! table {
    ($name:literal) => {
        read($name, include_str!(concat!(env!("OUT_DIR"), "/", $name, ".json")))
    };
}

/// The tables of this build.
pub(crate) static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    distributions: table!("distributions"),
    roles: table!("roles"),
    services: table!("services"),
    casual: table!("casual"),
    modules: table!("modules"),
    networks: table!("networks"),
    programs: table!("programs"),
    modes: table!("modes"),
    units: table!("units"),
    mounts: table!("mounts"),
    mismatches: table!("integrity"),
    binaries: table!("binaries"),
    lookalikes: table!("lookalikes"),
    chains: {
        let files: [Vec<Template>; 5] = [
            table!("chains"),
            table!("chains_field"),
            table!("chains_field_2"),
            table!("chains_field_3"),
            table!("chains_frozen"),
        ];
        files.into_iter().flatten().collect()
    },
});

fn read<T: DeserializeOwned>(name: &str, json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("the embedded table {name}.yaml reads: {error}"))
}

impl Tables {
    /// The service of that name; the tables' test shows that every name used has one.
    pub(crate) fn service(&self, name: &str) -> &Service {
        self.services.iter().find(|service| service.name == name).expect("services.yaml has every name that is used")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_that_a_table_uses_is_defined() {
        let services: BTreeSet<&str> = TABLES.services.iter().map(|s| s.name.as_str()).collect();
        let roles: BTreeSet<&str> = TABLES.roles.iter().map(|r| r.name.as_str()).collect();
        for role in &TABLES.roles {
            for name in role.services.iter().flat_map(|wish| &wish.any) {
                assert!(services.contains(name.as_str()), "roles.yaml: {name}");
            }
        }
        for unit in &TABLES.units.services {
            assert!(services.contains(unit.of.as_str()), "units.yaml: {}", unit.of);
        }
        for template in TABLES.chains.iter().chain(&TABLES.lookalikes) {
            let name = &template.name;
            assert!(template.needs.iter().all(|s| services.contains(s.as_str())), "{name}: needs");
            assert!(template.roles.iter().all(|r| roles.contains(r.as_str())), "{name}: roles");
            let mut defined = BTreeSet::new();
            for step in &template.steps {
                match &step.leaves {
                    Trace::Process(process) => drop(defined.insert(process.id.as_deref())),
                    Trace::Socket(SocketTrace { of, .. })
                    | Trace::Alter(AlterTrace { of, .. })
                    | Trace::Expose(ExposeTrace { of }) => match of {
                        Owner::Service => assert!(!template.needs.is_empty(), "{name}: of service without needs"),
                        Owner::Process(id) => assert!(defined.contains(&Some(id.as_str())), "{name}: of {id}"),
                    },
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn chains_have_techniques_and_weights_and_lookalikes_have_neither() {
        for chain in &TABLES.chains {
            assert!(chain.weight > 0 && chain.share == 0, "{}", chain.name);
            assert!(chain.steps.len() >= 3 && chain.steps.iter().all(|s| s.technique.is_some()), "{}", chain.name);
        }
        for lookalike in &TABLES.lookalikes {
            assert!(lookalike.weight == 0 && lookalike.share > 0, "{}", lookalike.name);
            assert!(lookalike.steps.iter().all(|s| s.technique.is_none()), "{}", lookalike.name);
        }
    }

    #[test]
    fn three_chains_are_frozen_and_lie_apart() {
        let apart: Vec<Template> = table!("chains_frozen");
        assert!(apart.len() == 3 && apart.iter().all(|chain| chain.frozen));
        assert_eq!(TABLES.chains.iter().filter(|chain| chain.frozen).count(), 3);
        let names: BTreeSet<&str> = TABLES.chains.iter().map(|chain| chain.name.as_str()).collect();
        assert!(names.len() == TABLES.chains.len() && names.len() >= 12, "{names:?}");
    }
}
