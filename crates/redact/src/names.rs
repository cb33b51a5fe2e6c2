//! Names of people and hosts: where a text shows that a word is one.

/// In front of a user's name.
const BEFORE_USERS: [&str; 9] = [
    "/home/",
    "/Users/",
    "/var/mail/",
    "/var/spool/mail/",
    "/var/spool/cron/crontabs/",
    "sshd: ",
    "sshd-session: ",
    "USER=",
    "LOGNAME=",
];

/// Accounts and homes that systems, images and programs have by themselves: they name nobody, and many are names of programs too.
const SYSTEM: [&str; 47] = [
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "mail",
    "news",
    "proxy",
    "backup",
    "list",
    "nobody",
    "user",
    "users",
    "admin",
    "administrator",
    "guest",
    "test",
    "ubuntu",
    "debian",
    "fedora",
    "centos",
    "rocky",
    "ec2-user",
    "azureuser",
    "cloud-user",
    "core",
    "pi",
    "vagrant",
    "docker",
    "git",
    "jenkins",
    "runner",
    "builder",
    "linuxbrew",
    "www",
    "www-data",
    "nginx",
    "apache",
    "postgres",
    "mysql",
    "redis",
    "oracle",
    "unknown",
    "accepted",
    "localhost",
];
/// Between the parts of a word.
pub(crate) const SEPARATORS: [char; 3] = ['.', '-', '_'];
/// Shorter names stand in texts by chance.
const SHORTEST: usize = 3;
/// Hexadecimal digits behind the kind of a pseudonym.
const DIGITS: usize = 10;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    User,
    Host,
}

impl Kind {
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Kind::User => "user-",
            Kind::Host => "host-",
        }
    }
}

/// Whether a character can be of a name, so that beside one a word goes on.
pub(crate) fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Whether a text stands for a name: `user-` or `host-` and ten digits.
pub(crate) fn is_pseudonym(word: &str) -> bool {
    let digits = word.strip_prefix(Kind::User.prefix()).or_else(|| word.strip_prefix(Kind::Host.prefix()));
    let hexadecimal = |digits: &str| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    digits.is_some_and(|digits| digits.len() == DIGITS && hexadecimal(digits))
}

/// The pseudonym of a kind by a hash.
pub(crate) fn pseudonym(kind: Kind, hash: &str) -> String {
    format!("{}{}", kind.prefix(), &hash[..DIGITS])
}

/// Whether a word that stands where names stand is worth replacing everywhere.
pub(crate) fn identifies(name: &str) -> bool {
    let lower = name.to_lowercase();
    name.chars().count() >= SHORTEST && !SYSTEM.contains(&&*lower) && !name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The parts of a word, from where to where: `web`, `1` and `lan` of `web-1.lan`. A name is one or several of them.
pub(crate) fn parts(word: &str) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (end, separator) in word.match_indices(SEPARATORS).chain([(word.len(), "")]) {
        if end > start {
            parts.push((start, end));
        }
        start = end + separator.len();
    }
    parts
}

/// The names of users that a text shows.
pub(crate) fn users(text: &str) -> impl Iterator<Item = &str> {
    // One pass for all of them: they end in one of three characters, and a scan has millions of texts.
    text.match_indices(['/', ' ', '=']).filter_map(|(at, end)| {
        let (before, rest) = text.split_at(at + end.len());
        if !BEFORE_USERS.iter().any(|shown| before.ends_with(shown)) {
            return None;
        }
        let end = rest.find(|c: char| !in_word(c) && c != '.').unwrap_or(rest.len());
        let name = rest[..end].trim_matches(SEPARATORS);
        (!name.is_empty()).then_some(name)
    })
}

/// The names that a host goes by: in full, and without its domain.
pub(crate) fn hosts(name: &str) -> impl Iterator<Item = &str> {
    let short = name.split('.').next().filter(|short| short.len() < name.len());
    std::iter::once(name).chain(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_parts() {
        let of = |word: &'static str| -> Vec<&str> {
            parts(word).into_iter().map(|(start, end)| &word[start..end]).collect()
        };
        assert_eq!(of("web-1.lan"), ["web", "1", "lan"]);
        assert_eq!(of("_x--y_"), ["x", "y"]);
    }

    #[test]
    fn users_are_shown_by_paths_and_programs() {
        let check = |text: &str, expected: &[&str]| assert_eq!(users(text).collect::<Vec<_>>(), expected, "{text}");
        check("/home/eve.b/x and /home/", &["eve.b"]);
        check("sshd: eve@pts/0", &["eve"]);
        check("sshd: /usr/sbin/sshd -D [listener]", &[]);
        check("/data/home/bob.", &["bob"]);
        check("PATH=/x USER=zoë", &["zoë"]);
        check("/home/eve USER=bob sshd: eve", &["eve", "bob", "eve"]);
        assert!(BEFORE_USERS.iter().all(|before| before.ends_with(['/', ' ', '='])), "what one pass looks for");
        assert!(identifies("eve") && !identifies("ubuntu") && !identifies("al") && !identifies("1000"));
        assert_eq!(hosts("web-1.corp.example").collect::<Vec<_>>(), ["web-1.corp.example", "web-1"]);
    }
}
