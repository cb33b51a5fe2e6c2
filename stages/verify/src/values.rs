//! Which values of metadata are possible, in reports of any scanner: a pid is at least 1, a port at most 65535, and an id that repeats
//! a value repeats that of its finding. This is narrower than the forms of JSON and wider than the scanner's own forms, which the
//! check `profile` tests.

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
pub(crate) fn problems<'f>(
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
        "containers" => check("/metadata/pid", get("pid"), "a pid", pid),
        "ebpf_exec_trace" => {
            check("/metadata/pid", get("pid"), "a pid", pid);
            check("/metadata/dst_port", get("dst_port"), "a port", |p| p.parse::<u16>().is_ok());
        }
        "mac" => {
            check("/metadata/present", get("present"), "true or false", truth);
            check("/metadata/enabled", get("enabled"), "true or false", truth);
            check("/metadata/enforcing", get("enforcing"), "true or false", truth);
            check("/metadata/permissive", get("permissive"), "true or false", truth);
        }
        "kernel_params" => check("/id", Some(id), "a path under /proc/sys/", |id| id.starts_with("/proc/sys/")),
        "suid_sgid" | "world_writable" => check("/id", Some(id), "an absolute path", |id| id.starts_with('/')),
        _ => {}
    }
    for (pointer, message) in contradictions(scanner, id, &get) {
        tell(pointer, message);
    }
}

/// Values that can each be, and not together.
fn contradictions<'f>(
    scanner: &str,
    id: &'f str,
    get: &impl Fn(&str) -> Option<&'f str>,
) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut agrees = |key: &str, said: &str| {
        if let Some(value) = get(key).filter(|value| *value != said) {
            found.push(("/id", format!("{id:?} says {said:?}, but `{key}` is {value:?}")));
        }
    };
    match scanner {
        "network" => {
            let mut parts = id.split(':');
            if let (Some(protocol), Some(port), Some(inode), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
                && PROTOCOLS.contains(&protocol)
            {
                // Of `tcp6` the scanner says `tcp` in the metadata.
                agrees("lport", port);
                agrees("inode", inode);
            }
        }
        "ioc" => {
            if let Some((_, last)) = id.rsplit_once(':').filter(|(_, last)| pid(last)) {
                agrees("pid", last);
            }
        }
        "mac" if get("enforcing") == Some("true") => {
            if get("permissive") == Some("true") {
                found.push(("/metadata/permissive", "enforcing and permissive at once".to_owned()));
            }
            if get("present") == Some("false") {
                found.push(("/metadata/enforcing", "enforcing, but not present".to_owned()));
            }
        }
        _ => {}
    }
    found
}

fn truth(text: &str) -> bool {
    matches!(text, "true" | "false")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(scanner: &str, id: &str, metadata: &[(&str, &str)]) -> Vec<String> {
        let get = |key: &str| metadata.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let mut told = Vec::new();
        problems(scanner, id, get, |pointer, message| told.push(format!("{pointer}: {message}")));
        told
    }

    #[test]
    fn what_scanners_write_is_possible() {
        let socket =
            [("protocol", "udp6"), ("lport", "53"), ("rport", "0"), ("inode", "0"), ("lip", "::1"), ("uid", "")];
        assert_eq!(told("network", "udp6:53:0", &socket), [""; 0]);
        // The agent's own reports have other ids.
        assert_eq!(told("network", "n1", &[("state", "LISTEN"), ("port", "22")]), [""; 0]);
        assert_eq!(told("ioc", "/opt/a:b (deleted):13", &[("pid", "13")]), [""; 0]);
        assert_eq!(
            told("mac", "selinux", &[("present", "true"), ("enforcing", "true"), ("permissive", "false")]),
            [""; 0]
        );
        assert_eq!(told("containers", "container:none", &[]), [""; 0]);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        assert_eq!(told("processes", "4194305", &[]), ["/id: \"4194305\" is not a pid"]);
        assert_eq!(told("network", "n1", &[("lport", "65536")]), ["/metadata/lport: \"65536\" is not a port"]);
        assert_eq!(told("network", "n1", &[("rip", "1.2.3")]), ["/metadata/rip: \"1.2.3\" is not an address"]);
        assert_eq!(told("containers", "container:0", &[("pid", "0")]), ["/metadata/pid: \"0\" is not a pid"]);
        assert_eq!(told("mac", "apparmor", &[("enabled", "yes")]), ["/metadata/enabled: \"yes\" is not true or false"]);
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let socket = [("protocol", "tcp"), ("lport", "80"), ("inode", "7")];
        assert_eq!(told("network", "tcp:443:7", &socket), ["/id: \"tcp:443:7\" says \"443\", but `lport` is \"80\""]);
        assert_eq!(told("ioc", "/tmp/a:12", &[("pid", "13")]), ["/id: \"/tmp/a:12\" says \"12\", but `pid` is \"13\""]);
        let both = [("present", "false"), ("enforcing", "true"), ("permissive", "true")];
        let selinux = [
            "/metadata/permissive: enforcing and permissive at once",
            "/metadata/enforcing: enforcing, but not present",
        ];
        assert_eq!(told("mac", "selinux", &both), selinux);
    }
}
