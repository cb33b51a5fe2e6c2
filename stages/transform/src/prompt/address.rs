//! Addresses as a prompt shows them: what kind they are, since the address itself is arbitrary.

use findings::place;

/// Who can reach what listens there. The scanner knows two forms of loopback, rules know all.
pub(crate) fn bound(address: &str) -> &'static str {
    match address {
        "" => "an unknown address",
        "::1" => "loopback",
        _ if address.starts_with("127.") => "loopback",
        "0.0.0.0" | "::" | "0000:0000:0000:0000:0000:0000:0000:0000" => "all interfaces",
        _ if place::reach(address) == Some("loopback") => "loopback in another form",
        _ => "one address",
    }
}

/// How far away it is, as rules have it.
pub(crate) fn reach(address: &str) -> &'static str {
    match place::reach(address) {
        Some("none") => "nowhere",
        Some("loopback") => "loopback",
        Some("private") => "the local network",
        Some(_) => "an outside address",
        None => "an unknown address",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_rules_and_scanner_take_them() {
        let near = ["10.1.2.3", "::ffff:192.168.1.7", "fd00::1", "fe80::1"];
        assert!(near.iter().all(|address| reach(address) == "the local network"));
        let others = ["::ffff:203.0.113.9", "::ffff:127.0.0.1", "0.0.0.0", "x"];
        assert_eq!(others.map(reach), ["an outside address", "loopback", "nowhere", "an unknown address"]);
        let bound_to = ["127.0.0.53", "::1", "::ffff:127.0.0.1", "::", "10.1.2.3", ""].map(bound);
        let expected =
            ["loopback", "loopback", "loopback in another form", "all interfaces", "one address", "an unknown address"];
        assert_eq!(bound_to, expected);
    }
}
