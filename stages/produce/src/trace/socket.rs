//! Sockets of a story, and listeners of the service that it opens to everyone.

use scan::rules::network::{WILDCARD6, is_wildcard};

use crate::tables::{Direction, ExposeTrace, Listener, Protocol, SocketState, SocketTrace};
use crate::trace::{Draws, Scene};
use crate::world::{Mark, Socket, remote_address};

impl Scene<'_> {
    /// A socket without its process is none: the step that starts the process did not happen, or a reboot ended it.
    pub(super) fn socket(&mut self, trace: &SocketTrace, mut draws: Draws) {
        let Some(owner) = self.owner(&trace.of) else { return };
        let inode = self.world.ids.inode_like_others(draws.since, &mut draws.numbers);
        let mut socket = match trace.state {
            SocketState::Listen => {
                let port = if trace.port.is_empty() { 0 } else { *draws.what.pick(&trace.port) };
                let listener = Listener { protocol: trace.protocol, port, bind: trace.bind };
                Socket::listener(listener, self.host, inode, owner.pid, draws.numbers.word())
            }
            SocketState::Established | SocketState::TimeWait => {
                let address = remote_address(trace.remote, &mut draws.what);
                let port = if trace.rport.is_empty() { 443 } else { *draws.what.pick(&trace.rport) };
                Socket::connection(self.host, (address, port), inode, owner.pid, &mut draws.numbers)
            }
        };
        socket.state = trace.state;
        if trace.direction == Direction::In {
            let Some((protocol, port)) = self.listens_on(owner.pid) else { return };
            // The end that the other side drew is as far from any service as this side's would be.
            socket.remote_port = socket.local_port;
            socket.local_port = port;
            socket.protocol = protocol;
        }
        socket.mark = Some(Mark { missed: draws.mark.missed || owner.missed, ..draws.mark });
        self.world.sockets.push(socket);
    }

    /// A port on which a process takes connections: the last that a story opened, else the service's first.
    fn listens_on(&self, pid: u32) -> Option<(Protocol, u16)> {
        let listening = |socket: &&Socket| {
            socket.pid == Some(pid) && socket.state == SocketState::Listen && socket.protocol != Protocol::Udp
        };
        let own = |socket: &&Socket| socket.mark.is_some();
        let all = || self.world.sockets.iter().filter(listening);
        all().rfind(own).or_else(|| all().next()).map(|socket| (socket.protocol, socket.local_port))
    }

    /// The service is started anew with other settings, so its listeners are other sockets.
    pub(super) fn expose(&mut self, trace: &ExposeTrace, mut draws: Draws) {
        let Some(owner) = self.owner(&trace.of) else { return };
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
            socket.inode = self.world.ids.inode_like_others(draws.since, &mut draws.numbers);
            socket.mark = Some(draws.mark);
        }
        unseen.iter().for_each(|id| self.unseen("network", id, draws.mark));
    }
}
