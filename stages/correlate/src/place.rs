//! What the text of a path or an address says by itself: where a program lies, its stem, how far away a peer is.

use std::net::IpAddr;

/// Directories that anyone may write, as the scanner names them.
const TEMPORARY: [&str; 3] = ["/tmp/", "/var/tmp/", "/dev/shm/"];
const HOME: [&str; 2] = ["/home/", "/root/"];
/// Where an administrator puts what no package of the distribution owns (FHS 3.0).
const LOCAL: [&str; 3] = ["/usr/local/", "/opt/", "/srv/"];
const PACKAGED: [&str; 6] = ["/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/snap/"];
/// Endings that a stem is without.
const ENDINGS: [&str; 8] = [".service", ".timer", ".socket", ".conf", ".lock", ".so", ".sh", ".ko"];
/// Shorter stems are shared by chance.
const SHORTEST_STEM: usize = 3;

/// Whether a path lies where anyone may write.
pub fn temporary(path: &str) -> bool {
    starts(path, &TEMPORARY)
}

/// Where a path lies: `temporary`, `home`, `local`, `packaged` or `other`. A bare name lies nowhere.
pub fn place(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return None;
    }
    let places: [(&str, &[&str]); 4] =
        [("temporary", &TEMPORARY), ("home", &HOME), ("local", &LOCAL), ("packaged", &PACKAGED)];
    Some(places.iter().find(|(_, prefixes)| starts(path, prefixes)).map_or("other", |(name, _)| name))
}

/// Whether a part of the path begins with a dot. In home directories that is usual and says nothing.
pub fn hidden(path: &str) -> bool {
    path.starts_with('/') && !starts(path, &HOME) && path.contains("/.")
}

/// A name without its directory and ending: `watchd` of `/etc/watchd.conf` and of `watchd.service`.
pub fn stem(name: &str) -> Option<&str> {
    let name = base_name(name);
    let name = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let name = name.trim_start_matches('.');
    (name.len() >= SHORTEST_STEM).then_some(name)
}

/// The last part of a path: `sshd` of `/usr/sbin/sshd`.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// How far away an address is: `none`, `loopback`, `private` or `public`. Documentation ranges count as public.
pub fn reach(address: &str) -> Option<&'static str> {
    let address = address.parse::<IpAddr>().ok()?.to_canonical();
    if address.is_unspecified() {
        return Some("none");
    }
    if address.is_loopback() {
        return Some("loopback");
    }
    let private = match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        // Unique local (RFC 4193) and link-local addresses.
        IpAddr::V6(v6) => v6.segments()[0] & 0xfe00 == 0xfc00 || v6.segments()[0] & 0xffc0 == 0xfe80,
    };
    Some(if private { "private" } else { "public" })
}

fn starts(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_by_prefix() {
        let paths = ["/tmp/x", "/home/eve/x", "/usr/local/bin/x", "/usr/bin/x", "/var/lib/x", "nginx:"];
        let expected = [Some("temporary"), Some("home"), Some("local"), Some("packaged"), Some("other"), None];
        assert_eq!(paths.map(place), expected);
        assert!(
            hidden("/var/tmp/.x/y") && hidden("/dev/shm/.k") && !hidden("/home/eve/.cargo/bin/x") && !hidden("./x")
        );
    }

    #[test]
    fn stems_have_neither_directory_nor_ending() {
        assert_eq!(stem("/etc/watchd.conf"), Some("watchd"));
        assert_eq!(stem("watchd.service"), stem("/opt/watchd/watchd"));
        assert_eq!(stem("/tmp/.kitty"), Some("kitty"));
        assert_eq!(stem("/usr/bin/ls"), None);
    }

    #[test]
    fn addresses_are_near_or_far() {
        let addresses =
            ["0.0.0.0", "127.0.0.1", "10.1.2.3", "::ffff:192.168.1.7", "fd00::1", "203.0.113.9", "2001:db8::1", ""];
        let expected = ["none", "loopback", "private", "private", "private", "public", "public"].map(Some);
        assert_eq!(addresses.map(reach)[..7], expected);
        assert_eq!(reach(""), None);
    }
}
