//! Formats of metadata values.

use std::net::Ipv4Addr;

use serde::Deserialize;

/// The highest pid that Linux gives on 64 bits.
const HIGHEST_PID: u32 = 1 << 22;

/// A format, by its name in the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Any,
    Text,
    Number,
    Pid,
    Port,
    Ip,
    Path,
    List,
    Hex12,
    Hex64,
    Module,
    Service,
}

impl Format {
    /// The format of that name.
    pub(crate) fn named(name: &str) -> Option<Format> {
        serde_yaml::from_str(name).ok()
    }

    /// Whether a value has it.
    pub(crate) fn accepts(self, value: &str) -> bool {
        match self {
            Format::Any => true,
            Format::Text => !value.is_empty(),
            Format::Number => is_number(value),
            Format::Pid => is_number(value) && value.parse().is_ok_and(|pid| (1..=HIGHEST_PID).contains(&pid)),
            Format::Port => is_number(value) && value.parse::<u16>().is_ok(),
            Format::Ip => value.parse::<Ipv4Addr>().is_ok() || is_long_ipv6(value),
            Format::Path => value.starts_with('/'),
            Format::List => value.split(',').all(|item| !item.is_empty()),
            Format::Hex12 => value.len() == 12 && is_hexadecimal(value),
            Format::Hex64 => value.len() == 64 && is_hexadecimal(value),
            Format::Module => !value.is_empty() && !value.contains(|c: char| c == '/' || c.is_whitespace()),
            Format::Service => value.contains(".service") && !value.contains('/'),
        }
    }
}

/// Decimal digits without a leading zero.
fn is_number(value: &str) -> bool {
    value == "0" || (!value.is_empty() && !value.starts_with('0') && value.bytes().all(|b| b.is_ascii_digit()))
}

fn is_hexadecimal(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The scanner writes all eight groups with all four digits.
fn is_long_ipv6(value: &str) -> bool {
    let mut groups = 0;
    value.split(':').all(|group| {
        groups += 1;
        group.len() == 4 && group.bytes().all(|b| b.is_ascii_hexdigit())
    }) && groups == 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_what_the_scanner_writes() {
        let check = |name: &str, good: &[&str], bad: &[&str]| {
            let format = Format::named(name).unwrap();
            good.iter().for_each(|value| assert!(format.accepts(value), "{name} {value:?}"));
            bad.iter().for_each(|value| assert!(!format.accepts(value), "{name} {value:?}"));
        };
        check("any", &["", "x"], &[]);
        check("text", &["x"], &[""]);
        check("number", &["0", "10", "123456789012345678901"], &["", "01", "-1", "1.5", "a"]);
        check("pid", &["1", "4194304"], &["0", "4194305"]);
        check("port", &["0", "65535"], &["65536", "080"]);
        check("ip", &["127.0.0.1", "0000:0000:0000:0000:0000:0000:0000:0001"], &["::1", "1.2.3", "fe80:0000"]);
        check("path", &["/opt/app/server (deleted)"], &["opt", ""]);
        check("list", &["a", "a,b"], &["", "a,,b"]);
        check("hex12", &["0123456789ab"], &["0123456789AB", "0123456789abc"]);
        check("module", &["nf_tables"], &["", "a b", "x/y"]);
        check("service", &["getty@.service"], &["getty@.timer", "/x.service"]);
        assert_eq!(Format::named("uuid"), None);
    }
}
