//! The tables of this build, embedded and read once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;

use crate::tables::vocabulary::{Modules, Networks};
use crate::tables::{
    Binaries, Casual, Distribution, Executions, Mismatches, Mode, Mount, Programs, Role, Service, Template, Units,
};

/// Every table.
pub(crate) struct Tables {
    pub distributions: Vec<Distribution>,
    pub roles: Vec<Role>,
    pub services: Vec<Service>,
    pub casual: Vec<Casual>,
    pub executions: Executions,
    pub modules: Modules,
    pub networks: Networks,
    pub programs: Programs,
    pub modes: Vec<Mode>,
    pub units: Units,
    pub mounts: Vec<Mount>,
    pub mismatches: Mismatches,
    pub binaries: Binaries,
    pub lookalikes: Vec<Template>,
    /// Those of the files `chains/*.yaml`, in the order of `chains/order.yaml`.
    pub chains: Vec<Template>,
}

/// A table of `data/` or `data/chains/`, which the build script has turned into JSON.
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
    executions: table!("executions"),
    modules: table!("modules"),
    networks: table!("networks"),
    programs: table!("programs"),
    modes: table!("modes"),
    units: table!("units"),
    mounts: table!("mounts"),
    mismatches: table!("integrity"),
    binaries: table!("binaries"),
    lookalikes: table!("lookalikes"),
    chains: chains(),
});

/// The templates of attack chains. A draw adds up weights in this order, so another order draws other chains.
fn chains() -> Vec<Template> {
    let files: [Vec<Template>; 9] = [
        table!("defense_evasion"),
        table!("persistence"),
        table!("privilege_escalation"),
        table!("credential_access"),
        table!("lateral_movement"),
        table!("command_and_control"),
        table!("exfiltration"),
        table!("impact"),
        table!("frozen"),
    ];
    let order: Vec<String> = table!("order");
    let mut places: BTreeMap<String, usize> = order.into_iter().zip(0..).collect();
    let mut chains = files.into_iter().flatten().collect::<Vec<_>>();
    chains.sort_by_cached_key(|chain| {
        places.remove(&chain.name).unwrap_or_else(|| panic!("chains/order.yaml: no line for {}", chain.name))
    });
    assert!(places.is_empty(), "chains/order.yaml: no chains {places:?}");
    chains
}

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
    use crate::tables::executions::KERNEL;
    use crate::tables::template::Author;
    use crate::tables::{AlterTrace, ExposeTrace, Owner, SocketTrace, Trace};

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
        for by in TABLES.executions.activities.iter().filter_map(|activity| activity.by.as_deref()) {
            assert!(by == KERNEL || services.contains(by), "executions.yaml: {by}");
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

    /// The scanner parts a line of /proc/PID/stat at spaces, so it reports no process whose name has one.
    #[test]
    fn names_of_executions_are_as_the_kernel_has_them() {
        for activity in &TABLES.executions.activities {
            let longest = if activity.by.as_deref() == Some(KERNEL) { 64 } else { 15 };
            for name in &activity.names {
                assert!((1..=longest).contains(&name.len()) && !name.contains(' '), "executions.yaml: {name}");
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
        let apart: Vec<Template> = table!("frozen");
        assert!(apart.len() == 3 && apart.iter().all(|chain| chain.frozen && chain.author != Author::Project));
        assert_eq!(TABLES.chains.iter().filter(|chain| chain.frozen).count(), 3);
        let names: BTreeSet<&str> = TABLES.chains.iter().map(|chain| chain.name.as_str()).collect();
        assert!(names.len() == TABLES.chains.len() && names.len() >= 12, "{names:?}");
    }
}
