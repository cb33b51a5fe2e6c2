//! Where a text shows a name: home directories, and what command lines say of users and hosts.

use crate::names::{Kind, stands_alone};

/// In front of a user's directory or file.
const HOMES: [&str; 9] = [
    "/home/",
    "/Users/",
    "/var/mail/",
    "/var/spool/mail/",
    "/var/lib/AccountsService/users/",
    "/var/lib/systemd/linger/",
    "/var/spool/cron/crontabs/",
    "/var/spool/cron/",
    "/var/spool/cron/tabs/",
];
/// Where a user's media are mounted; other things are, too.
const MEDIA: [&str; 2] = ["/media/", "/run/media/"];
/// In front of a user's name that a program writes into its title.
const TITLES: [&str; 2] = ["sshd: ", "sshd-session: "];
/// Programs that take the name of a user with `-u`, `-l` or as their first argument.
const SWITCHING: [&str; 6] = ["sudo", "su", "runuser", "doas", "pkexec", "chpst"];
/// The last word of a key whose value is a user's name, and of one whose value is a host's or a domain.
const USER_KEYS: [&str; 9] = ["user", "username", "owner", "login", "account", "logname", "ruser", "euser", "sudouser"];
const HOST_KEYS: [&str; 5] = ["host", "hostname", "fqdn", "nodename", "workgroup"];
const DOMAIN_KEYS: [&str; 2] = ["domain", "realm"];
/// Endings of the names of units: `getty@tty1.service` names nobody.
const UNITS: [&str; 10] =
    [".service", ".socket", ".timer", ".target", ".slice", ".scope", ".mount", ".path", ".device", ".swap"];
/// The last parts of domains that are told from users by them: `/home/corp.example/dora` and `/home/eve.adams/run`.
const TOP: [&str; 20] = [
    "com",
    "net",
    "org",
    "edu",
    "gov",
    "mil",
    "int",
    "info",
    "biz",
    "io",
    "local",
    "localdomain",
    "lan",
    "corp",
    "internal",
    "intranet",
    "home",
    "example",
    "test",
    "invalid",
];
/// Characters of the longest name in a path.
const LONGEST: usize = 64;

/// A name in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
    pub trust: Trust,
}

/// How sure it is that the text shows a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// A home directory: a name, whatever word it is.
    Home,
    /// Anybody can write a command line, and other things look like this, too.
    Said,
}

/// The names that a text shows, in order and apart from each other. `known` tells domains of hosts.
pub(crate) fn shown(text: &str, known: &dyn Fn(&str) -> bool) -> Vec<Place> {
    let mut found = Vec::new();
    if text.contains('/') {
        homes(text, known, &mut found);
    }
    if text.contains('@') {
        accounts_at_hosts(text, &mut found);
    }
    if text.contains(['=', ' ']) {
        assignments(text, &mut found);
        titles(text, &mut found);
        switched(text, &mut found);
    }
    if text.contains('\\') {
        accounts_of_domains(text, &mut found);
    }
    found.retain(|place| place.start < place.end && stands_alone(text, place.start, place.end));
    // Of two that overlap the surer one, and then the earlier one, counts.
    found.sort_by_key(|place| (place.trust == Trust::Said, place.start, place.end));
    let mut apart: Vec<Place> = Vec::with_capacity(found.len());
    for place in found {
        if apart.iter().all(|other| place.end <= other.start || other.end <= place.start) {
            apart.push(place);
        }
    }
    apart.sort_by_key(|place| place.start);
    apart
}

/// What the value of a key is a name of.
pub(crate) fn kind_of_key(key: &str) -> Option<Kind> {
    let key = key.to_lowercase();
    let last = key.rsplit(['-', '_', '.', ' ']).next().unwrap_or(&key);
    let is =
        |keys: &[&str]| keys.iter().any(|known| last == *known || (last.len() > known.len() && last.ends_with(known)));
    match last {
        _ if is(&USER_KEYS) => Some(Kind::User),
        _ if is(&HOST_KEYS) => Some(Kind::Host),
        _ if is(&DOMAIN_KEYS) => Some(Kind::Domain),
        _ => None,
    }
}

/// Whether a whole value is one name.
pub(crate) fn is_one_name(value: &str) -> bool {
    value.len() <= 253 && value.starts_with(|c: char| c.is_alphanumeric() || c == '_') && value.chars().all(in_name)
}

/// The domains that a host is in: of `web-1.eu.corp.example` the last three parts, and the last two.
pub(crate) fn domains_of(host: &str) -> impl Iterator<Item = &str> {
    host.match_indices('.').map(|(dot, _)| &host[dot + 1..]).filter(|domain| domain.contains('.'))
}

/// Whether a character can be of an account's name.
fn in_name(c: char) -> bool {
    c.is_alphanumeric() || "_-.+$%~!#&'".contains(c) || (!c.is_ascii() && !c.is_whitespace() && !c.is_control())
}

fn homes(text: &str, known: &dyn Fn(&str) -> bool, found: &mut Vec<Place>) {
    for (slash, _) in text.match_indices('/') {
        let (before, rest) = text.split_at(slash + 1);
        let media = MEDIA.iter().any(|place| before.ends_with(place));
        if !media && !HOMES.iter().any(|home| before.ends_with(home)) && !is_numbered_home(before) {
            continue;
        }
        let trust = if media || before.ends_with("/cron/") { Trust::Said } else { Trust::Home };
        let name = component(rest);
        let (start, end) = (slash + 1, slash + 1 + name.len());
        let inner = rest[name.len()..].strip_prefix('/').map(component).filter(|inner| !inner.is_empty());
        let domain = inner.filter(|_| trust == Trust::Home && is_domain(name, known));
        let kind = if domain.is_some() { Kind::Domain } else { Kind::User };
        found.push(Place { start, end, kind, trust });
        if let Some(user) = domain {
            found.push(Place { start: end + 1, end: end + 1 + user.len(), kind: Kind::User, trust });
        }
    }
}

/// `/home2/`, where one disk was not enough.
fn is_numbered_home(before: &str) -> bool {
    let name = before.strip_suffix('/').and_then(|before| before.rsplit_once('/')).map(|(_, name)| name);
    name.and_then(|name| name.strip_prefix("home"))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a directory among homes is a domain, whose users have theirs in it: `CORP`, `corp.example`.
fn is_domain(name: &str, known: &dyn Fn(&str) -> bool) -> bool {
    let loud = name.len() > 1
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
        && name.bytes().any(|byte| byte.is_ascii_uppercase());
    let top = name.rsplit_once('.').is_some_and(|(_, last)| TOP.contains(&last.to_lowercase().as_str()));
    loud || top || known(name)
}

/// The name that a path goes on with. Spaces are part of it where the path goes on behind them.
fn component(rest: &str) -> &str {
    if !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || (!c.is_ascii() && in_name(c))) {
        return "";
    }
    let word = rest.find(|c| !in_name(c)).unwrap_or(rest.len());
    let whole = rest.find('/').map(|slash| &rest[..slash]).filter(|whole| {
        let goes_on = !whole.ends_with(' ') && !whole.contains("  ") && whole.chars().count() <= LONGEST;
        whole.len() > word && goes_on && whole.chars().all(|c| c == ' ' || in_name(c))
    });
    whole.unwrap_or(&rest[..word]).trim_end_matches(['.', '\''])
}

/// `eve@build-7`, `larry@corp.example`.
fn accounts_at_hosts(text: &str, found: &mut Vec<Place>) {
    for (at, _) in text.match_indices('@') {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let start = before
            .rfind(|c| !in_name(c))
            .map_or(0, |last| last + before[last..].chars().next().map_or(1, char::len_utf8));
        let user = &before[start..];
        let end = after.find(|c: char| !(c.is_alphanumeric() || "-._".contains(c))).unwrap_or(after.len());
        let host = after[..end].trim_end_matches(['.', '-', '_']);
        let unit = UNITS.iter().any(|ending| host.ends_with(ending) || format!(".{host}").ends_with(ending));
        // A version or an instance: `react@18.2.0`. An address is found as one.
        let number = host.starts_with(|c: char| c.is_ascii_digit()) && host.parse::<std::net::Ipv4Addr>().is_err();
        if unit || number || after.starts_with('.') || !user.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        found.push(Place { start, end: at, kind: Kind::User, trust: Trust::Said });
        let terminal = matches!(host, "pts" | "notty") || host.starts_with("tty") || host.starts_with("pts");
        if !terminal && host.starts_with(char::is_alphabetic) {
            found.push(Place { start: at + 1, end: at + 1 + host.len(), kind: Kind::Host, trust: Trust::Said });
        }
    }
}

/// `USER=eve`, `--user=eve`, `PGHOST=db-3`.
fn assignments(text: &str, found: &mut Vec<Place>) {
    for (equals, _) in text.match_indices('=') {
        let key =
            text[..equals].rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).next().unwrap_or_default();
        let Some(kind) = kind_of_key(key.trim_start_matches('-')) else { continue };
        let (start, name) = (equals + 1, word(&text[equals + 1..]));
        found.push(Place { start, end: start + name.len(), kind, trust: Trust::Said });
    }
}

/// `sshd: eve@pts/0`, `sshd: eve [priv]`.
fn titles(text: &str, found: &mut Vec<Place>) {
    for title in TITLES {
        for (at, _) in text.match_indices(title) {
            let start = at + title.len();
            let end = start + word(&text[start..]).len();
            found.push(Place { start, end, kind: Kind::User, trust: Trust::Said });
        }
    }
}

/// `sudo -u frank`, `su - frank`.
fn switched(text: &str, found: &mut Vec<Place>) {
    let at = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    if !SWITCHING.iter().any(|program| text.contains(program)) {
        return;
    }
    let program = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some(first) = words.iter().position(|word| SWITCHING.contains(&program(word).as_str())) else { return };
    let mut next_is_name = false;
    let mut take = |name: &str| {
        let (start, name) = (at(name), word(name));
        found.push(Place { start, end: start + name.len(), kind: Kind::User, trust: Trust::Said });
    };
    for argument in &words[first + 1..] {
        match *argument {
            _ if next_is_name => return take(argument),
            "-u" | "--user" | "-l" | "-U" | "--login" if program(words[first]) != "su" => next_is_name = true,
            _ if argument.starts_with('-') => {}
            _ if matches!(program(words[first]).as_str(), "su" | "chpst") => return take(argument),
            _ => return,
        }
    }
}

/// `CORP\maria`.
fn accounts_of_domains(text: &str, found: &mut Vec<Place>) {
    for (slash, _) in text.match_indices('\\') {
        let domain = text[..slash]
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'))
            .next()
            .unwrap_or_default();
        let user = word(&text[slash + 1..]);
        if is_domain(domain, &|_| false) && user.len() > 1 {
            found.push(Place { start: slash - domain.len(), end: slash, kind: Kind::Domain, trust: Trust::Said });
            found.push(Place { start: slash + 1, end: slash + 1 + user.len(), kind: Kind::User, trust: Trust::Said });
        }
    }
}

/// The name that a text begins with.
fn word(text: &str) -> &str {
    if !text.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return "";
    }
    text[..text.find(|c| !in_name(c)).unwrap_or(text.len())].trim_end_matches(['.', '\'', '&', '#', '~', '!'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> =
            shown(text, &|name| name == "fin.corp").iter().map(|place| &text[place.start..place.end]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn homes_show_names_of_any_length_and_script() {
        check("/home/eve.b/x and /home/", &["eve.b"]);
        check("/home/al /home/x9/.x /home/李雷/run /home/o'brien/x", &["al", "x9", "李雷", "o'brien"]);
        check("/home/jane doe/run:12", &["jane doe"]);
        check("/home/svc+deploy/run '/home/eve' /home2/kim/x", &["svc+deploy", "eve", "kim"]);
        check(
            "/home/CORP/maria/x /home/corp.example/dora /home/fin.corp/al",
            &["CORP", "maria", "corp.example", "dora", "fin.corp", "al"],
        );
        check("/home/tina@corp.example/x", &["tina", "corp.example"]);
        check("/media/carl/USB /run/media/dan/x /home/eve.adams/run", &["carl", "dan", "eve.adams"]);
        check("/data/home/bob. /homes/x /home/.snapshots/1", &["bob"]);
    }

    #[test]
    fn command_lines_show_names_at_their_place() {
        check("sshd: eve@pts/0", &["eve"]);
        check("sshd: /usr/sbin/sshd -D [listener]", &[]);
        check("PATH=/x USER=zoë --user=kim PGHOST=db-3 HOST=", &["zoë", "kim", "db-3"]);
        check(
            "ssh hank@bastion7.corp.example larry@example.org",
            &["hank", "bastion7.corp.example", "larry", "example.org"],
        );
        check("sudo -u frank id", &["frank"]);
        check("su - greta", &["greta"]);
        check("getty@tty1.service user@1000.service react@18.2.0 postgres@14-main", &[]);
        check("hank@198.51.100.7", &["hank"]);
        check("CORP\\maria a\\x1b", &["CORP", "maria"]);
    }

    #[test]
    fn keys_tell_what_their_values_name() {
        let kinds =
            ["user", "ssh_user", "PGUSER", "remote-host", "hostname", "domain", "uid", "lport", "exe"].map(kind_of_key);
        let user = Some(Kind::User);
        assert_eq!(kinds, [user, user, user, Some(Kind::Host), Some(Kind::Host), Some(Kind::Domain), None, None, None]);
        assert!(is_one_name("o'brien") && !is_one_name("a b") && !is_one_name("/x") && !is_one_name(""));
        assert_eq!(domains_of("web-1.eu.corp.example").collect::<Vec<_>>(), ["eu.corp.example", "corp.example"]);
        assert!(domains_of("web-1.lan").chain(domains_of("web-1")).next().is_none());
    }
}
