//! The class of an address, within which its pseudonym lies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use contract::Digest;

use crate::permute::permute;
use crate::tokens::Address;

/// What stands for an address, written as that is; None for those that say nothing of a network.
pub(crate) fn pseudonym(key: &Digest, address: Address) -> Option<String> {
    match address {
        Address::Ip(address) => ip(key, address),
        Address::Joined(address, separator) => {
            v4_of(key, address).map(|v4| v4.octets().map(|octet| octet.to_string()).join(&separator.to_string()))
        }
        Address::Mac(octets, separator) => {
            Some(mac(key, octets).map(|octet| format!("{octet:02x}")).join(&separator.to_string()))
        }
        Address::DottedMac(octets) => {
            let [a, b, c, d, e, f] = mac(key, octets);
            Some(format!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}"))
        }
        Address::Interface(name, octets) => {
            Some(format!("{name}{}", mac(key, octets).map(|octet| format!("{octet:02x}")).concat()))
        }
    }
}

fn ip(key: &Digest, address: IpAddr) -> Option<String> {
    match address {
        IpAddr::V4(v4) => v4_of(key, v4).map(|v4| v4.to_string()),
        IpAddr::V6(v6) => match within(v6) {
            Some((prefix, v4)) => v4_of(key, v4).map(|v4| format!("{prefix}{v4}")),
            None => v6_of(key, v6),
        },
    }
}

/// The IPv4 address that an IPv6 address is made of, and what is in front of it: mapped, compatible, or translated (RFC 6052).
fn within(address: Ipv6Addr) -> Option<(&'static str, Ipv4Addr)> {
    let v4 = Ipv4Addr::from(u128::from(address) as u32);
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] => Some(("::ffff:", v4)),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(("64:ff9b::", v4)),
        [0, 0, 0, 0, 0, 0, high, _] if high > 0 => Some(("::", v4)),
        _ => None,
    }
}

fn v4_of(key: &Digest, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let number = u32::from(address);
    // The network stays, its hosts change places.
    let within = |bits: u32| {
        let hosts = u32::MAX >> (32 - bits);
        let host = permute(key, bits, u128::from(number & hosts), |_| true) as u32;
        Some(Ipv4Addr::from(number & !hosts | host))
    };
    match address.octets() {
        [0 | 127 | 224..=255, ..] => None,
        [10, ..] => within(24),
        [172, 16..32, ..] => within(20),
        [192, 168, ..] | [169, 254, ..] => within(16),
        _ => Some(Ipv4Addr::from(permute(key, 32, u128::from(number), |n| is_public(n as u32)) as u32)),
    }
}

fn is_public(number: u32) -> bool {
    let v4 = Ipv4Addr::from(number);
    !matches!(v4.octets(), [0 | 10 | 127 | 224..=255, ..]) && !v4.is_private() && !v4.is_link_local()
}

/// Written in full, so that none ends in a colon, which could belong to what follows. Loopback, unspecified and multicast addresses are in no
/// class.
fn v6_of(key: &Digest, address: Ipv6Addr) -> Option<String> {
    let number = u128::from(address);
    let bits = match address.segments() {
        [0xfe80..0xfec0, ..] => 64,
        [0xfc00..0xfe00, ..] => 120,
        [0x2000..0x4000, ..] => 125,
        _ => return None,
    };
    let hosts = u128::MAX >> (128 - bits);
    let segments = Ipv6Addr::from(number & !hosts | permute(key, bits, number & hosts, |_| true)).segments();
    Some(segments.map(|segment| format!("{segment:04x}")).join(":"))
}

/// The bits of a MAC address that say what kind it is.
const KIND: u128 = 0x0300_0000_0000;

/// What stands for a MAC address: whether it is of a group, and whether it was given by hand, stays.
fn mac(key: &Digest, octets: [u8; 6]) -> [u8; 6] {
    let number = octets.iter().fold(0_u128, |number, octet| number << 8 | u128::from(*octet));
    let (high, low) = (number >> 42, number & ((1 << 40) - 1));
    let moved = permute(key, 46, high << 40 | low, |_| true);
    let number = (moved >> 40) << 42 | number & KIND | moved & ((1 << 40) - 1);
    let [.., a, b, c, d, e, f] = number.to_be_bytes();
    [a, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Option<String> {
        ip(&Digest::of(b"key"), text.parse().unwrap())
    }

    #[test]
    fn classes_of_addresses_stay() {
        for (text, start) in [
            ("10.1.2.3", "10."),
            ("172.20.0.1", "172."),
            ("192.168.0.7", "192.168."),
            ("169.254.3.4", "169.254."),
            ("::ffff:192.168.0.7", "::ffff:192.168."),
            ("64:ff9b::192.168.0.7", "64:ff9b::192.168."),
            ("::192.168.0.7", "::192.168."),
            ("fe80::1", "fe80:0000:0000:0000:"),
            ("fd00::1", "fd"),
        ] {
            let pseudonym = check(text).unwrap();
            assert!(pseudonym.starts_with(start) && pseudonym != text, "{text} {pseudonym}");
            pseudonym.parse::<IpAddr>().unwrap();
        }
        let public = check("203.0.113.9").unwrap();
        assert!(is_public(public.parse::<Ipv4Addr>().unwrap().into()), "{public}");
        assert!(matches!(check("2001:db8::1").unwrap().as_bytes()[0], b'2' | b'3'));
        for text in ["127.0.0.53", "0.0.0.0", "255.255.255.255", "224.0.0.251", "::1", "::", "ff02::fb"] {
            assert_eq!(check(text), None);
        }
    }

    #[test]
    fn the_kind_of_a_mac_address_stays() {
        for first in [0x00, 0x01, 0x02, 0x03, 0xfe] {
            let octets = [first, 0x1b, 0x21, 0, 0, 1];
            let moved = mac(&Digest::of(b"key"), octets);
            assert!(moved[0] & 3 == first & 3 && moved != octets, "{moved:?}");
            let written = |address| pseudonym(&Digest::of(b"key"), address).unwrap();
            assert_eq!(
                written(Address::Mac(octets, ':')).replace(':', ""),
                written(Address::DottedMac(octets)).replace('.', "")
            );
        }
    }
}
