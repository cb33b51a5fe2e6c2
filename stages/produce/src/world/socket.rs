//! Sockets: listeners of daemons, connections to them, and connections that processes open.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use draws::Stream;
use scan::rules::network::{LOOPBACK6, WILDCARD6};

use crate::host::Host;
use crate::network;
use crate::stream::Purpose;
use crate::tables::{Bind, Listener, Protocol, Remote, SocketState, TABLES};
use crate::world::Mark;
use crate::world::ids::{Ids, Since};
use crate::world::process::Process;

/// Ports that a connection's own end takes.
pub(crate) const EPHEMERAL: [u32; 2] = [32_768, 60_999];
/// Share of connections, per mille, that another one has replaced by the next scan.
pub(crate) const CONNECTION_CHURN: u32 = 850;
/// Shares of connections to a listener and of those to others, per mille, that are already closed on this side.
const CLIENTS_CLOSED: u32 = 200;
const OUTBOUND_CLOSED: u32 = 130;
/// Share of the connections in private networks, per mille, that are with a neighbour.
const NEIGHBOURS: u32 = 400;
/// Share of the connections to others, per mille, that are of datagrams.
const DATAGRAMS: u32 = 15;
/// Servers that a process talks to.
const SERVERS: u32 = 4;
const SERVER: u32 = 1 << 16;
const CLIENTS: u32 = u32::MAX;
const COIN: u32 = 1 << 24;
const OUTBOUND: u32 = 1 << 20;

/// A socket.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub protocol: Protocol,
    /// Of TCP.
    pub state: SocketState,
    pub local_ip: String,
    pub local_port: u16,
    pub remote_ip: String,
    pub remote_port: u16,
    /// 0 where the kernel keeps none.
    pub inode: u32,
    /// The pid of the process that holds it; none once it is closed.
    pub pid: Option<u32>,
    /// Its place in the kernel's hash table.
    pub order: u32,
    pub mark: Option<Mark>,
}

impl Socket {
    /// The id of its finding. The scanner reads the wrong column for a datagram socket's inode.
    pub(crate) fn id(&self) -> String {
        let inode = if self.protocol == Protocol::Udp { 0 } else { self.inode };
        format!("{}:{}:{inode}", self.protocol.name(), self.local_port)
    }

    /// A socket that waits for others.
    pub(crate) fn listener(listener: Listener, host: &Host, inode: u32, pid: u32, order: u32) -> Socket {
        let v6 = listener.protocol == Protocol::Tcp6;
        let any = if v6 { WILDCARD6 } else { "0.0.0.0" };
        let local_ip = match listener.bind {
            Bind::Any => any.to_owned(),
            Bind::Loopback if v6 => LOOPBACK6.to_owned(),
            Bind::Loopback => "127.0.0.1".to_owned(),
            Bind::Resolver => "127.0.0.53".to_owned(),
            Bind::Lan => host.address.to_string(),
        };
        Socket {
            protocol: listener.protocol,
            state: SocketState::Listen,
            local_ip,
            local_port: listener.port,
            remote_ip: any.to_owned(),
            remote_port: 0,
            inode,
            pid: Some(pid),
            order,
            mark: None,
        }
    }

    /// A connection of a process.
    pub(crate) fn connection(host: &Host, remote: (Ipv4Addr, u16), inode: u32, pid: u32, draw: &mut Stream) -> Socket {
        Socket {
            protocol: Protocol::Tcp,
            state: SocketState::Established,
            local_ip: host.address.to_string(),
            local_port: draw.between(EPHEMERAL) as u16,
            remote_ip: remote.0.to_string(),
            remote_port: remote.1,
            inode,
            pid: Some(pid),
            order: draw.word(),
            mark: None,
        }
    }

    /// The process is done with it; the kernel still waits for stray packets.
    pub(crate) fn close(&mut self) {
        (self.state, self.inode, self.pid) = (SocketState::TimeWait, 0, None);
    }
}

/// An address that a connection goes to or comes from.
pub(crate) fn remote_address(remote: Remote, host: &Host, draw: &mut Stream) -> Ipv4Addr {
    let pools = match remote {
        Remote::Public => &TABLES.networks.public,
        Remote::Lan if draw.chance(NEIGHBOURS) => return network::neighbour(host, draw),
        Remote::Lan => &TABLES.networks.lan,
        Remote::Neighbour | Remote::Previous | Remote::Next => return network::neighbour(host, draw),
    };
    draw.pick(pools).address(draw.word())
}

pub(super) fn benign(host: &Host, scan: u32, processes: &[Process], ids: &mut Ids) -> Vec<Socket> {
    let mut sockets = Vec::with_capacity(64);
    listeners(host, processes, ids, &mut sockets);
    clients(host, scan, processes, ids, &mut sockets);
    outbound(host, scan, processes, ids, &mut sockets);
    sockets
}

/// Containers have a network of their own: their listeners do not show on the host.
fn listeners(host: &Host, processes: &[Process], ids: &mut Ids, sockets: &mut Vec<Socket>) {
    let streams = host.streams(Purpose::Socket);
    for process in processes.iter().filter(|process| process.is_main && process.container.is_none()) {
        let Some(service) = process.running.map(|index| host.running[index].service) else { continue };
        for (listener, number) in service.listens.iter().zip(0..) {
            let mut draw = streams.at2(process.pid, number);
            let inode = ids.inode(process.since, &mut draw);
            sockets.push(Socket::listener(*listener, host, inode, process.pid, draw.word()));
        }
    }
}

fn clients(host: &Host, scan: u32, processes: &[Process], ids: &mut Ids, sockets: &mut Vec<Socket>) {
    let served: Vec<Socket> = sockets
        .iter()
        .filter(|socket| socket.protocol != Protocol::Udp && !scan::rules::network::is_loopback(&socket.local_ip))
        .cloned()
        .collect();
    if served.is_empty() {
        return;
    }
    let own = host.address.to_string();
    let streams = host.streams(Purpose::Socket);
    let slots = streams.at2(scan, COIN - 1).between(host.role.clients);
    for slot in 0..slots {
        let since = came(ids.since(|at| streams.at2(at, COIN + slot), scan, CONNECTION_CHURN), host, scan);
        let mut draw = streams.at2(since, 2 * COIN + slot);
        let listener = draw.pick(&served);
        // A client may have several connections, and come back.
        let mut client = streams.at2(CLIENTS, draw.below(slots));
        // What waits on the private network is not reached from elsewhere.
        let inside = client.chance(450) || listener.local_ip == own;
        let remote = if inside { Remote::Lan } else { Remote::Public };
        let closed = draw.chance(CLIENTS_CLOSED);
        let inode = ids.inode(Since::Scan(since), &mut draw);
        let pid = handler(listener, processes, &mut draw);
        let peer = (remote_address(remote, host, &mut client), draw.between(EPHEMERAL) as u16);
        let socket = Socket::connection(host, peer, inode, 0, &mut draw);
        let mut socket = Socket { local_port: listener.local_port, pid, ..socket };
        if closed {
            socket.close();
        }
        sockets.push(socket);
    }
}

/// The process that answers on a listener: a worker of its daemon, where there are any.
fn handler(listener: &Socket, processes: &[Process], draw: &mut Stream) -> Option<u32> {
    let main = processes.iter().find(|process| Some(process.pid) == listener.pid)?;
    let workers = processes.iter().filter(|p| p.running == main.running && p.pid != main.pid);
    let workers: Vec<u32> = workers.map(|process| process.pid).collect();
    Some(if workers.is_empty() { main.pid } else { *draw.pick(&workers) })
}

fn outbound(host: &Host, scan: u32, processes: &[Process], ids: &mut Ids, sockets: &mut Vec<Socket>) {
    let streams = host.streams(Purpose::Socket);
    let slots = streams.at2(scan, OUTBOUND - 1).between(host.role.outbound);
    // A shell or an editor that talks to the world is an attacker's.
    let talking: Vec<&Process> = processes.iter().filter(|p| !TABLES.networks.silent.contains(&p.exe)).collect();
    if talking.is_empty() {
        return;
    }
    for slot in OUTBOUND..OUTBOUND + slots {
        let since = came(ids.since(|at| streams.at2(at, COIN + slot), scan, CONNECTION_CHURN), host, scan);
        let mut draw = streams.at2(since, 2 * COIN + slot);
        let inode = ids.inode(Since::Scan(since), &mut draw);
        let owner = *draw.pick(&talking);
        if owner.container.is_some() {
            continue;
        }
        let mut server = streams.at2(owner.pid, SERVER + draw.below(SERVERS));
        let remote = if server.chance(250) { Remote::Lan } else { Remote::Public };
        let peer = (remote_address(remote, host, &mut server), *draw.pick(&TABLES.networks.outbound_ports));
        let mut socket = Socket::connection(host, peer, inode, owner.pid, &mut draw);
        if draw.chance(DATAGRAMS) {
            (socket.protocol, socket.remote_port) = (Protocol::Udp, *draw.pick(&TABLES.networks.datagram_ports));
        } else if draw.chance(OUTBOUND_CLOSED) {
            socket.close();
        }
        sockets.push(socket);
    }
}

/// The kernel gives a port of an address to one datagram socket that talks; the next one gets the next port. What is told of two on
/// one port would be the same. Those of stories keep theirs, which another host may know.
pub(crate) fn part_datagrams(sockets: &mut [Socket]) {
    let mut taken: HashSet<(String, u16)> = HashSet::new();
    for of_story in [true, false] {
        let talks = |socket: &&mut Socket| socket.protocol == Protocol::Udp && socket.state != SocketState::Listen;
        for socket in sockets.iter_mut().filter(talks).filter(|socket| socket.mark.is_some() == of_story) {
            while !taken.insert((socket.local_ip.clone(), socket.local_port)) {
                let next = u32::from(socket.local_port) + 1;
                socket.local_port = if next > EPHEMERAL[1] { EPHEMERAL[0] } else { next } as u16;
            }
        }
    }
}

fn came(since: Since, host: &Host, scan: u32) -> u32 {
    match since {
        Since::Boot => host.moments[scan as usize].boot,
        Since::Scan(at) => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(local_port: u16, mark: Option<Mark>) -> Socket {
        Socket {
            protocol: Protocol::Udp,
            state: SocketState::Established,
            local_ip: "10.0.0.1".to_owned(),
            local_port,
            remote_ip: "10.0.0.2".to_owned(),
            remote_port: 53,
            inode: 7,
            pid: None,
            order: 0,
            mark,
        }
    }

    #[test]
    fn datagram_sockets_share_no_port_and_those_of_stories_keep_theirs() {
        let mark = Some(Mark { story: 0, step: 0, missed: false });
        let mut sockets =
            [datagram(60_999, None), datagram(40_000, None), datagram(60_999, None), datagram(60_999, mark)];
        part_datagrams(&mut sockets);
        assert_eq!(sockets.map(|socket| socket.local_port), [32_768, 40_000, 32_769, 60_999]);
    }
}
