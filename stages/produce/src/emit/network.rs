//! `network`: sockets as /proc/net lists them: by protocol, listeners before connections.

use std::collections::BTreeMap;

use scan::Finding;
use scan::rules::network;

use crate::emit::Output;
use crate::host::Host;
use crate::tables::{Protocol, SocketState};
use crate::world::{Process, Socket, World};

pub(super) fn emit(_host: &Host, world: &World) -> Output {
    let owners: BTreeMap<u32, &Process> = world.processes.iter().map(|process| (process.pid, process)).collect();
    let mut sockets: Vec<&Socket> = world.sockets.iter().collect();
    // The list of datagram sockets knows no listeners.
    let state = |socket: &Socket| (socket.protocol != Protocol::Udp).then_some(socket.state);
    sockets.sort_by_key(|s| (s.protocol, state(s), s.order, s.local_port, s.inode));
    let mut output = Output::new("network");
    for socket in sockets {
        let finding = match socket.protocol {
            Protocol::Tcp | Protocol::Tcp6 => tcp(socket, &owners),
            Protocol::Udp => udp(socket),
        };
        output.push(finding, socket.mark);
    }
    output
}

fn tcp(socket: &Socket, owners: &BTreeMap<u32, &Process>) -> Finding {
    let (port, state) = (socket.local_port, socket.state.name());
    let severity = network::tcp(state, port, &socket.local_ip);
    let title = format!("{} {state} {port}", socket.protocol.name());
    let mut finding = Finding::new(socket.id(), title, severity, "TCP socket")
        .with("inode", socket.inode.to_string())
        .with("lip", &socket.local_ip)
        .with("lport", port.to_string())
        .with("protocol", "tcp")
        .with("rip", &socket.remote_ip)
        .with("rport", socket.remote_port.to_string())
        .with("state", state)
        .with("uid", "");
    if let Some(owner) = socket.pid.and_then(|pid| owners.get(&pid)) {
        finding = finding.with("exe", owner.link()).with("pid", owner.pid.to_string());
        if let Some(container) = &owner.container {
            finding = finding.with("container_id", container);
        }
    }
    if socket.state == SocketState::Listen {
        if network::is_wildcard(&socket.local_ip) {
            finding = finding.with("wildcard_listen", "true");
        }
        if port < 1024 {
            finding = finding.with("privileged_port", "true");
        }
    }
    finding
}

/// The scanner reads the wrong column for a datagram socket's inode, so it never finds the process.
fn udp(socket: &Socket) -> Finding {
    let port = socket.local_port;
    Finding::new(socket.id(), format!("udp port {port}"), network::udp(port), "UDP socket")
        .with("inode", "0")
        .with("lip", &socket.local_ip)
        .with("lport", port.to_string())
        .with("protocol", "udp")
        .with("uid", "")
}
