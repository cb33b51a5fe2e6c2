//! Where values are in a text: addresses that stand alone, and words. Both ways, redacting and undoing, look with the same eyes, so
//! what one replaces the other finds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::names::in_word;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'t> {
    Address(&'t str, IpAddr),
    Mac(&'t str, [u8; 6]),
    /// Letters, digits, `_`, `-` and `.`, not beginning or ending with a dot.
    Word(&'t str),
    Other(&'t str),
}

/// The parts of a text, which put together are the text.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut all = Vec::with_capacity(16);
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !in_run(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        read_run(run, &mut all);
        let end = after.find(in_run).unwrap_or(after.len());
        let (other, after) = after.split_at(end);
        push_other(other, &mut all);
        rest = after;
    }
    all
}

/// Whether a character can be of an address or a word.
fn in_run(c: char) -> bool {
    in_word(c) || c == '.' || c == ':'
}

fn read_run<'t>(run: &'t str, all: &mut Vec<Token<'t>>) {
    let core = run.trim_end_matches(['.', ':']);
    // `::` begins an address, other dots and colons before one do not belong to it.
    let core = if core.starts_with("::") { core } else { core.trim_start_matches(['.', ':']) };
    let start = run.trim_end_matches(['.', ':']).len() - core.len();
    let (before, after) = (&run[..start], &run[start + core.len()..]);
    push_other(before, all);
    match (core.parse::<Ipv6Addr>(), mac(core)) {
        (Ok(address), _) => all.push(Token::Address(core, IpAddr::V6(address))),
        (_, Some(octets)) => all.push(Token::Mac(core, octets)),
        _ => read_parts(core, all),
    }
    push_other(after, all);
}

/// Parts between colons: an address with its port, a socket's id, words.
fn read_parts<'t>(core: &'t str, all: &mut Vec<Token<'t>>) {
    for (number, part) in core.split(':').enumerate() {
        if number > 0 {
            all.push(Token::Other(":"));
        }
        read_part(part, all);
    }
}

/// Words, and IPv4 addresses between them: `10.0.0.1.log`, `eth0-10.0.0.1`.
fn read_part<'t>(part: &'t str, all: &mut Vec<Token<'t>>) {
    let mut from = 0;
    let mut at = 0;
    while at < part.len() {
        let digits = |c: char| c.is_ascii_digit() || c == '.';
        let Some(start) = part[at..].find(digits).map(|start| start + at) else { break };
        let end = part[start..].find(|c| !digits(c)).map_or(part.len(), |end| start + end);
        let found = part[start..end].trim_matches('.');
        let start = start + part[start..end].find(found).unwrap_or(0);
        // A letter beside it makes it part of a name.
        let alone = !part[..start].ends_with(char::is_alphanumeric)
            && !part[start + found.len()..].starts_with(char::is_alphanumeric);
        if let (true, Ok(address)) = (alone, found.parse::<Ipv4Addr>()) {
            push_word(&part[from..start], all);
            all.push(Token::Address(found, IpAddr::V4(address)));
            from = start + found.len();
        }
        at = end;
    }
    push_word(&part[from..], all);
}

fn push_word<'t>(text: &'t str, all: &mut Vec<Token<'t>>) {
    let word = text.trim_matches('.');
    if word.is_empty() {
        return push_other(text, all);
    }
    let start = text.len() - text.trim_start_matches('.').len();
    push_other(&text[..start], all);
    all.push(Token::Word(word));
    push_other(&text[start + word.len()..], all);
}

fn push_other<'t>(text: &'t str, all: &mut Vec<Token<'t>>) {
    if !text.is_empty() {
        all.push(Token::Other(text));
    }
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let separator = *text.as_bytes().get(2).filter(|byte| matches!(byte, b':' | b'-'))? as char;
    let mut octets = [0; 6];
    let mut parts = text.split(separator);
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a text.
    fn check(text: &str, expected: &[&str]) {
        let all = tokens(text);
        let whole: String = all.iter().map(|token| part(token)).collect();
        assert_eq!(whole, text);
        let values: Vec<&str> = all.iter().filter(|token| !matches!(token, Token::Other(_))).map(part).collect();
        assert_eq!(values, expected, "{text}");
    }

    fn part<'t>(token: &Token<'t>) -> &'t str {
        match *token {
            Token::Address(text, _) | Token::Mac(text, _) | Token::Word(text) | Token::Other(text) => text,
        }
    }

    #[test]
    fn addresses_are_found_with_ports_brackets_and_punctuation() {
        check("from 10.0.0.1:443, [fe80::1]:22.", &["from", "10.0.0.1", "443", "fe80::1", "22"]);
        check("10.0.0.1:5>10.0.0.2:22", &["10.0.0.1", "5", "10.0.0.2", "22"]);
        check("::ffff:10.0.0.1", &["::ffff:10.0.0.1"]);
        check("mac 00:1B:21:aa:bb:cc.", &["mac", "00:1B:21:aa:bb:cc"]);
        check("tcp:22:1337 ::: 1.2.3.4.5", &["tcp", "22", "1337", "1.2.3.4.5"]);
        check("10.0.0.1-10.0.0.9", &["10.0.0.1", "-", "10.0.0.9"]);
        check("/x/10.0.0.1.log eth0-10.0.0.2 v10.0.0.3", &["x", "10.0.0.1", "log", "eth0-", "10.0.0.2", "v10.0.0.3"]);
        check("/home/eve.b/.x", &["home", "eve.b", "x"]);
    }
}
