//! Sockets of a story, and listeners of the service that it opens to everyone.

use scan::rules::network::{WILDCARD6, is_wildcard};

use crate::tables::{Direction, ExposeTrace, Listener, Protocol, Remote, SocketState, SocketTrace};
use crate::trace::{Draws, HOP, Scene};
use crate::world::{CONNECTION_CHURN, EPHEMERAL, Mark, Since, Socket, remote_address};

/// Share of connections, per mille.
const CLOSED: u32 = 160;
/// Share of those to the world, per mille, after which there is another one to the same server.
const REOPENED: u32 = 600;
/// Share of datagram sockets, per mille, that are open at the moment of the scan: an exchange is over in no time.
const SEEN: u32 = 350;
/// Share of a story's connections to the world, per mille, that go to another server than most (ATT&CK T1008).
const OTHER_SERVERS: u32 = 150;

fn protocol(trace: &SocketTrace, draws: &mut Draws) -> Protocol {
    match trace.protocol[..] {
        [] => Protocol::Tcp,
        ref protocols => *draws.what.pick(protocols),
    }
}

impl Scene<'_> {
    /// A socket without its process is none: the step that starts the process did not happen, or a reboot ended it.
    pub(super) fn socket(&mut self, trace: &SocketTrace, mut draws: Draws) {
        let Some(owner) = self.owner(&trace.of) else { return };
        let mark = Mark { missed: draws.mark.missed || owner.missed, ..draws.mark };
        let socket = match trace.state {
            SocketState::Listen => {
                let port = if trace.port.is_empty() { 0 } else { *draws.what.pick(&trace.port) };
                let protocol = protocol(trace, &mut draws);
                let listener = Listener { protocol, port, bind: trace.bind };
                // It is as old as the process.
                let mut numbers = self.numbers(owner.since, draws.low);
                let inode = self.world.ids.inode(owner.since, &mut numbers);
                Some(Socket::listener(listener, self.host, inode, owner.pid, numbers.word()))
            }
            SocketState::Established | SocketState::TimeWait => self.connection(trace, owner.pid, &mut draws),
        };
        let Some(socket) = socket else { return };
        let mut socket = Socket { state: trace.state, mark: Some(mark), ..socket };
        let talks = socket.state != SocketState::Listen;
        if talks && socket.protocol == Protocol::Udp && !draws.moment.chance(SEEN) {
            return;
        }
        // As with anyone's connections, some are closed at the moment of the scan.
        if talks && socket.protocol != Protocol::Udp && draws.moment.chance(CLOSED) {
            let opens = trace.direction == Direction::Out && trace.remote == Remote::Public;
            let open = (opens && trace.state == SocketState::Established).then(|| socket.clone());
            socket.close();
            let next = open.and_then(|open| self.next_connection(open, &mut draws));
            self.world.sockets.extend(next);
        }
        if socket.state == SocketState::TimeWait {
            socket.close();
        }
        self.world.sockets.push(socket);
    }

    /// Who closes a connection to a server has often opened the next one already.
    fn next_connection(&mut self, last: Socket, draws: &mut Draws) -> Option<Socket> {
        if !draws.moment.chance(REOPENED) {
            return None;
        }
        let inode = self.world.ids.inode(Since::Scan(self.world.scan), &mut draws.moment);
        let local_port = draws.moment.between(EPHEMERAL) as u16;
        Some(Socket { local_port, inode, order: draws.moment.word(), ..last })
    }

    fn connection(&mut self, trace: &SocketTrace, pid: u32, draws: &mut Draws) -> Option<Socket> {
        let hop = self.story.hop;
        let (address, link) = match trace.remote {
            Remote::Previous => (hop?.previous?, Some(hop?.place)),
            Remote::Next => (hop?.next?, Some(hop?.place + 1)),
            // Most of what one story does goes through one server.
            Remote::Public if !draws.what.chance(OTHER_SERVERS) => (self.story.server, None),
            Remote::Public | Remote::Lan | Remote::Neighbour => {
                (remote_address(trace.remote, self.host, &mut draws.what), None)
            }
        };
        let port = if trace.rport.is_empty() { 443 } else { *draws.what.pick(&trace.rport) };
        // Connections are made anew, as anyone's.
        let coins = self.coins(draws.low);
        let ids = &self.world.ids;
        let since = Since::Scan(ids.scan_like_others(coins, draws.begin, self.world.scan, CONNECTION_CHURN));
        let mut numbers = self.numbers(since, draws.low);
        let inode = self.world.ids.inode(since, &mut numbers);
        let socket = Socket::connection(self.host, (address, port), inode, pid, &mut numbers);
        let mut socket = Socket { protocol: protocol(trace, draws), ..socket };
        // Both hosts of a connection see the same two ports.
        let link = link.map(|link| self.story.streams.at2(self.story.slot, HOP + link).between(EPHEMERAL) as u16);
        let end = link.unwrap_or(socket.local_port);
        if trace.direction == Direction::In {
            let named = (!trace.port.is_empty()).then(|| *draws.what.pick(&trace.port));
            let port = named.or_else(|| self.listens_on(pid))?;
            Some(Socket { local_port: port, remote_port: end, ..socket })
        } else {
            socket.local_port = end;
            Some(socket)
        }
    }

    /// A port on which a process takes connections: the last that a story opened, else the service's first.
    fn listens_on(&self, pid: u32) -> Option<u16> {
        let listening = |socket: &&Socket| {
            socket.pid == Some(pid) && socket.state == SocketState::Listen && socket.protocol != Protocol::Udp
        };
        let own = |socket: &&Socket| socket.mark.is_some();
        let all = || self.world.sockets.iter().filter(listening);
        all().rfind(own).or_else(|| all().next()).map(|socket| socket.local_port)
    }

    /// The service was started with other settings, so its listeners are other sockets, as old as it is.
    pub(super) fn expose(&mut self, trace: &ExposeTrace, draws: Draws) {
        let Some(owner) = self.owner(&trace.of) else { return };
        let mut numbers = self.numbers(owner.since, draws.low);
        let mut unseen = Vec::new();
        for socket in &mut self.world.sockets {
            let narrow = socket.state == SocketState::Listen && !is_wildcard(&socket.local_ip);
            if socket.pid != Some(owner.pid) || !narrow || socket.mark.is_some() {
                continue;
            }
            if draws.mark.missed {
                unseen.push(socket.id());
                continue;
            }
            let any = if socket.protocol == Protocol::Tcp6 { WILDCARD6 } else { "0.0.0.0" };
            any.clone_into(&mut socket.local_ip);
            socket.inode = self.world.ids.inode(owner.since, &mut numbers);
            socket.mark = Some(draws.mark);
        }
        unseen.iter().for_each(|id| self.unseen("network", id, draws.mark));
    }
}
