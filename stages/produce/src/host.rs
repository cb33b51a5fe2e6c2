//! A simulated host: what it is and stays over all its scans.

use std::net::Ipv4Addr;

use draws::Stream;

use crate::clock::{Moment, moments};
use crate::network;
use crate::stream::{Purpose, Streams};
use crate::tables::{Distribution, Mac, Mode, Role, Service, Site, TABLES};
use crate::world::process;

/// A host.
pub(crate) struct Host {
    pub seed: u64,
    pub index: u32,
    pub name: String,
    pub role: &'static Role,
    pub distribution: &'static Distribution,
    pub kernel: &'static str,
    /// It is itself a container.
    pub container: bool,
    pub address: Ipv4Addr,
    pub users: Vec<&'static str>,
    pub running: Vec<Running>,
    /// The scanner's mode: the things that it was told to look at.
    pub mode: &'static Mode,
    /// How the scanner was told to look at kernel modules.
    pub module_mode: ModuleMode,
    pub moments: Vec<Moment>,
}

/// A daemon of a host.
pub(crate) struct Running {
    pub service: &'static Service,
    pub workers: u32,
    /// The container it runs in, on a host of containers.
    pub container: Option<String>,
}

/// The three modes of the scanner `modules`; they exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModuleMode {
    List,
    Summary,
    Anomalies,
}

impl Host {
    pub(crate) fn new(seed: u64, index: u32, scans: u32) -> Host {
        let mut draw = Streams::new(seed, Purpose::Host, index).at(0);
        let role = draw.weighted(&TABLES.roles, |role| role.weight).expect("roles have weights");
        let distribution = draw.weighted(&TABLES.distributions, |d| d.weight).expect("distributions have weights");
        let container = draw.chance(role.container);
        let users = users(&mut draw);
        let module_mode = match draw.below(10) {
            0..=3 => ModuleMode::Summary,
            4..=7 => ModuleMode::Anomalies,
            _ => ModuleMode::List,
        };
        Host {
            seed,
            index,
            name: format!("{}-{index:05}", role.prefix),
            role,
            distribution,
            kernel: draw.pick::<String>(&distribution.kernels),
            container,
            address: network::address(seed, index),
            users,
            running: running(role, container, Streams::new(seed, Purpose::Container, index).at(0), draw),
            mode: mode(seed, index),
            module_mode,
            moments: moments(seed, index, scans),
        }
    }

    /// About how many processes run.
    pub(crate) fn expected_processes(&self) -> u32 {
        let daemons: u32 = self.running.iter().map(|running| 1 + running.workers).sum();
        let [low, high] = self.role.sessions;
        daemons + process::casual_slots(self) + 3 * (low + high) / 2
    }

    /// The streams of one purpose.
    pub(crate) fn streams(&self, purpose: Purpose) -> Streams {
        Streams::new(self.seed, purpose, self.index)
    }

    /// The access control that is on; none in a container.
    pub(crate) fn mac(&self) -> Option<Mac> {
        (!self.container).then_some(self.distribution.mac)
    }
}

fn mode(seed: u64, index: u32) -> &'static Mode {
    let mut draw = Streams::new(seed, Purpose::Mode, index).at(0);
    draw.weighted(&TABLES.modes, |mode| mode.weight).expect("modes have weights")
}

/// One to three users, no two alike.
fn users(draw: &mut Stream) -> Vec<&'static str> {
    let mut users: Vec<&'static str> = Vec::new();
    for _ in 0..draw.between([1, 3]) {
        let name: &'static String = draw.pick(&TABLES.networks.users);
        if !users.contains(&name.as_str()) {
            users.push(name);
        }
    }
    users
}

/// The daemons, in the order in which they start. In a container the role's own service comes first and is process 1.
fn running(role: &'static Role, container: bool, mut inner: Stream, mut draw: Stream) -> Vec<Running> {
    let mut base = Vec::new();
    for service in &TABLES.services {
        let fits = match service.on {
            Some(Site::Host) => !container,
            Some(Site::Everywhere) => true,
            Some(Site::Desktop) => role.desktop && !container,
            None => false,
        };
        if fits && draw.chance(service.share) {
            base.push(service);
        }
    }
    let mut wished = Vec::new();
    for wish in &role.services {
        if draw.chance(wish.share) {
            wished.push(TABLES.service(draw.pick::<String>(&wish.any)));
        }
    }
    let order = if container { [wished, base] } else { [base, wished] };
    let mut all: Vec<Running> = order.into_iter().flatten().map(|service| one(service, None, &mut draw)).collect();
    let images: Vec<&'static Service> =
        TABLES.services.iter().filter(|s| s.on.is_none() && !s.listens.is_empty()).collect();
    for _ in 0..inner.between(role.containers) {
        let service = *inner.pick(&images);
        let id = format!("{:08x}{:04x}", inner.word(), inner.below(1 << 16));
        all.push(one(service, Some(id), &mut inner));
    }
    all
}

fn one(service: &'static Service, container: Option<String>, draw: &mut Stream) -> Running {
    let workers = service.workers.as_ref().map_or(0, |workers| draw.between(workers.count));
    Running { service, workers, container }
}
