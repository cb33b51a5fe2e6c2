//! The meaning of a path, an address or a user ID by itself: where a program lies, its stem, how far away a peer is, whose a process is.

use std::net::IpAddr;

/// Directories that anyone may write, as the scanner names them.
const TEMPORARY: [&str; 3] = ["/tmp/", "/var/tmp/", "/dev/shm/"];
const HOME: [&str; 2] = ["/home/", "/root/"];
/// Where an administrator puts what no package of the distribution owns (FHS 3.0).
const LOCAL: [&str; 3] = ["/usr/local/", "/opt/", "/srv/"];
const PACKAGED: [&str; 6] = ["/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/snap/"];
/// Endings that a stem is without.
const ENDINGS: [&str; 8] = [".service", ".timer", ".socket", ".conf", ".lock", ".so", ".sh", ".ko"];
/// Directories whose files have nothing else in common, beside those of packages and the homes of users.
const SHARED: [&str; 10] =
    ["/tmp", "/var/tmp", "/dev/shm", "/etc", "/var", "/root", "/opt", "/srv", "/usr/local/bin", "/usr/local/sbin"];
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "busybox"];
const INTERPRETERS: [&str; 6] = ["python", "perl", "ruby", "node", "php", "java"];
const DATABASES: [&str; 6] = ["postgres", "mysqld", "mariadbd", "mongod", "redis-server", "memcached"];
const DATABASE_PORTS: [&str; 6] = ["3306", "5432", "6379", "9200", "11211", "27017"];
const INSTALLERS: [&str; 3] = ["setup", "install", "installer"];
/// The first port that Linux gives to clients (net.ipv4.ip_local_port_range).
pub const FIRST_CLIENT_PORT: u16 = 32_768;
/// Ports below this need a privilege to be served.
const PRIVILEGED: u16 = 1024;
/// Shorter stems are shared by chance.
const SHORTEST_STEM: usize = 3;
/// Fewer digits are a version or a word.
const SHORTEST_HASH: usize = 6;

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

/// What a file is to somebody who looks for odd programs: of what a package installs and many hosts have, what it does
/// (`shell`, `interpreter`, `database`, `ssh_server`, else `packaged`); of all else where it lies, with `rare`, `hidden` and
/// `installer` where they hold.
pub fn kind(path: &str, rare: bool) -> String {
    let (place, name) = (place(path).unwrap_or("unplaced"), base_name(path));
    if matches!(place, "packaged" | "unplaced") && !rare {
        let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let kind = match name {
            "sshd" => "ssh_server",
            _ if shell(name) => "shell",
            _ if INTERPRETERS.contains(&plain) => "interpreter",
            _ if DATABASES.contains(&name) => "database",
            _ => place,
        };
        return kind.to_owned();
    }
    let place = match place {
        "local" if path.starts_with("/usr/local/") => "site",
        "packaged" if starts(path, &["/usr/lib", "/lib"]) => "library",
        place => place,
    };
    let marks = [(rare, "rare "), (hidden(path), "hidden "), (INSTALLERS.contains(&name), "installer ")];
    marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).chain([place]).collect()
}

/// Whether files of all kinds lie in a directory.
pub fn shared(directory: &str) -> bool {
    let home = directory.strip_prefix("/home/").is_some_and(|user| !user.contains('/'));
    home || SHARED.contains(&directory)
}

/// A path without the `/usr` of directories that have a link to them in the root, so that `/bin/x` and `/usr/bin/x` are one file.
pub fn merged(path: &str) -> &str {
    path.strip_prefix("/usr").filter(|rest| starts(rest, &["/bin/", "/sbin/", "/lib/", "/lib64/"])).unwrap_or(path)
}

/// Whether a program of that name is a shell.
pub fn shell(name: &str) -> bool {
    SHELLS.contains(&name)
}

/// Whether Linux gives the port to clients.
pub fn client_port(port: &str) -> bool {
    port.parse().is_ok_and(|port: u16| port >= FIRST_CLIENT_PORT)
}

/// The service usually found on a port, as far as it matters here: `database`, one of the ports that nearly every host uses,
/// `privileged` or `other`.
pub fn service(port: &str) -> &'static str {
    match port {
        "22" => "ssh",
        "53" => "dns",
        "80" | "443" => "web",
        _ if DATABASE_PORTS.contains(&port) => "database",
        _ if port.parse().is_ok_and(|port: u16| port < PRIVILEGED) => "privileged",
        _ => "other",
    }
}

/// Whether a part of the path begins with a dot. In home directories that is usual and says nothing.
pub fn hidden(path: &str) -> bool {
    path.starts_with('/') && !starts(path, &HOME) && path.contains("/.")
}

/// A name without its directory, ending and hash: `watchd` of `/etc/watchd.conf`, of `watchd.service` and of `watchd-0f3a9c`.
pub fn stem(name: &str) -> Option<&str> {
    let name = base_name(name);
    let name = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let name = without_hash(name.trim_start_matches('.'));
    (name.len() >= SHORTEST_STEM).then_some(name)
}

/// A name without the hexadecimal digits that make it one of a kind.
fn without_hash(name: &str) -> &str {
    let hash = |digits: &str| digits.len() >= SHORTEST_HASH && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    name.rsplit_once('-').filter(|(_, digits)| hash(digits)).map_or(name, |(name, _)| name)
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

/// Whose process it is: `root`, `system` (a service's account) or `user`, by the ranges of Debian and Fedora.
pub fn account(uid: u32) -> &'static str {
    match uid {
        0 => "root",
        1..1000 | 65_534 => "system",
        _ => "user",
    }
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
        assert_eq!(stem("/usr/bin/watchd-0f3a9c"), Some("watchd"));
        assert_eq!(stem("/usr/bin/cloud-init"), Some("cloud-init"));
        assert_eq!(stem("/usr/bin/ls"), None);
    }

    #[test]
    fn programs_are_told_by_what_they_do_or_where_they_lie() {
        let kinds = ["/usr/sbin/sshd", "/bin/dash", "/usr/bin/python3.11", "/usr/sbin/mysqld", "/usr/sbin/nginx", "sh"];
        let common = ["ssh_server", "shell", "interpreter", "database", "packaged", "shell"];
        assert_eq!(kinds.map(|path| kind(path, false)), common);
        let odd = ["/usr/bin/sshd", "/usr/lib/x/y", "/usr/local/bin/x", "/opt/x", "/dev/shm/.x", "/tmp/a/setup"];
        let rare = ["packaged", "library", "site", "local", "hidden temporary", "installer temporary"];
        assert_eq!(odd.map(|path| kind(path, true)), rare.map(|kind| format!("rare {kind}")));
    }

    #[test]
    fn ports_are_told_by_what_is_served_there() {
        let services = ["22", "53", "443", "5432", "111", "8443", ""].map(service);
        assert_eq!(services, ["ssh", "dns", "web", "database", "privileged", "other", "other"]);
        assert!(client_port("32768") && !client_port("32767"));
    }

    #[test]
    fn a_file_has_one_path_where_directories_are_merged() {
        assert_eq!(merged("/usr/bin/dash"), merged("/bin/dash"));
        assert_eq!(merged("/usr/local/bin/dash"), "/usr/local/bin/dash");
    }

    #[test]
    fn directories_are_of_one_program_or_of_all() {
        assert!(["/tmp", "/home/eve", "/usr/local/bin", "/opt"].into_iter().all(shared));
        assert!(!["/opt/watchd", "/home/eve/bin", "/var/tmp/.x", "/usr/local/lib/x"].into_iter().any(shared));
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
