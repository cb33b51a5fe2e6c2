//! Where addresses are in a text, in the spellings that are usual: by themselves, with ports and brackets, and within names
//! (`ec2-198-51-100-80`). Redacting and undoing look with the same eyes, so what one replaces the other finds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::names::in_word;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'t> {
    Address(&'t str, Address),
    Other(&'t str),
}

/// An address, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Digits and dots, or hexadecimal digits and colons.
    Ip(IpAddr),
    /// `10-0-0-1`, or with `_`.
    Joined(Ipv4Addr, char),
    /// `00:1b:21:aa:bb:cc`, or with `-`.
    Mac([u8; 6], char),
    /// `001b.21aa.bbcc`.
    DottedMac([u8; 6]),
    /// `enx001b21aabbcc`: the name of an interface.
    Interface(&'static str, [u8; 6]),
}

/// Interfaces that are named by their address begin so.
const INTERFACES: [&str; 3] = ["enx", "wlx", "wwx"];
/// Characters of an IPv6 address that ends in an IPv4 one.
const LONGEST: usize = 45;

/// The parts of a text, which put together are the text.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut all = Vec::with_capacity(8);
    let (mut done, mut at) = (0, 0);
    while let Some(next) = text[at..].find(|c: char| c.is_ascii_alphanumeric() || c == ':') {
        at += next;
        let end = text[at..].find(|c| !in_run(c)).map_or(text.len(), |end| at + end);
        let run = &text[at..end];
        for (start, length, address) in addresses(run) {
            push(&text[done..at + start], &mut all);
            done = at + start + length;
            all.push(Token::Address(&text[at + start..done], address));
        }
        at = end;
    }
    push(&text[done..], &mut all);
    all
}

/// The words of a text that could hold an address, and what stands between them.
pub(crate) fn words(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = in_run(first);
        let end = rest.find(|c| in_run(c) != inside).unwrap_or(rest.len());
        all.push(&rest[..end]);
        rest = &rest[end..];
    }
    all
}

fn push<'t>(text: &'t str, all: &mut Vec<Token<'t>>) {
    if !text.is_empty() {
        all.push(Token::Other(text));
    }
}

/// Whether a character can be of an address or of a word with one.
fn in_run(c: char) -> bool {
    in_word(c) || c == '.' || c == ':'
}

/// The addresses of a run with their places and lengths.
fn addresses(run: &str) -> Vec<(usize, usize, Address)> {
    let mut found = Vec::new();
    if !run.bytes().any(|byte| byte.is_ascii_digit() || byte == b':') {
        return found;
    }
    let mut at = 0;
    while at < run.len() {
        match address_at(run, at) {
            Some((length, address)) => {
                found.push((at, length, address));
                at += length;
            }
            None => at += run[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    found
}

fn address_at(run: &str, at: usize) -> Option<(usize, Address)> {
    let byte = run.as_bytes()[at];
    let before = run[..at].chars().next_back();
    if !byte.is_ascii() || before.is_some_and(|c| c.is_ascii_digit()) {
        return None;
    }
    let inside_word = before.is_some_and(char::is_alphanumeric);
    let whole = || if inside_word { None } else { of_hexadecimal(run, at) };
    let digits = || byte.is_ascii_digit().then(|| dotted(run, at).or_else(|| joined(run, at))).flatten();
    whole().or_else(digits)
}

/// IPv6 and MAC addresses, which do not begin within a word.
fn of_hexadecimal(run: &str, at: usize) -> Option<(usize, Address)> {
    let byte = run.as_bytes()[at];
    let bare = || ipv6(run, at).or_else(|| mac(run, at)).or_else(|| dotted_mac(run, at));
    let found = (byte.is_ascii_hexdigit() || byte == b':').then(bare).flatten();
    found.or_else(|| interface(run, at))
}

fn interface(run: &str, at: usize) -> Option<(usize, Address)> {
    let name = INTERFACES.into_iter().find(|name| run[at..].starts_with(name))?;
    let octets = octets(run.get(at + 3..at + 15)?)?;
    ends_at(run, at + 15).then_some((15, Address::Interface(name, octets)))
}

/// Whether no word goes on here.
fn ends_at(run: &str, end: usize) -> bool {
    run.is_char_boundary(end) && !run[end..].starts_with(char::is_alphanumeric)
}

/// The longest address that begins here and is no part of something with more groups.
fn ipv6(run: &str, at: usize) -> Option<(usize, Address)> {
    let (before, rest) = (&run[..at], &run[at..]);
    let last = before.strip_suffix(':').map(|before| before.rsplit([':', '-', '_', '.']).next().unwrap_or(before));
    if last.is_some_and(is_group) || (rest.starts_with(':') && !rest.starts_with("::")) {
        return None;
    }
    let limit = rest.find(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.')).unwrap_or(rest.len());
    let longest = &rest[..limit.min(LONGEST)];
    if longest.bytes().filter(|byte| *byte == b':').count() < 2 {
        return None;
    }
    let ends = longest.char_indices().rev().map(|(place, c)| place + c.len_utf8());
    ends.filter(|end| ends_at(rest, *end)).find_map(|end| {
        let more = rest[end..].strip_prefix(':').filter(|more| !more.is_empty()).is_some_and(|more| {
            let group = more.split([':', '-', '_', '.']).next().unwrap_or(more);
            // Behind all eight groups a number is a port.
            let port = !rest[..end].contains("::") && group == more && more.bytes().all(|byte| byte.is_ascii_digit());
            is_group(group) && !port
        });
        let address: Ipv6Addr = rest[..end].parse().ok().filter(|_| !more && rest[..end] != *"::")?;
        Some((end, Address::Ip(IpAddr::V6(address))))
    })
}

/// Whether a text between colons could be of an address.
fn is_group(text: &str) -> bool {
    text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn mac(run: &str, at: usize) -> Option<(usize, Address)> {
    const LENGTH: usize = 17;
    let text = run.get(at..at + LENGTH)?;
    let separator = *text.as_bytes().get(2).filter(|byte| matches!(byte, b':' | b'-'))? as char;
    let parts: Vec<&str> = text.split(separator).collect();
    let octets = (parts.len() == 6 && parts.iter().all(|part| part.len() == 2)).then(|| octets(&parts.concat()))??;
    // One of more octets is another kind of address.
    let octet = |text: &str| text.len() >= 2 && text.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let more = run[at + LENGTH..].strip_prefix(separator).is_some_and(octet);
    let earlier = run[..at].strip_suffix(separator).is_some_and(|before| {
        let part = before.rsplit(separator).next().unwrap_or(before);
        part.len() == 2 && octet(part)
    });
    (!more && !earlier && ends_at(run, at + LENGTH)).then_some((LENGTH, Address::Mac(octets, separator)))
}

fn dotted_mac(run: &str, at: usize) -> Option<(usize, Address)> {
    const LENGTH: usize = 14;
    let text = run.get(at..at + LENGTH)?;
    let parts: Vec<&str> = text.split('.').collect();
    let octets = (parts.len() == 3 && parts.iter().all(|part| part.len() == 4)).then(|| octets(&parts.concat()))??;
    let more =
        run[at + LENGTH..].strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
    let earlier = run[..at].strip_suffix('.').is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_hexdigit()));
    (!more && !earlier && ends_at(run, at + LENGTH)).then_some((LENGTH, Address::DottedMac(octets)))
}

fn octets(digits: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    if digits.len() != 12 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(octets)
}

/// Four numbers between dots, and no fifth one. Zeros may lead, and letters stand beside it: `x198.51.100.078y`.
fn dotted(run: &str, at: usize) -> Option<(usize, Address)> {
    let rest = &run[at..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let text = rest[..end].trim_end_matches('.');
    let earlier = run[..at].strip_suffix('.').is_some_and(|before| before.ends_with(|c: char| c.is_ascii_digit()));
    let address = four(text.split('.')).filter(|_| !earlier)?;
    Some((text.len(), Address::Ip(IpAddr::V4(address))))
}

/// The same between dashes; a number that ends a word before it is no part of it: `ec2-198-51-100-80`.
fn joined(run: &str, at: usize) -> Option<(usize, Address)> {
    let separator = run[at..].chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '-' | '_'))?;
    let rest = &run[at..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != separator).unwrap_or(rest.len());
    let text = rest[..end].trim_end_matches(separator);
    let address = four(text.split(separator))?;
    let before = &run[..at];
    if before.ends_with(char::is_alphanumeric) {
        return None;
    }
    let earlier = before.strip_suffix(separator).is_some_and(|before| {
        let left = before.trim_end_matches(|c: char| c.is_ascii_digit());
        left.len() < before.len() && !left.ends_with(char::is_alphabetic)
    });
    (!earlier).then_some((text.len(), Address::Joined(address, separator)))
}

/// The address of four numbers below 256 with one to three digits.
fn four<'t>(parts: impl Iterator<Item = &'t str>) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut count = 0;
    for part in parts {
        let number = part.parse::<u16>().ok().filter(|_| (1..=3).contains(&part.len()))?;
        *octets.get_mut(count)? = u8::try_from(number).ok()?;
        count += 1;
    }
    (count == 4).then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses of a text.
    fn check(text: &str, expected: &[&str]) {
        let all = tokens(text);
        let part = |token: &Token<'_>| match *token {
            Token::Address(part, _) | Token::Other(part) => part.to_owned(),
        };
        assert_eq!(all.iter().map(part).collect::<String>(), text);
        let found: Vec<String> = all.iter().filter(|token| matches!(token, Token::Address(..))).map(part).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn addresses_are_found_with_ports_brackets_and_punctuation() {
        check("from 10.0.0.1:443, [fe80::1]:22.", &["10.0.0.1", "fe80::1"]);
        check("10.0.0.1:5>10.0.0.2:22", &["10.0.0.1", "10.0.0.2"]);
        check("::ffff:10.0.0.1 64:ff9b::198.51.100.82", &["::ffff:10.0.0.1", "64:ff9b::198.51.100.82"]);
        check("mac 00:1B:21:aa:bb:cc. 001a.2b3c.4d5e", &["00:1B:21:aa:bb:cc", "001a.2b3c.4d5e"]);
        check("tcp:22:1337 ::: 1.2.3.4.5 256.1.1.1 2023-04-01-12 a:b", &[]);
        check("10.0.0.1-10.0.0.9", &["10.0.0.1", "10.0.0.9"]);
        check("/x/10.0.0.1.log eth0-10.0.0.2", &["10.0.0.1", "10.0.0.2"]);
        check("/home/eve.b/.x 00:11:22:33:44:55:66", &[]);
    }

    #[test]
    fn addresses_are_found_within_names() {
        check(
            "ec2-198-51-100-80 x198.51.100.78y 198.051.100.085 v10.0.0.3",
            &["198-51-100-80", "198.51.100.78", "198.051.100.085", "10.0.0.3"],
        );
        check("ip_10_0_0_1.log 1-2-3-4-5 web-1-10-0-0-1", &["10_0_0_1"]);
        check("host-fe80::1 tcp6:2001:db8::1 fe80::1%eth0", &["fe80::1", "2001:db8::1", "fe80::1"]);
        check("enx001b21aabbcc wlx001b21aabbccd", &["enx001b21aabbcc"]);
        check("2001:db8:0:0:0:0:0:1:443 2001:db8:0:0:0:0:0:1:443:1", &["2001:db8:0:0:0:0:0:1"]);
    }
}
