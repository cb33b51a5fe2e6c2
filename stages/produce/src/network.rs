//! Networks of hosts: who the neighbours of a host are, and which attacks and habits they have in common.
//!
//! Hosts lie in networks of a fixed size by their index. All that neighbours share is drawn from streams of the network, so
//! each host finds its part alone, whichever thread simulates it.

use std::net::Ipv4Addr;

use draws::Stream;

use crate::host::Host;
use crate::story::{self, fits};
use crate::stream::{Purpose, Streams};
use crate::tables::{TABLES, Template};

/// Hosts of a network.
const SIZE: u32 = 8;
/// Share of networks, per mille, in which an attack goes from host to host, if enough of them are attacked.
const CAMPAIGNS: u32 = 300;
/// Processes of the host that is attacked at just the rate asked for.
const USUAL_PROCESSES: u32 = 44;
const CAMPAIGN: u64 = 0;
const ADDRESS: u64 = 1;

/// A host's place in what spans several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// From 0.
    pub place: u32,
    /// The host from which it was reached.
    pub previous: Option<Ipv4Addr>,
    /// The host that is reached from it.
    pub next: Option<Ipv4Addr>,
}

/// An attack that goes from host to host.
pub(crate) struct Campaign {
    pub template: &'static Template,
    /// The index of the host where it begins.
    pub entry: u32,
    pub hop: Hop,
    /// The scan before which it begins on this host.
    pub begin: u32,
}

/// The streams of a host's network.
pub(crate) fn streams(seed: u64, host: u32) -> Streams {
    Streams::new(seed, Purpose::Network, host / SIZE)
}

/// The address of a host, unlike any other's of the run up to half a million hosts.
pub(crate) fn address(seed: u64, host: u32) -> Ipv4Addr {
    let network = host / SIZE;
    let first = 1 + streams(seed, host).at(ADDRESS).below(240);
    // An odd factor permutes the 65,536 networks of the pool.
    let subnet = network.wrapping_mul(40_503).wrapping_add(seed as u32) % (1 << 16);
    TABLES.networks.hosts.nth(subnet * 256 + first + host % SIZE)
}

/// The address of another host of the network.
pub(crate) fn neighbour(host: &Host, draw: &mut Stream) -> Ipv4Addr {
    let place = (host.index % SIZE + 1 + draw.below(SIZE - 1)) % SIZE;
    address(host.seed, host.index / SIZE * SIZE + place)
}

/// Whether a host is attacked, and the stream that decides how. Where more runs there is more to attack: if all hosts were
/// attacked alike, a finding among few others would be an attack's more often than one among many; kernel parameters, of which
/// all hosts have four, ask for less than processes do, so the power lies between.
pub(crate) fn attacked(host: &Host, attack_rate: f64) -> Option<Stream> {
    let size = f64::from(host.expected_processes().clamp(USUAL_PROCESSES / 4, USUAL_PROCESSES * 3));
    let times = size / f64::from(USUAL_PROCESSES);
    // The rate's odds are scaled, so that a rate of 1 is every host. All of it, roots too, is exact in IEEE 754.
    let odds = times * times.sqrt().sqrt();
    let share = attack_rate * odds / (1.0 + attack_rate * (odds - 1.0));
    let mut draw = host.streams(Purpose::Story).at(u64::MAX);
    draw.share(share).then_some(draw)
}

/// The campaign that a host is part of: some of the attacked hosts of its network, in an order of their own.
pub(crate) fn campaign(host: &Host, attack_rate: f64) -> Option<Campaign> {
    let mut draw = streams(host.seed, host.index).at(CAMPAIGN);
    if !draw.chance(CAMPAIGNS) {
        return None;
    }
    let weight = |template: &Template| if template.hosts[1] > 1 { template.weight } else { 0 };
    let template = draw.weighted(&TABLES.chains, weight)?;
    let (first, turn, count) = (host.index / SIZE * SIZE, draw.below(SIZE), draw.between(template.hosts));
    let (begin, pause) = (story::begin(host, &mut draw), draw.below(2));
    let order = (0..SIZE).map(|place| first + (place + turn) % SIZE);
    let hosts = order.map(|index| Host::new(host.seed, index, 0));
    let reached = hosts.filter(|host| fits(template, host) && attacked(host, attack_rate).is_some());
    let members: Vec<u32> = reached.take(count as usize).map(|host| host.index).collect();
    let place = members.iter().position(|index| *index == host.index)?;
    if members.len() < 2 {
        return None;
    }
    let at = |place: usize| members.get(place).map(|index| address(host.seed, *index));
    let hop = Hop { place: place as u32, previous: place.checked_sub(1).and_then(at), next: at(place + 1) };
    let last = host.moments.len() as u32 - 1;
    Some(Campaign { template, entry: members[0], hop, begin: (begin + pause * hop.place).min(last) })
}

/// A host's place in a habit of its whole network: one host reaches all others.
pub(crate) fn star(host: &Host, draw: &mut Stream) -> Hop {
    let (first, turn) = (host.index / SIZE * SIZE, draw.below(SIZE));
    let place = (host.index % SIZE + SIZE - turn) % SIZE;
    let at = |place: u32| address(host.seed, first + (place + turn) % SIZE);
    if place == 0 {
        Hop { place, previous: None, next: Some(at(1)) }
    } else {
        Hop { place, previous: Some(at(0)), next: None }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_hosts_have_one_address_and_neighbours_lie_close() {
        let addresses: BTreeSet<Ipv4Addr> = (0..20_000).map(|host| address(5, host)).collect();
        assert_eq!(addresses.len(), 20_000);
        let subnet = |host| address(5, host).octets()[..3].to_vec();
        assert_eq!(subnet(8), subnet(15));
        assert_ne!(subnet(7), subnet(8));
    }

    #[test]
    fn the_hosts_of_a_campaign_agree_on_it() {
        let mut campaigns = 0;
        for network in 0..40 {
            let hosts: Vec<Host> = (0..SIZE).map(|place| Host::new(3, network * SIZE + place, 4)).collect();
            let mut parts: Vec<(u32, Campaign, Ipv4Addr)> = hosts
                .iter()
                .filter_map(|host| campaign(host, 0.5).map(|campaign| (campaign.hop.place, campaign, host.address)))
                .collect();
            parts.sort_by_key(|(place, ..)| *place);
            assert!(parts.is_empty() || (2..=3).contains(&parts.len()));
            for pair in parts.windows(2) {
                let ((_, from, from_address), (_, to, to_address)) = (&pair[0], &pair[1]);
                assert_eq!((from.entry, from.template.name.as_str()), (to.entry, to.template.name.as_str()));
                assert_eq!((from.hop.next, to.hop.previous), (Some(*to_address), Some(*from_address)));
                assert!(from.begin <= to.begin);
            }
            if let Some((_, last, _)) = parts.last() {
                assert_eq!(last.hop.next, None);
                campaigns += 1;
            }
        }
        assert!((5..=20).contains(&campaigns), "{campaigns} of 40");
    }
}
