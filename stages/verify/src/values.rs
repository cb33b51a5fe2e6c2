//! What values of metadata can be at all, whoever wrote them: a pid is at least 1, a port at most 65535. Narrower than the
//! forms of JSON, wider than what the scanner writes, which the check `profile` asks for.

use std::net::IpAddr;

const PROTOCOLS: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];
const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

/// The highest pid that Linux gives on 64 bits.
const HIGHEST_PID: u64 = 1 << 22;

/// Tells every impossible value of a finding with its pointer.
pub fn problems<'f>(
    scanner: &str,
    id: &'f str,
    get: impl Fn(&str) -> Option<&'f str>,
    mut tell: impl FnMut(&str, String),
) {
    let mut check = |pointer: &str, value: Option<&str>, form: &str, holds: fn(&str) -> bool| {
        if let Some(value) = value.filter(|value| !holds(value)) {
            tell(pointer, format!("{value:?} is not {form}"));
        }
    };
    match scanner {
        "processes" => {
            check("/id", Some(id), "a pid", pid);
            check("/metadata/uid", get("uid"), "a user id", user);
            check("/metadata/gid", get("gid"), "a group id", user);
        }
        "network" => {
            check("/metadata/protocol", get("protocol"), "a protocol", |p| PROTOCOLS.contains(&p));
            check("/metadata/state", get("state"), "a TCP state", |s| STATES.contains(&s));
            check("/metadata/lport", get("lport"), "a port", |p| p.parse::<u16>().is_ok());
            check("/metadata/rport", get("rport"), "a port", |p| p.parse::<u16>().is_ok());
            check("/metadata/lip", get("lip"), "an address", address);
            check("/metadata/rip", get("rip"), "an address", address);
            check("/metadata/inode", get("inode"), "an inode", |inode| inode.parse::<u64>().is_ok());
            check("/metadata/pid", get("pid"), "a pid", pid);
        }
        "ioc" => {
            check("/metadata/pid", get("pid"), "a pid", pid);
            check("/id", Some(id), "EXECUTABLE:PID", |id| id.rsplit_once(':').is_some_and(|(_, last)| pid(last)));
        }
        "kernel_params" => check("/id", Some(id), "a path under /proc/sys/", |id| id.starts_with("/proc/sys/")),
        "suid_sgid" | "world_writable" => check("/id", Some(id), "an absolute path", |id| id.starts_with('/')),
        _ => {}
    }
}

fn pid(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|pid| (1..=HIGHEST_PID).contains(&pid))
}

fn user(text: &str) -> bool {
    text.parse::<u32>().is_ok()
}

fn address(text: &str) -> bool {
    text.is_empty() || text.parse::<IpAddr>().is_ok()
}
