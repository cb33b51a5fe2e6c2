//! Rules of `network.yaml`: [`listens`] and [`connects`].

mod connects;
mod listens;

use crate::harness::{Case, Found, client, inside, listener, outside, process, with};

const RARE: &str = "/usr/local/bin/agentd";
/// Differs from [`RARE`] only in that many other hosts have it.
const COMMON: &str = "/usr/local/bin/monitord";
const CONNECTION: &str = "tcp:50000:950000";
const LISTENER: &str = "tcp:8080:98080";

fn on_loopback(listener: Found) -> Found {
    with(listener, "lip", "127.0.0.1")
}

fn waiting(connection: Found) -> Found {
    with(connection, "state", "TIME_WAIT")
}

fn private_client(port: &str, pid: &str, executable: &str) -> Found {
    with(client(port, pid, executable), "rip", "10.0.0.9")
}

fn connected(executable: &str) -> Vec<Found> {
    vec![process("40", executable), outside("40", executable, "443")]
}

fn listening(executable: &str) -> Vec<Found> {
    vec![process("40", executable), listener("8080", "40", executable)]
}

/// Nothing but an open connection of process 40 to a public address counts.
fn only_outside(case: Case, program: Found, executable: &str) -> Case {
    case.ignores(vec![program.clone(), inside("40", executable, "443")])
        .ignores(vec![program.clone(), waiting(outside("40", executable, "443"))])
        .ignores(vec![program, outside("41", executable, "443")])
}

/// Nothing but a listener of process 40 beyond loopback counts.
fn only_open(case: Case, program: Found, executable: &str) -> Case {
    case.ignores(vec![program.clone(), on_loopback(listener("8080", "40", executable))])
        .ignores(vec![program.clone(), client("8080", "40", executable)])
        .ignores(vec![program, listener("8080", "41", executable)])
}
