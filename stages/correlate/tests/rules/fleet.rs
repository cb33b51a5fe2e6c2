//! Rules of `fleet.yaml`.

use scan::Severity::{Critical, High, Medium};

use crate::harness::{
    BAD, Case, Found, Scan, client, inside, ioc, listener, outside, process, process_of, socket, with,
};

const RARE: &str = "/usr/local/bin/agentd";
/// Differs from [`RARE`] only in that many other hosts have it.
const COMMON: &str = "/usr/local/bin/monitord";
const CONNECTION: &str = "tcp:50000:950000";

fn pair(one: Scan, other: Scan) -> Vec<Vec<Scan>> {
    vec![vec![one], vec![other]]
}

/// The other end of [`inside`], on 10.0.0.2.
fn served(port: &str) -> Found {
    with(socket(port, "ESTABLISHED", "7", "/usr/sbin/sshd", "10.0.0.1", "50000"), "lip", "10.0.0.2")
}

#[test]
fn flagged_executable_on_several_hosts() {
    let host = |path: &str, severity| vec![ioc(path, "40", severity)];
    Case::of("flagged-executable-on-several-hosts")
        .joins_last(pair(host(BAD, High), vec![ioc(BAD, "91", High)]), &["/tmp/x/agent:40"])
        .joins_last(pair(host(BAD, High), host(BAD, Critical)), &["/tmp/x/agent:40"])
        .ignores(host(BAD, High))
        .ignores_last(vec![vec![host(BAD, High), host(BAD, High)]])
        .ignores_last(pair(host(BAD, High), host("/tmp/x/other", High)))
        .ignores_last(pair(host(BAD, High), host(BAD, Medium)))
        .ignores_last(pair(host("/home/eve/x", High), host("/home/eve/x", High)))
        .ignores_last(pair(host("/opt/x", High), host("/opt/x", High)));
}

#[test]
fn temporary_listener_on_several_hosts() {
    let host = |port: &str, path: &str| vec![listener(port, "40", path)];
    let local = |port: &str| vec![with(listener(port, "40", BAD), "lip", "127.0.0.1")];
    Case::of("temporary-listener-on-several-hosts")
        .joins_last(pair(host("4444", BAD), host("4444", "/dev/shm/k")), &["tcp:4444:94444"])
        .joins_last(pair(host("4444", BAD), host("4444", "/home/eve/x")), &["tcp:4444:94444"])
        .ignores(host("4444", BAD))
        .ignores_last(pair(local("4444"), local("4444")))
        .ignores_last(pair(host("4444", BAD), host("4445", BAD)))
        .ignores_last(pair(host("4444", BAD), host("4444", "/opt/k")))
        .ignores_last(pair(host("4444", BAD), vec![client("4444", "40", BAD)]));
}

#[test]
fn ssh_session_process() {
    let session = process("7", "sshd: eve [priv]");
    let on = |port: &str| socket(port, "ESTABLISHED", "7", "/usr/sbin/sshd", "10.0.0.9", "50000");
    Case::of("ssh-session-process")
        .joins(vec![session.clone(), on("22")], &["7", "tcp:22:922"])
        .ignores(vec![session.clone(), on("2222")])
        .ignores(vec![session.clone(), client("22", "7", "/usr/sbin/sshd")])
        .ignores(vec![session, with(on("22"), "state", "TIME_WAIT")])
        .ignores(vec![process("8", "sshd: eve [priv]"), on("22")])
        .ignores(vec![process("7", "dropbear"), with(on("22"), "exe", "/usr/sbin/dropbear")]);
}

#[test]
fn session_from_odd_program() {
    let from = |executable: &str| vec![inside("40", executable, "22")];
    let to = || vec![served("22")];
    Case::of("session-from-odd-program")
        .joins_last(pair(from(BAD), to()), &[CONNECTION])
        .joins_last(pair(to(), from("/opt/agentd")), &["tcp:22:922"])
        .ignores_last(pair(from("/usr/bin/ssh"), to()))
        .ignores_last(pair(vec![inside("40", BAD, "2222")], vec![served("2222")]))
        .ignores_last(pair(vec![outside("40", BAD, "22")], to()))
        .ignores_last(pair(from(BAD), vec![with(served("22"), "rip", "10.0.0.9")]))
        .ignores_last(pair(from(BAD), vec![with(served("22"), "state", "TIME_WAIT")]))
        .ignores_last(pair(vec![with(inside("40", BAD, "22"), "state", "TIME_WAIT")], to()))
        .ignores([from(BAD), to()].concat());
}

#[test]
fn odd_program_connects_to_peer() {
    let from = |executable: &str| vec![inside("40", executable, "5432")];
    let to = || vec![served("5432")];
    Case::of("odd-program-connects-to-peer")
        .joins_last(pair(from(BAD), to()), &[CONNECTION])
        .joins_last(pair(to(), from("/home/eve/x")), &["tcp:5432:95432"])
        .ignores_last(pair(from("/opt/agentd"), to()))
        .ignores_last(pair(from(BAD), vec![served("5433")]))
        .ignores_last(pair(from(BAD), vec![with(served("5432"), "lip", "10.0.0.3")]))
        .ignores_last(pair(from(BAD), vec![with(served("5432"), "state", "TIME_WAIT")]))
        .ignores_last(pair(vec![with(inside("40", BAD, "5432"), "state", "TIME_WAIT")], to()))
        .ignores([from(BAD), to()].concat());
}

#[test]
fn odd_session_beside_odd_program() {
    let server = |odd: Found| vec![served("22"), odd];
    let from = |executable: &str| vec![inside("40", executable, "22")];
    Case::of("odd-session-beside-odd-program")
        .common(vec![process("9", COMMON)])
        .joins_last(pair(server(process("50", RARE)), from(BAD)), &["tcp:22:922", "50"])
        .joins_last(pair(server(process("50", "/dev/shm/k")), from(BAD)), &["tcp:22:922", "50"])
        .joins_last(
            pair(server(process("50", RARE)), [from(BAD), vec![process("9", RARE)]].concat()),
            &["tcp:22:922", "50"],
        )
        .ignores_last(pair(server(process("50", COMMON)), from(BAD)))
        .ignores_last(pair(server(process("50", "/opt/agentd")), from(BAD)))
        .ignores_last(pair(server(process("50", "/tmp/x/setup")), from(BAD)))
        .ignores_last(pair(server(process_of("1000", "50", RARE)), from(BAD)))
        .ignores_last(pair(server(process("50", RARE)), from("/usr/bin/ssh")))
        .ignores_last(pair([from(BAD), vec![process("50", RARE)]].concat(), vec![served("22")]));
}
