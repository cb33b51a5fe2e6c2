//! Addresses as a prompt shows them: what kind they are, since the address itself is arbitrary.

use std::net::IpAddr;

/// Who can reach what listens there.
pub(crate) fn bound(address: &str) -> &'static str {
    match address {
        "" => "an unknown address",
        "::1" => "loopback",
        _ if address.starts_with("127.") => "loopback",
        "0.0.0.0" | "::" | "0000:0000:0000:0000:0000:0000:0000:0000" => "all interfaces",
        _ => "one address",
    }
}

/// How far away it is.
pub(crate) fn reach(address: &str) -> &'static str {
    match address.parse::<IpAddr>() {
        Err(_) => "an unknown address",
        Ok(IpAddr::V4(v4)) if v4.is_loopback() => "loopback",
        Ok(IpAddr::V4(v4)) if v4.is_private() || v4.is_link_local() => "the local network",
        Ok(IpAddr::V6(v6)) if v6.is_loopback() => "loopback",
        Ok(IpAddr::V6(v6)) if v6.is_unique_local() || v6.is_unicast_link_local() => "the local network",
        Ok(address) if address.is_unspecified() => "nowhere",
        Ok(_) => "an outside address",
    }
}
