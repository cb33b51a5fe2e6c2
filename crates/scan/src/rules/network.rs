//! `network`: by state and port; a listener that is not on loopback goes up one level.

use crate::finding::Finding;
use crate::severity::Severity;

const REMOTE_SHELL: [u16; 3] = [22, 23, 2323];
const COMMON_SERVICE: [u16; 8] = [80, 443, 53, 25, 110, 995, 143, 993];

/// The loopback address in the scanner's own long form of IPv6.
pub const LOOPBACK6: &str = "0000:0000:0000:0000:0000:0000:0000:0001";

/// The wildcard address in the scanner's own long form of IPv6.
pub const WILDCARD6: &str = "0000:0000:0000:0000:0000:0000:0000:0000";

/// A TCP socket, of IPv4 or IPv6.
pub fn tcp(state: &str, local_port: u16, local_ip: &str) -> Severity {
    if state != "LISTEN" {
        return Severity::Info;
    }
    let severity = listener(local_port);
    if is_loopback(local_ip) { severity } else { severity.raised() }
}

/// A UDP socket. Where it listens does not matter.
pub fn udp(local_port: u16) -> Severity {
    match local_port {
        53 | 5353 | 67 | 68 => Severity::Low,
        161 | 162 | 1900 => Severity::Medium,
        123 => Severity::Info,
        ..1024 => Severity::Medium,
        _ => Severity::Info,
    }
}

/// Whether a TCP listener on this address is on loopback, as far as the scanner sees.
pub fn is_loopback(ip: &str) -> bool {
    ip.starts_with("127.") || ip == "::1" || ip == LOOPBACK6
}

/// Whether a listener on this address takes any.
pub fn is_wildcard(ip: &str) -> bool {
    ip == "0.0.0.0" || ip == WILDCARD6
}

fn listener(port: u16) -> Severity {
    if REMOTE_SHELL.contains(&port) {
        Severity::Medium
    } else if port >= 1024 {
        Severity::Info
    } else if port == 0 || COMMON_SERVICE.contains(&port) {
        Severity::Low
    } else {
        Severity::Medium
    }
}

pub(super) fn of_finding(finding: &Finding) -> Option<Severity> {
    let port = finding.get("lport")?.parse().ok()?;
    match finding.get("protocol")? {
        "tcp" => Some(tcp(finding.get("state")?, port, finding.get("lip")?)),
        "udp" => Some(udp(port)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Severity::*;

    #[test]
    fn listeners_by_port_and_exposure() {
        // (port, on loopback, exposed)
        let cases = [
            (22, Medium, High),
            (2323, Medium, High),
            (80, Low, Medium),
            (993, Low, Medium),
            (111, Medium, High),
            (1023, Medium, High),
            (1024, Info, Low),
            (8080, Info, Low),
        ];
        for (port, inside, exposed) in cases {
            assert_eq!(tcp("LISTEN", port, "127.0.0.53"), inside, "{port}");
            assert_eq!(tcp("LISTEN", port, LOOPBACK6), inside, "{port}");
            assert_eq!(tcp("LISTEN", port, "192.0.2.1"), exposed, "{port}");
            assert_eq!(tcp("LISTEN", port, WILDCARD6), exposed, "{port}");
            assert_eq!(tcp("ESTABLISHED", port, "192.0.2.1"), Info, "{port}");
        }
    }

    #[test]
    fn datagram_ports() {
        for (port, severity) in [
            (53, Low),
            (5353, Low),
            (68, Low),
            (161, Medium),
            (1900, Medium),
            (123, Info),
            (514, Medium),
            (40000, Info),
        ] {
            assert_eq!(udp(port), severity, "{port}");
        }
    }
}
